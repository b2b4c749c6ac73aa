// SPDX-License-Identifier: Apache-2.0
//
// Writes grids: postfix expressions over the sizes of a step.

#ifndef YUPANA_DIALECTS_KERNEL_TRANSFORMS_GRIDBUILDER_H
#define YUPANA_DIALECTS_KERNEL_TRANSFORMS_GRIDBUILDER_H

#include "dialects/Kernel/IR/Kernel.h"

namespace yupana::kernel {

class GridBuilder {
public:
  explicit GridBuilder(mlir::MLIRContext *context) : context(context) {}

  GridBuilder &size(int64_t value) { return term(GridOp::Constant, value); }
  GridBuilder &times(int64_t factor) { return factor == 1 ? *this : size(factor).term(GridOp::Mul); }
  GridBuilder &plus(int64_t count) { return count == 0 ? *this : size(count).term(GridOp::Add); }
  GridBuilder &ceilDiv(int64_t divisor) { return divisor == 1 ? *this : size(divisor).term(GridOp::CeilDiv); }

  GridBuilder &multiprocessors() { return term(GridOp::SMs); }
  /// The lesser of the value so far and another.
  GridBuilder &min(int64_t value) { return size(value).term(GridOp::Min); }
  GridBuilder &min(GridAttr other) {
    llvm::append_range(terms, other.getTerms());
    return term(GridOp::Min);
  }

  /// The rows of a view or an op: a constant, or one of the step's sizes times its factor, plus its addend. N is not
  /// among them.
  GridBuilder &dim(lm::DimAttr dim) {
    switch (dim.getSymbol()) {
    case lm::DimSymbol::T:
      return term(GridOp::Tokens).times(dim.getFactor()).plus(dim.getAddend());
    case lm::DimSymbol::S:
      return term(GridOp::Sequences).times(dim.getFactor()).plus(dim.getAddend());
    case lm::DimSymbol::R:
      return term(GridOp::LogitRows).times(dim.getFactor()).plus(dim.getAddend());
    case lm::DimSymbol::None:
    case lm::DimSymbol::N:
      return size(dim.getFactor());
    }
    llvm_unreachable("every symbol has a case");
  }

  /// Adds the value of another grid to that so far, or begins with it.
  GridBuilder &add(GridAttr other) {
    bool isFirst = terms.empty();
    llvm::append_range(terms, other.getTerms());
    return isFirst ? *this : term(GridOp::Add);
  }

  GridAttr get() { return GridAttr::get(context, terms); }

private:
  GridBuilder &term(GridOp op, int64_t value = 0) {
    terms.push_back({op, value});
    return *this;
  }

  mlir::MLIRContext *context;
  llvm::SmallVector<GridTerm> terms;
};

} // namespace yupana::kernel

#endif
