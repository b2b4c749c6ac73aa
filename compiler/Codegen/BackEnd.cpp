// SPDX-License-Identifier: Apache-2.0
//
// The one list of back ends, in ascending order of what they demand of a machine, CPUs before GPUs: "native" is the
// last that runs here, and a plan's targets are written in this order whatever order the user names them in. Tests add
// back ends of their own before a context is made.

#include "compiler/Codegen/BackEnd.h"

#include "compiler/Codegen/CPU/CPUBackEnd.h"
#include "compiler/Codegen/GPU/GPUBackEnd.h"

#include "mlir/IR/DialectRegistry.h"

using namespace yupana;
using namespace yupana::codegen;

static std::vector<std::unique_ptr<BackEnd>> &list() {
  static std::vector<std::unique_ptr<BackEnd>> all = [] {
    std::vector<std::unique_ptr<BackEnd>> built;
    addCPUBackEnds(built);
    addGPUBackEnds(built);
    return built;
  }();
  return all;
}

const std::vector<std::unique_ptr<BackEnd>> &codegen::backEnds() { return list(); }

void codegen::addBackEnd(std::unique_ptr<BackEnd> backEnd) { list().push_back(std::move(backEnd)); }

Result<const BackEnd *> codegen::lookupBackEnd(std::string_view name) {
  for (const auto &backEnd : backEnds())
    if (std::string_view(backEnd->getName()) == name)
      return backEnd.get();
  if (name == "native") {
    const BackEnd *best = nullptr;
    // The last one that runs here demands the most, and so is the fastest.
    for (const auto &backEnd : backEnds())
      if (backEnd->runsHere())
        best = backEnd.get();
    if (best)
      return best;
    return makeError(ExitCode::Unsupported, "target native: this machine runs code for none of {}", listBackEnds());
  }
  return makeError(ExitCode::Usage, "target {}: unknown, expected {} or native", inQuotes(name), listBackEnds());
}

std::string codegen::listBackEnds() {
  std::string names;
  for (const auto &backEnd : backEnds())
    names.append(names.empty() ? "" : ", ").append(backEnd->getName());
  return names;
}

/// Passes look targets up in the dialect. An extension is applied when a context loads it.
void codegen::registerBackEnds(mlir::DialectRegistry &registry) {
  registry.addExtension(+[](mlir::MLIRContext *, kernel::KernelDialect *dialect) {
    for (const auto &backEnd : backEnds())
      dialect->addTarget(backEnd.get());
  });
}
