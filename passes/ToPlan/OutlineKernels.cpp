// SPDX-License-Identifier: Apache-2.0
//
// Moves every launched op into a kernel.func of one library and leaves a kernel.launch in its place. Kernels are
// compared by their text, which is all that a code generator sees, so layers and programs share the code of equal ones:
// a model of 48 layers has about as many kernels as one of four. The grid goes to the launch and memory becomes
// arguments, since these are what differs between them. It runs when nothing changes an op any more; from here on
// launches are calls that no pass can look into.

#include "dialects/Kernel/Transforms/KernelText.h"
#include "passes/ToPlan/Passes.h"

#include "mlir/IR/SymbolTable.h"

#define DEBUG_TYPE "yupana-outline-kernels"

namespace yupana {
#define GEN_PASS_DEF_OUTLINEKERNELSPASS
#include "passes/ToPlan/Passes.h.inc"
} // namespace yupana

using namespace mlir;
using namespace yupana;

namespace {

constexpr StringLiteral libraryName = "kernels";

struct OutlineKernelsPass : yupana::impl::OutlineKernelsPassBase<OutlineKernelsPass> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (target.empty()) {
      module.emitError() << "the pass was given no target, expected target=NAME, which the library is for";
      return signalPassFailure();
    }
    if (module.lookupSymbol(libraryName)) {
      module.emitError() << "module has a symbol @" << libraryName << " already";
      return signalPassFailure();
    }
    OpBuilder builder(module.getBodyRegion());
    builder.setInsertionPointToEnd(module.getBody());
    auto library = kernel::LibraryOp::create(builder, module.getLoc(), libraryName, target);
    builder.createBlock(&library.getBody());

    SmallVector<kernel::LaunchedOpInterface> launched;
    for (auto program : module.getOps<kernel::ProgramOp>())
      llvm::append_range(launched, program.getBody().getOps<kernel::LaunchedOpInterface>());
    for (kernel::LaunchedOpInterface op : launched)
      if (failed(outline(op, library)))
        return signalPassFailure();
  }

private:
  LogicalResult outline(kernel::LaunchedOpInterface op, kernel::LibraryOp library) {
    if (!op.getGridAttr())
      return op->emitOpError() << "has no grid, expected configure-kernels to have run";
    SmallVector<Value> views = op.getAccesses().all.takeVector();
    OpBuilder atEnd = OpBuilder::atBlockEnd(&library.getBody().front());
    kernel::FuncOp kernel = kernel::cloneIntoFunc(atEnd, op, views);
    auto [entry, isNew] = kernels.try_emplace(kernel::printKernel(kernel), kernel);
    if (isNew)
      kernel.setSymName((op->getName().stripDialect() + "_" + Twine(kernels.size() - 1)).str());
    else
      kernel.erase();

    OpBuilder builder(op);
    auto symbol = SymbolRefAttr::get(library.getSymNameAttr(), FlatSymbolRefAttr::get(entry->second.getSymNameAttr()));
    kernel::LaunchOp::create(builder, op->getLoc(), symbol, op.getGridAttr(), views, threadsOf(op));
    op->erase();
    return success();
  }

  /// Members of one launch share its blocks, so a block has the threads of the largest.
  static int64_t threadsOf(kernel::LaunchedOpInterface op) {
    int64_t threads = op.getConfigAttr() ? op.getConfigAttr().getThreads() : 0;
    if (auto parallel = dyn_cast<kernel::ParallelOp>(op.getOperation()))
      for (auto member : parallel.getBody().getOps<kernel::LaunchedOpInterface>())
        threads = std::max(threads, threadsOf(member));
    return threads;
  }

  llvm::StringMap<kernel::FuncOp> kernels;
};

} // namespace
