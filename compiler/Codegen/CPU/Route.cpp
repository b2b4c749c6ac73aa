// SPDX-License-Identifier: Apache-2.0
//
// A route cell is a run of rows. For each row the logits are read, or computed as 16 partial sums per expert over
// several experts and rows at once, so that an element of a row is loaded once for these experts and one of the router
// for these rows; then the k largest are marked one after the other and listed by ascending expert.
#include "compiler/Codegen/CPU/GemmInput.h"
#include "compiler/Codegen/CPU/Kernels.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

namespace {

/// Experts whose logits a pass over the input computes at once.
constexpr int64_t expertTile = 4;

class RouteEmitter {
public:
  RouteEmitter(KernelEmitter &e, kernel::RouteOp op);

  LogicalResult run(int64_t rowsPerCell);

private:
  LogicalResult emitLogits(Value row, Value count);
  void emitDots(Value expert, int64_t count, int64_t rows);
  Value routerVector(Value expert, Value k, int64_t count);
  void chooseExperts(Value row, Value logits);
  void choose(Value logits);
  Value softmaxSum(Value logits, Value &largest);
  void list(Value row, Value logits);
  void normalize(Value scores);

  KernelEmitter &e;
  kernel::RouteOp op;
  int64_t experts, depth = 0;
  int64_t rowTile = 1; ///< Rows whose logits a pass over their inputs computes at once.
  Value chosen;        ///< One byte per expert.
  /// Where logits are computed: the inputs of the rows of a tile in float32, and their logits; bytes from row to row.
  Value inputs, computed;
  int64_t inputStride = 0, logitStride = 0;
};

} // namespace

RouteEmitter::RouteEmitter(KernelEmitter &e, kernel::RouteOp op)
    : e(e), op(op), experts(op.getExpertCount()), chosen(e.local(e.i8, experts)) {
  if (!op.getRouter())
    return;
  depth = op.getRouter().getType().getDimSize(1);
  // With 32 registers, 4 rows by 4 experts take 16 for sums, 4 for the router and 1 for an input.
  if (e.target.cpu().vectorRegisters >= 32)
    rowTile = 4;
  // 64 bytes more, for the zeros that follow a row of inputs and for vectors that begin in the last logits.
  inputStride = llvm::alignTo(depth * 4, 64) + 64;
  logitStride = llvm::alignTo(experts * 4, 64) + 64;
  inputs = e.scratch(rowTile * inputStride);
  computed = e.scratch(rowTile * logitStride);
}

LogicalResult RouteEmitter::run(int64_t rowsPerCell) {
  // The last cell of a launch may have fewer rows.
  Value begin = e.mul(e.first, rowsPerCell);
  Value end = e.min(e.mul(e.last, rowsPerCell), e.size(op.getRows()));
  if (!op.getRouter()) {
    Value logits = e.address(op.getLogits());
    e.loop(begin, end, [&](Value row) { chooseExperts(row, e.element(logits, row, experts * 4)); });
    return success();
  }
  LogicalResult result = success();
  // The region is written once, in the loop's body: one failure is what there is to remember.
  e.loop(begin, end, rowTile, {}, [&](Value first, ValueRange) -> Emitter::Values {
    Value count = e.min(e.sub(end, first), e.integer(rowTile));
    result = emitLogits(first, count);
    e.loop(e.integer(0), count, [&](Value i) { chooseExperts(e.add(first, i), e.element(computed, i, logitStride)); });
    return {};
  });
  return result;
}

/// The inputs of the rows by their region, then a product with the router, in float32 whatever its type.
LogicalResult RouteEmitter::emitLogits(Value row, Value count) {
  RowBlock block = {row, Value(), count};
  if (failed(emitInputRows(e, op.getInput(), depth, /*asBF16=*/false, block, inputs, inputStride)))
    return failure();
  e.switchOn(count, 1, rowTile, [&](int64_t rows) {
    e.pieces(experts, expertTile, [&](Value expert, int64_t known) { emitDots(expert, known, rows); });
  });
  return success();
}

/// The logits of `count` experts for `rows` rows: 16 partial sums each. What follows a row of the router is multiplied
/// by zero or not loaded.
void RouteEmitter::emitDots(Value expert, int64_t count, int64_t rows) {
  Emitter::Values sums(count * rows, e.splat(0));
  sums = e.pieces(depth, vectorLanes, sums, [&](Value k, int64_t lanes, ValueRange carried) {
    Emitter::Values next(carried), weights;
    for (int64_t i = 0; i < count; ++i)
      weights.push_back(routerVector(e.add(expert, i), k, lanes));
    for (int64_t row = 0; row < rows; ++row) {
      Value x = e.load(e.vf32, e.at(e.element(inputs, k, 4), row * inputStride));
      for (int64_t i = 0; i < count; ++i)
        next[row * count + i] = e.fma(x, weights[i], next[row * count + i]);
    }
    return next;
  });
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < count; ++i)
      e.store(e.addLanes(sums[row * count + i]), e.element(e.at(computed, row * logitStride), e.add(expert, i), 4));
}

/// 16 elements of an expert's row of the router, zeros behind its end: the next row follows there.
Value RouteEmitter::routerVector(Value expert, Value k, int64_t count) {
  bool bf16 = op.getRouter().getType().getElementType().isBF16();
  Value place = e.element(e.address(op.getRouter()), e.add(e.mul(expert, depth), k), bf16 ? 2 : 4);
  Value loaded = bf16 ? e.widenBF16(e.load(e.vectorOf(e.i16), place)) : e.load(e.vf32, place);
  return count == vectorLanes ? loaded : e.select(e.laneRange(e.integer(0), e.integer(count)), loaded, e.splat(0));
}

void RouteEmitter::chooseExperts(Value row, Value logits) {
  choose(logits);
  list(row, logits);
}

/// Marks the k largest logits. A later expert replaces an earlier one only if its logit is greater, so ties go to the
/// lower index, and whatever the logits are, k different experts are marked.
void RouteEmitter::choose(Value logits) {
  e.loop(e.integer(0), e.integer(experts), [&](Value i) { e.store(e.integer(0, e.i8), e.at(chosen, i)); });
  Value none = e.integer(-1);
  e.loop(e.integer(0), e.integer(op.getTopK()), [&](Value) {
    Emitter::Values best = e.loop(
        e.integer(0), e.integer(experts), 1, {none, e.real(0)}, [&](Value i, ValueRange carried) -> Emitter::Values {
          Value logit = e.load(e.f32, e.element(logits, i, 4));
          Value open = e.equal(e.load(e.i8, e.at(chosen, i)), e.integer(0, e.i8));
          // The first open expert is taken in any case, so that NaN cannot leave nothing to take.
          Value better = e.make<arith::OrIOp>(e.equal(carried[0], none), e.greater(logit, carried[1]));
          Value take = e.make<arith::AndIOp>(open, better);
          return {e.select(take, i, carried[0]), e.select(take, logit, carried[1])};
        });
    e.store(e.integer(1, e.i8), e.at(chosen, best[0]));
  });
}

/// Σ exp(logit - largest) over all experts, which are few enough to be read twice.
Value RouteEmitter::softmaxSum(Value logits, Value &largest) {
  Value lowest = e.splat(-std::numeric_limits<float>::infinity());
  auto vector = [&](Value begin, int64_t count, Value otherwise) {
    Value loaded = e.load(e.vf32, e.element(logits, begin, 4));
    return count == vectorLanes ? loaded : e.select(e.laneRange(e.integer(0), e.integer(count)), loaded, otherwise);
  };
  Emitter::Values most = e.pieces(experts, vectorLanes, lowest, [&](Value i, int64_t count, ValueRange carried) {
    return Emitter::Values{e.fmax(vector(i, count, lowest), carried[0])};
  });
  largest = e.maxLanes(most[0]);
  Emitter::Values sums = e.pieces(experts, vectorLanes, e.splat(0), [&](Value i, int64_t count, ValueRange carried) {
    Value power = e.exp(e.fsub(vector(i, count, lowest), e.broadcast(largest)));
    if (count < vectorLanes)
      power = e.select(e.laneRange(e.integer(0), e.integer(count)), power, e.splat(0));
    return Emitter::Values{e.fadd(carried[0], power)};
  });
  return e.addLanes(sums[0]);
}

/// Writes the marked experts in ascending order, and their scores.
void RouteEmitter::list(Value row, Value logits) {
  int64_t k = op.getTopK();
  bool softmax = op.getScore() == moe::ScoreFunction::Softmax;
  Value ids = e.element(e.address(op.getExperts()), row, k * 4);
  Value scores = e.element(e.address(op.getScores()), row, k * 4);
  Value largest, sum;
  if (softmax)
    sum = softmaxSum(logits, largest);
  // How many are listed so far.
  Emitter::Values listed = {e.integer(0)};
  e.loop(e.integer(0), e.integer(experts), 1, listed, [&](Value i, ValueRange carried) -> Emitter::Values {
    Value isChosen = e.equal(e.load(e.i8, e.at(chosen, i)), e.integer(1, e.i8));
    e.when(isChosen, [&] {
      Value logit = e.load(e.f32, e.element(logits, i, 4)), one = e.real(1);
      // The softmax is over all experts, not the chosen ones. The logistic function overflows to the right limit:
      // exp(-x) = inf gives 0.
      Value score = softmax ? e.fdiv(e.exp(e.fsub(logit, largest)), sum)
                            : e.fdiv(one, e.fadd(one, e.exp(e.make<arith::NegFOp>(logit))));
      e.store(e.narrow(i), e.element(ids, carried[0], 4));
      e.store(score, e.element(scores, carried[0], 4));
    });
    return {e.add(carried[0], e.make<arith::ExtUIOp>(e.i64, isChosen))};
  });
  if (op.getNormalize())
    normalize(scores);
}

/// Scores are divided by their sum, in ascending order of experts.
void RouteEmitter::normalize(Value scores) {
  Value k = e.integer(op.getTopK());
  Value sum = e.loop(e.integer(0), k, 1, e.real(0), [&](Value j, ValueRange carried) -> Emitter::Values {
    return {e.fadd(carried[0], e.load(e.f32, e.element(scores, j, 4)))};
  })[0];
  e.loop(e.integer(0), k, [&](Value j) {
    Value score = e.element(scores, j, 4);
    e.store(e.fdiv(e.load(e.f32, score), sum), score);
  });
}

LogicalResult codegen::emitTemplate(KernelEmitter &e, kernel::RouteOp op) {
  FailureOr<kernel::X86Attr> config = e.config(op);
  return failed(config) ? failure() : RouteEmitter(e, op).run(config->getRows());
}
