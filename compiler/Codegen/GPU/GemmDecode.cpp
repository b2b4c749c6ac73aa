// SPDX-License-Identifier: Apache-2.0
//
// A block of five warps. The fifth fetches weights, and nothing else: its ring runs on from unit to unit, cell to cell
// and product to product. The others multiply every tile by all token rows of the step, whose range of K they have
// staged one unit before. Every range is summed from zero. A block that begins a weight tile's rows adds their ranges
// as they come; where others go on with the cell, it leaves that sum in a workspace, they leave theirs range by range,
// and whoever comes last adds all of it in ascending order: no bit depends on where the borders of shares lie. The last
// one also runs the body, which masks the rows of other experts.
#include "compiler/Codegen/GPU/GemmDecode.h"

#include "compiler/Codegen/Common/Dispatch.h"
#include "compiler/Codegen/GPU/GemmEpilogue.h"
#include "compiler/Codegen/GPU/GemmLayout.h"
#include "compiler/Codegen/GPU/GemmTile.h"
#include "compiler/Codegen/GPU/GemmUnits.h"
#include "compiler/Codegen/GPU/GemmWeightStream.h"
#include "compiler/Codegen/GPU/Numerics.h"

#include "mlir/IR/OperationSupport.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

/// Threads that multiply; those behind them fetch.
constexpr int64_t readerThreads = TileEmitter::threads, readerWarps = readerThreads / warpLanes;

kernel::GPUAttr configOf(kernel::GemmOp op) { return dyn_cast_or_null<kernel::GPUAttr>(op.getConfigAttr()); }

class DecodeEmitter {
public:
  DecodeEmitter(KernelEmitter &e, kernel::LaunchedOpInterface launch, ArrayRef<kernel::GemmOp> ops);

  LogicalResult run();

private:
  using Values = OpEmitter::Values;

  LogicalResult check();
  void listExperts(DecodeMember &member, Value list);
  void placeUnits();
  Values byMember(Value unit, TypeRange types, function_ref<Values(unsigned)> body, unsigned first = 0);
  void fetchAll(Value begin, Value end);
  void readAll(Value begin, Value end);
  void createInputs();
  void stageTokens(Value unit);
  Value multiply(unsigned index, const DecodeUnit &unit, Value isFirst, Value count);
  void finish(unsigned index, const DecodeUnit &unit, Value begin, Value end);
  Value endTogether(const DecodeMember &member, const DecodeUnit &unit, Value begin, Value end);
  void forSums(const DecodeMember &member, const DecodeUnit &unit,
               function_ref<void(Value tileBegin, Value sum, Value at)> body);
  Value addRanges(const DecodeMember &member, Value left, Value first);

  Value place(int64_t offset) { return e.at(memory, offset); }
  Value tokensOf(Value unit) { return e.at(place(layout.tokens), e.mul(e.rem(unit, 2), layout.halfTokens)); }
  /// Where the sums of the cell lie that `block` has begun.
  Value workspaceOf(Value block) {
    return e.element(e.address(workspaces[0]), e.widen(block), workspaceType.getDimSize(1) * 4);
  }

  KernelEmitter &e;
  kernel::LaunchedOpInterface launch;
  std::vector<DecodeMember> members;
  std::vector<GemmInput> inputs;
  SmallVector<unsigned> inputOf; ///< By member; members with equal inputs share one.
  DecodeLayout layout;
  SmallVector<Value> workspaces;
  kernel::ViewType workspaceType;
  Value memory;
  std::optional<WeightStream> stream;
  std::optional<DecodeShares> shares;
  LogicalResult result = success();
};

std::vector<DecodeMember> membersOf(ArrayRef<kernel::GemmOp> ops) {
  std::vector<DecodeMember> members;
  for (kernel::GemmOp op : ops)
    members.emplace_back(op, configOf(op));
  return members;
}

DecodeLayout layoutOf(ArrayRef<DecodeMember> members) {
  SmallVector<DecodeLayout::Member> needs;
  for (DecodeMember member : members) {
    GemmShape shape = shapeOf(member.op, 1);
    needs.push_back({member.tileRows, member.cellTiles, shape.rowValues, shape.byExpert});
  }
  kernel::GemmOp first = members.front().op;
  return DecodeLayout(needs, members.front().rangeSteps, configOf(first).getStages());
}

} // namespace

//===----------------------------------------------------------------------===//
// What passes ask
//===----------------------------------------------------------------------===//

SmallVector<kernel::GemmOp> cuda::decodeMembers(kernel::LaunchedOpInterface launch) {
  SmallVector<kernel::GemmOp> members;
  if (auto gemm = dyn_cast<kernel::GemmOp>(launch.getOperation()))
    members.push_back(gemm);
  else if (auto parallel = dyn_cast<kernel::ParallelOp>(launch.getOperation()))
    for (Operation &op : parallel.getBody().front()) {
      auto member = dyn_cast<kernel::GemmOp>(op);
      if (!member)
        return {};
      members.push_back(member);
    }
  bool all = llvm::all_of(members, [](kernel::GemmOp member) {
    kernel::GPUAttr config = configOf(member);
    return config && config.getForm() == kernel::GPUForm::Decode;
  });
  return all ? members : SmallVector<kernel::GemmOp>();
}

int64_t cuda::mostDecodeBlocks(ArrayRef<kernel::GemmOp> members) {
  // Two for each of the multiprocessors that the largest devices have.
  constexpr int64_t most = 384;
  int64_t units = 0;
  for (const DecodeMember &member : membersOf(members)) {
    kernel::GemmOp op = member.op;
    int64_t experts = op.getExperts() ? std::min(op.getExpertCount(), member.tileRows) : 1;
    units += member.cells * member.cellUnits() * experts;
  }
  return std::min(most, units);
}

SmallVector<kernel::ViewType> cuda::decodeWorkspaces(ArrayRef<kernel::GemmOp> members) {
  int64_t blocks = mostDecodeBlocks(members), elements = 0;
  for (const DecodeMember &member : membersOf(members))
    elements = std::max(elements, member.ranges * member.tileRows * member.cellRows());
  MLIRContext *context = members.front()->getContext();
  auto size = [&](int64_t value) { return lm::DimAttr::get(context, value); };
  return {kernel::ViewType::get(context, {size(blocks), size(elements)}, Float32Type::get(context), "row-major"),
          kernel::ViewType::get(context, {size(blocks)}, IntegerType::get(context, 32), "row-major")};
}

//===----------------------------------------------------------------------===//
// The launch
//===----------------------------------------------------------------------===//

DecodeEmitter::DecodeEmitter(KernelEmitter &e, kernel::LaunchedOpInterface launch, ArrayRef<kernel::GemmOp> ops)
    : e(e), launch(launch), members(membersOf(ops)), layout(layoutOf(members)),
      workspaces(launch.getGivenWorkspaces()) {}

LogicalResult DecodeEmitter::check() {
  SmallVector<kernel::GemmOp> ops;
  kernel::GemmOp first = members.front().op;
  for (DecodeMember &member : members) {
    kernel::GemmOp op = member.op;
    ops.push_back(op);
    FailureOr<kernel::GPUAttr> config = e.config(op);
    if (failed(config) || failed(checkNumerics(op, numericsOf(op), "GPUs")))
      return failure();
    bool fits = op.getProductCount() == 1 && &op.getWeightType(0).getForm() == &schema::kTile64x128 &&
                op.getWeightType(0).getElementType().isBF16() && !op.getOrder();
    if (!fits)
      return op.emitOpError() << "has form decode, which multiplies one bfloat16 weight in form "
                              << schema::kTile64x128.id << " by rows that are not sorted";
    if (config->getThreads() != readerThreads + warpLanes || !llvm::isPowerOf2_64(member.tileRows) ||
        config->getTileFeatures() != schema::kTile64x128.tile_rows ||
        config->getStages() != configOf(first).getStages())
      return op.emitOpError() << "is configured by " << *config << ", expected form decode with a tile of "
                              << schema::kTile64x128.tile_rows << " features, rows that are a power of two, "
                              << readerThreads + warpLanes << " threads and the stages of its launch";
  }
  if (layout.bytes > e.target.gpu().sharedBlockBytes)
    return launch->emitOpError() << "needs " << layout.bytes << " bytes of shared memory, a block of " << e.target.name
                                 << " has " << e.target.gpu().sharedBlockBytes;
  SmallVector<kernel::ViewType> expected = decodeWorkspaces(ops);
  if (!llvm::equal(ValueRange(workspaces).getTypes(), expected))
    return launch->emitOpError() << "has form decode, expected workspaces " << expected[0] << " and " << expected[1];
  workspaceType = expected[0];
  return success();
}

LogicalResult DecodeEmitter::run() {
  if (failed(check()))
    return failure();
  memory = e.shared(layout.bytes, sharedAlignment);
  stream.emplace(e, place(layout.ring), place(layout.barriers), configOf(members.front().op).getStages(), readerWarps);
  stream->prepare();
  e.when(e.equal(e.warp, e.integer(0)), [&] {
    for (auto [index, member] : llvm::enumerate(members))
      if (member.op.getExperts())
        listExperts(member, place(layout.lists[index]));
  });
  e.barrier();
  placeUnits();
  Value begin = shares->begin(e.cell), end = shares->begin(e.add(e.cell, 1));
  e.when(
      e.less(e.thread, e.integer(readerThreads)),
      [&] {
        int64_t all = e.threads;
        e.threads = readerThreads;
        // A device can have more blocks than there are units.
        e.when(e.less(begin, end), [&] { readAll(begin, end); });
        e.threads = all;
      },
      [&] {
        if (!stream->fetchesByOneLane())
          return fetchAll(begin, end);
        e.when(e.equal(e.lane, e.integer(0)), [&] { fetchAll(begin, end); });
      });
  return result;
}

/// One warp lists the experts that rows have chosen, in the order of the first row of each.
void DecodeEmitter::listExperts(DecodeMember &member, Value list) {
  Value ids = e.address(member.op.getExperts()), rows = e.size(member.op.getRows()), zero = e.integer(0);
  Value below = e.sub(e.shiftLeft(e.integer(1), e.lane), e.integer(1));
  auto idOf = [&](Value row) { return e.loadConstant(e.i32, e.element(ids, e.widen(row), 4)); };
  Values count = e.loop(zero, rows, warpLanes, {zero}, [&](Value first, ValueRange found) -> Values {
    Value row = e.add(first, e.lane), exists = e.less(row, rows), id = idOf(e.select(exists, row, first));
    Values isNew = e.loop(zero, rows, 1, {exists}, [&](Value other, ValueRange is) -> Values {
      Value isSame = e.bitAnd(e.less(other, row), e.equal(idOf(other), id));
      return {e.bitAnd(is[0], e.bitXor(isSame, 1))};
    });
    Value all = e.ballot(isNew[0]), at = e.add(found[0], e.countBits(e.bitAnd(all, below)));
    e.when(isNew[0], [&] { e.store(id, e.element(list, at, 4)); });
    return {e.add(found[0], e.countBits(all))};
  });
  e.when(e.equal(e.lane, zero), [&] { e.store(count[0], e.at(list, member.tileRows * 4)); });
}

void DecodeEmitter::placeUnits() {
  Value next = e.integer(0);
  for (auto [index, member] : llvm::enumerate(members)) {
    member.rows = e.size(member.op.getRows());
    // Without rows there is nothing to do, and no row to read.
    Value slots = e.min(member.rows, e.integer(1));
    if (member.op.getExperts()) {
      member.list = place(layout.lists[index]);
      slots = e.load(e.i32, e.at(member.list, member.tileRows * 4));
    }
    member.begin = next;
    next = member.end = e.add(next, e.mul(slots, member.cells * member.cellUnits()));
  }
  shares.emplace(e, next);
}

/// Code for the member that `unit` belongs to.
DecodeEmitter::Values DecodeEmitter::byMember(Value unit, TypeRange types, function_ref<Values(unsigned)> body,
                                              unsigned first) {
  if (first + 1 == members.size())
    return body(first);
  return e.either(
      e.less(unit, members[first].end), types, [&] { return body(first); },
      [&] { return byMember(unit, types, body, first + 1); });
}

//===----------------------------------------------------------------------===//
// Fetching
//===----------------------------------------------------------------------===//

void DecodeEmitter::fetchAll(Value begin, Value end) {
  Value zero = e.integer(0);
  auto fetchUnit = [&](unsigned index, Value number, Value count) -> Value {
    const DecodeMember &member = members[index];
    kernel::GemmOp op = member.op;
    DecodeUnit unit(e, member, number);
    Value first = e.integer(0, e.i64);
    if (member.list)
      first = e.mul(e.widen(e.load(e.i32, e.element(member.list, unit.slot, 4))), member.rowTiles);
    // Tiles that the weight does not have are its last one, whose accumulators nobody reads.
    Value row = e.min(e.add(e.mul(unit.cell, member.cellTiles), unit.tile), e.integer(member.rowTiles - 1));
    Value step = e.add(e.mul(e.add(first, e.widen(row)), member.steps), e.widen(unit.firstStep));
    Value from = e.element(e.address(op.getWeights()[0]), step, GemmLayout::tileBytes);
    return e.loop(zero, unit.steps, 1, {count}, [&](Value inner, ValueRange carried) -> Values {
      stream->fetch(e.element(from, e.widen(inner), GemmLayout::tileBytes), carried[0]);
      return {e.add(carried[0], 1)};
    })[0];
  };
  e.loop(begin, end, 1, {zero}, [&](Value number, ValueRange count) -> Values {
    return byMember(number, e.i32, [&](unsigned index) -> Values { return {fetchUnit(index, number, count[0])}; });
  });
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

/// Inputs, whose row sums are computed once for all units.
void DecodeEmitter::createInputs() {
  constexpr int64_t rowChunks = GemmLayout::rowBytes / schema::kChunkBytes;
  SmallVector<DecodeMember *> firsts;
  for (unsigned index = 0; index < members.size(); ++index) {
    DecodeMember &member = members[index];
    Region &region = member.op.getInputs()[0];
    auto same = llvm::find_if(firsts, [&](DecodeMember *other) {
      return other->op.getRows() == member.op.getRows() && other->steps == member.steps &&
             OperationEquivalence::isRegionEquivalentTo(&other->op.getInputs()[0], &region,
                                                        OperationEquivalence::IgnoreLocations);
    });
    inputOf.push_back(same - firsts.begin());
    if (same != firsts.end())
      continue;
    firsts.push_back(&member);
    int64_t team = std::min(readerThreads, member.tileRows * rowChunks);
    inputs.push_back(GemmInput(e, member.op, 0, member.tileRows, {e.rem(e.thread, team), team}, /*copies=*/true,
                               place(layout.values[index])));
    if (failed(inputs.back().emitRowSums({e.integer(0), Value(), member.rows})))
      result = failure();
  }
}

/// The tokens of the unit's range. Threads that a step has no work for stage the next one.
void DecodeEmitter::stageTokens(Value number) {
  byMember(number, {}, [&](unsigned index) -> Values {
    const DecodeMember &member = members[index];
    GemmInput &input = inputs[inputOf[index]];
    DecodeUnit unit(e, member, number);
    if (failed(input.enter({e.integer(0), Value(), member.rows})))
      result = failure();
    int64_t rowBytes = member.tileRows * GemmLayout::rowBytes;
    int64_t teams = std::max<int64_t>(1, readerThreads / (rowBytes / schema::kChunkBytes));
    Value team = e.div(e.thread, readerThreads / teams), to = tokensOf(number);
    e.loop(team, unit.steps, teams, {}, [&](Value step, ValueRange) -> Values {
      if (failed(input.stage(e.element(to, step, rowBytes), e.add(unit.firstStep, step))))
        result = failure();
      return {};
    });
    return {};
  });
  e.commitCopies();
}

void DecodeEmitter::readAll(Value begin, Value end) {
  createInputs();
  e.barrier();
  auto arrived = [&] {
    e.waitCopies(0);
    e.barrier();
  };
  stageTokens(begin);
  arrived();
  e.loop(begin, end, 1, {e.integer(0)}, [&](Value number, ValueRange count) -> Values {
    Value next = e.add(number, 1);
    e.when(e.less(next, end), [&] { stageTokens(next); });
    Values read = byMember(number, e.i32, [&](unsigned index) -> Values {
      DecodeUnit unit(e, members[index], number);
      Value read = multiply(index, unit, begin, count[0]);
      e.when(e.equal(e.min(unit.end, end), next), [&] { finish(index, unit, begin, end); });
      return {read};
    });
    arrived();
    return read;
  });
}

/// The unit's range, from zero: to the sums of the cell where this block has all ranges before it, else to the
/// workspace.
Value DecodeEmitter::multiply(unsigned index, const DecodeUnit &unit, Value firstUnit, Value count) {
  const DecodeMember &member = members[index];
  TileEmitter tileEmitter(e, /*isBF16=*/true, member.tileRows);
  Value zero = e.integer(0), tokens = tokensOf(e.add(unit.tileBegin, unit.range));
  int64_t rowBytes = member.tileRows * GemmLayout::rowBytes, width = member.cellRows() * 4;
  Values carried = tileEmitter.zeros();
  carried.push_back(count);
  Values last = e.loop(zero, unit.steps, 1, carried, [&](Value step, ValueRange values) -> Values {
    Values sums(values.drop_back());
    Value number = values.back(), weights = stream->await(number);
    tileEmitter.multiply(weights, e.at(tokens, e.mul(step, rowBytes)), sums);
    stream->release(number);
    sums.push_back(e.add(number, 1));
    return sums;
  });
  ValueRange sums = ValueRange(last).drop_back();
  Value column = e.mul(unit.tile, schema::kTile64x128.tile_rows * 4);
  e.when(
      e.less(unit.tileBegin, firstUnit),
      [&] {
        Value left = workspaceOf(shares->owner(unit.begin));
        left = e.at(left, e.widen(e.add(e.mul(unit.range, member.tileRows * width), column)));
        tileEmitter.store(sums, left, width, member.rows);
      },
      [&] {
        Value to = e.at(place(layout.sums), column);
        int64_t stride = DecodeLayout::sumStride(member.cellTiles);
        e.when(
            e.equal(unit.range, zero), [&] { tileEmitter.store(sums, to, stride); },
            [&] { tileEmitter.addTo(sums, to, stride); });
      });
  return last.back();
}

//===----------------------------------------------------------------------===//
// Ends of cells
//===----------------------------------------------------------------------===//

/// After the block's last unit of a cell.
void DecodeEmitter::finish(unsigned index, const DecodeUnit &unit, Value begin, Value end) {
  DecodeMember &member = members[index];
  Value isWhole = e.bitAnd(e.compare(arith::CmpIPredicate::sge, unit.begin, begin),
                           e.compare(arith::CmpIPredicate::sle, unit.end, end));
  Values isDone = e.either(
      isWhole, e.i1,
      [&]() -> Values {
        e.barrier();
        return {isWhole};
      },
      [&]() -> Values { return {endTogether(member, unit, begin, end)}; });
  e.when(isDone[0], [&] {
    Value ids = member.list ? e.address(member.op.getExperts()) : Value();
    Value expert = member.list ? e.load(e.i32, e.element(member.list, unit.slot, 4)) : Value();
    auto isChosen = [&](Value row) { return e.equal(e.loadConstant(e.i32, e.element(ids, e.widen(row), 4)), expert); };
    GemmEpilogue epilogue(e, member.op);
    GemmEpilogue::Sums sums = {place(layout.sums), DecodeLayout::sumStride(member.cellTiles), 0};
    RowBlock rows = {e.integer(0), Value(), member.rows};
    if (failed(member.list ? epilogue.emit(unit.cell, rows, sums, isChosen) : epilogue.emit(unit.cell, rows, sums)))
      result = failure();
  });
}

/// Leaves what the block has summed of the tiles that it began, and adds all ranges up where the block comes last: true
/// then, with the sums of the cell in shared memory.
Value DecodeEmitter::endTogether(const DecodeMember &member, const DecodeUnit &unit, Value begin, Value end) {
  Value owner = shares->owner(unit.begin), left = workspaceOf(owner);
  e.barrier();
  forSums(member, unit, [&](Value tileBegin, Value sum, Value at) {
    Value isOurs = e.bitAnd(e.compare(arith::CmpIPredicate::sge, tileBegin, begin), e.less(tileBegin, end));
    e.when(isOurs, [&] { e.store(e.load(e.f32, sum), e.at(left, e.widen(at))); });
  });
  Value done = e.sub(e.min(unit.end, end), e.max(unit.begin, begin));
  Value counter = e.element(e.address(workspaces[1]), e.widen(owner), 4);
  Value isLast = e.arriveLast(counter, done, e.integer(member.cellUnits()), place(layout.flag));
  e.when(isLast, [&] {
    forSums(member, unit, [&](Value tileBegin, Value sum, Value at) {
      // The block that began the tile has added the first ranges.
      Value first = e.sub(shares->begin(e.add(shares->owner(tileBegin), 1)), tileBegin);
      e.store(addRanges(member, e.at(left, e.widen(at)), first), sum);
    });
    e.barrier();
  });
  return isLast;
}

/// All sums of a cell, shared out among the threads: the first unit of their weight tile, where they lie in shared
/// memory and how far from the beginning of the cell's place in the workspace.
void DecodeEmitter::forSums(const DecodeMember &member, const DecodeUnit &unit,
                            function_ref<void(Value tileBegin, Value sum, Value at)> body) {
  int64_t width = member.cellRows(), stride = DecodeLayout::sumStride(member.cellTiles);
  e.loop(e.thread, e.mul(member.rows, width), readerThreads, {}, [&](Value i, ValueRange) -> Values {
    Value row = e.div(i, width), column = e.rem(i, width);
    Value tile = e.div(column, schema::kTile64x128.tile_rows);
    body(e.add(unit.begin, e.mul(tile, member.ranges)),
         e.at(place(layout.sums), e.add(e.mul(row, stride), e.mul(column, 4))), e.mul(i, 4));
    return {};
  });
}

/// Adds to the sum at `left` those of the ranges from `first` on, and leaves the workspace zero. Several loads are on
/// their way at once.
Value DecodeEmitter::addRanges(const DecodeMember &member, Value left, Value first) {
  constexpr int64_t batch = 8;
  Value zero = e.real(0), ranges = e.integer(member.ranges);
  auto rangeAt = [&](Value range) { return e.element(left, e.widen(range), member.tileRows * member.cellRows() * 4); };
  Value begun = e.load(e.f32, left);
  e.store(zero, left);
  return e.loop(first, ranges, batch, {begun}, [&](Value range, ValueRange so) -> Values {
    Values loaded;
    for (int64_t j = 0; j < batch; ++j)
      loaded.push_back(e.load(e.f32, rangeAt(e.min(e.add(range, j), e.integer(member.ranges - 1)))));
    Value all = so[0];
    for (int64_t j = 0; j < batch; ++j) {
      Value exists = e.less(e.add(range, j), ranges);
      all = e.select(exists, e.fadd(all, loaded[j]), all);
      e.when(exists, [&] { e.store(zero, rangeAt(e.add(range, j))); });
    }
    return {all};
  })[0];
}

LogicalResult cuda::emitDecode(KernelEmitter &e, kernel::LaunchedOpInterface launch, ArrayRef<kernel::GemmOp> members) {
  return DecodeEmitter(e, launch, members).run();
}
