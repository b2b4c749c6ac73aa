// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_MOE_IR_MOEDIALECT_TD
#define YUPANA_DIALECTS_MOE_IR_MOEDIALECT_TD

include "mlir/IR/OpBase.td"

def MoE_Dialect : Dialect {
  let name = "moe";
  let cppNamespace = "::yupana::moe";
  let summary = "Mixtures of experts on tensors";
  let description = [{
    What is particular to a mixture of experts, general in the number of experts E, the experts per token k, the score
    function and the place where the score applies, so that Llama 4, Mixtral, Qwen-MoE, DeepSeek and gpt-oss are the
    same ops with other attributes.
  }];
  let dependentDialects = ["::yupana::lm::LMDialect"];
}

#endif
