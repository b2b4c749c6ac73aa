// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_KERNEL_IR_KERNELDIALECT_TD
#define YUPANA_DIALECTS_KERNEL_IR_KERNELDIALECT_TD

include "mlir/IR/OpBase.td"

def Kernel_Dialect : Dialect {
  let name = "kernel";
  let cppNamespace = "::yupana::kernel";
  let summary = "One op per launched kernel, every decision an attribute";
  let description = [{
    Reading this level shows what will run. A program is a list of launched ops over views of memory; each view is
    written by one launched op, or by the runtime. What a kernel does with each value is a scalar region that every
    code generator walks; none knows a fusion by name. Target choices stand in `config`, the number of cells in `grid`.
  }];
  let dependentDialects = ["::yupana::lm::LMDialect", "::yupana::moe::MoEDialect"];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
    void registerTypes();

    /// Lets passes find a target, which must outlive the context, by its name.
    void addTarget(const TargetModel *target);
    /// Null where no back end has been added under this name.
    const TargetModel *getTarget(::llvm::StringRef name) const { return targets.lookup(name); }
    /// The names of all targets, sorted, with commas between them.
    std::string listTargets() const;

  private:
    ::llvm::StringMap<const TargetModel *> targets;
  public:
  }];
}

#endif
