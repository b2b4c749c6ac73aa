// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_LM_IR_LMINTERFACES_TD
#define YUPANA_DIALECTS_LM_IR_LMINTERFACES_TD

include "mlir/IR/OpBase.td"

def LM_TransformInterface : AttrInterface<"TransformAttrInterface"> {
  let cppNamespace = "::yupana::lm";
  let description = [{
    One link of the chain that leads from checkpoint tensors to the tensor a kernel reads.
  }];
  let methods = [
    InterfaceMethod<"The type after this link, or failure with a diagnostic.",
      "::mlir::FailureOr<::mlir::RankedTensorType>", "apply",
      (ins "::mlir::RankedTensorType":$input, "::llvm::function_ref<::mlir::InFlightDiagnostic()>":$emitError)>
  ];
}

#endif
