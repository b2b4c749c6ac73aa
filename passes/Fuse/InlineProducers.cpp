// SPDX-License-Identifier: Apache-2.0
//
// Matches a map that computes a buffer element by element from one row of one other buffer. Its body is repeated in
// front of every load of the result, and the map disappears: repeating a norm or a gather while rows are staged costs
// less than a launch and a buffer. The same operations give the same values, so no bit changes. A map that sums over
// lanes or reads two rows is left: repeated for every reader, it would cost more than it saves. It runs after epilogues
// are fused, so that only maps which are launches of their own are left.

#include "dialects/Kernel/Transforms/Bodies.h"
#include "passes/Fuse/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#define DEBUG_TYPE "yupana-inline-producers"

namespace yupana {
#define GEN_PASS_DEF_INLINEPRODUCERSPASS
#include "passes/Fuse/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;
using namespace yupana::fusion;

namespace {

/// A map that computes one buffer element by element from a row of one other: cheaper to repeat than to keep.
struct Producer {
  kernel::MapOp map;
  kernel::StoreOp store;
};

std::optional<Producer> producerOf(kernel::MapOp map) {
  Producer producer = {map, {}};
  for (Operation &op : map.getBody().front()) {
    if (auto store = dyn_cast<kernel::StoreOp>(op)) {
      if (producer.store)
        return std::nullopt;
      producer.store = store;
    } else if (isa<kernel::SumOp, kernel::AppendOp>(op)) {
      return std::nullopt;
    }
  }
  bool simple =
      producer.store && isOwnElement(producer.store.getIndices(), map) && kernel::viewsAlongRow(map).size() == 1;
  return simple ? std::optional(producer) : std::nullopt;
}

struct InlineProducersPass : yupana::impl::InlineProducersPassBase<InlineProducersPass> {
  void runOnOperation() override {
    for (auto program : getOperation().getOps<kernel::ProgramOp>()) {
      for (auto map : llvm::make_early_inc_range(program.getBody().getOps<kernel::MapOp>()))
        if (std::optional<Producer> producer = producerOf(map))
          inlineAll(*producer);
    }
  }

private:
  /// All readers or none: a buffer that is left for one of them saves nothing.
  void inlineAll(Producer producer) {
    BufferUses uses = usesOf(producer.store.getView());
    if (uses.hasOthers || uses.loads.empty() ||
        !llvm::all_of(uses.loads, [&](kernel::LoadOp load) { return canInlineAt(load, producer.map); }))
      return;
    llvm::SetVector<Operation *> readers;
    for (kernel::LoadOp load : uses.loads) {
      kernel::LaunchedOpInterface reader = launchedOf(load);
      readers.insert(reader);
      if (!reader.getNumericsAttr() && producer.map.getNumericsAttr())
        reader.setNumericsAttr(producer.map.getNumericsAttr());
      inlineAt(load, producer);
    }
    producer.map.erase();
    for (Operation *reader : readers)
      cleanUp(cast<kernel::LaunchedOpInterface>(reader));
  }

  /// A sum over a row is computed once for all features that are read together, so they have to be of one row, and it
  /// has to be added up by the reader as the producer states it. Rows that were put in the order of the experts are
  /// there to be read as they are.
  static bool canInlineAt(kernel::LoadOp load, kernel::MapOp map) {
    if (auto gemm = dyn_cast<kernel::GemmOp>(load->getParentOp()); gemm && gemm.getOrder())
      return false;
    BlockArgument feature = load->getBlock()->getArguments().back();
    return haveSameNumerics(launchedOf(load), map) &&
           (map.getBody().getOps<kernel::RowSumOp>().empty() || !dependsOn(load.getIndices().front(), feature));
  }

  /// Computes the element in front of the load.
  static void inlineAt(kernel::LoadOp load, Producer producer) {
    OpBuilder builder(load);
    IRMapping mapping;
    mapFeature(builder, producer.map, load.getIndices()[0], load.getIndices()[1], mapping);
    BodyCloner cloner(builder, mapping);
    for (Operation &op : producer.map.getBody().front())
      if (&op != producer.store.getOperation())
        cloner.clone(op);
    load.replaceAllUsesWith(cloner.lookup(producer.store.getValue()));
    load.erase();
  }
};

} // namespace
