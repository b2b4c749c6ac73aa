// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_LM_IR_LMENUMS_TD
#define YUPANA_DIALECTS_LM_IR_LMENUMS_TD

include "mlir/IR/EnumAttr.td"

def LM_Activation : I32EnumAttr<"Activation", "activation of a gated unit", [
    I32EnumAttrCase<"SiLU", 0, "silu">,
    I32EnumAttrCase<"GELU", 1, "gelu">]> {
  let cppNamespace = "::yupana::lm";
}

/// The sizes of a step that dimensions are multiples of; `None` where a dimension is static.
def LM_DimSymbol : I32EnumAttr<"DimSymbol", "what a dynamic dimension is a multiple of", [
    I32EnumAttrCase<"None", 0, "">,
    I32EnumAttrCase<"T", 1>,
    I32EnumAttrCase<"S", 2>,
    I32EnumAttrCase<"R", 3>,
    I32EnumAttrCase<"N", 4>]> {
  let cppNamespace = "::yupana::lm";
}

#endif
