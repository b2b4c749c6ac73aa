// SPDX-License-Identifier: Apache-2.0
//
// Matches x · s where s depends on the row alone and the product is what an input region yields, or what a map stores
// for gemms to read. It is legal in exact arithmetic, since s is a common factor of the whole sum over k; which values
// are rounded changes, so it is the target's choice, made once for all programs. It runs behind the passes that look
// for plain bodies (pairs, routers), since a body that scales is none, and before programs part. The rows then need no
// multiplication of their own and may be multiplied as they lie in memory.

#include "dialects/Kernel/Transforms/Bodies.h"
#include "dialects/Kernel/Transforms/TargetPass.h"
#include "passes/Layout/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#define DEBUG_TYPE "yupana-hoist-row-scale"

namespace yupana {
#define GEN_PASS_DEF_HOISTROWSCALEPASS
#include "passes/Layout/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;
using namespace yupana::fusion;

namespace {

/// The ops of a block that a value is computed by, in order.
SmallVector<Operation *> sliceOf(Value value, Block &block) {
  llvm::SetVector<Operation *> needed;
  auto add = [&](Value next) {
    if (Operation *op = next.getDefiningOp(); op && op->getBlock() == &block)
      needed.insert(op);
  };
  add(value);
  for (size_t i = 0; i < needed.size(); ++i)
    llvm::for_each(needed[i]->getOperands(), add);
  SmallVector<Operation *> ops;
  for (Operation &op : block)
    if (needed.contains(&op))
      ops.push_back(&op);
  return ops;
}

/// True if a value depends on the block's first argument, the row, and on no other, and can be computed elsewhere.
bool isOfRowAlone(Value value, Block &block) {
  // Loads may be repeated in another region of the same launch: nothing that a launch reads is written by it.
  return dependsOn(value, block.getArgument(0)) &&
         llvm::none_of(block.getArguments().drop_front(), [&](auto other) { return dependsOn(value, other); }) &&
         llvm::all_of(sliceOf(value, block),
                      [](Operation *op) { return isPure(op) || isa<kernel::LoadOp, kernel::RowSumOp>(op); });
}

/// A multiplication by a factor of the row, which nothing but a rounding follows.
struct Scale {
  arith::MulFOp multiply;
  Value element, factor;
};

std::optional<Scale> scaleOf(Value value, Block &block) {
  if (auto round = value.getDefiningOp<arith::TruncFOp>(); round && round->hasOneUse())
    value = round.getIn();
  auto multiply = value.getDefiningOp<arith::MulFOp>();
  if (!multiply || !multiply->hasOneUse() || isOfRowAlone(multiply, block))
    return std::nullopt;
  if (isOfRowAlone(multiply.getRhs(), block))
    return Scale{multiply, multiply.getLhs(), multiply.getRhs()};
  if (isOfRowAlone(multiply.getLhs(), block))
    return Scale{multiply, multiply.getRhs(), multiply.getLhs()};
  return std::nullopt;
}

/// Multiplies the accumulators of a product by a factor that `from` computes.
void scaleAccumulators(kernel::GemmOp gemm, unsigned product, Value factor, Block &from) {
  OpBuilder builder = OpBuilder::atBlockBegin(&gemm.getBody().front());
  IRMapping mapping;
  mapping.map(from.getArgument(0), gemm.getRow());
  for (Operation *op : sliceOf(factor, from))
    builder.clone(*op, mapping);
  for (unsigned half = 0; half < gemm.getArity(); ++half) {
    Value sum = gemm.getAccumulator(product, half);
    auto scaled = arith::MulFOp::create(builder, gemm.getLoc(), sum, mapping.lookupOrDefault(factor));
    sum.replaceAllUsesExcept(scaled, scaled);
  }
}

/// Puts the element in the place of the product. An element that was bfloat16 needs no rounding to it again.
void removeScale(const Scale &scale) {
  Operation *user = *arith::MulFOp(scale.multiply)->user_begin();
  auto widened = scale.element.getDefiningOp<arith::ExtFOp>();
  if (auto round = dyn_cast<arith::TruncFOp>(user); round && widened && widened.getIn().getType() == round.getType())
    round.replaceAllUsesWith(widened.getIn());
  else
    arith::MulFOp(scale.multiply).replaceAllUsesWith(scale.element);
}

/// The product of a gemm whose input a load is, unchanged but for its type, at the region's own row.
std::optional<unsigned> productThatReads(kernel::LoadOp load) {
  auto gemm = dyn_cast<kernel::GemmOp>(load->getParentOp());
  Region *region = load->getParentRegion();
  if (!gemm || region == &gemm.getBody() || load.getIndices()[0] != region->getArgument(0) || !load->hasOneUse())
    return std::nullopt;
  Operation *user = *load->user_begin();
  if (isa<arith::TruncFOp, arith::ExtFOp>(user) && user->hasOneUse())
    user = *user->user_begin();
  return isa<kernel::YieldOp>(user) ? std::optional(region->getRegionNumber() - 1) : std::nullopt;
}

struct HoistRowScalePass : kernel::TargetPass<yupana::impl::HoistRowScalePassBase<HoistRowScalePass>> {
  using TargetPass::TargetPass;

  void runOnModule(const kernel::TargetModel &model) override {
    if (!force && !model.hoistsRowScale())
      return;
    for (auto program : getOperation().getOps<kernel::ProgramOp>()) {
      for (auto gemm : program.getBody().getOps<kernel::GemmOp>())
        hoistFromInputs(gemm);
      for (auto map : program.getBody().getOps<kernel::MapOp>())
        hoistFrom(map);
    }
  }

private:
  static void hoistFromInputs(kernel::GemmOp gemm) {
    bool changed = false;
    for (auto [product, input] : llvm::enumerate(gemm.getInputs())) {
      Block &block = input.front();
      std::optional<Scale> scale = scaleOf(cast<kernel::YieldOp>(block.getTerminator()).getValue(), block);
      if (!scale)
        continue;
      scaleAccumulators(gemm, product, scale->factor, block);
      removeScale(*scale);
      changed = true;
    }
    if (changed)
      cleanUp(gemm);
  }

  static void hoistFrom(kernel::MapOp map) {
    Block &block = map.getBody().front();
    auto stores = llvm::to_vector(block.getOps<kernel::StoreOp>());
    // The map keeps its unscaled element; its readers, all of them gemms, take over the factor.
    if (stores.size() != 1 || stores[0].getIndices()[0] != map.getRow())
      return;
    std::optional<Scale> scale = scaleOf(stores[0].getValue(), block);
    BufferUses uses = usesOf(stores[0].getView());
    if (!scale || uses.hasOthers || uses.stores.size() != 1 || uses.loads.empty() ||
        !llvm::all_of(uses.loads, [&](kernel::LoadOp load) {
          return productThatReads(load) && cast<kernel::GemmOp>(load->getParentOp()).getRows() == map.getRows();
        }))
      return;
    for (kernel::LoadOp load : uses.loads)
      scaleAccumulators(cast<kernel::GemmOp>(load->getParentOp()), *productThatReads(load), scale->factor, block);
    removeScale(*scale);
    cleanUp(map);
    for (kernel::LoadOp load : uses.loads)
      cleanUp(cast<kernel::LaunchedOpInterface>(load->getParentOp()));
  }
};

} // namespace
