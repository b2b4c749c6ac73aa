// SPDX-License-Identifier: Apache-2.0
//
// Gives every buffer a constant place in an arena. A buffer lives from the launch that writes it to the last that reads
// it, and a step runs one of the step programs, so buffers whose launches never meet share memory. Each is sized at the
// largest step of its program. Places are constants in the plan, so no step allocates memory. It runs when launches are
// final: a pass that moved one afterwards would change who is alive. Buffers that several programs name, the logits
// above all, are placed once for all of them.

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

/// A cache line of every target, and the alignment of the widest vector.
constexpr uint64_t bufferAlignment = 64;
/// Kernels may read a vector of the longest kind (64 bytes) that begins inside a buffer and ends outside. Nothing is
/// written there.
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
    for (bool workspace : {false, true})
      if (failed(place(workspace)))
        return signalPassFailure();
  }

private:
  /// Lays out one arena. Workspaces are left zero by each launch, so that those of later launches may lie in the same
  /// bytes; other buffers may not, since they leave anything.
  LogicalResult place(bool workspace) {
    const Lifetimes &own = lifetimes[workspace];
    if (workspace && own.empty())
      return success();
    std::vector<Lifetime> values;
    for (auto &[name, lifetime] : own)
      values.push_back({lifetime.size + readableTail, lifetime.ranges});
    std::optional<Placement> plan = planMemory(values, bufferAlignment);
    if (!plan)
      return getOperation().emitError() << "the " << (workspace ? "workspaces" : "buffers")
                                        << " of a step take more than 2^64 bytes";
    Builder builder(&getContext());
    for (auto &[buffer, range] : ranges) {
      kernel::BufferOp op = buffer;
      if (op.getWorkspace() != workspace)
        continue;
      auto entry = own.find(op.getNameAttr());
      op.setArenaAttr(builder.getI64IntegerAttr(workspace));
      op.setOffsetAttr(builder.getI64IntegerAttr(plan->offsets[entry - own.begin()]));
      op.setSizeAttr(builder.getI64IntegerAttr(entry->second.size));
      op.setFirstAttr(builder.getI64IntegerAttr(range.first));
      op.setLastAttr(builder.getI64IntegerAttr(range.last));
    }
    getOperation()->setAttr(workspace ? kernel::workspaceBytesName : kernel::arenaBytesName,
                            builder.getI64IntegerAttr(plan->size));
    return success();
  }

  LogicalResult collectLifetimes() {
    int64_t launch = 0;
    llvm::DenseSet<StringAttr> results;
    for (auto result : getOperation().getOps<kernel::ProgramOp>())
      for (auto op : result.getBody().getOps<kernel::ResultOp>())
        if (auto buffer = op.getView().getDefiningOp<kernel::BufferOp>())
          results.insert(buffer.getNameAttr());
    for (auto program : getOperation().getOps<kernel::ProgramOp>()) {
      int64_t begin = launch;
      for (Operation &op : program.getBody().front())
        if (auto launched = dyn_cast<kernel::LaunchedOpInterface>(op))
          touch(launched, launch++);
      for (auto buffer : program.getBody().getOps<kernel::BufferOp>()) {
        LaunchRange &range = ranges.insert({buffer, LaunchRange{INT64_MAX, 0}}).first->second;
        if (results.contains(buffer.getNameAttr())) {
          // A result outlives its program: the runtime and the programs that follow read it. Where no launch of the
          // program writes it, an earlier program has.
          if (!isWrittenIn(program, buffer))
            range.first = begin;
          range.last = std::max<int64_t>(launch - 1, begin);
        }
        // A buffer that no launch touches still gets a place: it is alive at one launch.
        range.first = std::min(range.first, range.last);
        if (failed(declare(buffer, program, range)))
          return failure();
      }
    }
    return success();
  }

  static bool isWrittenIn(kernel::ProgramOp program, kernel::BufferOp buffer) {
    return llvm::any_of(program.getBody().getOps<kernel::LaunchedOpInterface>(), [&](kernel::LaunchedOpInterface op) {
      return op.getAccesses().writes.contains(buffer.getView());
    });
  }

  /// Buffers of one name are one buffer, as large as the largest of its programs needs it.
  LogicalResult declare(kernel::BufferOp buffer, kernel::ProgramOp program, LaunchRange range) {
    std::optional<uint64_t> size = kernel::getBytes(buffer.getView().getType(), maximaOf(program));
    if (!size || !checkedAdd(*size, readableTail))
      return buffer.emitOpError() << "takes more than 2^64 bytes at the maxima";
    Lifetime &lifetime = lifetimes[buffer.getWorkspace()][buffer.getNameAttr()];
    lifetime.size = std::max(lifetime.size, *size);
    lifetime.ranges.push_back(range);
    return success();
  }

  void touch(kernel::LaunchedOpInterface op, int64_t launch) {
    for (Value view : op.getAccesses().all) {
      auto buffer = view.getDefiningOp<kernel::BufferOp>();
      if (!buffer)
        continue;
      LaunchRange &range = ranges.insert({buffer, LaunchRange{INT64_MAX, 0}}).first->second;
      range.first = std::min(range.first, launch);
      range.last = std::max(range.last, launch);
    }
  }

  /// A step has no more sequences, and asks for no more rows, than it has tokens; sampling asks for as many rows as the
  /// largest step.
  kernel::StepMaxima maximaOf(kernel::ProgramOp program) const {
    if (program.getFunction() != kernel::Function::Step)
      return {maxStepTokens, maxBatch, maxLogitRows};
    int64_t tokens = std::min<int64_t>(program.getMaxTokens(), maxStepTokens);
    return {tokens, std::min<int64_t>(tokens, maxBatch), std::min<int64_t>(tokens, maxLogitRows)};
  }

  // MapVectors: the order of the buffers decides between equal sizes, and how the module is annotated.
  using Lifetimes = llvm::MapVector<StringAttr, Lifetime>;
  Lifetimes lifetimes[2]; ///< Of workspaces in the second.
  llvm::MapVector<kernel::BufferOp, LaunchRange> ranges;
};

} // namespace
