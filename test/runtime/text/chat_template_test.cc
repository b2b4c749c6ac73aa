// SPDX-License-Identifier: Apache-2.0
//
// The template language, and which chat templates are recognised as what. Expected texts of the language come from
// Jinja 3.1 with trim_blocks and lstrip_blocks; test/runtime/text/chat_template_test.py compares more of them where it
// is installed.
#include "frontends/ChatTemplate/ChatTemplate.h"
#include "frontends/ChatTemplate/Jinja.h"
#include "test/runtime/text/support.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <map>

using namespace yupana;
using nlohmann::json;

namespace {

const json variables = {{"a", " A\u2003b \n"}, {"no", false}, {"list", {"p", " q ", "r"}},
                        {"map", {{"k", "v"}}}, {"n", 5},      {"null", nullptr},
                        {"empty", ""}};

std::string render(std::string_view text) {
  Result<jinja::Template> parsed = jinja::Template::parse(text);
  if (!parsed)
    return "error: " + parsed.error().message;
  jinja::Work work;
  Result<std::string> rendered = parsed->render(variables, work);
  return rendered ? *rendered : "error: " + rendered.error().message;
}

TEST(JinjaTest, WhiteSpaceAroundTags) {
  EXPECT_EQ(render("a\n  {% if n %}\n  b\n  {% endif %}\nc\n"), "a\n  b\nc");
  EXPECT_EQ(render("a  {%- if n -%}  \n b {%- endif %}  c\n\n"), "ab  c\n");
  EXPECT_EQ(render("a\n  {%+ if n +%}\nb{% endif %}"), "a\n  \nb");
  EXPECT_EQ(render("  {{ n }}\n {#- gone -#} \n{# gone #}\nx"), "  5x");
  EXPECT_EQ(render("x {% if n %}y{% endif %} z"), "x y z");
  EXPECT_EQ(render("a\r\nb\rc\r\n"), "a\nb\nc");
  EXPECT_EQ(render("\u00A0{{- n -}}\u2003x"), "5x");
}

TEST(JinjaTest, Expressions) {
  EXPECT_EQ(render("{{ 'x' 'y' ~ 3 - 1 }}"), "error: line 1: '-' between a string and a number is not understood");
  EXPECT_EQ(render("{{ 7 % 3 + 2 }} {{ -1 + 3 }}"), "3 2");
  EXPECT_EQ(render("{% for x in list %}{{ -loop.index }} {% endfor %}"), "-1 -2 -3 ");
  EXPECT_EQ(render("{{ - -n % +2 }} {{ 'yes' if -n is number }} {{ -n | default(7) }}"), "1 yes -5");
  EXPECT_EQ(render("{{ a | trim }}|{{ a.strip() }}"), "A\u2003b|A\u2003b");
  EXPECT_EQ(render("{{ list[1:] | join('-') }} {{ list[-1] }} {{ list[0:-1] | length }}{{ list[5] }}"), " q -r r 2");
  EXPECT_EQ(render("{{ map.k }}{{ map['k'] }}{{ map.none }}{{ nothing }}"), "vv");
  EXPECT_EQ(render("{{ 'yes' if not no and n is defined else 'no' }}"), "yes");
  EXPECT_EQ(render("{% if null is none and n is not none and 'k' in map and 'x' not in list %}1{% endif %}"), "1");
  EXPECT_EQ(render("{{ 'a' if a is string and list is iterable and map is mapping and a is not mapping }}"), "a");
  EXPECT_EQ(render("{{ nothing | default('d') }}{{ n | default('d') }}"), "d5");
  EXPECT_EQ(render("{{ '}}' }}{{ \"%}\\n\" }}"), "}}%}\n");
  EXPECT_EQ(render("{{ [map] | map(attribute='k') | join('') }}"), "v");
  EXPECT_EQ(render("{{ '1' if (n > 4) and not n <= 4 and n != 4 and empty == '' }}"), "1");
}

TEST(JinjaTest, Statements) {
  EXPECT_EQ(render("{% for x in list %}{{ loop.index }}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}"),
            "1p,2 q ,3r");
  EXPECT_EQ(render("{% for x in [] %}x{% else %}none{% endfor %}"), "none");
  // What a loop sets is gone after it, what a condition sets stays.
  EXPECT_EQ(render("{% set y = 1 %}{% for x in list %}{% set y = 2 %}{% endfor %}{{ y }}"), "1");
  EXPECT_EQ(render("{% set y = 1 %}{% if n %}{% set y = 2 %}{% endif %}{{ y }}"), "2");
  EXPECT_EQ(render("{% if no %}a{% elif empty %}b{% elif n %}c{% else %}d{% endif %}"), "c");
  EXPECT_EQ(render("{% generation %}x{% endgeneration %}"), "x");
}

// What is not understood is no fault until it is reached.
TEST(JinjaTest, UnknownThings) {
  EXPECT_EQ(render("{% if no %}{{ a | tojson(indent=4) }}{{ f(x, y=1) }}{{ {'a': [1]} }}{{ (1, 2) }}{% for k, v in m %}"
                   "{% endfor %}{% set ns.x = 1 %}{% endif %}x"),
            "x");
  EXPECT_EQ(render("\n{{ a | upper }}"), "error: line 2: the filter upper on a string is not understood");
  EXPECT_EQ(render("{{ a.upper() }}"), "error: line 1: the call of upper is not understood");
  EXPECT_EQ(render("{{ f() }}"), "error: line 1: the call of f is not understood");
  EXPECT_EQ(render("{{ ('x') }}"), "x");
  for (const char *tuple : {"{{ ('x',) }}", "{{ ('x', 'y') }}", "{{ () }}"})
    EXPECT_EQ(render(tuple), "error: line 1: a tuple is not understood");
  EXPECT_EQ(render("{{ n is odd }}"), "error: line 1: the test odd is not understood");
  EXPECT_EQ(render("{{ map.items }}"), "error: line 1: the attribute items is not understood");
  EXPECT_EQ(render("{{ list }}"), "error: line 1: writing a list is not understood");
  EXPECT_EQ(render("{{ raise_exception('x') }}"), "error: line 1: it raises an exception");
  EXPECT_EQ(render("{% for x in list %}{{ loop.previtem }}{% endfor %}"),
            "error: line 1: the attribute previtem is not understood");
  EXPECT_EQ(render("{% for x in 'abc' %}{% endfor %}"),
            "error: line 1: a loop over something else than a list is not understood");
}

TEST(JinjaTest, Malformed) {
  for (const char *text : {"{{", "{{ a", "{% if a %}", "{% endif %}", "{# a", "{{ 'a }}", "{{ a b }}", "{{ }}", "{% %}",
                           "{{ '\\x41' }}", "{{ ? }}", "{{ a. }}", "{{ a[ }}", "{{ (a }}", "{% for in x %}{% endfor %}",
                           "{% if a %}{% else %}{% else %}{% endif %}", "{% include 'x' %}", "{{ 1 < 2 < 3 }}"})
    EXPECT_EQ(render(text).rfind("error: line 1: ", 0), 0u) << text << ": " << render(text);
  EXPECT_EQ(render("{{ '\xC3' }}"), "error: it is not well-formed UTF-8");
}

// However a template is nested, repeated or grown, it ends soon.
TEST(JinjaTest, Bounds) {
  auto repeat = [](const std::string &text, size_t count) {
    std::string out;
    for (size_t i = 0; i < count; ++i)
      out += text;
    return out;
  };
  for (const std::string &text :
       {"{{ " + repeat("(", 5000) + "1" + repeat(")", 5000) + " }}", "{{ " + repeat("not ", 5000) + "1 }}",
        "{{ 1" + repeat(" + 1", 5000) + " }}", "{{ a" + repeat(" | trim", 5000) + " }}",
        "{{ a" + repeat(" if a", 5000) + " }}", repeat("{% if n %}", 5000) + repeat("{% endif %}", 5000),
        "{% set x = 'ab' %}" + repeat("{% set x = x ~ x %}", 60) + "{{ x }}",
        "{% set x = list %}" + repeat("{% set x = [x, x, x, x] %}", 40),
        repeat("{% for x in list %}", 20) + "x" + repeat("{% endfor %}", 20),
        std::string(jinja::maxTemplateBytes + 1, 'x')})
    EXPECT_EQ(render(text).rfind("error: ", 0), 0u) << text.substr(0, 60);
}

/// `before`, `part` and `after`, with `part` as often as the longest template takes.
std::string filled(const std::string &before, const std::string &part, const std::string &after = "") {
  std::string out = before;
  while (out.size() + part.size() + after.size() <= jinja::maxTemplateBytes)
    out += part;
  return out + after;
}

/// Templates whose work is in what they do and not in what comes of it: each part of the renderer has its own.
std::map<std::string, std::string> slow_templates() {
  const std::string loops = "{% for a in l %}{% for b in l %}{% for c in l %}{% for d in l %}{% for e in l %}";
  const std::string ends = "{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}";
  const std::string list = "{% set l = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] %}";
  auto in_loops = [&](const std::string &setup, const std::string &body) { return setup + list + loops + body + ends; };
  const std::string text(60000, 'a'), name(20000, 'v'), spaces(60000, ' ');
  const std::string set_text = "{% set t = '" + text + "' %}", half = "{% set p = '" + text.substr(1) + "b' %}";
  return {{"search", filled(set_text + "{% set n = '" + text.substr(30000) + "b' %}", "{% if n in t %}{% endif %}")},
          {"search in loops", in_loops(set_text + "{% set n = 'ab' %}", "{% if n in t %}{% endif %}")},
          {"search in list", in_loops(set_text + half + "{% set k = [p, p, p, p] %}", "{% if t in k %}{% endif %}")},
          {"equality", in_loops(set_text + half, "{% if t == p %}{% endif %}")},
          {"strip", in_loops("{% set t = '" + spaces + "' %}", "{{ t | trim }}")},
          {"method strip", in_loops("{% set t = '" + spaces + "' %}", "{{ t.strip() }}")},
          {"long names", in_loops("{% set " + name + "a = 1 %}", "{% if " + name + "b %}{% endif %}")},
          {"attributes", in_loops("", "{% if messages[0]." + name + " %}{% endif %}")},
          {"keys", in_loops("{% set k = '" + name + "' %}", "{% if k in messages[0] or messages[0][k] %}{% endif %}")},
          {"doubled text", filled("{% set t = 'ab' %}", "{% set t = t ~ t %}{% set t = 'ab' %}")},
          {"doubled list", filled(list, "{% set l = [l, l] %}{% set l = l[:1] %}")},
          {"deep list", filled("{% set l = [] %}", "{% set l = [l] %}")},
          {"slices", in_loops("{% set t = messages %}", "{% if t[1:][0:9][:-1] %}{% endif %}")},
          {"join", in_loops(set_text + "{% set k = ['', ''] %}",
                            "{{ (k | join(t))[:0] if false }}{{ 'x' if not k | join(t) }}")},
          {"map", in_loops("", "{% if messages | map(attribute='role') | list | length > 99 %}{% endif %}")},
          {"literals", in_loops("", "{% if '" + text + "' is string %}{% endif %}")},
          {"conversation", in_loops("", "{% for m in messages %}{% if m.content is none %}{% endif %}{% endfor %}")},
          {"empty loops", in_loops("", "")},
          {"defaults", in_loops(set_text, "{% if (none | default(t)) is none %}{% endif %}")},
          {"scopes", filled("", "{% for x in messages %}{% if y %}{% endif %}{% endfor %}")},
          {"variables", [] {
             std::string sets, uses;
             for (int i = 0; i < 4000; ++i)
               sets += "{% set variable_" + std::to_string(i) + " = 1 %}";
             return sets + filled("", "{% if variable_9 %}{% endif %}").substr(0, 30 * 4000);
           }()}};
}

// One budget bounds all renderings of a template together. The bound on time is generous: it finds work that is not
// counted, which takes minutes, on a machine that is busy, under sanitizers.
TEST(JinjaTest, NoTemplateTakesLong) {
  const std::string begin = "<s>", end = "</s>";
  for (const auto &[name, text] : slow_templates()) {
    ASSERT_LE(text.size(), jinja::maxTemplateBytes) << name;
    auto start = std::chrono::steady_clock::now();
    Result<ChatFormat> format = recognizeChatTemplate(text, &begin, &end);
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    ASSERT_FALSE(format.ok()) << name;
    EXPECT_EQ(format.error().code, ExitCode::Unsupported) << name;
    EXPECT_LT(seconds.count(), 5) << name;
    if (std::getenv("YUPANA_TEST_VERBOSE"))
      std::printf("%-16s %.3f s  %s\n", name.c_str(), seconds.count(), format.error().message.c_str());
  }
}

TEST(JinjaTest, Cancelled) {
  const std::string begin = "<s>", end = "</s>";
  int questions = 0;
  Result<ChatFormat> format =
      recognizeChatTemplate(slow_templates()["equality"], &begin, &end, [&] { return ++questions == 2; });
  ASSERT_FALSE(format.ok());
  EXPECT_EQ(format.error().code, ExitCode::Interrupted);
  EXPECT_EQ(questions, 2);
}

// --- Recognition -----------------------------------------------------------------------------------------------------

const std::string bos = "<|begin_of_text|>", eos = "<|eot|>";

Result<ChatFormat> recognize(std::string_view text) { return recognizeChatTemplate(text, &bos, &eos); }

void expect_unknown(std::string_view text, std::string_view part) {
  Result<ChatFormat> format = recognize(text);
  ASSERT_FALSE(format.ok()) << text;
  EXPECT_EQ(format.error().code, ExitCode::Unsupported);
  EXPECT_NE(format.error().message.find(part), std::string::npos) << format.error().message;
}

const std::string loop_head = "{{ bos_token }}{% for message in messages %}{{ '[' + message.role + ']' }}";
const std::string loop_tail = "{{ eos_token }}{% endfor %}{% if add_generation_prompt %}{{ '[assistant]' }}{% endif %}";

/// The template of plain parts with something else in place of the content.
std::string with_content(const std::string &content) { return loop_head + content + loop_tail; }

TEST(RecognizeTest, Nano) {
  Result<ChatFormat> format = recognize(test::read_model_file("nano/chat_template.jinja"));
  ASSERT_TRUE(format.ok()) << format.error().message;
  EXPECT_EQ(format->begin, "<|begin_of_text|>");
  EXPECT_EQ(format->headers[0], "<|header_start|>system<|header_end|>\n\n");
  EXPECT_EQ(format->headers[1], "<|header_start|>user<|header_end|>\n\n");
  EXPECT_EQ(format->headers[2], "<|header_start|>assistant<|header_end|>\n\n");
  EXPECT_EQ(format->end, "<|eot|>");
  EXPECT_EQ(format->generation, "<|header_start|>assistant<|header_end|>\n\n");
  EXPECT_EQ(format->trims, (std::array<bool, 3>{true, true, true}));
  EXPECT_FALSE(format->omitsEmptySystem);
}

TEST(RecognizeTest, PlainParts) {
  Result<ChatFormat> format = recognize(with_content("{{ message.content }}"));
  ASSERT_TRUE(format.ok()) << format.error().message;
  EXPECT_EQ(format->render({{ChatRole::System, " s "}, {ChatRole::User, "u"}}, true),
            "<|begin_of_text|>[system] s <|eot|>[user]u<|eot|>[assistant]");
  EXPECT_EQ(format->trims, (std::array<bool, 3>{false, false, false}));
}

// Some templates trim the system message alone and leave it out when nothing is left of it, others write it anyway.
TEST(RecognizeTest, SystemMessageTakenOut) {
  std::string head =
      "{{ bos_token }}\n{%- if messages[0]['role'] == 'system' %}\n    {%- set system = "
      "messages[0]['content'] | trim %}\n    {%- set given = true %}\n    {%- set messages = messages[1:] "
      "%}\n{%- else %}\n    {%- set system = '' %}\n{%- endif %}\n";
  std::string tail =
      "\n    {{- '[system]' + system + eos_token }}\n{%- endif %}\n{%- for message in messages %}\n    "
      "{{- '[' + message['role'] + ']' }}\n    {%- if message['content'] is string %}\n        {{- "
      "message['content'] }}\n    {%- else %}\n        {{- message['content'] | tojson }}\n    {%- endif "
      "%}\n    {{- eos_token }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '[assistant]' }}\n"
      "{%- endif %}\n";
  for (auto [condition, omits] : {std::pair("{%- if system %}", true), std::pair("{%- if given %}", false)}) {
    Result<ChatFormat> format = recognize(head + condition + tail);
    ASSERT_TRUE(format.ok()) << format.error().message;
    EXPECT_EQ(format->trims, (std::array<bool, 3>{true, false, false}));
    EXPECT_EQ(format->omitsEmptySystem, omits);
    EXPECT_EQ(format->render({{ChatRole::System, " \n"}, {ChatRole::User, " u "}}, false),
              omits ? "<|begin_of_text|>[user] u <|eot|>" : "<|begin_of_text|>[system]<|eot|>[user] u <|eot|>");
  }
}

// The date may be asked for, but not written.
TEST(RecognizeTest, Date) {
  std::string ask = "{% if strftime_now is defined %}{% set date = strftime_now('%d %b %Y') %}{% endif %}";
  EXPECT_TRUE(recognize(ask + with_content("{{ message.content }}")).ok());
  expect_unknown(ask + "{{ date }}" + with_content("{{ message.content }}"), "the date");
}

// A template that looks into what is said could write anything.
TEST(RecognizeTest, LooksIntoMessages) {
  for (const char *content :
       {"{% if '</think>' in message.content %}{% endif %}{{ message.content }}",
        "{{ message.content if message.content != 'x' else '' }}", "{% if message.content in ['a'] %}{% endif %}",
        "{% if message.content == 'x' %}{% endif %}{{ message.content }}"})
    expect_unknown(with_content(content), "depends on the text of a message");
  for (const char *content : {"{{ message.content | replace('a', 'b') }}", "{{ message.content.split('x') | last }}",
                              "{{ message.content[:5] }}", "{{ message.content | upper }}",
                              "{{ message.content | length }}{{ message.content }}"})
    expect_unknown(with_content(content), "is not understood");
}

TEST(RecognizeTest, OtherForms) {
  expect_unknown("", "the message is not there once");
  expect_unknown("{{ messages[0].content }}{{ messages[0].content }}", "the message is not there once");
  expect_unknown("{% for message in messages %}[{{ message.content }}{% endfor %}", "nothing stands behind it");
  expect_unknown(loop_head + "{{ message.content }}{{ eos_token }}{% endfor %}", "add_generation_prompt adds nothing");
  // A header by turn, a default system message, a system message inside the user's, no system message, alternation.
  expect_unknown(
      "{{ bos_token }}{% for message in messages %}{{ loop.index }}[{{ message.role }}]{{ message.content }}" +
          loop_tail,
      "another header");
  expect_unknown("{{ bos_token }}{% if messages[0].role != 'system' %}[system]Be nice.{{ eos_token }}{% endif %}" +
                     with_content("{{ message.content }}").substr(15),
                 "after the begin token");
  expect_unknown("{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}" +
                     with_content("{{ message.content }}").substr(15),
                 "it raises an exception");
  expect_unknown(with_content("{{ message.content if loop.index < 9 else '' }}"), "comes out otherwise");
  expect_unknown(with_content("{{ message.content or 'nothing' }}"), "comes out otherwise");
  expect_unknown(
      with_content("{% if loop.last %}{{ message.content | trim }}{% else %}{{ message.content }}{% endif %}"),
      "for every message");
}

} // namespace
