// SPDX-License-Identifier: Apache-2.0
#include "compiler/Codegen/CPU/Kernels.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

/// Draws by inverting the cumulative distribution in ascending id. It is added up twice, once for the total and once to
/// find the id, by the same steps in float64: the second pass meets the very sums of the first, so a draw below the
/// total always finds an id, and lanes of weight 0 are never found.
class SampleEmitter {
public:
  SampleEmitter(KernelEmitter &e, kernel::SampleOp op)
      : e(e), op(op), vocabulary(op.getLogits().getType().getDimSize(1)), block(e.local(e.f32, vectorLanes)) {}

  void run();

private:
  std::pair<Value, Value> largest(Value logits);
  Value uniform(Value row);
  Value draw(Value row, Value logits, Value largest, Value temperature, Value fallback);
  void emitWeights(Value logits, Value begin, int64_t count, Value largest, Value temperature);
  Value add(Value sum, Value lane);

  KernelEmitter &e;
  kernel::SampleOp op;
  int64_t vocabulary;
  Value block; ///< Weights of 16 ids.
};

} // namespace

void SampleEmitter::run() {
  e.loop(e.first, e.last, [&](Value row) {
    Value logits = e.element(e.address(op.getLogits()), row, vocabulary * 4);
    Value temperature = e.load(e.f32, e.element(e.address(op.getTemperatures()), row, 4));
    Value id = e.element(e.address(op.getIds()), row, 4);
    auto [best, logit] = largest(logits);
    // Not "is it 0": a temperature that is negative or no number is greedy too.
    e.when(
        e.greater(temperature, e.real(0)),
        [&, best = best, logit = logit] { e.store(e.narrow(draw(row, logits, logit, temperature, best)), id); },
        [&, best = best] { e.store(e.narrow(best), id); });
  });
}

/// The largest logit and the lowest id that has it; id 0 if there is none, as among logits that are no numbers.
std::pair<Value, Value> SampleEmitter::largest(Value logits) {
  Value lowest = e.real(-std::numeric_limits<float>::infinity());
  Emitter::Values best = e.loop(e.integer(0), e.integer(vocabulary), 1, {e.integer(0), lowest},
                                [&](Value i, ValueRange carried) -> Emitter::Values {
                                  Value logit = e.load(e.f32, e.element(logits, i, 4));
                                  Value better = e.greater(logit, carried[1]);
                                  return {e.select(better, i, carried[0]), e.select(better, logit, carried[1])};
                                });
  return {best[0], best[1]};
}

/// Philox 4x32-10 with key (seed) and counter (sequence, position, 0): the upper 24 bits of its first word, in [0, 1).
Value SampleEmitter::uniform(Value row) {
  auto halves = [&](Value word) -> std::pair<Value, Value> {
    return {e.narrow(word), e.narrow(e.make<arith::ShRUIOp>(word, e.integer(32)))};
  };
  auto [key0, key1] = halves(e.load(e.i64, e.element(e.address(op.getSeeds()), row, 8)));
  auto [c0, c1] = halves(e.load(e.i64, e.element(e.address(op.getSequences()), row, 8)));
  Value c2 = e.load(e.i32, e.element(e.address(op.getPositions()), row, 4)), c3 = e.integer(0, e.i32);
  auto exclusiveOr = [&](Value x, Value y) -> Value { return e.make<arith::XOrIOp>(x, y); };
  for (int round = 0; round < 10; ++round) {
    auto [low0, high0] = halves(e.mul(e.widen(c0), 0xD2511F53));
    auto [low1, high1] = halves(e.mul(e.widen(c2), 0xCD9E8D57));
    c0 = exclusiveOr(exclusiveOr(high1, c1), key0);
    c2 = exclusiveOr(exclusiveOr(high0, c3), key1);
    c1 = low1;
    c3 = low0;
    key0 = e.add(key0, static_cast<int32_t>(0x9E3779B9));
    key1 = e.add(key1, static_cast<int32_t>(0xBB67AE85));
  }
  Value bits = e.make<arith::ShRUIOp>(c0, e.integer(8, e.i32));
  return e.fmul(e.make<arith::UIToFPOp>(e.f64, bits), e.real(0x1p-24, e.f64));
}

/// Leaves exp((logit - largest) / temperature) of ids begin, .., begin + 15 in the block, 0 from begin + count on.
void SampleEmitter::emitWeights(Value logits, Value begin, int64_t count, Value largest, Value temperature) {
  Value loaded = e.load(e.vf32, e.element(logits, begin, 4));
  Value weights = e.exp(e.fdiv(e.fsub(loaded, e.broadcast(largest)), e.broadcast(temperature)));
  if (count < vectorLanes)
    weights = e.select(e.laneRange(e.integer(0), e.integer(count)), weights, e.splat(0));
  e.store(weights, block, 64);
}

Value SampleEmitter::add(Value sum, Value lane) {
  return e.fadd(sum, e.make<arith::ExtFOp>(e.f64, e.load(e.f32, e.element(block, lane, 4))));
}

Value SampleEmitter::draw(Value row, Value logits, Value largest, Value temperature, Value fallback) {
  Value zero = e.real(0, e.f64), none = e.integer(-1), lanes = e.integer(vectorLanes);
  Value total = e.pieces(vocabulary, vectorLanes, zero, [&](Value begin, int64_t count, ValueRange carried) {
    emitWeights(logits, begin, count, largest, temperature);
    return e.loop(e.integer(0), lanes, 1, carried,
                  [&](Value lane, ValueRange sum) -> Emitter::Values { return {add(sum[0], lane)}; });
  })[0];
  Value target = e.fmul(uniform(row), total);
  Emitter::Values found =
      e.pieces(vocabulary, vectorLanes, {zero, none}, [&](Value begin, int64_t count, ValueRange carried) {
        emitWeights(logits, begin, count, largest, temperature);
        return e.loop(e.integer(0), lanes, 1, carried, [&](Value lane, ValueRange state) -> Emitter::Values {
          Value sum = add(state[0], lane);
          Value here = e.make<arith::AndIOp>(e.equal(state[1], none), e.greater(sum, target));
          return {sum, e.select(here, e.add(begin, lane), state[1])};
        });
      });
  // A total that is no number is less than nothing.
  return e.select(e.equal(found[1], none), fallback, found[1]);
}

LogicalResult codegen::emitSample(KernelEmitter &e, kernel::SampleOp op) {
  SampleEmitter(e, op).run();
  return success();
}
