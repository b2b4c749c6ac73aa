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

def LM_GeneratorInterface : AttrInterface<"GeneratorAttrInterface"> {
  let cppNamespace = "::yupana::lm";
  let description = [{
    How a table is computed at compile time, in float64, each element rounded once to float32.
  }];
  let methods = [
    InterfaceMethod<"The shape of the table.", "::llvm::SmallVector<int64_t>", "getTableShape">
  ];
}

/// Kept as any attribute, so that the verifier, which says more than the parser, refuses what is none.
def LM_GeneratorAttr : Attr<CPred<"::llvm::isa<::yupana::lm::GeneratorAttrInterface>($_self)">,
                            "a generator, #lm.rope_table or #lm.temperature_table"> {
  let storageType = "::mlir::Attribute";
  let returnType = "::yupana::lm::GeneratorAttrInterface";
  let convertFromStorage = "::llvm::cast<::yupana::lm::GeneratorAttrInterface>($_self)";
  let constBuilderCall = "$0";
}

#endif
