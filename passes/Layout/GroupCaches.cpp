// SPDX-License-Identifier: Apache-2.0
//
// Gathers the caches of layers with the same retention into groups of pages. Such layers allocate and free pages at the
// same positions, so one page table serves them all; layers of another retention free pages earlier and need a table of
// their own. Each layer's keys and values get a fixed offset in a page, so a kernel finds them by one addition. It runs
// once per target, before programs are cloned, since a program reads what earlier steps of any size appended. How
// positions lie within a page is the target's answer, as for weights.

#include "dialects/Kernel/Transforms/TargetPass.h"
#include "passes/Layout/Passes.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"

#define DEBUG_TYPE "yupana-group-caches"

namespace yupana {
#define GEN_PASS_DEF_GROUPCACHESPASS
#include "passes/Layout/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;

namespace {

/// Where a layer's keys and values lie in the pages of its group.
struct Placement {
  FlatSymbolRefAttr group;
  int64_t keyOffset = 0, valueOffset = 0;
};

struct Group {
  SmallVector<lm::CacheOp> caches; // in the order of the layers, which is the order in a page
  int64_t pageTokens = 0, pageBytes = 0;
};

struct GroupCachesPass : kernel::TargetPass<yupana::impl::GroupCachesPassBase<GroupCachesPass>> {
  using TargetPass::TargetPass;

  void runOnModule(const kernel::TargetModel &model) override {
    if (failed(readTypes()) || failed(chooseLayouts(model)))
      return signalPassFailure();
    // MapVector: groups are numbered in the order of their first layers, and that order reaches the plan.
    llvm::MapVector<int64_t, Group> groups;
    for (auto cache : getOperation().getOps<lm::CacheOp>())
      if (types.contains(cache.getSymNameAttr()))
        groups[cache.getChunk().value_or(0)].caches.push_back(cache);
    llvm::DenseMap<StringAttr, Placement> placements;
    for (auto &[chunk, group] : groups)
      if (failed(placeGroup(chunk, group, placements)))
        return signalPassFailure();
    for (auto &[chunk, group] : groups)
      for (lm::CacheOp cache : group.caches)
        bytes[cache.getSymNameAttr()] = group.pageBytes;
    annotate(placements);
  }

private:
  /// The pages each cache's kernels were made for, and what lies in them.
  LogicalResult readTypes() {
    WalkResult result = getOperation().walk([&](kernel::CacheOp view) {
      kernel::CacheType type = view.getView().getType();
      kernel::CacheType other = types.try_emplace(view.getCacheAttr().getAttr(), type).first->second;
      if (other.getPageTokens() == type.getPageTokens() && other.getLayout() == type.getLayout())
        return WalkResult::advance();
      view.emitOpError() << "has pages of " << type.getPageTokens() << " positions in layout " << type.getLayout()
                         << ", another view of " << view.getCacheAttr() << " has " << other.getPageTokens() << " in "
                         << other.getLayout();
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }

  /// Gives every cache the layout that the target reads. What does not fit into it is reported at the cache.
  LogicalResult chooseLayouts(const kernel::TargetModel &model) {
    for (auto cache : getOperation().getOps<lm::CacheOp>()) {
      auto found = types.find(cache.getSymNameAttr());
      if (found == types.end())
        continue;
      kernel::CacheType &type = found->second;
      type = kernel::CacheType::getChecked([&] { return cache.emitOpError(); }, &getContext(), type.getPart(),
                                           type.getHeads(), type.getWidth(), type.getPageTokens(), type.getPageBytes(),
                                           type.getElementType(), model.getCacheLayout(type.getElementType()));
      if (!type)
        return failure();
    }
    return success();
  }

  LogicalResult placeGroup(int64_t chunk, Group &group, llvm::DenseMap<StringAttr, Placement> &placements) {
    // Retention decides when pages are freed: all positions are kept, or those of the last chunk.
    std::string name = chunk ? "chunk" + std::to_string(chunk) : "full";
    auto symbol = FlatSymbolRefAttr::get(&getContext(), name);
    kernel::CacheType first = types.at(group.caches.front().getSymNameAttr());
    group.pageTokens = first.getPageTokens();
    SmallVector<int64_t> layers;
    for (lm::CacheOp cache : group.caches) {
      kernel::CacheType own = types.at(cache.getSymNameAttr());
      if (own.getPageTokens() != group.pageTokens) {
        InFlightDiagnostic diag = cache.emitOpError() << "has pages of " << own.getPageTokens()
                                                      << " positions, its group " << group.pageTokens;
        diag.attachNote(group.caches.front().getLoc()) << "first of the group";
        return diag;
      }
      int64_t partBytes = own.getPartBytes();
      // Within a page: keys of the first layer, its values, keys of the second, and so on. One layer's positions are
      // contiguous, which is what attention streams.
      placements[cache.getSymNameAttr()] = {symbol, group.pageBytes, group.pageBytes + partBytes};
      group.pageBytes += 2 * partBytes;
      layers.push_back(cache.getLayer());
    }
    OpBuilder atEnd(group.caches.back());
    atEnd.setInsertionPointAfter(group.caches.back());
    kernel::CacheGroupOp::create(atEnd, group.caches.front().getLoc(), name, layers, chunk, group.pageTokens,
                                 group.pageBytes);
    return success();
  }

  void annotate(const llvm::DenseMap<StringAttr, Placement> &placements) {
    Builder builder(&getContext());
    getOperation().walk([&](kernel::CacheOp view) {
      auto type = view.getView().getType();
      const Placement &place = placements.at(view.getCacheAttr().getAttr());
      bool isKey = type.getPart() == kernel::CachePart::Key;
      view.setGroupAttr(place.group);
      view.setOffsetAttr(builder.getI64IntegerAttr(isKey ? place.keyOffset : place.valueOffset));
      view.getView().setType(kernel::CacheType::get(&getContext(), type.getPart(), type.getHeads(), type.getWidth(),
                                                    type.getPageTokens(), bytes.lookup(view.getCacheAttr().getAttr()),
                                                    type.getElementType(),
                                                    types.at(view.getCacheAttr().getAttr()).getLayout()));
    });
    getOperation().walk(
        [&](kernel::PageTableOp table) { table.setGroupAttr(placements.at(table.getCacheAttr().getAttr()).group); });
  }

  llvm::DenseMap<StringAttr, kernel::CacheType> types;
  llvm::DenseMap<StringAttr, int64_t> bytes;
};

} // namespace
