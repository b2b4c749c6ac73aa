// SPDX-License-Identifier: Apache-2.0

#include "dialects/Kernel/IR/Kernel.h"
#include "dialects/Kernel/IR/TargetModel.h"

#include "mlir/Interfaces/FoldInterfaces.h"

using namespace mlir;
using namespace yupana;

#include "dialects/Kernel/IR/KernelDialect.cpp.inc"

namespace {

/// A kernel holds its own constants: in the program they would be views of nothing, which no code generator is given.
struct KernelFolds : DialectFoldInterface {
  using DialectFoldInterface::DialectFoldInterface;

  bool shouldMaterializeInto(Region *region) const final {
    auto launched = dyn_cast<kernel::LaunchedOpInterface>(region->getParentOp());
    return launched && llvm::is_contained(launched.getScalarRegions(), region);
  }
};

} // namespace

void kernel::KernelDialect::initialize() {
  registerAttributes();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "dialects/Kernel/IR/KernelOps.cpp.inc"
      >();
  addInterfaces<KernelFolds>();
}

void kernel::KernelDialect::addTarget(const TargetModel *target) { targets[target->getName()] = target; }

std::string kernel::KernelDialect::listTargets() const {
  SmallVector<StringRef> names(targets.keys());
  llvm::sort(names);
  return llvm::join(names, ", ");
}

const kernel::TargetModel *kernel::lookupTarget(Operation *op, StringRef name) {
  auto *dialect = op->getContext()->getLoadedDialect<KernelDialect>();
  if (const TargetModel *target = dialect ? dialect->getTarget(name) : nullptr)
    return target;
  std::string expected = dialect ? dialect->listTargets() : std::string();
  if (name.empty())
    op->emitError() << "the pass was given no target, expected target=NAME with one of " << expected;
  else
    op->emitError() << "target \"" << name << "\": no back end, expected one of " << expected;
  return nullptr;
}
