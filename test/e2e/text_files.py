# SPDX-License-Identifier: Apache-2.0
"""What a plan takes from the text files of a checkpoint: tokenizer.json, tokenizer.model, chat template, or none."""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys

failed = 0
TEMPLATE = """{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = "" %}
{%- endif %}
{%- if system %}
    {{- "<|header_start|>system<|header_end|>\\n\\n" + system + "<|eot|>" }}
{%- endif %}
{%- for message in messages %}
    {{- '<|header_start|>' + message['role'] + '<|header_end|>\\n\\n' + message['content'] + '<|eot|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|header_start|>assistant<|header_end|>\\n\\n' }}
{%- endif %}
"""


def check(name, ok, detail=""):
    global failed
    failed += not ok
    print(f"{'ok    ' if ok else 'FAILED'} {name}{'' if ok else f': {detail}'}")


class Checkpoint:
    """A copy of a model with other text files, compiled."""

    def __init__(self, arguments, name, drop=(), files=None):
        self.arguments, folder = arguments, arguments.work / name
        shutil.copytree(arguments.model, folder, ignore=shutil.ignore_patterns("expected", *drop))
        for file, content in (files or {}).items():
            (folder / file).write_text(content)
        self.plan = arguments.work / f"{name}.yplan"
        self.compiled = self.run_program(arguments.compiler, "compile", folder, "-o", self.plan, "--precision", "f32")
        report = self.run_program(arguments.compiler, "inspect", self.plan, "--json")
        self.tokenizer = json.loads(report.stdout).get("tokenizer") if report.returncode == 0 else None

    @staticmethod
    def run_program(*words):
        return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120)

    def run(self, *words):
        return self.run_program(self.arguments.runner, self.plan, *words)

    def answer(self, *words):
        done = self.run(*words, "--json", "--temperature", "0")
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr

    def refuses(self, name, part, *words):
        done = self.run(*words)
        check(name, done.returncode == 5 and part in done.stderr and done.stderr.count("\n") == 1, done)

    def notes(self):
        return [line for line in self.compiled.stderr.splitlines() if "chat" in line or "tokenizer" in line]


def check_tiktoken(arguments, entries):
    """tokenizer.model alone gives the same ids and text."""
    checkpoint = Checkpoint(arguments, "tiktoken", drop=["tokenizer.json"])
    check("tokenizer.model alone: which split is assumed", len(checkpoint.notes()) == 1 and
          "split as Llama 4's tokenizer does" in checkpoint.notes()[0], checkpoint.compiled)
    for entry in entries:
        words = ["--prompt", entry["prompt"]] if "prompt" in entry else [
            word for message in entry["messages"] for word in (f"--{message['role']}", message["content"])]
        got = checkpoint.answer(*words, "--max-new-tokens", len(entry["tokens"]))
        ok = not isinstance(got, str) and all(got[field] == entry[field] for field in ("prompt_tokens", "tokens", "text"))
        check(f"tokenizer.model alone: {words}", ok, got)


def check_templates(arguments):
    checkpoint = Checkpoint(arguments, "omits", drop=["chat_template.jinja"],
                            files={"tokenizer_config.json": json.dumps({"bos_token": "<|begin_of_text|>",
                                   "chat_template": [{"name": "default", "template": TEMPLATE}]})})
    chat = checkpoint.tokenizer["chat"]
    check("a template that trims the system message alone", chat["trimmed"] == ["system"] and chat["omits_empty_system"], chat)
    plain, spaced, empty = (checkpoint.answer("--user", text, "--max-new-tokens", 1, *more)["prompt_tokens"]
                            for text, more in (("Hi", []), (" Hi", []), ("Hi", ["--system", " \n"])))
    check("what it trims and what not", plain == empty and plain != spaced, [plain, spaced, empty])

    checkpoint = Checkpoint(arguments, "unknown", files={"chat_template.jinja": "{{ messages | tojson }}"})
    check("an unknown template is one note", len(checkpoint.notes()) == 1 and
          "the chat template is not understood (line 1: the filter tojson on a list is not understood)" in checkpoint.notes()[0],
          checkpoint.compiled)
    check("and no chat format", checkpoint.tokenizer and checkpoint.tokenizer["chat"] is None, checkpoint.tokenizer)
    checkpoint.refuses("--user without a chat format", "no chat format", "--user", "Hello!")
    checkpoint.refuses("--chat without a chat format", "no chat format", "--chat")
    check("--prompt without a chat format", checkpoint.run("--prompt", "Hello!").returncode == 0)


def check_no_tokenizer(arguments):
    checkpoint = Checkpoint(arguments, "ids", drop=["tokenizer.json", "tokenizer.model"])
    check("no tokenizer is one note", len(checkpoint.notes()) == 1 and "runs on token ids alone" in checkpoint.notes()[0],
          checkpoint.compiled)
    for flag in (["--user", "a"], ["--prompt", "a"], ["--chat"], ["--tokenize"]):
        checkpoint.refuses(f"{flag[0]} without a tokenizer", "without a tokenizer", *flag)
    done = checkpoint.run("--tokens", "1,2", "--max-new-tokens", "3", "--temperature", "0")
    check("--tokens without a tokenizer", done.returncode == 0 and len(done.stdout.split()) == 3 and
          "token ids are written" in done.stderr, done)


def check_damage(arguments):
    lines = (arguments.model / "tokenizer.model").read_text().splitlines()
    lines[300] = lines[300].replace(" 300", " 299")
    checkpoint = Checkpoint(arguments, "damaged", drop=["tokenizer.json"], files={"tokenizer.model": "\n".join(lines)})
    done = checkpoint.compiled
    check("a damaged tokenizer.model", done.returncode == 4 and "line 301 has the rank '299', expected 300" in done.stderr, done)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--runner", required=True)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    arguments = parser.parse_args()
    shutil.rmtree(arguments.work, ignore_errors=True)
    arguments.work.mkdir(parents=True)
    entries = json.loads((arguments.model / "expected/greedy.json").read_text())
    check_tiktoken(arguments, [entries[0], *(entry for entry in entries if len(entry.get("messages", [])) in (1, 2))])
    check_templates(arguments)
    check_no_tokenizer(arguments)
    check_damage(arguments)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
