// SPDX-License-Identifier: Apache-2.0
//
// Matches all gemms of a program by the same choices of experts, and around them the maps and buffers that can be in
// the order of sorted rows as a whole: a buffer whose every store and load is at the row of a sorted op, and a map all
// of whose stores go to such buffers. It is legal since an order is a permutation: an element is found under its place
// by exactly those who put it there, and anything else under its pair. It runs per program, before other fusions shape
// launches: with few tokens an expert's kernel looks through the choices for less than a launch costs.

#include "dialects/Kernel/Analysis/Analysis.h"
#include "dialects/Kernel/Transforms/TargetPass.h"
#include "passes/Fuse/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

#define DEBUG_TYPE "yupana-sort-rows-by-expert"

namespace yupana {
#define GEN_PASS_DEF_SORTROWSBYEXPERTPASS
#include "passes/Fuse/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;
using namespace yupana::kernel;

namespace {

/// The row that a block of a gemm or a map is run for.
BlockArgument rowOf(Block &block) {
  auto gemm = dyn_cast<GemmOp>(block.getParentOp());
  return gemm && block.getParent() == &gemm.getBody() ? cast<BlockArgument>(gemm.getRow()) : block.getArgument(0);
}

/// The op of the program that writes a view, if there is one.
LaunchedOpInterface writerOf(Value view, ProgramOp program) {
  for (auto op : program.getBody().getOps<LaunchedOpInterface>())
    if (op.getAccesses().writes.contains(view))
      return op;
  return {};
}

/// Everything that one choice of experts puts in order.
class RowOrder {
public:
  /// `first` is a gemm by choices that `writer` writes.
  RowOrder(GemmOp first, LaunchedOpInterface writer)
      : experts(first.getExperts()), expertCount(first.getExpertCount()), pairs(first.getRows()), writer(writer) {
    for (Operation *user : experts.getUsers())
      if (auto gemm = dyn_cast<GemmOp>(user);
          gemm && gemm.getExperts() == experts && !gemm.getOrder() && gemm.getExpertCount() == expertCount)
        ops.insert(gemm);
    findMaps();
  }

  void sort(const TargetModel &model) {
    createGroup(model.getRowAlignment());
    for (Operation *op : ops)
      sortRowsOf(op);
    for (Value view : placed) {
      auto type = cast<ViewType>(view.getType());
      SmallVector<lm::DimAttr> dims(type.getDims());
      dims[0] = group.getOrder().getType().getDims()[0];
      StringRef form = isPlainInput(view) ? model.getSortedForm() : type.getLayout();
      view.setType(ViewType::get(type.getContext(), dims, type.getElementType(), form));
    }
  }

private:
  /// Starts with all maps over pairs, and drops those that cannot be sorted until what is left holds together.
  void findMaps() {
    for (auto map : writer->getBlock()->getOps<MapOp>())
      if (map.getRows() == pairs && writer->isBeforeInBlock(map))
        ops.insert(map);
    // A buffer can be in the sorted order if all its users are, and a map if all it writes can be: iterate to the
    // greatest set that satisfies both. It shrinks in each round, so this ends.
    for (bool changed = true; changed;) {
      findBuffers();
      changed = false;
      for (Operation *op : llvm::to_vector(ops))
        if (auto map = dyn_cast<MapOp>(op); map && !writesInOrder(map)) {
          ops.remove(op);
          changed = true;
        }
    }
  }

  void findBuffers() {
    placed.clear();
    for (Operation *op : ops)
      for (Value view : cast<LaunchedOpInterface>(op).getAccesses().all)
        if (canBePlaced(view))
          placed.insert(view);
  }

  /// A buffer over pairs that is written and read at its own row alone: in which order its rows lie is then nobody's
  /// concern but theirs.
  bool canBePlaced(Value view) {
    BufferUses uses = usesOf(view);
    if (uses.hasOthers || uses.loads.empty() || uses.stores.empty() ||
        cast<ViewType>(view.getType()).getDims()[0] != pairs)
      return false;
    auto isAtOwnRow = [&](auto access) {
      return ops.contains(access->getParentOp()) && access.getIndices()[0] == rowOf(*access->getBlock());
    };
    return llvm::all_of(uses.stores, isAtOwnRow) && llvm::all_of(uses.loads, isAtOwnRow);
  }

  bool writesInOrder(MapOp map) {
    return llvm::all_of(map.getAccesses().writes, [&](Value view) { return placed.contains(view); });
  }

  /// True if products multiply by the rows of a buffer, and nothing else reads them.
  static bool isPlainInput(Value view) {
    BufferUses uses = usesOf(view);
    return cast<ViewType>(view.getType()).getRank() == 2 && llvm::all_of(uses.loads, [&](LoadOp load) {
             return isa<GemmOp>(load->getParentOp()) && getPlainView(*load->getParentRegion()) == view;
           });
  }

  void createGroup(int64_t alignment) {
    OpBuilder builder(writer);
    Location loc = writer.getLoc();
    std::string name = experts.getDefiningOp<BufferOp>().getName().str();
    auto buffer = [&](StringRef suffix, lm::DimAttr size) -> Value {
      return BufferOp::create(builder, loc,
                              ViewType::get(builder.getContext(), {size}, builder.getI32Type(), "row-major"),
                              builder.getStringAttr(name + suffix));
    };
    lm::DimAttr places = GroupOp::getPlaces(cast<ViewType>(experts.getType()), expertCount, alignment);
    Value offsets = buffer(".offsets", lm::DimAttr::get(builder.getContext(), expertCount + 1));
    Value order = buffer(".order", places);
    builder.setInsertionPointAfter(writer);
    group = GroupOp::create(builder, loc, experts, offsets, order, alignment, GridAttr(), ConfigAttrInterface());
  }

  void sortRowsOf(Operation *op) {
    auto gemm = dyn_cast<GemmOp>(op);
    for (Region &region : op->getRegions())
      usePairs(region.front(), /*meetsFillers=*/!gemm);
    lm::DimAttr places = group.getOrder().getType().getDims()[0];
    if (!gemm)
      return cast<MapOp>(op).setRowsAttr(places);
    gemm.setRowsAttr(places);
    gemm.getExpertsMutable().assign(group.getOffsets());
    gemm.getOrderMutable().assign(group.getOrder());
  }

  /// Everything but elements of placed buffers is found by the pair. A map also runs for fillers, whose rows nothing
  /// reads: it computes them from pair 0, which is always there.
  void usePairs(Block &block, bool meetsFillers) {
    BlockArgument place = rowOf(block);
    auto isPlace = [&](OpOperand &use) {
      Operation *user = use.getOwner();
      Value view = isa<LoadOp, StoreOp>(user) ? getAccessedView(user) : Value();
      return view && placed.contains(view);
    };
    SmallVector<OpOperand *> uses;
    for (OpOperand &use : place.getUses())
      if (!isPlace(use))
        uses.push_back(&use);
    if (uses.empty())
      return;
    OpBuilder builder = OpBuilder::atBlockBegin(&block);
    Location loc = block.getParentOp()->getLoc();
    Type i32 = builder.getI32Type();
    Value pair = LoadOp::create(builder, loc, i32, group.getOrder(), ValueRange(place));
    if (meetsFillers) {
      Value first = arith::ConstantOp::create(builder, loc, builder.getI32IntegerAttr(0));
      pair = arith::MaxSIOp::create(builder, loc, pair, first);
    }
    Value row = arith::IndexCastUIOp::create(builder, loc, builder.getIndexType(), pair);
    for (OpOperand *use : uses)
      use->set(row);
  }

  static Value getAccessedView(Operation *access) {
    auto load = dyn_cast<LoadOp>(access);
    return load ? load.getView() : cast<StoreOp>(access).getView();
  }

  Value experts;
  int64_t expertCount;
  lm::DimAttr pairs;
  LaunchedOpInterface writer;
  GroupOp group;
  llvm::SetVector<Operation *> ops; ///< Gemms and maps whose rows are sorted.
  llvm::SetVector<Value> placed;    ///< Buffers whose rows are.
};

struct SortRowsByExpertPass : kernel::TargetPass<yupana::impl::SortRowsByExpertPassBase<SortRowsByExpertPass>> {
  using TargetPass::TargetPass;

  void runOnModule(const TargetModel &model) override {
    for (auto program : getOperation().getOps<ProgramOp>())
      if (force || model.sortsRows(program.getMaxTokens()))
        for (auto gemm : llvm::to_vector(program.getBody().getOps<GemmOp>()))
          if (LaunchedOpInterface writer = chooserOf(gemm, program))
            RowOrder(gemm, writer).sort(model);
  }

private:
  /// Who chooses the experts of a gemm that has not been sorted yet, in memory of this program alone.
  static LaunchedOpInterface chooserOf(GemmOp gemm, ProgramOp program) {
    if (!gemm.getExperts() || gemm.getOrder())
      return {};
    auto buffer = gemm.getExperts().getDefiningOp<BufferOp>();
    return buffer && !isShared(buffer) ? writerOf(gemm.getExperts(), program) : LaunchedOpInterface();
  }
};

} // namespace
