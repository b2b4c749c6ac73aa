#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the template language with Jinja, on random templates, and recognised chat formats with what Jinja makes of
the template, on random conversations.

usage: chat_template_test.py RENDER_TEMPLATE SEEDS
"""
import json
import pathlib
import random
import subprocess
import sys
import unittest

import jinja2
import jinja2.sandbox

RENDER, SEEDS = sys.argv[1], pathlib.Path(sys.argv[2])
JINJA = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
VARIABLES = {"a": " A\u2003b \n", "no": False, "list": ["p", " q ", "r"], "map": {"k": "v"}, "n": 5, "null": None, "empty": ""}
# Tags that open, each with what may close it; the rest stands alone.
OPENING = {"{% if a %}": "{% endif %}", "{%- if no %}": "{%- endif -%}", "{% if n > 4 -%}": "{% endif +%}",
           "{%+ for x in list %}": "{% endfor %}", "{%- for x in list[1:] -%}": "{%- endfor %}",
           "{% generation %}": "{% endgeneration %}"}
ALONE = ["{{ a }}", "{{- a }}", "{{ a -}}", "{{+ a }}", "{#- c -#}", "{# c #}", "{#+ c\n +#}", "\n", "  ", " x ", "\t", "\r\n",
         "\u00A0", "{% set a = a ~ 'k' %}", "{%- set n = n + 1 -%}", "{{ a | trim }}", "{{ list | length }}{{ x }}",
         "{{ list[1:] | join(',') }}", "{{ list[-1] }}", "{{ loop.index if loop is defined else 'no' }}", "{{ 'x' 'y' ~ (3 - 1) }}",
         "{{ nothing }}", "{{ 'a' if nothing is not defined and a is string }}", "{{ n ~ n }}", "{{ a if no else nothing }}",
         "{{ '}}' }}{{ \"%}\" }}", "{{ list[0:-1] | length }}{{ list[7] }}", "{{ map.k }}{{ map['k'] }}{{ map.q }}",
         "{{ -1 + 3 }} {{ 7 % 3 }}", "{{ n - -n }}{{ -n is string }}{{ +n }}", "{{ list[-n + 4] }}",
         "{{ -loop.index if loop is defined else - - n }}", "{{ list | first }}{{ list | last }}", "{{ nothing | default('dd') }}", "{{ a.strip() }}",
         "{{ 'yes' if 'x' not in list and 'k' in map and not no == null }}", "{{ 1 if n >= 5 and n != 6 or nothing }}",
         "{{ 'e' if empty == '' and null is none and map is mapping and list is iterable else 'f' }}"]
FORMATS = ["{%- for m in messages %}\n  {{- '<' + m['role'] + '>' }}\n  {{- m.contentTRIM }}\n  {{- eos_token }}\n{%- endfor %}\n",
           "{% for m in messages %}{% set text = m['content']TRIM %}{{ '[' ~ m.role ~ ']\\n' ~ text ~ eos_token }}\n{% endfor %}",
           "{%- if messages[0].role == 'system' %}{%- set s = messages[0].content | trim %}{%- set messages = messages[1:] %}"
           "{%- else %}{%- set s = '' %}{%- endif %}{%- if s %}{{- '<system>' + s + eos_token }}{%- endif %}"
           "{%- for m in messages %}{{- '<' + m.role + '>' + m.contentTRIM + eos_token }}{%- endfor %}"]
PROMPTS = ["{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}", "{{- '[assistant]\\n' if add_generation_prompt }}"]


class Asker:
    def __init__(self):
        self.process = subprocess.Popen([RENDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(timeout=60)


def random_template(depth=0):
    parts = []
    for _ in range(random.randint(1, 5)):
        if depth < 3 and random.random() < 0.3:
            opening = random.choice(list(OPENING))
            parts += [opening, random_template(depth + 1), OPENING[opening]]
        else:
            parts.append(random.choice(ALONE))
    return "".join(parts)


def random_content():
    pieces = ["a", " ", "\n", "\r\n", "\u2003", "\x1c", "<s>", "</s>", "{{ x }}", "\u00e9", "'", '"', "<|eot|>", ""]
    return "".join(random.choice(pieces) for _ in range(random.randint(0, 6)))


class TemplateTest(unittest.TestCase):
    def setUp(self):
        random.seed(1)
        self.asker = Asker()

    def tearDown(self):
        self.assertEqual(self.asker.close(), 0)

    def test_language(self):
        understood = 0
        for _ in range(1500):
            template = random_template()
            # transformers teaches Jinja the tag that we leave out here.
            plain = template.replace("{% generation %}", "{% if true %}").replace("{% endgeneration %}", "{% endif %}")
            try:
                wanted = JINJA.from_string(plain).render(**VARIABLES)
            except (jinja2.TemplateError, TypeError):
                wanted = None
            got = self.asker.ask(template=template, variables=VARIABLES)
            if got is not None:
                self.assertEqual(got, wanted, template)
                understood += 1
        self.assertGreater(understood, 1250)

    def check_format(self, template):
        parsed = JINJA.from_string(template)
        for count in (1, 2, 5):
            for system in (False, True):
                messages = [{"role": "user" if i % 2 == 0 else "assistant", "content": random_content()} for i in range(count)]
                if system:
                    messages.insert(0, {"role": "system", "content": random_content()})
                for prompt in (False, True):
                    got = self.asker.ask(template=template, messages=messages, add_generation_prompt=prompt)
                    wanted = parsed.render(messages=messages, add_generation_prompt=prompt, bos_token="<s>", eos_token="</s>",
                                           tools=None, documents=None)
                    self.assertEqual(got, wanted, template)

    def test_recognised_formats(self):
        for begin in ("{{- bos_token }}\n", "", "  <begin>\n"):
            for form in FORMATS:
                for trim in ("", " | trim", ".strip()"):
                    for prompt in PROMPTS:
                        self.check_format(begin + form.replace("TRIM", trim) + prompt)

    def test_seeds_of_the_fuzz_target(self):
        for name in ("plain", "system"):
            self.check_format((SEEDS / f"{name}.jinja").read_text())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
