// SPDX-License-Identifier: Apache-2.0
//
// Matches buffers of bfloat16 whose values some program may keep in registers: those that one map alone reads element
// by element, and those that a map computes from a row of one other buffer. They become float32, so that a value is
// rounded where the model stores it (the residual, the operands of attention, the rows that a product multiplies) and
// nowhere else. It is legal since float32 holds every bfloat16: nothing but a rounding is left out. It runs on the text
// as it was lowered, before any fusion, so that which values are rounded depends neither on the fusions that run nor on
// the program they run in; fusing passes then move values without asking how they were stored.

#include "dialects/Kernel/Analysis/Analysis.h"
#include "passes/ToKernel/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

#define DEBUG_TYPE "yupana-fix-roundings"

namespace yupana {
#define GEN_PASS_DEF_FIXROUNDINGSPASS
#include "passes/ToKernel/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;
using namespace yupana::kernel;

namespace {

/// True if a map alone reads the buffer, each element or pair of neighbours in its own lane: a fusion may continue its
/// writer with the map. Not where the map sums a whole row that is stored feature by feature: the writer then sums
/// parts of the row (fuse-norm-statistics), and the row itself stays in memory.
bool isReadInPlace(const BufferUses &uses) {
  auto map = dyn_cast_or_null<MapOp>(uses.reader().getOperation());
  if (!map || (map.getGroups() == 1 && uses.stores.size() == 1 && !map.getBody().getOps<SumOp>().empty()))
    return false;
  auto isOwn = [&](LoadOp load) { return isOwnElement(load.getIndices(), map); };
  auto isOwnPair = [&](LoadOp load) { return halfOfPair(load.getIndices(), map).has_value(); };
  return llvm::all_of(uses.loads, isOwn) || llvm::all_of(uses.loads, isOwnPair);
}

/// True if a map computes the buffer element by element from one row of one other buffer: a fusion may repeat it where
/// the buffer is read.
bool isRecomputable(const BufferUses &uses) {
  auto map = dyn_cast_or_null<MapOp>(uses.writer().getOperation());
  if (!map || uses.stores.size() != 1 || !isOwnElement(StoreOp(uses.stores.front()).getIndices(), map))
    return false;
  return viewsAlongRow(map).size() == 1;
}

/// True if a product multiplies by what is loaded, unchanged: it rounds to the weight's type, as the store would.
bool isPlainInput(LoadOp load) { return getPlainView(*load->getParentRegion()) && isa<YieldOp>(*load->user_begin()); }

bool rounds(StoreOp store) { return store.getValue().getDefiningOp<arith::TruncFOp>() != nullptr; }

bool shouldWiden(BufferOp buffer) {
  BufferUses uses = usesOf(buffer.getView());
  if (!buffer.getView().getType().getElementType().isBF16() || uses.hasOthers || uses.loads.empty() ||
      llvm::none_of(uses.stores, rounds))
    return false;
  return isReadInPlace(uses) || (isRecomputable(uses) && !llvm::all_of(uses.loads, isPlainInput));
}

void widen(BufferOp buffer) {
  BufferUses uses = usesOf(buffer.getView());
  ViewType type = buffer.getView().getType();
  OpBuilder builder(buffer);
  Type f32 = builder.getF32Type(), bf16 = builder.getBF16Type();
  buffer.getView().setType(ViewType::get(type.getContext(), type.getDims(), f32, type.getLayout()));
  for (StoreOp store : uses.stores) {
    builder.setInsertionPoint(store);
    auto round = store.getValue().getDefiningOp<arith::TruncFOp>();
    Value value = round ? round.getIn() : arith::ExtFOp::create(builder, store.getLoc(), f32, store.getValue());
    store.getValueMutable().assign(value);
    if (round && round.use_empty())
      round.erase();
  }
  for (LoadOp load : uses.loads) {
    load.getValue().setType(f32);
    builder.setInsertionPointAfter(load);
    Value rounded;
    for (OpOperand &use : llvm::make_early_inc_range(load.getValue().getUses())) {
      if (auto widened = dyn_cast<arith::ExtFOp>(use.getOwner())) {
        widened.replaceAllUsesWith(load.getValue());
        widened.erase();
        continue;
      }
      if (!rounded)
        rounded = arith::TruncFOp::create(builder, load.getLoc(), bf16, load.getValue());
      if (use.getOwner() != rounded.getDefiningOp())
        use.set(rounded);
    }
  }
}

struct FixRoundingsPass : yupana::impl::FixRoundingsPassBase<FixRoundingsPass> {
  void runOnOperation() override {
    SmallVector<BufferOp> buffers;
    getOperation().walk([&](BufferOp buffer) {
      if (shouldWiden(buffer))
        buffers.push_back(buffer);
    });
    // All are chosen before one changes, so that the order of the buffers decides nothing.
    for (BufferOp buffer : buffers)
      widen(buffer);
  }
};

} // namespace
