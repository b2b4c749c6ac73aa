// SPDX-License-Identifier: Apache-2.0
//
// Registers the ops of `moe` and defines its enums.

#include "dialects/MoE/IR/MoE.h"

using namespace mlir;
using namespace yupana;

#include "dialects/MoE/IR/MoEDialect.cpp.inc"
#include "dialects/MoE/IR/MoEEnums.cpp.inc"

void moe::MoEDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/MoE/IR/MoEOps.cpp.inc"
      >();
}
