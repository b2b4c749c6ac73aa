// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_KERNEL_IR_KERNELINTERFACES_TD
#define YUPANA_DIALECTS_KERNEL_IR_KERNELINTERFACES_TD

include "mlir/IR/OpBase.td"

def Kernel_ConfigInterface : AttrInterface<"ConfigAttrInterface"> {
  let cppNamespace = "::yupana::kernel";
  let description = [{
    What is chosen for one target about one launched op: tiles, rows of a cell, and whatever else a code generator needs
    to know. A config changes no result.
  }];
  let methods = [
    InterfaceMethod<"The name of the target it was chosen for, as `--target` takes it.", "::llvm::StringRef",
      "getTarget">
  ];
  let summary = "a config such as #kernel.x86";
}

#endif
