// SPDX-License-Identifier: Apache-2.0
//
// `yupana targets`: the one list of targets, for people, and as JSON for the tests and scripts that would otherwise
// repeat it.

#include "tools/yupana/Commands.h"

#include <nlohmann/json.hpp>

using namespace yupana;
using Json = nlohmann::ordered_json;

namespace {

const char *const targetsHelp = R"(usage: yupana targets [--json]

Lists every target that a plan can be compiled for: its name, whether it is a CPU or a GPU, whether this compiler has a
code generator for it, and whether this machine has a device that runs its code. Of one kind, each target demands more
of a device than those before it.

  --json   the same as one JSON array
  --help   print this
)";

const char *kindOf(const TargetSupport &target) { return target.isGpu ? "gpu" : "cpu"; }

const char *yesOrNo(bool value) { return value ? "yes" : "no"; }

void printText() {
  print("{:<16}{:<6}{:<16}{}\n", "target", "kind", "code generator", "runs here");
  for (const TargetSupport &target : targetSupport())
    print("{:<16}{:<6}{:<16}{}\n", target.name, kindOf(target), yesOrNo(target.hasCodeGenerator),
          yesOrNo(target.runsHere));
}

void printJson() {
  Json list = Json::array();
  for (const TargetSupport &target : targetSupport())
    list.push_back({{"name", target.name},
                    {"kind", kindOf(target)},
                    {"code_generator", target.hasCodeGenerator},
                    {"runs_here", target.runsHere}});
  print("{}\n", list.dump(2));
}

} // namespace

Result<void> yupana::runTargets(const Words &words) {
  YUPANA_ASSIGN_OR_RETURN(Arguments arguments, Arguments::parse(words, {{"--json"}, {"--help"}}));
  if (arguments.has("--help"))
    return print("{}", targetsHelp), Result<void>();
  if (!arguments.positional().empty())
    return makeError(ExitCode::Usage, "found {}, expected nothing after targets", inQuotes(arguments.positional()[0]));
  arguments.has("--json") ? printJson() : printText();
  return {};
}
