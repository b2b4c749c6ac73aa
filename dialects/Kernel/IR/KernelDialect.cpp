// SPDX-License-Identifier: Apache-2.0
//
// Registers the dialect, its answer to the folder and its targets. Targets are added by whoever links back ends,
// through a dialect extension, so that the dialect depends on no code generator and a test can add a target of its own.
// They are listed by name in a fixed order, since the list is part of an error text.

#include "dialects/Kernel/IR/Kernel.h"
#include "dialects/Kernel/IR/TargetModel.h"

#include "mlir/Interfaces/FoldInterfaces.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace yupana;

#include "dialects/Kernel/IR/KernelDialect.cpp.inc"

namespace {

/// Keeps constants that folding creates inside the region that uses them. The default would hoist them into the
/// program, where an op is a view or a launch, and a region that reads a constant from outside could not be outlined.
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
