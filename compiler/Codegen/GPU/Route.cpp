// SPDX-License-Identifier: Apache-2.0
//
// A block takes a row: its threads compute the row's elements into shared memory, then each warp multiplies them by the
// weights of some experts. A token has few products, but all of them wait for memory, so that a warp has many weights
// on their way at once, and all experts' are asked for while the launch before ends. Then the lanes of one warp are
// experts: the k largest logits are marked one after the other and listed by ascending expert. Where there are more
// experts than warps, blocks may share a row's: the last to arrive goes on from what all have left in a workspace.
#include "compiler/Codegen/GPU/Choices.h"
#include "compiler/Codegen/GPU/Kernels.h"
#include "compiler/Codegen/GPU/ScalarRegion.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

class RouteEmitter {
public:
  RouteEmitter(KernelEmitter &e, kernel::RouteOp op);

  LogicalResult run(int64_t rowsPerCell);

private:
  using Values = OpEmitter::Values;

  LogicalResult emitRow(Value row);
  LogicalResult emitPart(Value row, Value part);
  void fetchWeights();
  LogicalResult computeInput(Value row);
  void computeLogits(Value begin, Value to);
  void computeTile(ArrayRef<Value> weights, ArrayRef<Value> numbers, Value to);
  void copyLogits(Value given, function_ref<Value(Value address)> load);
  void chooseAndList(Value row);
  void choose();
  Value softmaxSum(Value &largest);
  void list(Value row);
  void normalize(Value row);

  Value ofRow(Value view, Value row) { return e.element(e.address(view), e.widen(row), experts * 4); }
  Value logit(Value expert) { return e.load(e.f32, e.element(logits, expert, 4)); }
  Value isFirst() { return e.equal(e.lane, e.integer(0)); }
  Value lowest() { return e.real(-std::numeric_limits<float>::infinity()); }
  kernel::ViewType routerType() { return op.getRouter().getType(); }
  /// Runs `body` for the experts of a lane; the last turn may be without one for some lanes.
  Values forLaneExperts(ValueRange init, function_ref<Values(Value, ValueRange)> body) {
    return e.loop(e.lane, e.integer(experts), warpLanes, init, body);
  }

  KernelEmitter &e;
  kernel::RouteOp op;
  int64_t experts, depth = 0;
  /// In shared memory: float32 [depth], float32 [experts], i32 [experts], float32 [k], i32.
  Value elements, logits, chosen, scores, flag;
};

} // namespace

RouteEmitter::RouteEmitter(KernelEmitter &e, kernel::RouteOp op) : e(e), op(op), experts(op.getExpertCount()) {
  if (op.getRouter()) {
    depth = routerType().getDimSize(1);
    elements = e.shared(depth * 4);
  }
  logits = e.shared(experts * 4);
  chosen = e.shared(experts * 4);
  scores = e.shared(op.getTopK() * 4);
  flag = e.shared(4);
}

LogicalResult RouteEmitter::run(int64_t rowsPerCell) {
  if (op.getRouter() && overlaps(e.target)) {
    e.waitLater();
    fetchWeights();
    e.waitForEarlier();
    e.startNext();
  }
  if (int64_t parts = routeParts(op); parts > 1)
    return emitPart(e.div(e.cell, parts), e.rem(e.cell, parts));
  Value begin = e.mul(e.cell, rowsPerCell);
  Value end = e.min(e.add(begin, rowsPerCell), e.size(op.getRows()));
  LogicalResult result = success();
  e.loop(begin, end, 1, {}, [&](Value row, ValueRange) {
    result = emitRow(row);
    return Values{};
  });
  return result;
}

/// Asks for all weights to come into the L2 cache, once in a launch; for no more than it has room for beside others.
void RouteEmitter::fetchWeights() {
  constexpr int64_t mostBytes = int64_t(8) << 20;
  int64_t bytes = experts * depth * static_cast<int64_t>(routerType().getElementBytes());
  bytes = std::min(bytes / 16 * 16, mostBytes);
  if (!e.hasBulkCopies() || bytes == 0)
    return;
  e.when(e.bitAnd(e.equal(e.cell, e.integer(0)), e.equal(e.thread, e.integer(0))),
         [&] { e.prefetchBulk(e.address(op.getRouter()), e.integer(bytes)); });
}

LogicalResult RouteEmitter::emitRow(Value row) {
  // Shared memory is still that of the row before.
  e.barrier();
  if (op.getRouter()) {
    if (failed(computeInput(row)))
      return failure();
    e.barrier();
    computeLogits(e.integer(0), logits);
    e.barrier();
  }
  e.when(e.equal(e.warp, e.integer(0)), [&] {
    if (!op.getRouter())
      copyLogits(ofRow(op.getLogits(), row), [&](Value address) { return e.loadFrom(op.getLogits(), e.f32, address); });
    chooseAndList(row);
  });
  return success();
}

/// Logits of as many experts as the block has warps; the last block of a row to leave them chooses.
LogicalResult RouteEmitter::emitPart(Value row, Value part) {
  Value left = ofRow(op.getWorkspaces()[0], row),
        counter = e.element(e.address(op.getWorkspaces()[1]), e.widen(row), 4);
  if (failed(computeInput(row)))
    return failure();
  e.barrier();
  computeLogits(e.mul(part, e.threads / warpLanes), left);
  Value isLast = e.arriveLast(counter, e.integer(1), e.integer(routeParts(op)), flag);
  e.when(e.bitAnd(isLast, e.equal(e.warp, e.integer(0))), [&] {
    // The next launch finds zeros.
    copyLogits(left, [&](Value address) {
      Value value = e.load(e.f32, address);
      e.store(e.real(0), address);
      return value;
    });
    chooseAndList(row);
  });
  return success();
}

void RouteEmitter::copyLogits(Value given, function_ref<Value(Value)> load) {
  forLaneExperts({}, [&](Value expert, ValueRange) {
    e.store(load(e.element(given, e.widen(expert), 4)), e.element(logits, expert, 4));
    return Values{};
  });
}

/// By one warp, from the logits in shared memory.
void RouteEmitter::chooseAndList(Value row) {
  forLaneExperts({}, [&](Value expert, ValueRange) {
    e.store(e.integer(0), e.element(chosen, expert, 4));
    return Values{};
  });
  e.syncWarp();
  choose();
  list(row);
  if (op.getNormalize()) {
    e.syncWarp();
    normalize(row);
  }
}

/// The elements of a row, by all threads; where all have as many, several at once, so that each waits for its loads
/// once.
LogicalResult RouteEmitter::computeInput(Value row) {
  constexpr int64_t mostTogether = 10;
  Region &region = op.getInput();
  ScalarRegion input(e, region, region.getArgument(1));
  input.bind(region.getArgument(0), row);
  Value yielded = cast<kernel::YieldOp>(region.front().getTerminator()).getValue();
  auto ops = input.slice(yielded);
  if (failed(input.emitInvariant(ops, e.equal(e.thread, e.integer(0)))))
    return failure();
  int64_t together = depth % e.threads ? 1 : largestDivisor(depth / e.threads, mostTogether);
  LogicalResult result = success();
  e.loop(e.thread, e.integer(depth), e.threads * together, {}, [&](Value begin, ValueRange) {
    for (int64_t i = 0; i < together; ++i) {
      ScalarRegion turn = input;
      Value k = e.add(begin, i * e.threads);
      turn.bind(region.getArgument(1), k);
      if (failed(turn.emitVarying(ops)))
        result = failure();
      else
        e.store(turn.get(yielded), e.element(elements, k, 4));
    }
    return Values{};
  });
  return result;
}

/// Stores the logits of the experts from `begin` on as an array `to` of all of them. A warp has every so many'th
/// expert, several at once, which share the elements that they are multiplied by; with parts it has one.
void RouteEmitter::computeLogits(Value begin, Value to) {
  constexpr int64_t mostTogether = 4;
  int64_t warps = e.threads / warpLanes, bytes = routerType().getElementBytes(), parts = routeParts(op);
  int64_t together = parts > 1 ? 1 : std::min((experts + warps - 1) / warps, mostTogether);
  Value end = parts > 1 ? e.min(e.add(begin, warps), e.integer(experts)) : e.integer(experts);
  e.loop(e.add(begin, e.warp), end, warps * together, {}, [&](Value first, ValueRange) {
    Values weights, numbers;
    for (int64_t i = 0; i < together; ++i) {
      // One behind the last expert is the last once more, and is not stored.
      Value expert = e.add(first, i * warps), known = e.min(expert, e.integer(experts - 1));
      weights.push_back(e.element(e.address(op.getRouter()), e.widen(known), depth * bytes));
      numbers.push_back(expert);
    }
    computeTile(weights, numbers, to);
    return Values{};
  });
}

/// The logits of the experts `numbers`, each as 32 partial sums: lane l has every k with k mod 32 equal to l.
void RouteEmitter::computeTile(ArrayRef<Value> weights, ArrayRef<Value> numbers, Value to) {
  constexpr int64_t mostLoads = 32;
  auto count = static_cast<int64_t>(weights.size()), bytes = static_cast<int64_t>(routerType().getElementBytes());
  Type type = routerType().getElementType();
  int64_t batch = depth % warpLanes ? 1 : largestDivisor(depth / warpLanes, mostLoads / count);
  Values sums(count, e.real(0));
  sums = e.loop(e.lane, e.integer(depth), batch * warpLanes, sums, [&](Value begin, ValueRange carried) {
    Values next(carried), loaded;
    for (int64_t turn = 0; turn < batch; ++turn)
      for (Value row : weights)
        loaded.push_back(e.loadConstant(type, e.at(e.element(row, e.widen(begin), bytes), turn * warpLanes * bytes)));
    for (int64_t turn = 0; turn < batch; ++turn) {
      Value x = e.load(e.f32, e.at(e.element(elements, begin, 4), turn * warpLanes * 4));
      for (int64_t i = 0; i < count; ++i) {
        Value weight = loaded[turn * count + i];
        next[i] = e.fma(x, type.isF32() ? weight : e.make<arith::ExtFOp>(e.f32, weight), next[i]);
      }
    }
    return next;
  });
  // Lanes may leave the loop one turn apart.
  e.syncWarp();
  for (int64_t i = 0; i < count; ++i) {
    Value sum = e.addLanes(sums[i]);
    e.when(e.bitAnd(isFirst(), e.less(numbers[i], e.integer(experts))),
           [&] { e.store(sum, e.element(to, e.widen(numbers[i]), 4)); });
  }
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
    Values best = forLaneExperts({lowest(), none}, [&](Value expert, ValueRange carried) {
      Value value = logit(expert);
      Value ordered = e.make<arith::CmpFOp>(arith::CmpFPredicate::ORD, value, value);
      value = e.select(ordered, value, lowest());
      Value open = e.equal(e.load(e.i32, e.element(chosen, expert, 4)), e.integer(0));
      Value take = e.bitAnd(open, before(value, expert, carried[0], carried[1]));
      return Values{e.select(take, value, carried[0]), e.select(take, expert, carried[1])};
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
  Value most = forLaneExperts(
      lowest(), [&](Value expert, ValueRange carried) { return Values{e.fmax(logit(expert), carried[0])}; })[0];
  e.syncWarp();
  largest = e.maxLanes(most);
  Value sum = forLaneExperts(e.real(0), [&](Value expert, ValueRange carried) {
    return Values{e.fadd(carried[0], e.exp(e.fsub(logit(expert), largest)))};
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
    return Values{e.add(listed[0], e.countBits(votes))};
  });
}

void RouteEmitter::normalize(Value row) {
  Value k = e.integer(op.getTopK()), given = e.element(e.address(op.getScores()), e.widen(row), op.getTopK() * 4);
  auto score = [&](Value j) { return e.load(e.f32, e.element(scores, j, 4)); };
  // Every lane adds all of them, so that each has the sum.
  Value sum = e.loop(e.integer(0), k, 1, e.real(0),
                     [&](Value j, ValueRange carried) { return Values{e.fadd(carried[0], score(j))}; })[0];
  e.loop(e.lane, k, warpLanes, {}, [&](Value j, ValueRange) {
    e.store(e.fdiv(score(j), sum), e.element(given, e.widen(j), 4));
    return Values{};
  });
}

LogicalResult cuda::emitTemplate(KernelEmitter &e, kernel::RouteOp op) {
  FailureOr<kernel::GPUAttr> config = e.config(op);
  if (failed(config))
    return failure();
  SmallVector<kernel::ViewType> spaces = workspacesOf(op);
  if (TypeRange(op.getWorkspaces()) != TypeRange(SmallVector<Type>(spaces.begin(), spaces.end())))
    return op.emitOpError() << "has " << op.getWorkspaces().size() << " workspaces, expected " << spaces.size()
                            << " for routing by " << *config;
  if (config->getForm() == kernel::GPUForm::Decode && (!op.getRouter() || config->getRows() != 1))
    return op.emitOpError() << "is configured by " << *config << ", expected form simt for given logits";
  RouteEmitter route(e, op);
  if (int64_t most = e.target.gpu().sharedBlockBytes; e.sharedBytes > most)
    return op.emitOpError() << "needs " << e.sharedBytes << " bytes of shared memory, a block of " << e.target.name
                            << " has " << most;
  return route.run(config->getRows());
}
