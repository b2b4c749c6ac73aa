// SPDX-License-Identifier: Apache-2.0

#include "dialects/Kernel/IR/Kernel.h"

using namespace mlir;
using namespace yupana;

#include "dialects/Kernel/IR/KernelDialect.cpp.inc"

void kernel::KernelDialect::initialize() {
  registerAttributes();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "dialects/Kernel/IR/KernelOps.cpp.inc"
      >();
}
