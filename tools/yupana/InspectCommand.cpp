// SPDX-License-Identifier: Apache-2.0
//
// `yupana inspect`: a plan is opened, which checks its metadata, and described. Neither weights nor code are read, so
// that it is quick for a plan of any size.

#include "tools/yupana/Commands.h"
#include "tools/yupana/PlanReport.h"

using namespace yupana;

static const char *const inspectHelp = R"(usage: yupana inspect PLAN [--json]

Says what is inside a plan: model, compiled maxima, tokenizer and chat format, sections, weights with their packed
forms, cache groups and, for every target, whether this machine runs it, memory to the byte, the kernels that each layer
launches, and where every buffer lies while it is in use. Reads neither weights nor code.

  --json   the same as one JSON object
  --help   print this
)";

Result<void> yupana::runInspect(const Words &words) {
  YUPANA_ASSIGN_OR_RETURN(Arguments arguments, Arguments::parse(words, {{"--json"}, {"--help"}}));
  if (arguments.has("--help"))
    return fmt::print("{}", inspectHelp), Result<void>();
  YUPANA_ASSIGN_OR_RETURN(std::string path, arguments.only("the PLAN"));
  YUPANA_ASSIGN_OR_RETURN(OpenedPlan plan, OpenedPlan::open(path));
  YUPANA_ASSIGN_OR_RETURN(std::optional<PlanTokenizer> read, readTokenizer(plan));
  const PlanTokenizer *tokenizer = read ? &*read : nullptr;
  fmt::print("{}", arguments.has("--json") ? jsonReport(plan, tokenizer) : textReport(plan, tokenizer));
  return {};
}
