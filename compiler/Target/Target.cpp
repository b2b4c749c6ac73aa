// SPDX-License-Identifier: Apache-2.0
#include "compiler/Target/Target.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/TargetParser/Host.h"

#include <algorithm>
#include <array>

using namespace yupana;

namespace {

/// What each level adds to the one below it, as LLVM names features. The order is that of cpuTargets().
constexpr std::string_view levelFeatures[] = {
    "cx16 popcnt sahf sse3 ssse3 sse4.1 sse4.2 avx avx2 bmi bmi2 f16c fma lzcnt movbe xsave",
    "avx512f avx512bw avx512cd avx512dq avx512vl",
    "avx512bf16",
};

/// Targets of the design that nothing generates code for yet.
constexpr std::array<std::string_view, 9> plannedTargets = {"x86-64-v4-amx", "sm_75",   "sm_80",   "sm_86",  "sm_89",
                                                            "sm_90a",        "sm_100a", "sm_103a", "sm_120a"};

} // namespace

const std::vector<CpuTarget> &yupana::cpuTargets() {
  static const std::vector<CpuTarget> targets = {
      {"x86-64-v3", "x86-64-v3", "", 256, 16, false},
      {"x86-64-v4", "x86-64-v4", "", 512, 32, false},
      {"x86-64-v4-bf16", "x86-64-v4", "+avx512bf16", 512, 32, true},
  };
  return targets;
}

bool yupana::hostRuns(const CpuTarget &target) {
  static const llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
  for (size_t level = 0; level < cpuTargets().size(); ++level) {
    llvm::SmallVector<llvm::StringRef> names;
    llvm::StringRef(levelFeatures[level]).split(names, ' ');
    if (!llvm::all_of(names, [&](llvm::StringRef name) { return host.lookup(name); }))
      return false;
    if (cpuTargets()[level].name == target.name)
      return true;
  }
  return false;
}

Result<const CpuTarget *> yupana::detectHostTarget() {
  for (auto target = cpuTargets().rbegin(); target != cpuTargets().rend(); ++target)
    if (hostRuns(*target))
      return &*target;
  return makeError(ExitCode::Unsupported, "target native: this processor lacks features of {}, the lowest target",
                   cpuTargets().front().name);
}

Result<const CpuTarget *> yupana::lookupCpuTarget(std::string_view name) {
  if (name == "native")
    return detectHostTarget();
  for (const CpuTarget &target : cpuTargets())
    if (target.name == name)
      return &target;
  if (std::find(plannedTargets.begin(), plannedTargets.end(), name) != plannedTargets.end())
    return makeError(ExitCode::Unsupported, "target {}: no code generator for it yet, expected {} or native", name,
                     listCpuTargets());
  return makeError(ExitCode::Usage, "target {}: unknown, expected {} or native", inQuotes(name), listCpuTargets());
}

std::string yupana::listCpuTargets() {
  std::string list;
  for (const CpuTarget &target : cpuTargets())
    list.append(list.empty() ? "" : ", ").append(target.name);
  return list;
}
