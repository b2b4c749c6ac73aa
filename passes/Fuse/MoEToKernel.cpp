// SPDX-License-Identifier: Apache-2.0
//
// Where routing becomes kernels.

#include "passes/Fuse/KernelBuilder.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace yupana;

static Attribute rowsOf(Value view) { return cast<kernel::ViewType>(view.getType()).getDims()[0]; }
static int64_t featuresOf(Value view) { return cast<kernel::ViewType>(view.getType()).getDimSize(1); }

static void lower(moe::RouteOp op, KernelBuilder &k) {
  Value experts = k.resultBuffer(op.getExperts()), scores = k.resultBuffer(op.getScores());
  kernel::RouteOp::create(k.builder, op.getLoc(), k.view(op.getLogits()), experts, scores, op.getTopK(), op.getScore(),
                          op.getNormalize(), kernel::GridAttr(), Attribute());
}

static void lower(moe::DispatchOp op, KernelBuilder &k) {
  Location loc = op.getLoc();
  Value in = k.view(op.getInput()), experts = k.view(op.getExperts());
  Value scores = op.getScores() ? k.view(op.getScores()) : Value();
  Value rows = k.resultBuffer(op.getRows()), offsets = k.resultBuffer(op.getOffsets());
  Value slots = k.resultBuffer(op.getSlots());
  auto orderType = kernel::ViewType::get(k.builder.getContext(), rowsOf(rows), k.builder.getI32Type(), "row-major");
  Value order = k.buffer("order", orderType, loc);
  kernel::SortTokensOp::create(k.builder, loc, experts, offsets, order, slots, kernel::GridAttr(), Attribute());

  int64_t topK = featuresOf(experts);
  k.map(loc, rowsOf(rows), 1, featuresOf(rows), [&](ScalarBuilder &b, Value slot, Value, Value lane) {
    Value pair = b.loadIndex(order, slot);
    Value token = b.div(pair, b.index(topK)), choice = b.rem(pair, b.index(topK));
    Value x = b.load(in, {token, lane});
    b.store(scores ? b.mul(x, b.load(scores, {token, choice})) : x, rows, {slot, lane});
  });
}

static void lower(moe::ExpertsOp op, KernelBuilder &k) {
  Location loc = op.getLoc();
  Value rows = k.view(op.getRows()), offsets = k.view(op.getOffsets());
  Value gate = k.project(loc, "experts.gate", rows, k.weight(op, op.getGateAttr()), offsets);
  Value up = k.project(loc, "experts.up", rows, k.weight(op, op.getUpAttr()), offsets);
  Value inner = k.gated(loc, gate, up, op.getActivation());
  k.setView(op.getResult(), k.project(loc, "experts.down", inner, k.weight(op, op.getDownAttr()), offsets));
}

static void lower(moe::SharedExpertOp op, KernelBuilder &k) {
  Location loc = op.getLoc();
  Value in = k.view(op.getInput());
  Value gate = k.project(loc, "shared.gate", in, k.weight(op, op.getGateAttr()));
  Value up = k.project(loc, "shared.up", in, k.weight(op, op.getUpAttr()));
  Value inner = k.gated(loc, gate, up, op.getActivation());
  k.setView(op.getResult(), k.project(loc, "shared.down", inner, k.weight(op, op.getDownAttr())));
}

static void lower(moe::CombineOp op, KernelBuilder &k) {
  Value rows = k.view(op.getRows()), slots = k.view(op.getSlots());
  Value scores = op.getScores() ? k.view(op.getScores()) : Value();
  Value shared = op.getShared() ? k.view(op.getShared()) : Value();
  Value out = k.resultBuffer(op.getResult());
  int64_t topK = featuresOf(slots);
  k.map(op.getLoc(), rowsOf(out), 1, featuresOf(out), [&](ScalarBuilder &b, Value row, Value, Value lane) {
    Value total = shared ? b.load(shared, {row, lane}) : Value();
    for (int64_t j = 0; j < topK; ++j) {
      Value choice = b.index(j);
      Value x = b.load(rows, {b.loadIndex(slots, {row, choice}), lane});
      if (scores)
        x = b.mul(x, b.load(scores, {row, choice}));
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
