// SPDX-License-Identifier: Apache-2.0
//
// One function for each op of `lm`: elementwise ops, norms, rotations and gathers become maps, products become gemms,
// attention and sampling have ops of their own. All arithmetic is in float32, and a value is rounded where it is stored
// in a buffer of another type. The order of the float operations written here is what every target executes: no later
// pass reassociates them, so another order would change logits in their last bits on all targets at once. Nothing is
// fused here, because fusing passes match the plain form that these functions build and can each be switched off.

#include "passes/ToKernel/KernelBuilder.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace yupana;

template <typename Size> static lm::DimAttr dim(OpBuilder &builder, Size size) {
  return lm::DimAttr::get(builder.getContext(), size);
}

/// The feature that a lane of a group of `width` is.
static Value feature(ScalarBuilder &b, Value group, Value lane, int64_t width) {
  return b.add(b.mul(group, b.index(width)), lane);
}

static void lower(lm::EmbedOp op, KernelBuilder &k) {
  Value ids = k.view(op.getIds()), table = k.weight(op, op.getWeightAttr()), out = k.resultBuffer(op.getResult());
  k.map(op.getLoc(), rowsOf(out), 1, featuresOf(out), [&](ScalarBuilder &b, Value row, Value, Value lane) {
    b.store(b.load(table, {b.loadIndex(ids, row), lane}), out, {row, lane});
  });
}

static void lower(lm::RMSNormOp op, KernelBuilder &k) {
  Value in = k.view(op.getInput()), gain = k.optionalWeight(op, op.getGainAttr()), out = k.resultBuffer(op.getResult());
  int64_t width = op.getWidth();
  double epsilon = op.getEpsilon().convertToDouble();
  k.map(op.getLoc(), rowsOf(out), featuresOf(out) / width, width,
        [&](ScalarBuilder &b, Value row, Value group, Value lane) {
          Value f = feature(b, group, lane, width);
          Value x = b.load(in, {row, f});
          // y = x / sqrt(mean(x²) + ε) · gain, as a division and a square root, which every target rounds correctly; an
          // approximate reciprocal root differs from machine to machine.
          Value mean = b.div(b.sum(b.mul(x, x)), b.constant(width));
          Value scale = b.div(b.constant(1), b.sqrt(b.add(mean, b.constant(epsilon))));
          Value y = b.mul(x, scale);
          b.store(gain ? b.mul(y, b.load(gain, f)) : y, out, {row, f});
        });
}

static void lower(lm::LinearOp op, KernelBuilder &k) {
  Value weight = k.weight(op, op.getWeightAttr()), bias = k.optionalWeight(op, op.getBiasAttr());
  Type element = cast<RankedTensorType>(op.getResult().getType()).getElementType();
  k.setView(op.getResult(), k.project(op.getLoc(), "linear", k.view(op.getInput()), weight, element, {}, bias));
}

namespace {
struct Angle {
  Value cosine, sine;
};
} // namespace

/// The rotation of one pair at a position p: one table row where positions repeat after a chunk, else the product
/// e^{i·256a·θ} · e^{i·b·θ} of two rows with p = 256a + b. Two small tables then serve any context length, where one
/// table would have a row for each position.
static Angle angle(ScalarBuilder &b, lm::RopeOp op, ArrayRef<Value> tables, Value position, Value pair) {
  auto entry = [&](Value table, Value row) {
    return Angle{b.load(table, {row, pair, b.index(0)}), b.load(table, {row, pair, b.index(1)})};
  };
  if (op.getPeriod())
    return entry(tables[0], b.rem(position, b.index(*op.getPeriod())));
  Value fineRows = b.index(cast<kernel::ViewType>(tables[1].getType()).getDimSize(0));
  Angle coarse = entry(tables[0], b.div(position, fineRows)), fine = entry(tables[1], b.rem(position, fineRows));
  return {b.sub(b.mul(coarse.cosine, fine.cosine), b.mul(coarse.sine, fine.sine)),
          b.add(b.mul(coarse.sine, fine.cosine), b.mul(coarse.cosine, fine.sine))};
}

static void lower(lm::RopeOp op, KernelBuilder &k) {
  Value in = k.view(op.getInput()), positions = k.view(op.getPositions()), out = k.resultBuffer(op.getResult());
  SmallVector<Value> tables;
  for (auto symbol : op.getTables()->getAsRange<FlatSymbolRefAttr>())
    tables.push_back(k.weight(op, symbol));
  int64_t width = op.getWidth();
  k.map(op.getLoc(), rowsOf(out), featuresOf(out) / width, width / 2,
        [&](ScalarBuilder &b, Value row, Value head, Value pair) {
          Angle turn = angle(b, op, tables, b.loadIndex(positions, row), pair);
          Value even = feature(b, head, b.mul(pair, b.index(2)), width), odd = b.add(even, b.index(1));
          Value x = b.load(in, {row, even}), y = b.load(in, {row, odd});
          b.store(b.sub(b.mul(x, turn.cosine), b.mul(y, turn.sine)), out, {row, even});
          b.store(b.add(b.mul(x, turn.sine), b.mul(y, turn.cosine)), out, {row, odd});
        });
}

static void lower(lm::AttentionTemperatureOp op, KernelBuilder &k) {
  Value in = k.view(op.getInput()), positions = k.view(op.getPositions()), out = k.resultBuffer(op.getResult());
  Value table = k.weight(op, op.getTableAttr());
  k.map(op.getLoc(), rowsOf(out), 1, featuresOf(out), [&](ScalarBuilder &b, Value row, Value, Value lane) {
    // The published code counts positions from 1 here: log1p(floor((p + 1) / floor_scale)) · scale + 1.
    Value next = b.add(b.loadIndex(positions, row), b.index(1));
    Value factor = b.load(table, b.div(next, b.index(op.getFloorScale())));
    b.store(b.mul(b.load(in, {row, lane}), factor), out, {row, lane});
  });
}

static void lower(lm::AttentionOp op, KernelBuilder &k) {
  Location loc = op.getLoc();
  OpBuilder &builder = k.builder;
  auto cache = SymbolTable::lookupNearestSymbolFrom<lm::CacheOp>(op, op.getCacheAttr());
  int64_t heads = cache.getHeads(), width = cache.getWidth(), page = k.sizes.pageTokens;
  // The layout within a page and the size of a page are the target's choice and are filled in by group-caches.
  auto part = [&](kernel::CachePart part) -> Value {
    auto type = kernel::CacheType::get(builder.getContext(), part, heads, width, page, /*page_bytes=*/0,
                                       cache.getElementType(), schema::kCacheRowMajor.id);
    return kernel::CacheOp::create(builder, loc, type, op.getCacheAttr(), FlatSymbolRefAttr(), IntegerAttr());
  };
  Value keys = part(kernel::CachePart::Key), values = part(kernel::CachePart::Value);
  int64_t pagesPerSequence = (k.sizes.maxContext + page - 1) / page;
  auto pagesType =
      kernel::ViewType::get(builder.getContext(), {dim(builder, lm::DimSymbol::S), dim(builder, pagesPerSequence)},
                            builder.getI32Type(), "row-major");
  Value pages = kernel::PageTableOp::create(builder, loc, pagesType, op.getCacheAttr(), FlatSymbolRefAttr());

  Value positions = k.view(op.getPositions()), sequences = k.view(op.getSequences());
  auto append = [&](Value from, Value to) {
    k.map(loc, rowsOf(from), heads, width, [&](ScalarBuilder &b, Value row, Value head, Value lane) {
      Value position = b.loadIndex(positions, row), sequence = b.loadIndex(sequences, row);
      Value x = b.round(b.load(from, {row, feature(b, head, lane, width)}), cache.getElementType());
      kernel::AppendOp::create(builder, loc, x, to, head, lane, position, sequence, pages);
    });
  };
  // Both are appended before attention is launched, so that tokens of one step also attend to one another.
  append(k.view(op.getKey()), keys);
  append(k.view(op.getValue()), values);
  Value q = k.view(op.getQuery());
  Value out = k.resultBuffer(op.getResult());
  kernel::AttentionOp::create(builder, loc, q, keys, values, positions, sequences, pages, out,
                              /*workspaces=*/ValueRange(), builder.getI64IntegerAttr(cache.getChunk().value_or(0)),
                              op.getScaleAttr(), kernel::NumericsAttr(), kernel::GridAttr(),
                              kernel::ConfigAttrInterface());
}

static void lower(lm::GatedOp op, KernelBuilder &k) {
  k.setView(op.getResult(), k.gated(op.getLoc(), k.view(op.getGate()), k.view(op.getUp()), op.getActivation()));
}

static void lower(lm::AddOp op, KernelBuilder &k) {
  Value lhs = k.view(op.getLhs()), rhs = k.view(op.getRhs()), out = k.resultBuffer(op.getResult());
  k.map(op.getLoc(), rowsOf(out), 1, featuresOf(out), [&](ScalarBuilder &b, Value row, Value, Value lane) {
    b.store(b.add(b.load(lhs, {row, lane}), b.load(rhs, {row, lane})), out, {row, lane});
  });
}

static void lower(lm::TakeRowsOp op, KernelBuilder &k) {
  Value in = k.view(op.getInput()), rows = k.view(op.getRows()), out = k.resultBuffer(op.getResult());
  k.map(op.getLoc(), rowsOf(out), 1, featuresOf(out), [&](ScalarBuilder &b, Value row, Value, Value lane) {
    b.store(b.load(in, {b.loadIndex(rows, row), lane}), out, {row, lane});
  });
}

/// Names the tokens of every sequence so far, one row of `maxContext` per slot: the repetition penalty reads them.
static Value history(Location loc, KernelBuilder &k) {
  OpBuilder &b = k.builder;
  auto type = kernel::ViewType::get(b.getContext(), {dim(b, lm::DimSymbol::N), dim(b, k.sizes.maxContext)},
                                    b.getI32Type(), "row-major");
  return kernel::HistoryOp::create(b, loc, type);
}

static void lower(lm::RecordOp op, KernelBuilder &k) {
  OpBuilder &builder = k.builder;
  Value ids = k.view(op.getIds()), positions = k.view(op.getPositions()), sequences = k.view(op.getSequences());
  auto slotsType =
      kernel::ViewType::get(builder.getContext(), {dim(builder, lm::DimSymbol::S)}, builder.getI32Type(), "row-major");
  Value slots = kernel::InputOp::create(builder, op.getLoc(), slotsType, kernel::StepInput::SequenceSlots);
  Value out = history(op.getLoc(), k);
  k.map(op.getLoc(), rowsOf(ids), 1, 1, [&](ScalarBuilder &b, Value row, Value, Value) {
    Value slot = b.loadIndex(slots, b.loadIndex(sequences, row)), id = b.load(ids, row);
    b.store(id, out, {slot, b.loadIndex(positions, row)});
  });
}

static void lower(lm::SampleOp op, KernelBuilder &k) {
  Value out = k.resultBuffer(op.getIds()), tokens = history(op.getLoc(), k);
  kernel::SampleOp::create(k.builder, op.getLoc(), k.view(op.getLogits()), k.view(op.getTemperatures()),
                           k.view(op.getTopK()), k.view(op.getTopP()), k.view(op.getMinP()), k.view(op.getPenalties()),
                           k.view(op.getSeeds()), k.view(op.getSequences()), k.view(op.getPositions()),
                           k.view(op.getSlots()), tokens, out, /*workspaces=*/ValueRange(), kernel::GridAttr(),
                           kernel::ConfigAttrInterface());
}

LogicalResult yupana::lowerLMOp(Operation *op, KernelBuilder &kernels) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<lm::EmbedOp, lm::RMSNormOp, lm::LinearOp, lm::RopeOp, lm::AttentionTemperatureOp, lm::AttentionOp,
            lm::GatedOp, lm::AddOp, lm::TakeRowsOp, lm::RecordOp, lm::SampleOp>([&](auto typed) {
        lower(typed, kernels);
        return success();
      })
      .Default([](Operation *op) { return op->emitOpError() << "has no kernel"; });
}
