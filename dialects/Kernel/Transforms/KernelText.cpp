// SPDX-License-Identifier: Apache-2.0
//
// In the function a view is a numbered argument instead of a name of memory, so that layers which differ in their
// weights alone have equal text. Since the text holds all that decides about a kernel's work, a time that was taken for
// one text holds wherever it is met again; the largest step is added, because a product of eight rows wants another
// tile than the same product of a thousand.

#include "dialects/Kernel/Transforms/KernelText.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::kernel;

/// Those of `views` for which `is` holds; null where it holds for none.
static DenseI64ArrayAttr numbersOf(ArrayRef<Value> views, llvm::function_ref<bool(Value)> is) {
  SmallVector<int64_t> numbers;
  for (auto [index, view] : llvm::enumerate(views))
    if (is(view))
      numbers.push_back(index);
  return numbers.empty() ? DenseI64ArrayAttr() : DenseI64ArrayAttr::get(views.front().getContext(), numbers);
}

FuncOp kernel::cloneIntoFunc(OpBuilder &builder, LaunchedOpInterface op, ArrayRef<Value> views) {
  // In the function a view is an argument, which no longer says whose memory it is.
  auto func = FuncOp::create(builder, op->getLoc(), builder.getStringAttr("kernel"),
                             numbersOf(views, [](Value view) { return view.getDefiningOp<WeightOp>(); }),
                             numbersOf(views, [](Value view) { return isWorkspace(view); }));
  OpBuilder inside(op->getContext());
  Block *block = inside.createBlock(&func.getBody());
  IRMapping mapping;
  for (Value view : views)
    mapping.map(view, block->addArgument(view.getType(), view.getLoc()));
  auto clone = cast<LaunchedOpInterface>(inside.clone(*op, mapping));
  // The launch carries the grid.
  clone->removeAttr("grid");
  return func;
}

std::string kernel::printKernel(FuncOp func) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  func->print(stream, OpPrintingFlags().useLocalScope());
  return text;
}

std::string kernel::digestKernel(LaunchedOpInterface op, int64_t maxTokens) {
  // A function that belongs to nobody.
  OpBuilder builder(op->getContext());
  SmallVector<Value> views = op.getAccesses().all.takeVector();
  FuncOp func = cloneIntoFunc(builder, op, views);
  func.walk([](LaunchedOpInterface inner) {
    for (StringRef name : {StringRef("config"), StringRef("grid"), StringRef(SignatureAttr::attributeName)})
      inner->removeAttr(name);
  });
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << "tokens " << maxTokens << "\n";
  // Outside a library it is no valid op, and would be printed in the generic form.
  func->print(stream, OpPrintingFlags().useLocalScope().assumeVerified());
  func->erase();
  return llvm::toHex(llvm::SHA256::hash(llvm::arrayRefFromStringRef(text)), /*LowerCase=*/true);
}
