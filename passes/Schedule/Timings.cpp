// SPDX-License-Identifier: Apache-2.0
//
// What the texts of a file of timings mean: targets that there are, and configs that belong to them, as the dialect
// parses and verifies them. Every entry is looked at, those for other targets, too: a file that cannot be right is
// refused when it is first used, and not on the day that its other half is needed. Signatures are taken as they are,
// since a kernel that this model does not have is no fault of the file. Whether an op can have a config is for the
// pass to ask.

#include "passes/Schedule/Timings.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace yupana;

/// Null, with the reason in `why`, when the text is no config.
static kernel::ConfigAttrInterface parseConfig(const std::string &text, MLIRContext &context, std::string &why) {
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (why.empty())
      why = diagnostic.str();
    return success();
  });
  return dyn_cast_or_null<kernel::ConfigAttrInterface>(parseAttribute(text, &context));
}

Result<Timings> Timings::read(const std::string &path, MLIRContext &context) {
  YUPANA_ASSIGN_OR_RETURN(std::vector<TimingEntry> entries, readTimingFile(path));
  auto *dialect = context.getOrLoadDialect<kernel::KernelDialect>();
  Timings timings;
  for (auto [i, entry] : llvm::enumerate(entries)) {
    std::string where = fmt::format("{}: entries[{}]", path, i);
    if (!dialect->getTarget(entry.target))
      return makeError(ExitCode::InvalidInput, "{}.target: found {}, expected one of {}", where, inQuotes(entry.target),
                       dialect->listTargets());
    Configs configs;
    for (const std::string &text : entry.configs) {
      std::string why;
      kernel::ConfigAttrInterface config = parseConfig(text, context, why);
      if (!config)
        return makeError(ExitCode::InvalidInput, "{}.configs: found {}, which is no config{}", where, inQuotes(text),
                         why.empty() ? "" : ": " + why);
      if (config.getTarget() != llvm::StringRef(entry.target))
        return makeError(ExitCode::InvalidInput, "{}.configs: found one for {}, expected {}", where,
                         std::string_view(config.getTarget()), entry.target);
      configs.push_back(config);
    }
    timings.targets[entry.target].try_emplace(entry.signature, std::move(configs));
  }
  return timings;
}

const Timings::Configs *Timings::find(StringRef target, StringRef signature) const {
  auto entries = targets.find(target);
  if (entries == targets.end())
    return nullptr;
  auto found = entries->second.find(signature);
  return found == entries->second.end() ? nullptr : &found->second;
}

size_t Timings::count(StringRef target) const {
  auto entries = targets.find(target);
  return entries == targets.end() ? 0 : entries->second.size();
}
