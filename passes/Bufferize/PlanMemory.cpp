// SPDX-License-Identifier: Apache-2.0

#include "compiler/Support/CheckedMath.h"
#include "dialects/Kernel/IR/Kernel.h"
#include "dialects/Kernel/IR/KernelNames.h"
#include "passes/Bufferize/MemoryPlan.h"
#include "passes/Bufferize/Passes.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"

#define DEBUG_TYPE "yupana-plan-memory"

namespace yupana {
#define GEN_PASS_DEF_PLANMEMORYPASS
#include "passes/Bufferize/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;

namespace {

constexpr uint64_t bufferAlignment = 64;
/// Kernels may read a vector that begins inside a buffer and ends outside.
constexpr uint64_t readableTail = 64;

struct PlanMemoryPass : yupana::impl::PlanMemoryPassBase<PlanMemoryPass> {
  using Base::Base;

  void runOnOperation() override {
    if (maxStepTokens < 1 || maxBatch < 1 || maxLogitRows < 1) {
      getOperation().emitError() << "maxima are " << maxStepTokens.getValue() << " tokens, " << maxBatch.getValue()
                                 << " sequences and " << maxLogitRows.getValue()
                                 << " rows, expected at least one of each";
      return signalPassFailure();
    }
    if (failed(collectLifetimes()))
      return signalPassFailure();
    std::vector<Lifetime> values;
    for (auto &[name, lifetime] : lifetimes)
      values.push_back(lifetime);
    std::optional<Placement> plan = planMemory(values, bufferAlignment);
    if (!plan) {
      getOperation().emitError() << "the buffers of a step take more than 2^64 bytes";
      return signalPassFailure();
    }
    Builder builder(&getContext());
    getOperation().walk([&](kernel::BufferOp buffer) {
      size_t index = lifetimes.find(buffer.getNameAttr()) - lifetimes.begin();
      buffer.setArenaAttr(builder.getI64IntegerAttr(0));
      buffer.setOffsetAttr(builder.getI64IntegerAttr(plan->offsets[index]));
    });
    getOperation()->setAttr(kernel::arenaBytesName, builder.getI64IntegerAttr(plan->size));
  }

private:
  LogicalResult collectLifetimes() {
    int64_t launch = 0;
    SmallVector<StringAttr> results;
    for (auto program : getOperation().getOps<kernel::ProgramOp>()) {
      for (Operation &op : program.getBody().front()) {
        if (auto buffer = dyn_cast<kernel::BufferOp>(op)) {
          if (failed(declare(buffer)))
            return failure();
        } else if (auto result = dyn_cast<kernel::ResultOp>(op)) {
          if (auto buffer = result.getView().getDefiningOp<kernel::BufferOp>())
            results.push_back(buffer.getNameAttr());
        } else if (auto launched = dyn_cast<kernel::LaunchedOpInterface>(op)) {
          touch(launched, launch++);
        }
      }
    }
    for (StringAttr name : results)
      lifetimes[name].last = std::max<int64_t>(launch - 1, 0);
    return success();
  }

  LogicalResult declare(kernel::BufferOp buffer) {
    std::optional<uint64_t> size = sizeInBytes(buffer.getView().getType());
    if (!size)
      return buffer.emitOpError() << "takes more than 2^64 bytes at the maxima";
    auto [entry, isNew] = lifetimes.insert({buffer.getNameAttr(), Lifetime{*size, INT64_MAX, 0}});
    if (!isNew && entry->second.size != *size)
      return buffer.emitOpError() << "has " << *size << " bytes, under the same name another has "
                                  << entry->second.size;
    return success();
  }

  void touch(kernel::LaunchedOpInterface op, int64_t launch) {
    for (Value view : kernel::getAccesses(op).all) {
      auto buffer = view.getDefiningOp<kernel::BufferOp>();
      if (!buffer)
        continue;
      Lifetime &lifetime = lifetimes[buffer.getNameAttr()];
      lifetime.first = std::min(lifetime.first, launch);
      lifetime.last = std::max(lifetime.last, launch);
    }
  }

  std::optional<uint64_t> sizeInBytes(kernel::ViewType type) {
    std::optional<uint64_t> bytes = kernel::getBytes(type, {maxStepTokens, maxBatch, maxLogitRows});
    return bytes ? checkedAdd(*bytes, readableTail) : std::nullopt;
  }

  // MapVector: the order of the buffers decides between equal sizes.
  llvm::MapVector<StringAttr, Lifetime> lifetimes;
};

} // namespace
