// SPDX-License-Identifier: Apache-2.0
//
// Builds products of pairs and the interleaved weights they multiply by, for the passes that pair. The rows of both
// halves alternate by the target's run (16 on x86, 8 on GPUs), so that the two accumulators of a pair end up in one
// register tile and the epilogue combines them without memory. Names are made from those of the parts and not counted,
// so that the same model gives the same names, whichever passes run: refitting and merging of plans find weights by
// name.

#include "passes/Layout/PairedGemm.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::fusion;

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

kernel::WeightOp fusion::weightOf(kernel::GemmOp gemm) {
  return gemm.getWeights().front().getDefiningOp<kernel::WeightOp>();
}

/// Interleaving replaces the weight, so no other op of any program may name it, and its form must be open.
bool WeightUses::isOnlyUse(kernel::GemmOp gemm) {
  kernel::WeightOp view = weightOf(gemm);
  if (!view || !view.getView().hasOneUse())
    return false;
  auto weight = tables.lookupNearestSymbolFrom<lm::WeightOp>(view, view.getWeightAttr());
  return weight && weight.getLayout().empty() && llvm::hasSingleElement(users.getUsers(weight));
}

/// A slice in the chain: the exporter reads the rows from the checkpoint in their new order, and no bytes are moved at
/// compile time.
FlatSymbolRefAttr fusion::everySecondRow(kernel::WeightOp view, int64_t half, ModuleOp module) {
  auto weight = module.lookupSymbol<lm::WeightOp>(view.getWeightAttr().getAttr());
  RankedTensorType type = weight.getTensorType();
  int64_t axis = type.getRank() - 2;
  SmallVector<int64_t> shape(type.getShape());
  shape[axis] /= 2;
  OpBuilder builder(weight);
  SmallVector<Attribute> chain(weight.getChain().getValue());
  chain.push_back(lm::SliceAttr::get(builder.getContext(), axis, half, shape[axis], /*step=*/2));
  std::string name = (weight.getSymName() + (half ? ".odd" : ".even")).str();
  lm::WeightOp::create(builder, weight.getLoc(), name, weight.getSources(), weight.getSourceType(),
                       builder.getArrayAttr(chain), RankedTensorType::get(shape, type.getElementType()));
  return FlatSymbolRefAttr::get(builder.getContext(), name);
}

/// "layers.0.q" of "layers.0.q.even" and "layers.0.q.odd"; "layers.0.gate+up" of "layers.0.gate" and "layers.0.up".
static std::string nameOfBoth(StringRef first, StringRef second) {
  size_t common = 0;
  while (common < std::min(first.size(), second.size()) && first[common] == second[common])
    ++common;
  size_t dot = first.take_front(common).rfind('.');
  StringRef tail = dot == StringRef::npos ? second : second.drop_front(dot + 1);
  return (first + "+" + tail).str();
}

FlatSymbolRefAttr fusion::interleave(FlatSymbolRefAttr first, FlatSymbolRefAttr second, int64_t run, ModuleOp module) {
  auto part = module.lookupSymbol<lm::WeightOp>(first.getAttr());
  RankedTensorType type = part.getTensorType();
  SmallVector<int64_t> shape(type.getShape());
  int64_t &rows = shape[shape.size() - 2];
  rows = schema::interleaved_rows(rows, run);
  OpBuilder builder(part->getContext());
  // Behind both parts, so that the module reads from top to bottom.
  Operation *later = module.lookupSymbol(second.getAttr());
  builder.setInsertionPointAfter(part->isBeforeInBlock(later) ? later : part.getOperation());
  std::string name = nameOfBoth(first.getValue(), second.getValue());
  lm::InterleavedOp::create(builder, part.getLoc(), name, first.getValue(), second.getValue(), run, StringAttr(),
                            RankedTensorType::get(shape, type.getElementType()));
  return FlatSymbolRefAttr::get(builder.getContext(), name);
}

//===----------------------------------------------------------------------===//
// PairedGemm
//===----------------------------------------------------------------------===//

PairedGemm::PairedGemm(kernel::GemmOp like, int64_t pairs, FlatSymbolRefAttr symbol, kernel::MapOp before)
    : builder(before) {
  Location loc = before.getLoc();
  Operation *parameter = SymbolTable::lookupNearestSymbolFrom(before->getParentOfType<ModuleOp>(), symbol);
  RankedTensorType type = lm::getParameterType(parameter);
  auto view = kernel::ViewType::get(builder.getContext(), lm::getDims(type), type.getElementType(), "row-major");
  Value weight = kernel::WeightOp::create(builder, loc, view, symbol);
  gemm = kernel::GemmOp::create(builder, loc, like.getRows(), weight, like.getExperts(), like.getOrder(),
                                /*workspaces=*/ValueRange(), builder.getI64IntegerAttr(pairs),
                                cast<lm::InterleavedOp>(parameter).getByAttr(), IntegerAttr(), like.getNumericsAttr(),
                                kernel::GridAttr(), kernel::ConfigAttrInterface(), /*inputsCount=*/1);
  IRMapping mapping;
  like.getInputs().front().cloneInto(&gemm.getInputs().front(), mapping);
  Type f32 = builder.getF32Type(), index = builder.getIndexType();
  builder.createBlock(&gemm.getBody(), {}, {f32, f32, index, index}, {loc, loc, loc, loc});
  kernel::EndOp::create(builder, loc);
  builder.setInsertionPoint(gemm.getBody().front().getTerminator());
}

Value PairedGemm::featureOfHalf(int64_t half) {
  Location loc = gemm.getLoc();
  Value even = arith::MulIOp::create(builder, loc, feature(), indexConstant(builder, loc, 2));
  return half ? arith::AddIOp::create(builder, loc, even, indexConstant(builder, loc, 1)).getResult() : even;
}

Value PairedGemm::continueWith(const PlainGemm &from, int64_t half, Value feature) {
  kernel::GemmOp other = from.gemm;
  kernel::StoreOp store = from.store;
  IRMapping mapping;
  mapping.map(other.getAccumulator(0), gemm.getAccumulator(0, half));
  mapping.map(other.getRow(), gemm.getRow());
  mapping.map(other.getFeature(), feature);
  BodyCloner cloner(builder, mapping);
  for (Operation &op : other.getBody().front())
    if (&op != store.getOperation())
      cloner.clone(op);
  return cloner.lookup(store.getValue());
}

void PairedGemm::absorb(kernel::MapOp map, function_ref<void(BodyCloner &)> replaceLoads) {
  IRMapping mapping;
  mapFeature(builder, map, gemm.getRow(), feature(), mapping);
  BodyCloner cloner(builder, mapping);
  replaceLoads(cloner);
  cloner.cloneAll(map.getBody().front());
  map.erase();
  cleanUp(gemm);
}
