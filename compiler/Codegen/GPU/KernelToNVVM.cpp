// SPDX-License-Identifier: Apache-2.0
//
// Picks the template of a launched op. Templates see one op and the target's facts, and nothing of the program around
// it. The members of a kernel.parallel share a grid: a block finds the member that its number falls to, and all members
// have the same shared memory, since a block runs one of them.
#include "compiler/Codegen/Common/Dispatch.h"
#include "compiler/Codegen/GPU/GemmDecode.h"
#include "compiler/Codegen/GPU/GemmPanels.h"
#include "compiler/Codegen/GPU/Kernels.h"
#include "compiler/Codegen/GPU/Numerics.h"
#include "compiler/Codegen/GPU/Passes.h"

#define DEBUG_TYPE "yupana-kernel-to-nvvm"

namespace yupana::codegen::cuda {
#define GEN_PASS_DEF_KERNELTONVVMPASS
#include "compiler/Codegen/GPU/Passes.h.inc"
} // namespace yupana::codegen::cuda

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

LogicalResult cuda::emitLaunched(KernelEmitter &e, kernel::LaunchedOpInterface op) {
  if (failed(checkNumerics(op, numericsOf(op), "GPUs")))
    return failure();
  auto dispatch = [&] { return dispatchLaunched(op, "GPU", [&](auto known) { return emitTemplate(e, known); }); };
  if (!isa<kernel::ParallelOp>(op.getOperation()))
    e.beginOverlapped();
  auto config = dyn_cast_or_null<kernel::GPUAttr>(op.getConfigAttr());
  if (!config || config.getThreads() == e.threads)
    return dispatch();
  LogicalResult result = success();
  int64_t all = e.threads;
  e.threads = config.getThreads();
  e.when(e.less(e.thread, e.integer(e.threads)), [&] { result = dispatch(); });
  e.threads = all;
  return result;
}

static LogicalResult emitMembers(KernelEmitter &e, ArrayRef<kernel::LaunchedOpInterface> members) {
  kernel::LaunchedOpInterface member = members.front();
  if (members.size() == 1)
    return emitLaunched(e, member);
  if (failed(checkMemberGrid(member)))
    return failure();
  Value cell = e.cell, cells = e.size(member.getGridAttr());
  LogicalResult first = success(), others = success();
  int64_t sharedBegin = e.sharedBytes;
  e.when(
      e.less(cell, cells), [&] { first = emitLaunched(e, member); },
      [&] {
        e.sharedBytes = sharedBegin;
        e.cell = e.sub(cell, cells);
        others = emitMembers(e, members.drop_front());
      });
  return success(succeeded(first) && succeeded(others));
}

LogicalResult cuda::emitTemplate(KernelEmitter &e, kernel::ParallelOp op) {
  if (SmallVector<kernel::GemmOp> gemms = decodeMembers(op); !gemms.empty()) {
    // These members are emitted together, not one by one by emitLaunched().
    e.beginOverlapped();
    return emitDecode(e, op, gemms);
  }
  if (SmallVector<kernel::GemmOp> gemms = panelMembers(op); !gemms.empty()) {
    e.beginOverlapped();
    return emitPanels(e, gemms);
  }
  SmallVector<kernel::LaunchedOpInterface> members(op.getBody().getOps<kernel::LaunchedOpInterface>());
  return emitMembers(e, members);
}

/// What the launch of the op's members says: threads of a block, as the member that needs the most, and how many blocks
/// share a multiprocessor, as the one that allows the fewest. An error at an op that has no config, or not the clusters
/// of the others.
static FailureOr<std::pair<int64_t, int64_t>> blocksOf(Operation *launched) {
  int64_t threads = 0, blocks = std::numeric_limits<int64_t>::max(), cluster = 0;
  WalkResult result = launched->walk([&](kernel::LaunchedOpInterface op) -> WalkResult {
    if (isa<kernel::ParallelOp>(op.getOperation()))
      return WalkResult::advance();
    auto config = dyn_cast_or_null<kernel::GPUAttr>(op.getConfigAttr());
    if (!config)
      return op->emitError() << "has no #kernel.gpu config, which code for a GPU needs";
    if (config.getCluster() > 1 && !readsPanels(config))
      return op->emitError() << "has clusters of " << config.getCluster() << " blocks, expected 1 for a tile of "
                             << config.getTileFeatures() << " features";
    if (cluster && cluster != config.getCluster())
      return op->emitError() << "has clusters of " << config.getCluster() << " blocks, other members of the launch of "
                             << cluster;
    cluster = config.getCluster();
    threads = std::max(threads, config.getThreads());
    blocks = std::min(blocks, config.getBlocks());
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    return failure();
  return std::pair(threads, blocks);
}

LogicalResult cuda::emitKernel(kernel::FuncOp func, const Target &target) {
  auto launched = cast<kernel::LaunchedOpInterface>(func.getBody().front().front());
  FailureOr<std::pair<int64_t, int64_t>> block = blocksOf(launched);
  if (failed(block))
    return failure();
  KernelEmitter e(func, target, block->first);
  // Told nothing of blocks, ptxas spills registers to fit more of them on a multiprocessor.
  e.function->setAttr("nvvm.minctasm", e.b.getI32IntegerAttr(static_cast<int32_t>(block->second)));
  LogicalResult result = emitLaunched(e, launched);
  e.finish();
  if (succeeded(result))
    func.erase();
  return result;
}

namespace {

struct KernelToNVVMPass : yupana::codegen::cuda::impl::KernelToNVVMPassBase<KernelToNVVMPass> {
  void runOnOperation() override {
    if (failed(emitLibraries(
            getOperation(), [](const Target &target) { return !target.isCpu(); }, "a GPU target", emitKernel)))
      signalPassFailure();
  }
};

} // namespace
