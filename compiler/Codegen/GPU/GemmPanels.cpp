// SPDX-License-Identifier: Apache-2.0
//
// A block of three warpgroups. One thread of the third asks for two weight tiles and a panel of token rows at a time,
// by bulk copies into a ring, and runs ahead across units, experts and products. Each of the others multiplies one of
// the tiles by all the rows: a thread has up to 128 accumulators, and beside them the epilogue's values, for which the
// third warpgroup hands over registers (setmaxnreg). A unit with fewer rows than the tile takes narrower instructions,
// which add the same k in the same order. Accumulators go through shared memory some rows at a time, where the epilogue
// reads them; meanwhile the ring fills for the next unit.
//
// In the form `pingpong` warpgroups have units of their own instead, in turn, each with both tiles and half as many
// rows: stages of one unit follow those of another, so that one multiplies while the other runs its epilogue. Who
// multiplies next waits until the other has seen its last stage: whoever is phases behind cannot tell them apart.
//
// The two blocks of a cluster have the same token rows, which their fetching threads ask for in turn, a step each, for
// both, so that the L2 cache sends a third less. A stage is empty when both blocks have read it, and each warp says so
// to both.
#include "compiler/Codegen/GPU/GemmPanels.h"

#include "compiler/Codegen/Common/Dispatch.h"
#include "compiler/Codegen/GPU/GemmEpilogue.h"
#include "compiler/Codegen/GPU/GemmLayout.h"
#include "compiler/Codegen/GPU/GemmTile.h"
#include "compiler/Codegen/GPU/GemmTurns.h"
#include "compiler/Codegen/GPU/Numerics.h"
#include "compiler/Codegen/GPU/WarpgroupMatrices.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

namespace {

constexpr int64_t groupThreads = TileEmitter::threads, groupWarps = groupThreads / warpLanes;
constexpr int64_t readerGroups = panelCellTiles, readerThreads = readerGroups * groupThreads;
constexpr int64_t blockThreads = readerThreads + groupThreads;
/// Registers of a thread as a launch gives them out for so many threads, of those that multiply, and of the others. The
/// thread that fetches walks over the units of all members: with 40 it spilled for half of the shapes that were tried.
constexpr int64_t launchRegisters = 168, readerRegisters = 216, otherRegisters = 72;
static_assert(readerRegisters * readerThreads + otherRegisters * groupThreads <= launchRegisters * blockThreads);
constexpr int64_t panelFeatures = panelCellTiles * schema::kTile64x128.tile_rows;
/// Rows of a tile whose accumulators a thread has registers for, where a warpgroup has both weight tiles.
constexpr int64_t mostOwnRows = 128;

kernel::GPUAttr configOf(kernel::GemmOp op) { return dyn_cast_or_null<kernel::GPUAttr>(op.getConfigAttr()); }

class PanelEmitter {
public:
  PanelEmitter(KernelEmitter &e, ArrayRef<kernel::GemmOp> members);

  LogicalResult run();

private:
  using Values = OpEmitter::Values;

  LogicalResult check();
  void prepare();
  void forUnits(function_ref<Values(kernel::GemmOp op, const PanelUnit &unit, ValueRange progress)> body);
  Values after(ValueRange progress, Value steps);
  Values fetch(kernel::GemmOp op, const PanelUnit &unit, ValueRange progress);
  Values compute(kernel::GemmOp op, const PanelUnit &unit, ValueRange progress);
  void runReaders();
  Values multiplyAny(ArrayRef<int64_t> sizes, Value rows, Value steps, Value begin);
  Values multiply(int64_t rows, Value steps, Value begin);
  void release(Value count);
  void finish(kernel::GemmOp op, const PanelUnit &unit, ArrayRef<Value> sums);
  SmallVector<int64_t> rowCounts() const;

  Value place(int64_t offset) { return e.at(memory, offset); }
  Value stageOf(Value count) { return e.rem(count, stages); }
  Value phaseOf(Value count) { return e.rem(e.div(count, stages), 2); }
  Value fullBarrier(Value stage) { return e.element(place(layout.barriers), stage, 8); }
  Value emptyBarrier(Value stage) { return e.at(fullBarrier(stage), stages * 8); }
  Value turnBarrier(Value of) { return e.element(place(layout.turns), of, 8); }
  Value stageMemory(Value stage) { return e.element(place(layout.ring), stage, layout.stageBytes); }
  int64_t stepsOf(kernel::GemmOp op) const {
    return schema::column_tiles(op.getWeightType(0).getForm(), op.getWeightType(0).getPackedShape());
  }

  KernelEmitter &e;
  ArrayRef<kernel::GemmOp> members;
  int64_t tileRows, stages;
  bool takesTurns;  ///< Warpgroups have units of their own.
  int64_t ownTiles; ///< Weight tiles of one.
  PanelLayout layout;
  Value memory, firstUnit, stride; ///< Of clusters: the number of the first unit, and to the next.
  Value rank;                      ///< In the cluster; null where there are none.
  Value group;                     ///< Which of the warpgroups that multiply.
  LogicalResult result = success();
};

} // namespace

//===----------------------------------------------------------------------===//
// What passes ask
//===----------------------------------------------------------------------===//

bool cuda::readsPanels(kernel::GPUAttr config) {
  return config && readsPanels(config.getForm(), config.getTileFeatures());
}

SmallVector<kernel::GemmOp> cuda::panelMembers(kernel::LaunchedOpInterface launch) {
  SmallVector<kernel::GemmOp> members;
  if (auto gemm = dyn_cast<kernel::GemmOp>(launch.getOperation()))
    members.push_back(gemm);
  else if (auto parallel = dyn_cast<kernel::ParallelOp>(launch.getOperation()))
    for (Operation &op : parallel.getBody().front())
      members.push_back(dyn_cast<kernel::GemmOp>(op));
  bool all = llvm::all_of(members, [&](kernel::GemmOp member) {
    return member && readsPanels(configOf(member)) && configOf(member) == configOf(members.front());
  });
  return all ? members : SmallVector<kernel::GemmOp>();
}

//===----------------------------------------------------------------------===//
// The launch
//===----------------------------------------------------------------------===//

PanelEmitter::PanelEmitter(KernelEmitter &e, ArrayRef<kernel::GemmOp> members)
    : e(e), members(members), tileRows(configOf(members.front()).getTileRows()),
      stages(configOf(members.front()).getStages()),
      takesTurns(configOf(members.front()).getForm() == kernel::GPUForm::PingPong),
      ownTiles(takesTurns ? panelCellTiles : 1), layout(tileRows, stages, takesTurns ? readerGroups : 1) {}

LogicalResult PanelEmitter::check() {
  for (kernel::GemmOp op : members) {
    FailureOr<kernel::GPUAttr> config = e.config(op);
    if (failed(config) || failed(checkNumerics(op, numericsOf(op), "GPUs")))
      return failure();
    if (!takesPanels(op))
      return op.emitOpError() << "has a tile of " << panelFeatures << " features, which takes one bfloat16 weight in "
                              << "form " << schema::kTile64x128.id << " and token rows in form " << schema::kRows128.id
                              << ", all or sorted by expert, and groups of at most as many features";
    if (config->getTileDepth() != schema::kTile64x128.row_bytes / 2 || config->getThreads() != blockThreads)
      return op.emitOpError() << "is configured by " << *config << ", expected a depth of "
                              << schema::kTile64x128.row_bytes / 2 << " and " << blockThreads
                              << " threads for a tile of " << panelFeatures << " features";
    if (config->getTileFeatures() != panelFeatures || (takesTurns && tileRows > mostOwnRows))
      return op.emitOpError() << "is configured by " << *config << ", expected a tile of " << panelFeatures
                              << " features and at most " << mostOwnRows << " rows for form pingpong";
    bool pairs = config->getCluster() == panelCluster && panelCells(op) % panelCluster == 0;
    if (config->getCluster() != 1 && !pairs)
      return op.emitOpError() << "has " << panelCells(op) << " cells of " << panelFeatures << " features and clusters "
                              << "of " << config->getCluster() << " blocks, expected 1, or " << panelCluster
                              << " for an even number of cells";
    if (layout.bytes > e.target.gpu().sharedBlockBytes)
      return op.emitOpError() << "needs " << layout.bytes << " bytes of shared memory for a tile of " << tileRows
                              << " rows in " << stages << " stages, a block of " << e.target.name << " has "
                              << e.target.gpu().sharedBlockBytes;
  }
  return success();
}

LogicalResult PanelEmitter::run() {
  if (failed(check()))
    return failure();
  memory = e.shared(layout.bytes, sharedAlignment);
  // A launch of its own has the grid to itself; a member among others has its own blocks.
  kernel::GemmOp op = members.front();
  bool isMember = members.size() == 1 && isa<kernel::ParallelOp>(op->getParentOp());
  if (isMember && failed(checkMemberGrid(op)))
    return failure();
  stride = isMember ? e.size(op.getGridAttr()) : e.blockCount();
  firstUnit = e.cell;
  if (int64_t cluster = configOf(op).getCluster(); cluster > 1) {
    e.formClusters(cluster);
    rank = e.clusterRank();
    firstUnit = e.div(firstUnit, cluster);
    stride = e.div(stride, cluster);
  }
  prepare();
  // Counts that change while a kernel runs have to begin at a number that is stated for all threads.
  e.function->removeAttr("nvvm.minctasm");
  e.function->setAttr("nvvm.maxnreg", e.b.getI32IntegerAttr(launchRegisters));
  e.when(
      e.less(e.thread, e.integer(readerThreads)),
      [&] {
        e.make<NVVM::SetMaxRegisterOp>(readerRegisters, NVVM::SetMaxRegisterAction::increase);
        runReaders();
      },
      [&] {
        e.make<NVVM::SetMaxRegisterOp>(otherRegisters, NVVM::SetMaxRegisterAction::decrease);
        e.when(e.equal(e.thread, e.integer(readerThreads)), [&] {
          forUnits(
              [&](kernel::GemmOp op, const PanelUnit &unit, ValueRange progress) { return fetch(op, unit, progress); });
        });
      });
  // The other block arrives here until it has read its last stage.
  if (rank)
    e.clusterBarrier();
  return result;
}

/// Threads that multiply a unit, and do what follows, are all that the epilogue and its barriers know.
void PanelEmitter::runReaders() {
  group = e.div(e.warp, groupWarps);
  Value thread = e.thread, warp = e.warp;
  int64_t all = e.threads;
  e.threads = readerThreads;
  if (takesTurns) {
    e.threads = groupThreads;
    e.thread = e.rem(thread, groupThreads);
    e.warp = e.rem(warp, groupWarps);
    e.barrierNumber = e.add(group, 1);
  }
  forUnits([&](kernel::GemmOp op, const PanelUnit &unit, ValueRange progress) { return compute(op, unit, progress); });
  e.threads = all;
  e.thread = thread;
  e.warp = warp;
  e.barrierNumber = Value();
}

void PanelEmitter::prepare() {
  int64_t readers = (takesTurns ? 1 : readerGroups) * groupWarps * (rank ? panelCluster : 1);
  e.when(e.equal(e.thread, e.integer(0)), [&] {
    for (int64_t stage = 0; stage < stages; ++stage) {
      e.initBarrier(fullBarrier(e.integer(stage)), 1);
      e.initBarrier(emptyBarrier(e.integer(stage)), readers);
    }
    if (takesTurns)
      for (int64_t of = 0; of < readerGroups; ++of)
        e.initBarrier(turnBarrier(e.integer(of)), groupWarps);
    e.publishBarriers();
  });
  rank ? e.clusterBarrier() : e.barrier();
}

/// The units of the block, in order, with the steps of K before each, and, in turns, how many units there were.
void PanelEmitter::forUnits(function_ref<Values(kernel::GemmOp, const PanelUnit &, ValueRange)> body) {
  Value next = firstUnit;
  Values progress(takesTurns ? 2 : 1, e.integer(0));
  for (kernel::GemmOp op : members)
    next =
        PanelTurns(e, op, tileRows, stride, rank)
            .forEach(next, progress, [&](const PanelUnit &unit, ValueRange before) { return body(op, unit, before); });
}

/// The progress behind a unit of so many steps.
PanelEmitter::Values PanelEmitter::after(ValueRange progress, Value steps) {
  Values next = {e.add(progress[0], steps)};
  if (takesTurns)
    next.push_back(e.add(progress[1], 1));
  return next;
}

//===----------------------------------------------------------------------===//
// Fetching
//===----------------------------------------------------------------------===//

PanelEmitter::Values PanelEmitter::fetch(kernel::GemmOp op, const PanelUnit &unit, ValueRange progress) {
  constexpr int64_t tileBytes = GemmLayout::tileBytes, rowBytes = GemmLayout::rowBytes, rowUnit = schema::kSwizzleRows;
  kernel::ViewType type = op.getWeightType(0);
  int64_t steps = stepsOf(op), rowTiles = schema::row_tiles(type.getForm(), type.getPackedShape());
  Value first = e.mul(unit.cell, panelCellTiles);
  Value tile = e.add(e.mul(e.widen(unit.expert), rowTiles), e.widen(first));
  Value weights = e.element(e.address(op.getWeights()[0]), tile, steps * tileBytes);
  // A tile that the weight does not have is the one before, whose accumulators nobody reads.
  Value hasSecond = e.less(e.add(first, 1), e.integer(rowTiles));
  Value apart = e.select(hasSecond, e.integer(steps * tileBytes, e.i64), e.integer(0, e.i64));
  // A panel is rows of 128 bytes of one step, and all rows of a step before those of the next.
  Value view = op.getPlainInput(0);
  auto wholeUnits = [&](Value rows) { return e.mul(e.ceilDiv(rows, rowUnit), rowUnit); };
  Value panelRows = e.widen(wholeUnits(e.size(cast<kernel::ViewType>(view.getType()).getDims()[0])));
  Value tokens = e.element(e.address(view), e.widen(unit.begin), rowBytes);
  Value bytes = e.mul(wholeUnits(unit.count), rowBytes);
  e.loop(e.integer(0), e.integer(steps), [&](Value step) {
    Value count = e.add(progress[0], step), stage = stageOf(count), to = stageMemory(stage), full = fullBarrier(stage);
    Value from = e.element(weights, e.widen(step), tileBytes);
    // The phase before the first is over from the beginning.
    Value empty = emptyBarrier(stage), before = e.bitXor(phaseOf(count), 1);
    rank ? e.waitCluster(empty, before) : e.wait(empty, before);
    e.arriveExpecting(full, e.add(bytes, panelCellTiles * tileBytes));
    e.copyBulk(to, from, tileBytes, full);
    e.copyBulk(e.at(to, tileBytes), e.at(from, apart), tileBytes, full);
    Value panel = e.at(to, panelCellTiles * tileBytes);
    Value rows = e.element(tokens, e.mul(e.widen(step), panelRows), rowBytes);
    constexpr int64_t bothBlocks = (1 << panelCluster) - 1;
    if (rank)
      e.when(e.equal(e.rem(count, panelCluster), rank),
             [&] { e.copyBulkToCluster(panel, rows, bytes, full, bothBlocks); });
    else
      e.copyBulk(panel, rows, bytes, full);
  });
  return after(progress, e.integer(steps));
}

//===----------------------------------------------------------------------===//
// Multiplying
//===----------------------------------------------------------------------===//

/// Rows that there are instructions for: quarters of the tile where those are worth their code.
SmallVector<int64_t> PanelEmitter::rowCounts() const {
  constexpr int64_t worthRows = 64;
  if (tileRows < worthRows || tileRows % 32)
    return {tileRows};
  return {tileRows / 4, tileRows / 2, tileRows / 4 * 3, tileRows};
}

PanelEmitter::Values PanelEmitter::compute(kernel::GemmOp op, const PanelUnit &unit, ValueRange progress) {
  // LLVM may not know it: of a loop of few steps it would make straight code, for which ptxas has not the registers.
  Value steps = e.assembly("", {e.integer(stepsOf(op))}, {}, "", /*touchesMemory=*/false).front();
  auto run = [&] { finish(op, unit, multiplyAny(rowCounts(), unit.count, steps, progress[0])); };
  if (!takesTurns)
    run();
  else
    e.when(e.equal(e.rem(progress[1], readerGroups), group), [&] {
      // The first warpgroup waits for nothing, and then for the second's unit before.
      Value turn = e.div(progress[1], readerGroups), isFirst = e.equal(group, e.integer(0));
      e.wait(turnBarrier(group), e.rem(e.select(isFirst, e.add(turn, 1), turn), 2));
      run();
    });
  return after(progress, steps);
}

/// Accumulators of the whole tile, of one weight tile after those of another; those of rows beyond the instruction's
/// are zero.
PanelEmitter::Values PanelEmitter::multiplyAny(ArrayRef<int64_t> sizes, Value rows, Value steps, Value begin) {
  size_t whole = schema::kTile64x128.tile_rows * tileRows / groupThreads;
  auto padded = [&] {
    Values sums = multiply(sizes.front(), steps, begin), all;
    size_t count = sums.size() / ownTiles;
    for (int64_t tile = 0; tile < ownTiles; ++tile) {
      llvm::append_range(all, ArrayRef<Value>(sums).slice(tile * count, count));
      all.resize((tile + 1) * whole, e.real(0));
    }
    return all;
  };
  if (sizes.size() == 1)
    return padded();
  SmallVector<Type> types(ownTiles * whole, e.f32);
  return e.either(
      e.less(e.integer(sizes.front()), rows), types,
      [&] { return multiplyAny(sizes.drop_front(), rows, steps, begin); }, padded);
}

PanelEmitter::Values PanelEmitter::multiply(int64_t rows, Value steps, Value begin) {
  constexpr int64_t tileBytes = GemmLayout::tileBytes;
  Value zero = e.integer(0);
  auto turn = [&](Value step, ValueRange carried) -> Values {
    Values sums(carried), tiles;
    Value count = e.add(begin, step), stage = stageOf(count), at = stageMemory(stage);
    for (int64_t tile = 0; tile < ownTiles; ++tile)
      tiles.push_back(takesTurns ? e.at(at, tile * tileBytes) : e.at(at, e.mul(group, tileBytes)));
    e.wait(fullBarrier(stage), phaseOf(count));
    beginProducts(e, tiles, e.at(at, panelCellTiles * tileBytes), rows, sums);
    // One group is left running while the next stage is waited for.
    waitForProducts(e, 1, sums);
    e.when(e.less(zero, step), [&] { release(e.sub(count, e.integer(1))); });
    return sums;
  };
  Values none(ownTiles * TileEmitter(e, /*isBF16=*/true, rows).zeros().size(), e.real(0));
  Values sums = e.loop(zero, steps, 1, none, turn);
  if (takesTurns)
    e.when(e.equal(e.lane, e.integer(0)), [&] { e.arrive(turnBarrier(e.bitXor(group, 1))); });
  waitForProducts(e, 0, sums);
  release(e.sub(e.add(begin, steps), e.integer(1)));
  return sums;
}

/// Gives the stage of step `count` back, to all who fill it.
void PanelEmitter::release(Value count) {
  Value empty = emptyBarrier(stageOf(count));
  if (rank)
    e.when(e.less(e.lane, e.integer(panelCluster)), [&] { e.arriveAt(empty, e.lane); });
  else
    e.when(e.equal(e.lane, e.integer(0)), [&] { e.arrive(empty); });
}

/// The accumulators of both weight tiles for some rows lie side by side, and all who multiplied them run the body.
void PanelEmitter::finish(kernel::GemmOp op, const PanelUnit &unit, ArrayRef<Value> sums) {
  constexpr int64_t tileFeatures = schema::kTile64x128.tile_rows;
  int64_t sumRows = layout.sumRows, own = tileFeatures * sumRows / groupThreads;
  int64_t whole = tileFeatures * tileRows / groupThreads;
  Value to = place(layout.sums);
  if (takesTurns)
    to = e.element(to, group, layout.sumBytes);
  TileEmitter part(e, /*isBF16=*/true, sumRows);
  // In turns the other warpgroup multiplies meanwhile, and few registers are free.
  GemmEpilogue epilogue(e, op, panelCellTiles, /*together=*/takesTurns ? 1 : 4);
  e.loop(e.integer(0), e.ceilDiv(unit.count, sumRows), [&](Value turn) {
    for (int64_t i = 0; i < tileRows / sumRows; ++i)
      e.when(e.equal(turn, e.integer(i)), [&] {
        for (int64_t tile = 0; tile < ownTiles; ++tile)
          part.store(sums.slice(tile * whole + i * own, own), e.at(to, tile * tileFeatures * 4),
                     PanelLayout::sumStride);
      });
    e.barrier();
    Value first = e.mul(turn, sumRows);
    RowBlock rows = {e.add(unit.begin, first), Value(), e.min(e.sub(unit.count, first), e.integer(sumRows))};
    auto isPair = [&](Value row) {
      Value pair = e.loadConstant(e.i32, e.element(e.address(op.getOrder()), e.widen(row), 4));
      return e.compare(arith::CmpIPredicate::sge, pair, e.integer(0));
    };
    GemmEpilogue::Sums at = {to, PanelLayout::sumStride, 0};
    // Fillers, behind the last rows of an expert, are nobody's.
    if (failed(op.getOrder() ? epilogue.emit(unit.cell, rows, at, isPair) : epilogue.emit(unit.cell, rows, at)))
      result = failure();
    e.barrier();
  });
}

LogicalResult cuda::emitPanels(KernelEmitter &e, ArrayRef<kernel::GemmOp> members) {
  return PanelEmitter(e, members).run();
}
