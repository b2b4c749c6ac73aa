// SPDX-License-Identifier: Apache-2.0
//
// What the passes are answered for x86: panels of 32 outputs, which are two vectors of 16 lanes, one program for steps
// of one token and one for all others, and grids whose cells a worker claims in blocks. A cell is what no two workers
// share, so a grid has as many as can be computed independently: row ranges times runs of panels, a token and a key
// head, or a row. Whether a CPU runs here is asked level by level, since each level needs all that those before it
// need.

#include "compiler/Codegen/CPU/CPUBackEnd.h"

#include "compiler/Codegen/CPU/Choices.h"
#include "compiler/Codegen/CPU/CodegenCPU.h"
#include "compiler/Codegen/CPU/Numerics.h"
#include "dialects/Kernel/Transforms/GridBuilder.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

StringRef CPUBackEnd::getWeightForm(Type elementType) const { return elementType.isBF16() ? "panel32x2" : "panel32"; }

StringRef CPUBackEnd::getCacheLayout(Type) const { return schema::kCacheKeys32.id; }

/// First-level caches of x86 have 64 sets of lines of 64 bytes, whatever their number of ways: a page of 4 KiB.
int64_t CPUBackEnd::getCriticalStride() const { return 4096; }

kernel::NumericsAttr CPUBackEnd::getNumerics(kernel::LaunchedOpInterface op) const {
  return numericsOf(op, getTarget());
}

SmallVector<int64_t> CPUBackEnd::getStepBuckets(int64_t maxTokens) const {
  // With one token every expert that is hit has one row, so that its product and the shared expert's may be one kernel.
  if (maxTokens == 1)
    return {1};
  return {1, maxTokens};
}

//===----------------------------------------------------------------------===//
// Choices
//===----------------------------------------------------------------------===//

/// Attention, sampling and grouping have nothing to choose; their cells are fixed by the op.
kernel::ConfigAttrInterface CPUBackEnd::chooseConfig(kernel::LaunchedOpInterface op, int64_t maxTokens) const {
  const CpuFacts &cpu = getTarget().cpu();
  X86Choice choice =
      llvm::TypeSwitch<Operation *, X86Choice>(op)
          .Case([&](kernel::GemmOp gemm) { return chooseGemm(cpu, gemm.getWeightType(0).getElementType().isBF16()); })
          .Case([&](kernel::MapOp map) { return chooseMap(cpu, map.getGroups(), map.getWidth()); })
          .Case([&](kernel::RouteOp route) {
            int64_t depth = route.getRouter() ? route.getRouter().getType().getDimSize(1) : 1;
            return chooseRoute(cpu, route.getExpertCount() * depth);
          })
          .Default([&](Operation *) { return chooseFixed(cpu); });
  MLIRContext *context = op->getContext();
  return kernel::X86Attr::get(context, StringAttr::get(context, getName()), choice.tileRows, choice.tileColumns,
                              choice.rows);
}

kernel::GridAttr CPUBackEnd::getGrid(kernel::LaunchedOpInterface op) const {
  auto config = dyn_cast_or_null<kernel::X86Attr>(op.getConfigAttr());
  if (!config) {
    op->emitOpError() << "has config " << op.getConfigAttr() << ", expected #kernel.x86 for " << getName();
    return {};
  }
  kernel::GridBuilder grid(op->getContext());
  auto rowsOf = [](Value view) { return cast<kernel::ViewType>(view.getType()).getDims()[0]; };
  return llvm::TypeSwitch<Operation *, kernel::GridAttr>(op)
      .Case([&](kernel::GemmOp gemm) {
        if (gemm.getExperts())
          return grid.size(gemm.getCells()).times(gemm.getExpertCount()).get();
        return grid.dim(gemm.getRows()).ceilDiv(config.getRows()).times(gemm.getCells()).get();
      })
      .Case<kernel::MapOp, kernel::RouteOp>(
          [&](auto rows) { return grid.dim(rows.getRows()).ceilDiv(config.getRows()).get(); })
      .Case([&](kernel::AttentionOp attention) {
        return grid.dim(rowsOf(attention.getQuery())).times(attention.getKeys().getType().getHeads()).get();
      })
      .Case([&](kernel::GroupOp) { return grid.size(1).get(); })
      .Case([&](kernel::SampleOp sample) { return grid.dim(rowsOf(sample.getLogits())).get(); })
      .Default([](Operation *other) {
        other->emitOpError() << "has no grid on a CPU";
        return kernel::GridAttr();
      });
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

bool CPUBackEnd::runsHere() const {
  static const llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
  for (const Target &target : targets()) {
    if (!target.isCpu())
      continue;
    SmallVector<StringRef> names;
    StringRef(target.cpu().needed).split(names, ' ');
    if (!llvm::all_of(names, [&](StringRef name) { return host.lookup(name); }))
      return false;
    if (&target == &getTarget())
      return true;
  }
  return false;
}

Result<CompiledLibrary> CPUBackEnd::compileLibrary(kernel::LibraryOp library, const CodegenOptions &options) const {
  return compileCpuLibrary(library, getTarget(), options);
}

void codegen::addCPUBackEnds(std::vector<std::unique_ptr<BackEnd>> &list) {
  for (const char *name : {"x86-64-v3", "x86-64-v4", "x86-64-v4-bf16", "x86-64-v4-amx"})
    list.push_back(std::make_unique<CPUBackEnd>(*findTarget(name)));
}
