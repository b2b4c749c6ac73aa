// SPDX-License-Identifier: Apache-2.0
//
// Matches buffers that a product of all rows reads as they are and whose rows lie a multiple of the target's critical
// stride apart, as rows of a power of two do. A tile of the product reads some 12 rows side by side; all of them would
// share one set of the first-level cache, which has 8 or 12 ways. Legal where every access names row and column, or is
// a kernel that asks the view how far apart rows lie: nobody touches what is behind a row. It runs after all fusions,
// which compare shapes. Kernels that widen their inputs copy them first and gain nothing. (AMD EPYC, float32, rows of 4
// KiB: products 5 to 7 % faster.)

#include "dialects/Kernel/Transforms/Bodies.h"
#include "dialects/Kernel/Transforms/TargetPass.h"
#include "passes/Fuse/Passes.h"

#define DEBUG_TYPE "yupana-pad-rows"

namespace yupana {
#define GEN_PASS_DEF_PADROWSPASS
#include "passes/Fuse/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;
using namespace yupana::fusion;

namespace {

/// What is left free behind a row: a cache line.
constexpr int64_t gapBytes = 64;

/// True if a tile of a product reads rows of the buffer where they lie. Rows of experts are gathered first.
bool isReadInPlace(kernel::BufferOp buffer) {
  return llvm::any_of(buffer->getUsers(), [](Operation *user) {
    auto gemm = dyn_cast<kernel::GemmOp>(user->getParentOp());
    return gemm && isa<kernel::LoadOp>(user) && !gemm.getExperts() && kernel::getPlainView(*user->getParentRegion());
  });
}

/// True if nothing that touches the buffer relies on rows that follow one another without a gap.
bool allowsGaps(kernel::BufferOp buffer) {
  return !isShared(buffer) && llvm::all_of(buffer->getUses(), [](OpOperand &use) {
    if (auto attention = dyn_cast<kernel::AttentionOp>(use.getOwner()))
      return use.get() == attention.getOut();
    return isa<kernel::LoadOp, kernel::StoreOp>(use.getOwner());
  });
}

struct PadRowsPass : kernel::TargetPass<yupana::impl::PadRowsPassBase<PadRowsPass>> {
  using TargetPass::TargetPass;

  void runOnModule(const kernel::TargetModel &model) override {
    if (int64_t stride = model.getCriticalStride())
      getOperation().walk([&](kernel::BufferOp buffer) { pad(buffer, stride); });
  }

  void pad(kernel::BufferOp buffer, int64_t stride) {
    kernel::ViewType type = buffer.getView().getType();
    auto elementBytes = static_cast<int64_t>(type.getElementBytes());
    if (type.getRank() != 2 || !type.isRowMajor() || type.getDimSize(1) * elementBytes % stride != 0 ||
        !isReadInPlace(buffer) || !allowsGaps(buffer))
      return;
    auto width = lm::DimAttr::get(&getContext(), type.getDimSize(1) + gapBytes / elementBytes);
    buffer.getView().setType(
        kernel::ViewType::get(&getContext(), {type.getDims()[0], width}, type.getElementType(), type.getLayout()));
  }
};

} // namespace
