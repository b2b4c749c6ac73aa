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
      "getTarget">,
    InterfaceMethod<"Threads of one block; 0 where cells are not blocks of threads, as on a CPU.", "int64_t",
      "getThreads", (ins), /*methodBody=*/"", /*defaultImplementation=*/"return 0;">
  ];
  let summary = "a config such as #kernel.x86";
}

def Kernel_LaunchedOpInterface : OpInterface<"LaunchedOpInterface"> {
  let cppNamespace = "::yupana::kernel";
  let description = [{
    An op that becomes one launched kernel. `grid` and `config` are absent until `configure-kernels` has run.

    A launched op reads nothing that it writes, a workspace apart. So what a load in one of its regions gives does not
    depend on when the load is done: loads have no effects, the launched op has those of all its regions and operands.
    What is loaded from a workspace does depend on it, so those loads have a read effect.
  }];
  let methods = [
    InterfaceMethod<"The number of cells.", "::yupana::kernel::GridAttr", "getGridAttr">,
    InterfaceMethod<"Sets the number of cells.", "void", "setGridAttr", (ins "::yupana::kernel::GridAttr":$grid)>,
    InterfaceMethod<"The choices for the target.", "::yupana::kernel::ConfigAttrInterface", "getConfigAttr">,
    InterfaceMethod<"Sets the choices for the target.", "void", "setConfigAttr",
      (ins "::yupana::kernel::ConfigAttrInterface":$config)>,
    InterfaceMethod<"True if it adds values up, so that its result depends on its numerics.", "bool", "addsUp", (ins),
      "", "return false;">,
    InterfaceMethod<"In which order it adds; null until `state-numerics` has run, and for ops that add nothing.",
      "::yupana::kernel::NumericsAttr", "getNumericsAttr", (ins), "", "return {};">,
    InterfaceMethod<"Sets the order in which it adds; ops that have no numerics ignore it.", "void", "setNumericsAttr",
      (ins "::yupana::kernel::NumericsAttr":$numerics), "", "return;">,
    InterfaceMethod<"The rows it computes; null where its members have rows of their own.",
      "::yupana::lm::DimAttr", "getRows", (ins), /*methodBody=*/"", /*defaultImplementation=*/"return {};">,
    InterfaceMethod<"The region that is run for what the kernel computed and stores it; null where it has none.",
      "::mlir::Region *", "getScalarBody", (ins), "", "return nullptr;">,
    InterfaceMethod<"Every scalar region, the body first where there is one, then those that compute inputs.",
      "::llvm::SmallVector<::mlir::Region *>", "getScalarRegions", (ins), "",
      "return ::yupana::kernel::detail::collectScalarRegions($_op);">,
    InterfaceMethod<"The operands it writes other than by stores in its body.",
      "::llvm::SmallVector<::mlir::Value>", "getWrittenOperands", (ins), "", "return {};">,
    InterfaceMethod<"The workspaces it was given, operands that it both reads and writes.",
      "::llvm::SmallVector<::mlir::Value>", "getGivenWorkspaces", (ins), "", "return {};">,
    InterfaceMethod<"Gives it workspaces; for ops that can have some.", "void", "giveWorkspaces",
      (ins "::mlir::ValueRange":$workspaces), "",
      "::llvm::report_fatal_error(\"the op takes no workspaces\");">,
    InterfaceMethod<"The views and caches it touches.",
      "::yupana::kernel::Accesses", "getAccesses", (ins), "",
      "return ::yupana::kernel::detail::collectAccesses($_op);">
  ];
  let verify = "return ::yupana::kernel::detail::verifyAccesses($_op);";
  let verifyWithRegions = 1;
}

#endif
