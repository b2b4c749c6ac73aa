// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_PLAN_IR_PLANDIALECT_TD
#define YUPANA_DIALECTS_PLAN_IR_PLANDIALECT_TD

include "mlir/IR/OpBase.td"

def Plan_Dialect : Dialect {
  let name = "plan";
  let cppNamespace = "::yupana::plan";
  let summary = "The plan file, one op per table of its metadata";
  let description = [{
    The exporter decides nothing: every op is one table of `runtime/schema/plan.fbs`, in the order it will stand in the
    file, every size and offset a constant.
  }];
  let dependentDialects = ["::yupana::lm::LMDialect", "::yupana::kernel::KernelDialect"];
  let useDefaultAttributePrinterParser = 1;
  let extraClassDeclaration = [{ void registerAttributes(); }];
}

#endif
