// SPDX-License-Identifier: Apache-2.0
//
// Registers the ops and attributes of `lm`.

#include "dialects/LM/IR/LM.h"

using namespace mlir;
using namespace yupana;

#include "dialects/LM/IR/LMDialect.cpp.inc"

void lm::LMDialect::initialize() {
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "dialects/LM/IR/LMOps.cpp.inc"
      >();
}
