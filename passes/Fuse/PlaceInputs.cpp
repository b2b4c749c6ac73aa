// SPDX-License-Identifier: Apache-2.0
//
// Matches products whose token rows are computed, or do not lie, as the target's products of many tokens read them: in
// the form of sorted rows. Where a buffer is read by products alone and nobody but bodies of kernels writes it, it
// takes that form. Else a map computes the rows, once for all products that read equal ones. It is the reverse of
// inline-producers, for programs where rows are read by so many blocks that computing them anew costs more than a
// launch. Legal since what the input region yields is rounded to the weight's type already: the map stores that value,
// and no bit changes. It runs after all fusions, which look for what depends on what and not for where it lies.

#include "dialects/Kernel/Transforms/Bodies.h"
#include "dialects/Kernel/Transforms/TargetPass.h"
#include "passes/Fuse/Passes.h"

#include "mlir/IR/OperationSupport.h"

#define DEBUG_TYPE "yupana-place-inputs"

namespace yupana {
#define GEN_PASS_DEF_PLACEINPUTSPASS
#include "passes/Fuse/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;
using namespace yupana::fusion;

namespace {

/// True for products that every row takes part in; those by expert have been given their rows in order, if at all.
bool hasAllRows(kernel::GemmOp gemm) { return !gemm.getExperts(); }

/// Puts the rows of one program in their places.
class Places {
public:
  Places(const kernel::TargetModel &model, kernel::ProgramOp program) : model(model), program(program) {}

  void run() {
    program.walk([&](kernel::GemmOp gemm) {
      if (hasAllRows(gemm))
        for (unsigned product = 0; product < gemm.getProductCount(); ++product)
          place(gemm, product);
    });
  }

private:
  /// Rows that a map has computed by an input region, before any op behind `map` ran.
  struct Placed {
    std::unique_ptr<Region> input;
    lm::DimAttr rows;
    kernel::MapOp map;
    Value view;
  };

  void place(kernel::GemmOp gemm, unsigned product) {
    if (Value view = gemm.getPlainInput(product)) {
      auto type = cast<kernel::ViewType>(view.getType());
      if (type.getLayout() == model.getSortedForm())
        return;
      if (canMove(view))
        return view.setType(formed(type.getDims()[0], type.getDimSize(1), type.getElementType()));
    }
    Region &input = gemm.getInputs()[product];
    // What is rounded on its way into the product would have to be rounded by the map.
    if (cast<kernel::YieldOp>(input.front().getTerminator()).getValue().getType() !=
        gemm.getWeightType(product).getElementType())
      return;
    Value view = find(gemm, input);
    readPlain(input, view ? view : compute(gemm, product));
  }

  kernel::ViewType formed(lm::DimAttr rows, int64_t depth, Type element) {
    MLIRContext *context = program->getContext();
    return kernel::ViewType::get(context, {rows, lm::DimAttr::get(context, depth)}, element, model.getSortedForm());
  }

  /// True if the buffer is written by bodies and read by products of all rows, which take them as they are.
  bool canMove(Value view) {
    auto buffer = view.getDefiningOp<kernel::BufferOp>();
    if (!buffer || isShared(buffer) || cast<kernel::ViewType>(view.getType()).getRank() != 2)
      return false;
    BufferUses uses = usesOf(view);
    return !uses.hasOthers && !uses.stores.empty() && llvm::all_of(uses.loads, [&](kernel::LoadOp load) {
      auto gemm = dyn_cast<kernel::GemmOp>(load->getParentOp());
      return gemm && hasAllRows(gemm) && kernel::getPlainView(*load->getParentRegion()) == view;
    });
  }

  /// The view with equal rows that still hold where the gemm reads them, if there is one.
  Value find(kernel::GemmOp gemm, Region &input) {
    kernel::LaunchedOpInterface reader = launchedOf(gemm);
    llvm::SetVector<Value> reads = loadedViews(input);
    for (const Placed &placed : known) {
      kernel::MapOp map = placed.map;
      if (placed.rows != gemm.getRows() || !OperationEquivalence::isRegionEquivalentTo(
                                               placed.input.get(), &input, OperationEquivalence::IgnoreLocations))
        continue;
      bool holds = true;
      for (Operation *op = map; op != reader; op = op->getNextNode())
        if (auto launched = dyn_cast<kernel::LaunchedOpInterface>(op))
          holds &= llvm::none_of(reads, [&](Value view) { return launched.getAccesses().writes.contains(view); });
      if (holds)
        return placed.view;
    }
    return {};
  }

  /// A map in front of the launch that does what the input region of the product does.
  Value compute(kernel::GemmOp gemm, unsigned product) {
    Region &input = gemm.getInputs()[product];
    kernel::LaunchedOpInterface reader = launchedOf(gemm);
    OpBuilder builder(reader);
    Location loc = gemm.getLoc();
    int64_t depth = gemm.getDepth(product);
    kernel::ViewType type = formed(gemm.getRows(), depth, gemm.getWeightType(product).getElementType());
    std::string name = (program.getSymName() + ".input." + Twine(known.size())).str();
    Value view = kernel::BufferOp::create(builder, loc, type, builder.getStringAttr(name));
    auto map = kernel::MapOp::create(builder, loc, gemm.getRows(), 1, depth, kernel::NumericsAttr(), kernel::GridAttr(),
                                     kernel::ConfigAttrInterface());
    Type index = builder.getIndexType();
    Block *block = builder.createBlock(&map.getBody(), {}, {index, index, index}, {loc, loc, loc});
    IRMapping mapping;
    mapping.map(input.getArgument(0), block->getArgument(0));
    mapping.map(input.getArgument(1), block->getArgument(2));
    BodyCloner cloner(builder, mapping);
    cloner.cloneAll(input.front());
    Value value = cloner.lookup(cast<kernel::YieldOp>(input.front().getTerminator()).getValue());
    kernel::StoreOp::create(builder, loc, value, view, ValueRange{block->getArgument(0), block->getArgument(2)});
    kernel::EndOp::create(builder, loc);
    if (map.addsUp())
      map.setNumericsAttr(model.getNumerics(map));
    auto kept = std::make_unique<Region>();
    IRMapping same;
    input.cloneInto(kept.get(), same);
    known.push_back({std::move(kept), gemm.getRows(), map, view});
    return view;
  }

  /// Lets the input region do no more than read its element of `view`.
  static void readPlain(Region &input, Value view) {
    Block &block = input.front();
    OpBuilder builder = OpBuilder::atBlockBegin(&block);
    Location loc = input.getLoc();
    Value read = kernel::LoadOp::create(builder, loc, cast<kernel::ViewType>(view.getType()).getElementType(), view,
                                        block.getArguments());
    auto yield = cast<kernel::YieldOp>(block.getTerminator());
    yield.getValueMutable().assign(read);
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if (&op != yield && op.use_empty())
        op.erase();
  }

  const kernel::TargetModel &model;
  kernel::ProgramOp program;
  SmallVector<Placed> known;
};

struct PlaceInputsPass : kernel::TargetPass<yupana::impl::PlaceInputsPassBase<PlaceInputsPass>> {
  using TargetPass::TargetPass;

  void runOnModule(const kernel::TargetModel &model) override {
    for (auto program : getOperation().getOps<kernel::ProgramOp>())
      if (model.sortsRows(program.getMaxTokens()))
        Places(model, program).run();
  }
};

} // namespace
