// SPDX-License-Identifier: Apache-2.0
//
// Errors here name an op that was written or edited by hand: passes of the pipeline make none of them. They come before
// any code of the kernel is written, since what is checked is what templates take for granted: the order of sums, a
// grid that a kernel can evaluate, a library of their own kind of target.

#include "compiler/Codegen/Common/Dispatch.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;

LogicalResult codegen::checkNumerics(kernel::LaunchedOpInterface op, kernel::NumericsAttr own, const char *device) {
  kernel::NumericsAttr stated = op.getNumericsAttr();
  if (!stated || stated == own)
    return success();
  return op->emitOpError() << "has numerics " << stated << ", kernels of " << device << " add by " << own;
}

LogicalResult codegen::checkMemberGrid(kernel::LaunchedOpInterface member) {
  kernel::GridAttr grid = member.getGridAttr();
  if (!grid)
    return member->emitError() << "has no grid, which its place among others needs";
  if (llvm::any_of(grid.getTerms(), [](const kernel::GridTerm &term) { return term.op == kernel::GridOp::SMs; }))
    return member->emitError() << "has grid " << grid << ", but a kernel is told no more than T, S and R";
  return success();
}

LogicalResult codegen::emitLibraries(ModuleOp module, bool (*isOwn)(const Target &), const char *expected,
                                     function_ref<LogicalResult(kernel::FuncOp, const Target &)> emitKernel) {
  for (kernel::LibraryOp library : module.getOps<kernel::LibraryOp>()) {
    const Target *target = findTarget(library.getTarget().str());
    if (!target || !isOwn(*target))
      return library.emitError() << "is for " << library.getTargetAttr() << ", expected " << expected;
    for (kernel::FuncOp func : llvm::make_early_inc_range(library.getOps<kernel::FuncOp>()))
      if (failed(emitKernel(func, *target)))
        return failure();
  }
  return success();
}
