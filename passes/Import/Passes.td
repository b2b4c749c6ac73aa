// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_PASSES_IMPORT_PASSES_TD
#define YUPANA_PASSES_IMPORT_PASSES_TD

include "mlir/Pass/PassBase.td"

def MaterializeTablesPass : Pass<"yupana-materialize-tables", "::mlir::ModuleOp"> {
  let summary = "Give rotary embeddings and attention temperatures their tables";
  let description = [{
    Angles and factors that depend on a position alone are computed at compile time, in float64, so that a plan has
    the same bits wherever it was compiled. Each `lm.rope` with a period gets one table of that many rows (or of
    `max-context` rows, if that is fewer); one without gets two of at most 256 rows each step, whose product is taken at
    run time. Each `lm.attention_temperature` gets a table of its factors. Equal tables are shared.

    Precondition: model form without tables. Postcondition: every such op names tables that cover `max-context`
    positions.

    ```mlir
    %r = lm.rope %q, %p width 16 <theta = 5.0e5> period 48
      : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
    // becomes
    lm.table @rope.0 from #lm.rope_table<#lm.rope<theta = 5.0e5>, dim = 16, count = 48, step = 1> as tensor<48x8x2xf32>
    %r = lm.rope %q, %p width 16 <theta = 5.0e5> period 48 tables [@rope.0]
      : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
    ```
  }];
  let options = [Option<"maxContext", "max-context", "int64_t", "32768", "Positions a sequence may hold">];
  let dependentDialects = ["::yupana::lm::LMDialect"];
}

def VerifyModelFormPass : Pass<"yupana-verify-model-form", "::mlir::ModuleOp"> {
  let summary = "Check that a module is at the model level and complete";
  let description = [{
    Closes the import phase. Holds when the module has `@step`, every function holds only `lm` and `moe` ops and its
    return, every position table is there, and every weight is used.

    Changes nothing; reports the first op that does not belong, with a note at its function.
  }];
}

#endif
