// SPDX-License-Identifier: Apache-2.0
//
// Moves every launched op into a kernel.func of one library and leaves a kernel.launch in its place. Kernels are
// compared by their text, which is all that a code generator sees, so layers and programs share the code of equal ones:
// a model of 48 layers has about as many kernels as one of four. The grid goes to the launch and memory becomes
// arguments, since these are what differs between them. It runs when nothing changes an op any more; from here on
// launches are calls that no pass can look into.

#include "dialects/Kernel/IR/Kernel.h"
#include "passes/ToPlan/Passes.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
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
    kernel::FuncOp kernel = cloneIntoFunc(op, views, library);
    // The text of a function holds numbers of arguments instead of names of memory, so that layers which differ in
    // their weights alone have equal text.
    auto [entry, isNew] = kernels.try_emplace(print(kernel), kernel);
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

  static kernel::FuncOp cloneIntoFunc(kernel::LaunchedOpInterface op, ArrayRef<Value> views,
                                      kernel::LibraryOp library) {
    OpBuilder builder = OpBuilder::atBlockEnd(&library.getBody().front());
    // In the function a view is an argument, which no longer says whose memory it is.
    auto func =
        kernel::FuncOp::create(builder, op->getLoc(), builder.getStringAttr("kernel"),
                               numbersOf(views, [](Value view) { return view.getDefiningOp<kernel::WeightOp>(); }),
                               numbersOf(views, [](Value view) { return kernel::isWorkspace(view); }));
    Block *block = builder.createBlock(&func.getBody());
    IRMapping mapping;
    for (Value view : views)
      mapping.map(view, block->addArgument(view.getType(), view.getLoc()));
    auto clone = cast<kernel::LaunchedOpInterface>(builder.clone(*op, mapping));
    // The launch carries the grid: kernels of programs that differ in it share their code.
    clone->removeAttr("grid");
    return func;
  }

  /// Those of `views` for which `is` holds; null where it holds for none.
  static DenseI64ArrayAttr numbersOf(ArrayRef<Value> views, llvm::function_ref<bool(Value)> is) {
    SmallVector<int64_t> numbers;
    for (auto [index, view] : llvm::enumerate(views))
      if (is(view))
        numbers.push_back(index);
    return numbers.empty() ? DenseI64ArrayAttr() : DenseI64ArrayAttr::get(views.front().getContext(), numbers);
  }

  /// Members of one launch share its blocks, so a block has the threads of the largest.
  static int64_t threadsOf(kernel::LaunchedOpInterface op) {
    int64_t threads = op.getConfigAttr() ? op.getConfigAttr().getThreads() : 0;
    if (auto parallel = dyn_cast<kernel::ParallelOp>(op.getOperation()))
      for (auto member : parallel.getBody().getOps<kernel::LaunchedOpInterface>())
        threads = std::max(threads, threadsOf(member));
    return threads;
  }

  static std::string print(Operation *op) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    op->print(stream, OpPrintingFlags().useLocalScope());
    return text;
  }

  llvm::StringMap<kernel::FuncOp> kernels;
};

} // namespace
