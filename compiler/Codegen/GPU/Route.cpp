// SPDX-License-Identifier: Apache-2.0
//
// A warp takes a row. Its lanes take k in turns and add the products of several experts at once, so that an element of
// the row is computed once for all of them; then lanes are experts: the k largest logits are marked one after the other
// and listed by ascending expert.
#include "compiler/Codegen/GPU/Kernels.h"
#include "compiler/Codegen/GPU/ScalarRegion.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

/// Experts whose logits a pass over the input computes at once.
constexpr int64_t expertTile = 16;

class RouteEmitter {
public:
  RouteEmitter(KernelEmitter &e, kernel::RouteOp op);

  LogicalResult run(int64_t rowsPerCell);

private:
  LogicalResult emitRow(Value row);
  LogicalResult computeLogits(Value row);
  LogicalResult computeTile(const ScalarRegion &input, ArrayRef<Operation *> ops, int64_t first, int64_t count);
  void copyLogits(Value row);
  void choose();
  Value softmaxSum(Value &largest);
  void list(Value row);
  void normalize(Value row);

  Value logit(Value expert) { return e.load(e.f32, e.element(logits, expert, 4)); }
  Value isFirst() { return e.equal(e.lane, e.integer(0)); }
  Value lowest() { return e.real(-std::numeric_limits<float>::infinity()); }
  /// Runs `body` for the experts of a lane; the last turn may be without one for some lanes.
  OpEmitter::Values forLaneExperts(ValueRange init, function_ref<OpEmitter::Values(Value, ValueRange)> body) {
    return e.loop(e.lane, e.integer(experts), warpLanes, init, body);
  }

  KernelEmitter &e;
  kernel::RouteOp op;
  int64_t experts;
  /// Of the warp, in shared memory: float32 [experts], i32 [experts], float32 [k].
  Value logits, chosen, scores;
};

} // namespace

RouteEmitter::RouteEmitter(KernelEmitter &e, kernel::RouteOp op) : e(e), op(op), experts(op.getExpertCount()) {
  auto ofWarp = [&](int64_t count) {
    return e.element(e.shared(e.threads / warpLanes * count * 4), e.warp, count * 4);
  };
  logits = ofWarp(experts);
  chosen = ofWarp(experts);
  scores = ofWarp(op.getTopK());
}

LogicalResult RouteEmitter::run(int64_t rowsPerCell) {
  Value begin = e.mul(e.cell, rowsPerCell);
  Value end = e.min(e.add(begin, rowsPerCell), e.size(op.getRows()));
  LogicalResult result = success();
  e.loop(e.add(begin, e.warp), end, e.threads / warpLanes, {}, [&](Value row, ValueRange) {
    result = emitRow(row);
    return OpEmitter::Values{};
  });
  return result;
}

LogicalResult RouteEmitter::emitRow(Value row) {
  // The warp's memory is that of the row before.
  e.syncWarp();
  if (!op.getRouter())
    copyLogits(row);
  else if (failed(computeLogits(row)))
    return failure();
  e.syncWarp();
  choose();
  list(row);
  if (op.getNormalize()) {
    e.syncWarp();
    normalize(row);
  }
  return success();
}

void RouteEmitter::copyLogits(Value row) {
  Value given = e.element(e.address(op.getLogits()), e.widen(row), experts * 4);
  forLaneExperts({}, [&](Value expert, ValueRange) {
    Value value = e.loadFrom(op.getLogits(), e.f32, e.element(given, e.widen(expert), 4));
    e.store(value, e.element(logits, expert, 4));
    e.store(e.integer(0), e.element(chosen, expert, 4));
    return OpEmitter::Values{};
  });
}

LogicalResult RouteEmitter::computeLogits(Value row) {
  Region &region = op.getInput();
  ScalarRegion input(e, region, region.getArgument(1));
  input.bind(region.getArgument(0), row);
  auto ops = input.slice(cast<kernel::YieldOp>(region.front().getTerminator()).getValue());
  if (failed(input.emitInvariant(ops, isFirst())))
    return failure();
  for (int64_t first = 0; first < experts; first += expertTile)
    if (failed(computeTile(input, ops, first, std::min(expertTile, experts - first))))
      return failure();
  return success();
}

/// The logits of `count` experts, each as 32 partial sums: lane l has every k with k mod 32 equal to l.
LogicalResult RouteEmitter::computeTile(const ScalarRegion &input, ArrayRef<Operation *> ops, int64_t first,
                                        int64_t count) {
  Region &region = op.getInput();
  kernel::ViewType router = op.getRouter().getType();
  int64_t depth = router.getDimSize(1), bytes = router.getElementBytes();
  Value yielded = cast<kernel::YieldOp>(region.front().getTerminator()).getValue();
  Value weights = e.element(e.address(op.getRouter()), e.integer(first, e.i64), depth * bytes);
  LogicalResult result = success();
  OpEmitter::Values sums(count, e.real(0));
  sums = e.loop(e.lane, e.integer(depth), warpLanes, sums, [&](Value k, ValueRange carried) {
    ScalarRegion turn = input;
    turn.bind(region.getArgument(1), k);
    if (failed(turn.emitVarying(ops)))
      result = failure();
    OpEmitter::Values next(carried);
    for (int64_t i = 0; succeeded(result) && i < count; ++i) {
      Value place = e.at(e.element(weights, e.widen(k), bytes), i * depth * bytes);
      Value weight = e.loadConstant(router.getElementType(), place);
      if (!router.getElementType().isF32())
        weight = e.make<arith::ExtFOp>(e.f32, weight);
      next[i] = e.fma(turn.get(yielded), weight, next[i]);
    }
    return next;
  });
  if (failed(result))
    return failure();
  // Lanes may leave the loop one turn apart.
  e.syncWarp();
  for (int64_t i = 0; i < count; ++i) {
    Value sum = e.addLanes(sums[i]);
    e.when(isFirst(), [&] {
      e.store(sum, e.at(logits, (first + i) * 4));
      e.store(e.integer(0), e.at(chosen, (first + i) * 4));
    });
  }
  return success();
}

/// Marks the k largest logits, of equal ones those of the lowest index. NaN counts as -infinity, so that whatever the
/// logits are, k different experts are marked.
void RouteEmitter::choose() {
  Value none = e.integer(experts);
  /// True if (x, i) comes before (y, j): greater, or equal and of lower index; nothing comes after any.
  auto before = [&](Value x, Value i, Value y, Value j) {
    Value equal = e.make<arith::CmpFOp>(arith::CmpFPredicate::OEQ, x, y);
    return e.bitOr(e.greater(x, y), e.bitAnd(equal, e.less(i, j)));
  };
  e.loop(e.integer(0), e.integer(op.getTopK()), [&](Value) {
    OpEmitter::Values best = forLaneExperts({lowest(), none}, [&](Value expert, ValueRange carried) {
      Value value = logit(expert);
      Value ordered = e.make<arith::CmpFOp>(arith::CmpFPredicate::ORD, value, value);
      value = e.select(ordered, value, lowest());
      Value open = e.equal(e.load(e.i32, e.element(chosen, expert, 4)), e.integer(0));
      Value take = e.bitAnd(open, before(value, expert, carried[0], carried[1]));
      return OpEmitter::Values{e.select(take, value, carried[0]), e.select(take, expert, carried[1])};
    });
    e.syncWarp();
    Value value = best[0], expert = best[1];
    for (int64_t bits = warpLanes / 2; bits > 0; bits /= 2) {
      Value otherValue = e.shuffleXor(value, bits), other = e.shuffleXor(expert, bits);
      Value take = before(otherValue, other, value, expert);
      value = e.select(take, otherValue, value);
      expert = e.select(take, other, expert);
    }
    e.when(isFirst(), [&] { e.store(e.integer(1), e.element(chosen, expert, 4)); });
    e.syncWarp();
  });
}

/// Σ exp(logit - largest) over all experts, as 32 partial sums.
Value RouteEmitter::softmaxSum(Value &largest) {
  Value most = forLaneExperts(lowest(), [&](Value expert, ValueRange carried) {
    return OpEmitter::Values{e.fmax(logit(expert), carried[0])};
  })[0];
  e.syncWarp();
  largest = e.maxLanes(most);
  Value sum = forLaneExperts(e.real(0), [&](Value expert, ValueRange carried) {
    return OpEmitter::Values{e.fadd(carried[0], e.exp(e.fsub(logit(expert), largest)))};
  })[0];
  e.syncWarp();
  return e.addLanes(sum);
}

/// Writes the marked experts in ascending order, and their scores: to the warp's memory if they are still to be
/// normalised.
void RouteEmitter::list(Value row) {
  int64_t k = op.getTopK();
  bool softmax = op.getScore() == moe::ScoreFunction::Softmax;
  Value largest, sum;
  if (softmax)
    sum = softmaxSum(largest);
  Value ids = e.element(e.address(op.getExperts()), e.widen(row), k * 4);
  Value given = e.element(e.address(op.getScores()), e.widen(row), k * 4);
  Value before = e.sub(e.shiftLeft(e.integer(1), e.lane), e.integer(1)), last = e.integer(experts - 1);
  e.loop(e.integer(0), e.integer(experts), warpLanes, e.integer(0), [&](Value begin, ValueRange listed) {
    Value expert = e.add(begin, e.lane), safe = e.min(expert, last);
    Value marked = e.equal(e.load(e.i32, e.element(chosen, safe, 4)), e.integer(1));
    Value isChosen = e.bitAnd(marked, e.less(expert, e.integer(experts))), votes = e.ballot(isChosen);
    e.when(isChosen, [&] {
      Value value = logit(expert), one = e.real(1);
      Value score = softmax ? e.fdiv(e.exp(e.fsub(value, largest)), sum)
                            : e.fdiv(one, e.fadd(one, e.exp(e.make<arith::NegFOp>(value))));
      Value place = e.add(listed[0], e.countBits(e.bitAnd(votes, before)));
      e.store(expert, e.element(ids, e.widen(place), 4));
      e.store(score, op.getNormalize() ? e.element(scores, place, 4) : e.element(given, e.widen(place), 4));
    });
    return OpEmitter::Values{e.add(listed[0], e.countBits(votes))};
  });
}

void RouteEmitter::normalize(Value row) {
  Value k = e.integer(op.getTopK()), given = e.element(e.address(op.getScores()), e.widen(row), op.getTopK() * 4);
  auto score = [&](Value j) { return e.load(e.f32, e.element(scores, j, 4)); };
  // Every lane adds all of them, so that each has the sum.
  Value sum = e.loop(e.integer(0), k, 1, e.real(0),
                     [&](Value j, ValueRange carried) { return OpEmitter::Values{e.fadd(carried[0], score(j))}; })[0];
  e.loop(e.lane, k, warpLanes, {}, [&](Value j, ValueRange) {
    e.store(e.fdiv(score(j), sum), e.element(given, e.widen(j), 4));
    return OpEmitter::Values{};
  });
}

LogicalResult cuda::emitTemplate(KernelEmitter &e, kernel::RouteOp op) {
  FailureOr<kernel::GPUAttr> config = e.config(op);
  return failed(config) ? failure() : RouteEmitter(e, op).run(config->getRows());
}
