// SPDX-License-Identifier: Apache-2.0
//
// Builds launched ops and their scalar regions for the lowerings of both model dialects. Ops are built without
// numerics, grid and config: these are the target's, and later phases ask for them. Loads widen to float32 and stores
// round to the element type of the view, so that the lowerings contain arithmetic in float32 alone. A weight is named
// once in a program, because two views of one weight would hide from a pass that the weight has another user. Lowerings
// therefore decide what is computed, and nothing about where or how.

#include "passes/ToKernel/KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace yupana;

//===----------------------------------------------------------------------===//
// ScalarBuilder
//===----------------------------------------------------------------------===//

Value ScalarBuilder::index(int64_t value) { return arith::ConstantIndexOp::create(builder, loc, value); }

Value ScalarBuilder::constant(double value) {
  return arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(value));
}

template <typename FloatOp, typename IntOp> static Value emit(ScalarBuilder &b, Value lhs, Value rhs) {
  if (isa<FloatType>(lhs.getType()))
    return FloatOp::create(b.builder, b.loc, lhs, rhs);
  return IntOp::create(b.builder, b.loc, lhs, rhs);
}

Value ScalarBuilder::add(Value a, Value b) { return emit<arith::AddFOp, arith::AddIOp>(*this, a, b); }
Value ScalarBuilder::sub(Value a, Value b) { return emit<arith::SubFOp, arith::SubIOp>(*this, a, b); }
Value ScalarBuilder::mul(Value a, Value b) { return emit<arith::MulFOp, arith::MulIOp>(*this, a, b); }
Value ScalarBuilder::div(Value a, Value b) { return emit<arith::DivFOp, arith::DivUIOp>(*this, a, b); }
Value ScalarBuilder::rem(Value a, Value b) { return arith::RemUIOp::create(builder, loc, a, b); }
Value ScalarBuilder::sqrt(Value a) { return math::SqrtOp::create(builder, loc, a); }
Value ScalarBuilder::exp(Value a) { return math::ExpOp::create(builder, loc, a); }
Value ScalarBuilder::erf(Value a) { return math::ErfOp::create(builder, loc, a); }
Value ScalarBuilder::negate(Value a) { return arith::NegFOp::create(builder, loc, a); }
Value ScalarBuilder::sum(Value a) { return kernel::SumOp::create(builder, loc, a); }

Value ScalarBuilder::load(Value view, ValueRange indices) {
  Type element = cast<kernel::ViewType>(view.getType()).getElementType();
  return widen(kernel::LoadOp::create(builder, loc, element, view, indices));
}

Value ScalarBuilder::loadIndex(Value view, ValueRange indices) {
  return arith::IndexCastUIOp::create(builder, loc, builder.getIndexType(), load(view, indices));
}

Value ScalarBuilder::widen(Value value) {
  return value.getType().isBF16() ? Value(arith::ExtFOp::create(builder, loc, builder.getF32Type(), value)) : value;
}

Value ScalarBuilder::round(Value value, Type element) {
  return element.isBF16() && value.getType().isF32() ? Value(arith::TruncFOp::create(builder, loc, element, value))
                                                     : value;
}

void ScalarBuilder::store(Value value, Value view, ValueRange indices) {
  Type element = cast<kernel::ViewType>(view.getType()).getElementType();
  kernel::StoreOp::create(builder, loc, round(value, element), view, indices);
}

Value ScalarBuilder::gated(Value gate, Value up, lm::Activation activation) {
  Value one = constant(1);
  Value activated;
  switch (activation) {
  case lm::Activation::SiLU:
    // SiLU is x · sigmoid(x); with the division last, a large negative x gives x / inf = -0 and no NaN.
    activated = div(gate, add(one, exp(negate(gate))));
    break;
  case lm::Activation::GELU:
    // The exact GELU by erf, not the tanh approximation; the constant is sqrt(1/2).
    activated = mul(mul(constant(0.5), gate), add(one, erf(mul(gate, constant(0.70710678118654752440)))));
    break;
  }
  return mul(activated, up);
}

//===----------------------------------------------------------------------===//
// KernelBuilder
//===----------------------------------------------------------------------===//

kernel::ViewType KernelBuilder::viewType(Type tensor) {
  auto type = cast<RankedTensorType>(tensor);
  return kernel::ViewType::get(type.getContext(), lm::getDims(type), type.getElementType(), "row-major");
}

Value KernelBuilder::buffer(StringRef prefix, kernel::ViewType type, Location loc) {
  std::string name = (prefix + "." + Twine(names[prefix]++)).str();
  return kernel::BufferOp::create(builder, loc, type, builder.getStringAttr(name));
}

Value KernelBuilder::resultBuffer(Value tensor) {
  StringRef mnemonic = tensor.getDefiningOp()->getName().stripDialect();
  Value view = buffer(mnemonic, viewType(tensor.getType()), tensor.getLoc());
  setView(tensor, view);
  return view;
}

Value KernelBuilder::weight(Operation *user, FlatSymbolRefAttr symbol) {
  Value &view = weights[symbol];
  if (!view) {
    Operation *parameter = SymbolTable::lookupNearestSymbolFrom(user, symbol);
    view = kernel::WeightOp::create(builder, user->getLoc(), viewType(lm::getParameterType(parameter)), symbol);
  }
  return view;
}

Value KernelBuilder::optionalWeight(Operation *user, FlatSymbolRefAttr symbol) {
  return symbol ? weight(user, symbol) : Value();
}

void KernelBuilder::map(Location loc, lm::DimAttr rows, int64_t groups, int64_t width, MapBody body) {
  auto op = kernel::MapOp::create(builder, loc, rows, groups, width, kernel::NumericsAttr(), kernel::GridAttr(),
                                  kernel::ConfigAttrInterface());
  Type index = builder.getIndexType();
  OpBuilder::InsertionGuard guard(builder);
  Block *block = builder.createBlock(&op.getBody(), {}, {index, index, index}, {loc, loc, loc});
  ScalarBuilder scalar(builder, loc);
  body(scalar, block->getArgument(0), block->getArgument(1), block->getArgument(2));
  kernel::EndOp::create(builder, loc);
}

void KernelBuilder::gemm(Location loc, Value input, Value weight, Value experts, GemmBody body) {
  lm::DimAttr rows = cast<kernel::ViewType>(input.getType()).getDims()[0];
  auto op = kernel::GemmOp::create(builder, loc, rows, weight, experts, /*order=*/Value(), /*workspaces=*/ValueRange(),
                                   IntegerAttr(), IntegerAttr(), IntegerAttr(), kernel::NumericsAttr(),
                                   kernel::GridAttr(), kernel::ConfigAttrInterface(), /*inputsCount=*/1);
  Type index = builder.getIndexType();
  OpBuilder::InsertionGuard guard(builder);
  Block *read = builder.createBlock(&op.getInputs().front(), {}, {index, index}, {loc, loc});
  Type element = cast<kernel::ViewType>(input.getType()).getElementType();
  kernel::YieldOp::create(builder, loc,
                          kernel::LoadOp::create(builder, loc, element, input, read->getArguments()).getValue());
  Block *block = builder.createBlock(&op.getBody(), {}, {builder.getF32Type(), index, index}, {loc, loc, loc});
  ScalarBuilder scalar(builder, loc);
  body(scalar, block->getArgument(0), block->getArgument(1), block->getArgument(2));
  kernel::EndOp::create(builder, loc);
}

Value KernelBuilder::project(Location loc, StringRef name, Value input, Value weight, Type element, Value experts,
                             Value bias) {
  auto inputType = cast<kernel::ViewType>(input.getType());
  lm::DimAttr outputs = cast<kernel::ViewType>(weight.getType()).getDims().drop_back().back();
  auto type = kernel::ViewType::get(builder.getContext(), {inputType.getDims()[0], outputs}, element, "row-major");
  Value result = buffer(name, type, loc);
  gemm(loc, input, weight, experts, [&](ScalarBuilder &b, Value acc, Value row, Value feature) {
    b.store(bias ? b.add(acc, b.load(bias, feature)) : acc, result, {row, feature});
  });
  return result;
}

Value KernelBuilder::gated(Location loc, Value gate, Value up, lm::Activation activation) {
  auto type = cast<kernel::ViewType>(gate.getType());
  Value result = buffer("gated", type, loc);
  map(loc, type.getDims()[0], 1, type.getDimSize(1), [&](ScalarBuilder &b, Value row, Value, Value lane) {
    Value x = b.load(gate, {row, lane}), y = b.load(up, {row, lane});
    b.store(b.gated(x, y, activation), result, {row, lane});
  });
  return result;
}
