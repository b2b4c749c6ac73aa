// SPDX-License-Identifier: Apache-2.0

#include "dialects/Kernel/IR/Kernel.h"
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

bool isMultipliedBy(kernel::WeightOp view) {
  return llvm::any_of(view->getUses(), [&](OpOperand &use) {
    auto gemm = dyn_cast<kernel::GemmOp>(use.getOwner());
    return gemm && gemm.getWeight() == use.get();
  });
}

struct PackWeightsPass : yupana::impl::PackWeightsPassBase<PackWeightsPass> {
  void runOnOperation() override {
    SmallVector<kernel::WeightOp> views;
    llvm::DenseSet<StringAttr> multiplied;
    getOperation().walk([&](kernel::WeightOp view) {
      views.push_back(view);
      if (isMultipliedBy(view))
        multiplied.insert(view.getWeightAttr().getAttr());
    });
    auto layoutOf = [&](StringAttr name) -> StringRef { return multiplied.contains(name) ? "panel32" : "row-major"; };

    Builder builder(&getContext());
    for (auto weight : getOperation().getOps<lm::WeightOp>()) {
      if (StringRef layout = weight.getLayout(); !layout.empty()) {
        if (layout == layoutOf(weight.getSymNameAttr()))
          continue;
        weight.emitOpError() << "is packed as " << layout << ", its kernels read " << layoutOf(weight.getSymNameAttr());
        return signalPassFailure();
      }
      SmallVector<Attribute> chain(weight.getChain().getValue());
      chain.push_back(lm::PackAttr::get(&getContext(), layoutOf(weight.getSymNameAttr())));
      weight.setChainAttr(builder.getArrayAttr(chain));
    }
    for (kernel::WeightOp view : views) {
      auto type = view.getView().getType();
      view.getView().setType(kernel::ViewType::get(&getContext(), type.getDims(), type.getElementType(),
                                                   layoutOf(view.getWeightAttr().getAttr())));
    }
  }
};

} // namespace
