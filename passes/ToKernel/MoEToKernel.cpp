// SPDX-License-Identifier: Apache-2.0
//
// Where routing becomes kernels. A pair is a token and one of its k experts, number token · k + choice; dispatch makes
// a row per pair, the expert products run over these rows and look up their expert in the routing result, and combine
// adds the k rows of a token. With k = 1 a pair is a token, so no division is built, which lets fusing passes match the
// rows of both sides as equal. The shared expert is added first and the chosen ones in the order of the routing result,
// which is ascending by expert: the order of the sum is part of the numerical contract.

#include "passes/ToKernel/KernelBuilder.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace yupana;

static void lower(moe::RouteOp op, KernelBuilder &k) {
  Value experts = k.resultBuffer(op.getExperts()), scores = k.resultBuffer(op.getScores());
  kernel::RouteOp::create(k.builder, op.getLoc(), rowsOf(experts), k.view(op.getLogits()), /*router=*/Value(), experts,
                          scores, /*workspaces=*/ValueRange(), op.getTopK(), op.getScore(), op.getNormalize(),
                          kernel::NumericsAttr(), kernel::GridAttr(), kernel::ConfigAttrInterface());
}

/// The token and the choice that a pair is; plain values where each token has one.
static std::pair<Value, Value> splitPair(ScalarBuilder &b, Value pair, int64_t topK) {
  if (topK == 1)
    return {pair, b.index(0)};
  return {b.div(pair, b.index(topK)), b.rem(pair, b.index(topK))};
}

static void lower(moe::DispatchOp op, KernelBuilder &k) {
  Value in = k.view(op.getInput()), rows = k.resultBuffer(op.getRows());
  Value scores = op.getScores() ? k.view(op.getScores()) : Value();
  int64_t topK = featuresOf(k.view(op.getExperts()));
  k.map(op.getLoc(), rowsOf(rows), 1, featuresOf(rows), [&](ScalarBuilder &b, Value pair, Value, Value lane) {
    auto [token, choice] = splitPair(b, pair, topK);
    Value x = b.load(in, {token, lane});
    b.store(scores ? b.mul(x, b.load(scores, {token, choice})) : x, rows, {pair, lane});
  });
}

static void lower(moe::ExpertsOp op, KernelBuilder &k) {
  Location loc = op.getLoc();
  Value rows = k.view(op.getRows()), experts = k.view(op.getExperts());
  Type element = cast<RankedTensorType>(op.getResult().getType()).getElementType();
  auto project = [&](StringRef name, Value input, FlatSymbolRefAttr weight) {
    return k.project(loc, name, input, k.weight(op, weight), element, experts);
  };
  Value gate = project("experts.gate", rows, op.getGateAttr()), up = project("experts.up", rows, op.getUpAttr());
  Value inner = k.gated(loc, gate, up, op.getActivation());
  k.setView(op.getResult(), project("experts.down", inner, op.getDownAttr()));
}

static void lower(moe::SharedExpertOp op, KernelBuilder &k) {
  Location loc = op.getLoc();
  Value in = k.view(op.getInput());
  Type element = cast<RankedTensorType>(op.getResult().getType()).getElementType();
  auto project = [&](StringRef name, Value input, FlatSymbolRefAttr weight) {
    return k.project(loc, name, input, k.weight(op, weight), element);
  };
  Value gate = project("shared.gate", in, op.getGateAttr()), up = project("shared.up", in, op.getUpAttr());
  Value inner = k.gated(loc, gate, up, op.getActivation());
  k.setView(op.getResult(), project("shared.down", inner, op.getDownAttr()));
}

static void lower(moe::CombineOp op, KernelBuilder &k) {
  Value rows = k.view(op.getRows()), out = k.resultBuffer(op.getResult());
  Value scores = op.getScores() ? k.view(op.getScores()) : Value();
  Value shared = op.getShared() ? k.view(op.getShared()) : Value();
  int64_t topK = op.getTopK();
  k.map(op.getLoc(), rowsOf(out), 1, featuresOf(out), [&](ScalarBuilder &b, Value row, Value, Value lane) {
    Value total = shared ? b.load(shared, {row, lane}) : Value();
    for (int64_t j = 0; j < topK; ++j) {
      Value pair = topK == 1 ? row : b.add(b.mul(row, b.index(topK)), b.index(j));
      Value x = b.load(rows, {pair, lane});
      if (scores)
        x = b.mul(x, b.load(scores, {row, b.index(j)}));
      total = total ? b.add(total, x) : x;
    }
    b.store(total, out, {row, lane});
  });
}

LogicalResult yupana::lowerMoEOp(Operation *op, KernelBuilder &kernels) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<moe::RouteOp, moe::DispatchOp, moe::ExpertsOp, moe::SharedExpertOp, moe::CombineOp>([&](auto typed) {
        lower(typed, kernels);
        return success();
      })
      .Default([](Operation *op) { return op->emitOpError() << "has no kernel"; });
}
