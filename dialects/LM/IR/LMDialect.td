// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_LM_IR_LMDIALECT_TD
#define YUPANA_DIALECTS_LM_IR_LMDIALECT_TD

include "mlir/IR/OpBase.td"

def LM_Dialect : Dialect {
  let name = "lm";
  let cppNamespace = "::yupana::lm";
  let summary = "A transformer language model on tensors, without its mixtures of experts";
  let description = [{
    The model level: what a checkpoint computes, one op per step of the published model, unfused, on tensors whose
    dynamic dimensions carry names (`#lm.dims`). Weights and caches are symbols. What is particular to mixtures of
    experts lives in `moe`.
  }];
  let useDefaultAttributePrinterParser = 1;
  let extraClassDeclaration = [{ void registerAttributes(); }];
}

#endif
