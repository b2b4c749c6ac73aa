// SPDX-License-Identifier: Apache-2.0
//
// Where a GEMM tile is chosen: what compiler/Tuning answers is written on the op here.

#include "compiler/Tuning/X86.h"
#include "dialects/Kernel/IR/Kernel.h"
#include "passes/Schedule/Passes.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/TypeSwitch.h"

#define DEBUG_TYPE "yupana-configure-kernels"

namespace yupana {
#define GEN_PASS_DEF_CONFIGUREKERNELSPASS
#include "passes/Schedule/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;

namespace {

/// Postfix expressions over the sizes of a step.
class GridBuilder {
public:
  explicit GridBuilder(MLIRContext *context) : context(context) {}

  GridBuilder &size(int64_t value) { return term(GridOp::Constant, value); }
  GridBuilder &times(int64_t factor) { return factor == 1 ? *this : size(factor).term(GridOp::Mul); }
  GridBuilder &ceilDiv(int64_t divisor) { return divisor == 1 ? *this : size(divisor).term(GridOp::CeilDiv); }

  /// The rows of a view or an op: a constant, or one of the step's sizes times its factor. N is not among them.
  GridBuilder &dim(lm::DimAttr dim) {
    switch (dim.getSymbol()) {
    case lm::DimSymbol::T:
      return term(GridOp::Tokens).times(dim.getFactor());
    case lm::DimSymbol::S:
      return term(GridOp::Sequences).times(dim.getFactor());
    case lm::DimSymbol::R:
      return term(GridOp::LogitRows).times(dim.getFactor());
    case lm::DimSymbol::None:
    case lm::DimSymbol::N:
      return size(dim.getFactor());
    }
    llvm_unreachable("every symbol has a case");
  }

  kernel::GridAttr get() { return kernel::GridAttr::get(context, terms); }

private:
  using GridOp = kernel::GridOp;

  GridBuilder &term(GridOp op, int64_t value = 0) {
    terms.push_back({op, value});
    return *this;
  }

  MLIRContext *context;
  SmallVector<kernel::GridTerm> terms;
};

lm::DimAttr rowsOf(Value view) { return cast<kernel::ViewType>(view.getType()).getDims()[0]; }

//===----------------------------------------------------------------------===//
// Choices, then grids, per op
//===----------------------------------------------------------------------===//

tuning::X86Choice choose(kernel::GemmOp, const CpuTarget &target) { return tuning::chooseGemm(target); }
tuning::X86Choice choose(kernel::MapOp op, const CpuTarget &target) {
  return tuning::chooseMap(target, op.getGroups(), op.getWidth());
}
tuning::X86Choice choose(kernel::RouteOp op, const CpuTarget &target) {
  int64_t depth = op.getRouter() ? op.getRouter().getType().getDimSize(1) : 1;
  return tuning::chooseRoute(target, op.getExpertCount() * depth);
}
template <typename Op> tuning::X86Choice choose(Op, const CpuTarget &target) { return tuning::chooseFixed(target); }

kernel::GridAttr gridOf(kernel::GemmOp op, kernel::X86Attr config, GridBuilder grid) {
  if (op.getExperts())
    return grid.size(op.getCells()).times(op.getExpertCount()).get();
  return grid.dim(op.getRows()).ceilDiv(config.getRows()).times(op.getCells()).get();
}
kernel::GridAttr gridOf(kernel::MapOp op, kernel::X86Attr config, GridBuilder grid) {
  return grid.dim(op.getRows()).ceilDiv(config.getRows()).get();
}
kernel::GridAttr gridOf(kernel::RouteOp op, kernel::X86Attr config, GridBuilder grid) {
  return grid.dim(op.getRows()).ceilDiv(config.getRows()).get();
}
kernel::GridAttr gridOf(kernel::AttentionOp op, kernel::X86Attr, GridBuilder grid) {
  return grid.dim(rowsOf(op.getQuery())).times(op.getKeys().getType().getHeads()).get();
}
kernel::GridAttr gridOf(kernel::SampleOp op, kernel::X86Attr, GridBuilder grid) {
  return grid.dim(rowsOf(op.getLogits())).get();
}

/// The members have their grids: a walk comes to them first.
kernel::GridAttr sumOfGrids(kernel::ParallelOp op) {
  SmallVector<kernel::GridTerm> terms;
  for (auto member : op.getBody().getOps<kernel::LaunchedOpInterface>()) {
    bool isFirst = terms.empty();
    llvm::append_range(terms, member.getGridAttr().getTerms());
    if (!isFirst)
      terms.push_back({kernel::GridOp::Add});
  }
  return kernel::GridAttr::get(op.getContext(), terms);
}

struct ConfigureKernelsPass : yupana::impl::ConfigureKernelsPassBase<ConfigureKernelsPass> {
  using Base::Base;

  void runOnOperation() override {
    auto found = lookupCpuTarget(target);
    if (!found) {
      getOperation().emitError() << found.error().message;
      return signalPassFailure();
    }
    WalkResult result = getOperation().walk([&](kernel::LaunchedOpInterface op) { return configure(op, **found); });
    if (result.wasInterrupted())
      signalPassFailure();
  }

  WalkResult configure(kernel::LaunchedOpInterface op, const CpuTarget &target) {
    return llvm::TypeSwitch<Operation *, WalkResult>(op)
        .Case([&](kernel::ParallelOp parallel) {
          parallel.setGridAttr(sumOfGrids(parallel));
          return WalkResult::advance();
        })
        .Case<kernel::GemmOp, kernel::MapOp, kernel::RouteOp, kernel::AttentionOp, kernel::SampleOp>([&](auto typed) {
          if (!typed.getConfigAttr()) {
            tuning::X86Choice choice = choose(typed, target);
            typed.setConfigAttr(kernel::X86Attr::get(&getContext(), StringAttr::get(&getContext(), target.name),
                                                     choice.tileRows, choice.tileColumns, choice.rows));
          }
          auto config = dyn_cast<kernel::X86Attr>(typed.getConfigAttr());
          if (!config)
            return WalkResult(typed.emitOpError() << "has config " << typed.getConfigAttr()
                                                  << ", expected #kernel.x86 for " << StringRef(target.name));
          typed.setGridAttr(gridOf(typed, config, GridBuilder(&getContext())));
          return WalkResult::advance();
        })
        .Default([](Operation *op) { return WalkResult(op->emitOpError() << "has no grid on a CPU"); });
  }
};

} // namespace
