// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_MOE_IR_MOEENUMS_TD
#define YUPANA_DIALECTS_MOE_IR_MOEENUMS_TD

include "mlir/IR/EnumAttr.td"

def MoE_ScoreFunction : I32EnumAttr<"ScoreFunction", "how router logits become scores", [
    I32EnumAttrCase<"Sigmoid", 0, "sigmoid">,
    I32EnumAttrCase<"Softmax", 1, "softmax">]> {
  let cppNamespace = "::yupana::moe";
}

#endif
