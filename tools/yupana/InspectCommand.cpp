// SPDX-License-Identifier: Apache-2.0
//
// `yupana inspect`: a plan is opened, which checks its metadata, and described. Neither weights nor code are read, so
// that it is quick for a plan of any size.

#include "compiler/Support/SameFile.h"
#include "tools/support/TextFile.h"
#include "tools/yupana/Commands.h"
#include "tools/yupana/PlanReport.h"

using namespace yupana;

static const char *const inspectHelp = R"(usage: yupana inspect PLAN [--json] [--html FILE]

Says what is inside a plan: model, compiled maxima, tokenizer and chat format, sections, weights with their packed
forms, cache groups and, for every target, whether this machine runs it, memory to the byte, the kernels that each layer
launches, and where every buffer lies while it is in use. Reads neither weights nor code.

  --json       the same as one JSON object, and what typical steps move and compute, launch by launch
  --html FILE  write the same as one page for a browser, with arenas drawn and every kernel under the roofline of a
               machine of its target's kind; it needs no network and runs no script. Print the text only with --json
  --help       print this
)";

/// Writes the page of the plan at `plan`.
static Result<void> writePage(const std::string &path, const std::string &plan, const std::string &page) {
  if (path.empty())
    return makeError(ExitCode::Usage, "--html needs the name of a file");
  // A page written over the plan would destroy what it describes.
  if (std::optional<std::string> sentence = findOverwrittenInput(path, {plan}))
    return makeError(ExitCode::Usage, "{}", *sentence);
  TextFile file;
  if (!file.open(path) || !file.write(page) || !file.commit())
    return makeError(ExitCode::OutOfSpace, "{}", file.error());
  return {};
}

Result<void> yupana::runInspect(const Words &words) {
  YUPANA_ASSIGN_OR_RETURN(Arguments arguments, Arguments::parse(words, {{"--json"}, {"--html", true}, {"--help"}}));
  if (arguments.has("--help"))
    return print("{}", inspectHelp), Result<void>();
  YUPANA_ASSIGN_OR_RETURN(std::string path, arguments.only("the PLAN"));
  YUPANA_ASSIGN_OR_RETURN(OpenedPlan plan, OpenedPlan::open(path));
  // A plan without a tokenizer is sound; one with a broken tokenizer is not, and says so here.
  YUPANA_ASSIGN_OR_RETURN(std::optional<PlanTokenizer> read, readTokenizer(plan));
  const PlanTokenizer *tokenizer = read ? &*read : nullptr;
  if (std::optional<std::string> page = arguments.value("--html")) {
    YUPANA_RETURN_IF_ERROR(writePage(*page, path, htmlReport(plan, tokenizer)));
    // A page was asked for, so the text is too much, unless a script wants it besides.
    if (!arguments.has("--json"))
      return {};
  }
  print("{}", arguments.has("--json") ? jsonReport(plan, tokenizer) : textReport(plan, tokenizer));
  return {};
}
