// SPDX-License-Identifier: Apache-2.0

#include "passes/Fuse/Fusion.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/OperationSupport.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::fusion;

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

kernel::LaunchedOpInterface fusion::launchedOf(Operation *op) {
  while (op && !isa_and_nonnull<kernel::ProgramOp>(op->getParentOp()))
    op = op->getParentOp();
  return dyn_cast_or_null<kernel::LaunchedOpInterface>(op);
}

template <typename Ops> static kernel::LaunchedOpInterface commonLaunched(const Ops &ops) {
  kernel::LaunchedOpInterface common;
  for (auto op : ops) {
    kernel::LaunchedOpInterface launched = launchedOf(op);
    if (common && launched != common)
      return {};
    common = launched;
  }
  return common;
}

kernel::LaunchedOpInterface BufferUses::writer() const { return commonLaunched(stores); }
kernel::LaunchedOpInterface BufferUses::reader() const { return commonLaunched(loads); }

bool fusion::isShared(kernel::BufferOp buffer) {
  auto program = buffer->getParentOfType<kernel::ProgramOp>();
  return llvm::any_of(program->getParentRegion()->getOps<kernel::ProgramOp>(), [&](kernel::ProgramOp other) {
    return other != program && llvm::any_of(other.getBody().getOps<kernel::BufferOp>(), [&](kernel::BufferOp named) {
             return named.getNameAttr() == buffer.getNameAttr();
           });
  });
}

BufferUses fusion::usesOf(Value view) {
  BufferUses uses;
  auto buffer = view.getDefiningOp<kernel::BufferOp>();
  uses.hasOthers = !buffer || isShared(buffer);
  for (Operation *user : view.getUsers()) {
    if (auto store = dyn_cast<kernel::StoreOp>(user))
      uses.stores.push_back(store);
    else if (auto load = dyn_cast<kernel::LoadOp>(user))
      uses.loads.push_back(load);
    else
      uses.hasOthers = true;
  }
  return uses;
}

llvm::SetVector<Value> fusion::loadedViews(Region &body) {
  llvm::SetVector<Value> views;
  body.walk([&](kernel::LoadOp load) { views.insert(load.getView()); });
  return views;
}

bool fusion::canSinkTo(kernel::LaunchedOpInterface earlier, kernel::LaunchedOpInterface later) {
  kernel::Accesses moved = kernel::getAccesses(earlier);
  for (Operation *op = earlier->getNextNode(); op != later; op = op->getNextNode()) {
    if (!op)
      return false;
    auto launched = dyn_cast<kernel::LaunchedOpInterface>(op);
    if (!launched)
      continue;
    kernel::Accesses between = kernel::getAccesses(launched);
    if (llvm::any_of(moved.writes, [&](Value view) { return between.all.contains(view); }) ||
        llvm::any_of(moved.reads, [&](Value view) { return between.writes.contains(view); }))
      return false;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Indices
//===----------------------------------------------------------------------===//

std::optional<LaneIndex> fusion::laneIndex(Value index, kernel::MapOp map) {
  if (index == map.getGroup())
    return LaneIndex{1, 0, 0};
  if (index == map.getLane())
    return LaneIndex{0, 1, 0};
  if (std::optional<int64_t> constant = getConstantIntValue(index))
    return LaneIndex{0, 0, *constant};
  Operation *op = index.getDefiningOp();
  if (!isa_and_nonnull<arith::AddIOp, arith::MulIOp>(op))
    return std::nullopt;
  std::optional<LaneIndex> x = laneIndex(op->getOperand(0), map), y = laneIndex(op->getOperand(1), map);
  if (!x || !y)
    return std::nullopt;
  if (isa<arith::AddIOp>(op))
    return LaneIndex{x->group + y->group, x->lane + y->lane, x->constant + y->constant};
  if (x->group || x->lane)
    std::swap(x, y);
  if (x->group || x->lane)
    return std::nullopt;
  return LaneIndex{x->constant * y->group, x->constant * y->lane, x->constant * y->constant};
}

bool fusion::isOwnElement(ValueRange indices, kernel::MapOp map) {
  if (indices.size() != 2 || indices[0] != map.getRow())
    return false;
  std::optional<LaneIndex> index = laneIndex(indices[1], map);
  return index && index->lane == 1 && index->constant == 0 &&
         (map.getGroups() == 1 || index->group == static_cast<int64_t>(map.getWidth()));
}

bool fusion::covers(kernel::MapOp map, int64_t features) {
  return static_cast<int64_t>(map.getGroups() * map.getWidth()) == features;
}

bool fusion::dependsOn(Value value, BlockArgument argument) {
  llvm::SetVector<Value> open;
  open.insert(value);
  for (size_t i = 0; i < open.size(); ++i) {
    Value next = open[i];
    if (next == argument)
      return true;
    if (Operation *op = next.getDefiningOp(); op && op->getBlock() == argument.getOwner())
      open.insert(op->operand_begin(), op->operand_end());
  }
  return false;
}

Value fusion::indexConstant(OpBuilder &builder, Location loc, int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc, value);
}

void fusion::mapFeature(OpBuilder &builder, kernel::MapOp map, Value row, Value feature, Value group, Value lane,
                        IRMapping &mapping) {
  Location loc = map.getLoc();
  mapping.map(map.getRow(), row);
  mapping.map(map.getGroup(), group);
  mapping.map(map.getLane(), lane);
  for (Operation &op : map.getBody().front()) {
    if (op.getNumResults() != 1 || !isa<IndexType>(op.getResult(0).getType()))
      continue;
    std::optional<LaneIndex> index = laneIndex(op.getResult(0), map);
    bool ofFeature = index && index->lane != 0 &&
                     (map.getGroups() == 1 || index->group == index->lane * static_cast<int64_t>(map.getWidth()));
    if (!ofFeature)
      continue;
    Value value = feature;
    if (index->lane != 1)
      value = arith::MulIOp::create(builder, loc, value, indexConstant(builder, loc, index->lane));
    if (index->constant != 0)
      value = arith::AddIOp::create(builder, loc, value, indexConstant(builder, loc, index->constant));
    mapping.map(op.getResult(0), value);
  }
}

void fusion::mapFeature(OpBuilder &builder, kernel::MapOp map, Value row, Value feature, IRMapping &mapping) {
  Location loc = map.getLoc();
  if (map.getGroups() == 1)
    return mapFeature(builder, map, row, feature, indexConstant(builder, loc, 0), feature, mapping);
  Value width = indexConstant(builder, loc, map.getWidth());
  Value group = arith::DivUIOp::create(builder, loc, feature, width);
  mapFeature(builder, map, row, feature, group, arith::RemUIOp::create(builder, loc, feature, width), mapping);
}

//===----------------------------------------------------------------------===//
// Bodies
//===----------------------------------------------------------------------===//

Value fusion::beforeRounding(Value value) {
  auto round = value.getDefiningOp<arith::TruncFOp>();
  return round && value.getType().isBF16() && round.getIn().getType().isF32() ? round.getIn() : value;
}

void BodyCloner::replaceLoad(kernel::LoadOp load, Value stored) {
  mapping.map(load.getValue(), stored);
  replaced.insert(load.getValue());
}

void BodyCloner::clone(Operation &op) {
  if (op.hasTrait<OpTrait::IsTerminator>() || (op.getNumResults() == 1 && mapping.contains(op.getResult(0))))
    return;
  if (auto widen = dyn_cast<arith::ExtFOp>(op); widen && replaced.contains(widen.getIn())) {
    Value unrounded = beforeRounding(mapping.lookup(widen.getIn()));
    if (unrounded.getType() == widen.getType()) {
      mapping.map(widen.getResult(), unrounded);
      return;
    }
  }
  builder.clone(op, mapping);
}

void BodyCloner::cloneAll(Block &block) {
  for (Operation &op : block)
    clone(op);
}

std::optional<PlainGemm> fusion::plainGemmOf(Value view, kernel::LaunchedOpInterface reader) {
  BufferUses uses = usesOf(view);
  auto gemm = dyn_cast_or_null<kernel::GemmOp>(uses.writer().getOperation());
  if (uses.hasOthers || uses.stores.size() != 1 || uses.reader() != reader || !gemm || gemm.getPairs() ||
      gemm.getGroup())
    return std::nullopt;
  kernel::StoreOp store = uses.stores.front();
  bool storesOne = kernel::getAccesses(gemm).writes.size() == 1;
  if (!storesOne || store.getIndices().size() != 2 || store.getIndices()[0] != gemm.getRow() ||
      store.getIndices()[1] != gemm.getFeature())
    return std::nullopt;
  return PlainGemm{gemm, store};
}

//===----------------------------------------------------------------------===//
// Tidying
//===----------------------------------------------------------------------===//

namespace {

/// Equal but for where they came from.
struct SameOp : llvm::DenseMapInfo<Operation *> {
  static unsigned getHashValue(const Operation *op) {
    return OperationEquivalence::computeHash(const_cast<Operation *>(op), OperationEquivalence::directHashValue,
                                             OperationEquivalence::ignoreHashValue,
                                             OperationEquivalence::IgnoreLocations);
  }
  static bool isEqual(const Operation *x, const Operation *y) {
    if (x == y)
      return true;
    if (x == getTombstoneKey() || x == getEmptyKey() || y == getTombstoneKey() || y == getEmptyKey())
      return false;
    return OperationEquivalence::isEquivalentTo(const_cast<Operation *>(x), const_cast<Operation *>(y),
                                                OperationEquivalence::IgnoreLocations);
  }
};

/// Gives the same value whenever it is asked. A launched op reads nothing that it writes.
bool isRepeatable(Operation *op) { return isPure(op) || isa<kernel::LoadOp, kernel::RowSumOp>(op); }

void tidyBlock(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (!op.hasTrait<OpTrait::IsTerminator>() && op.use_empty() && op.getNumResults() > 0 && isRepeatable(&op))
      op.erase();
  llvm::DenseSet<Operation *, SameOp> seen;
  for (Operation &op : llvm::make_early_inc_range(block)) {
    if (op.hasTrait<OpTrait::IsTerminator>() || op.getNumResults() == 0 || !isRepeatable(&op))
      continue;
    auto [entry, isNew] = seen.insert(&op);
    if (isNew)
      continue;
    op.replaceAllUsesWith(*entry);
    op.erase();
  }
}

} // namespace

void fusion::tidy(kernel::LaunchedOpInterface op) {
  op->walk([](Operation *inner) {
    if (isa<kernel::ParallelOp>(inner))
      return;
    for (Region &region : inner->getRegions())
      for (Block &block : region)
        tidyBlock(block);
  });
}

void fusion::eraseUnusedViews(kernel::ProgramOp program) {
  for (Operation &op : llvm::make_early_inc_range(program.getBody().front()))
    if (isa<kernel::BufferOp, kernel::WeightOp, kernel::CacheOp, kernel::PageTableOp, kernel::InputOp>(op) &&
        op.use_empty())
      op.erase();
}
