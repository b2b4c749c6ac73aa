// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_LM_IR_LMENUMS_TD
#define YUPANA_DIALECTS_LM_IR_LMENUMS_TD

include "mlir/IR/EnumAttr.td"

def LM_Activation : I32EnumAttr<"Activation", "activation of a gated unit", [
    I32EnumAttrCase<"SiLU", 0, "silu">,
    I32EnumAttrCase<"GELU", 1, "gelu">]> {
  let cppNamespace = "::yupana::lm";
}

#endif
