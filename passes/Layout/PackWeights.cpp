// SPDX-License-Identifier: Apache-2.0
//
// Gives every weight the one packed form that all kernels of the target read, and writes it at the end of the weight's
// chain and into the type of every view. A weight is packed if any kernel multiplies by it, since a product streams it
// while other readers take a row of it now and then; two forms of one weight would double the plan. Every user has to
// be known: it runs after the fusions that create, replace or take over weights, and before programs are cloned. Parts
// of an interleaved weight are packed with it.

#include "dialects/Kernel/Transforms/TargetPass.h"
#include "passes/Layout/Passes.h"

#include "mlir/IR/Builders.h"

#define DEBUG_TYPE "yupana-pack-weights"

namespace yupana {
#define GEN_PASS_DEF_PACKWEIGHTSPASS
#include "passes/Layout/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;

namespace {

/// True if a product multiplies by the view.
bool isMultipliedBy(kernel::WeightOp view) {
  return llvm::any_of(view->getUses(), [](OpOperand &use) {
    auto gemm = dyn_cast<kernel::GemmOp>(use.getOwner());
    return gemm && llvm::is_contained(gemm.getWeights(), use.get());
  });
}

struct PackWeightsPass : kernel::TargetPass<yupana::impl::PackWeightsPassBase<PackWeightsPass>> {
  using TargetPass::TargetPass;

  void runOnModule(const kernel::TargetModel &asked) override {
    model = &asked;
    SmallVector<kernel::WeightOp> views;
    getOperation().walk([&](kernel::WeightOp view) {
      views.push_back(view);
      if (isMultipliedBy(view))
        multiplied.insert(view.getWeightAttr().getAttr());
    });
    // Both rows of a pair are to lie in one tile, whoever reads them.
    for (auto interleaved : getOperation().getOps<lm::InterleavedOp>())
      multiplied.insert(interleaved.getSymNameAttr());
    for (Operation &op : llvm::make_early_inc_range(*getOperation().getBody()))
      if (isa<lm::WeightOp, lm::InterleavedOp>(op) && failed(pack(&op)))
        return signalPassFailure();
    for (kernel::WeightOp view : views) {
      auto type = view.getView().getType();
      StringRef layout = layoutOf(view.getWeightAttr().getAttr(), type.getElementType());
      view.getView().setType(kernel::ViewType::get(&getContext(), type.getDims(), type.getElementType(), layout));
    }
  }

private:
  StringRef layoutOf(StringAttr name, Type element) const {
    if (!multiplied.contains(name))
      return "row-major";
    return model->getWeightForm(element);
  }

  LogicalResult pack(Operation *parameter) {
    StringAttr name = SymbolTable::getSymbolName(parameter);
    if (isPart(parameter))
      return success();
    StringRef layout = layoutOf(name, lm::getParameterType(parameter).getElementType());
    if (StringRef given = lm::getParameterLayout(parameter); !given.empty()) {
      if (given == layout)
        return success();
      return parameter->emitOpError() << "is packed as " << given << ", its kernels read " << layout;
    }
    Builder builder(&getContext());
    if (auto interleaved = dyn_cast<lm::InterleavedOp>(parameter)) {
      interleaved.setLayout(layout);
      return success();
    }
    auto weight = cast<lm::WeightOp>(parameter);
    SmallVector<Attribute> chain(weight.getChain().getValue());
    chain.push_back(lm::PackAttr::get(&getContext(), layout));
    weight.setChainAttr(builder.getArrayAttr(chain));
    return success();
  }

  /// Parts of an interleaved weight are packed with it.
  bool isPart(Operation *parameter) {
    StringAttr name = SymbolTable::getSymbolName(parameter);
    return llvm::any_of(getOperation().getOps<lm::InterleavedOp>(), [&](lm::InterleavedOp op) {
      return op.getFirstAttr().getAttr() == name || op.getSecondAttr().getAttr() == name;
    });
  }

  const kernel::TargetModel *model = nullptr;
  llvm::DenseSet<StringAttr> multiplied;
};

} // namespace
