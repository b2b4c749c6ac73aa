// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_PASSES_TOPLAN_PASSES_TD
#define YUPANA_PASSES_TOPLAN_PASSES_TD

include "mlir/Pass/PassBase.td"

def OutlineKernelsPass : Pass<"yupana-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "Move every launched op into a library, each text once, and launch it from there";
  let description = [{
    Two ops that differ only in the views they are given are one kernel: the layers of a model share their code. The
    kernels become `kernel.func`s of one `kernel.library`, in the order they are first launched, named after their op.

    Precondition: schedule form. Postcondition: programs hold no launched op, only `kernel.launch`.

    ```mlir
    kernel.map rows "T" groups 1 width 64 attributes {grid = #kernel.grid<"T">} {
    ^bb0(%row: index, %group: index, %lane: index):
      %v = kernel.load %a[%row, %lane] : !kernel.view<["T", 64], f32>
      kernel.store %v, %b[%row, %lane] : !kernel.view<["T", 64], f32>
    }
    // becomes
    kernel.launch @kernels::@map_0 #kernel.grid<"T"> (%a, %b)
      : !kernel.view<["T", 64], f32>, !kernel.view<["T", 64], f32>
    ```
  }];
  let options = [Option<"target", "target", "std::string", /*default=*/"", "The target the library is for">];
  let dependentDialects = ["::yupana::kernel::KernelDialect"];
}

def KernelToPlanPass : Pass<"yupana-kernel-to-plan", "::mlir::ModuleOp"> {
  let summary = "Turn programs, buffers, caches and weights into the tables of a plan";
  let description = [{
    Everything gets its number: weights in the order they are declared, buffers and kernels in the order they are first
    named. The kernel library stays until code has been generated from it; the declarations of weights stay, for the
    exporter streams what they say.

    Precondition: bufferized and outlined. Postcondition: no program, cache or group of the kernel level is left.

    ```mlir
    kernel.launch @kernels::@map_0 #kernel.grid<"T"> (%a, %b)
      : !kernel.view<["T", 64], f32>, !kernel.view<["T", 64], f32>
    // becomes
    plan.launch 0 #kernel.grid<"T"> [#plan.argument<buffer 0>, #plan.argument<buffer 1>]
    ```
  }];
  let options = [
    Option<"precision", "precision", "std::string", "\"f32\"", "The precision the module computes in">,
    Option<"maxContext", "max-context", "int64_t", "32768", "Positions a sequence may hold">,
    Option<"maxBatch", "max-batch", "int64_t", "8", "Sequences a step may hold">,
    Option<"maxStepTokens", "max-step-tokens", "int64_t", "2048", "Tokens a step may hold">,
    Option<"maxLogitRows", "max-logit-rows", "int64_t", "2048", "Rows of logits a step may ask for">
  ];
  let dependentDialects = ["::yupana::plan::PlanDialect"];
}

def VerifyPlanFormPass : Pass<"yupana-verify-plan-form", "::mlir::ModuleOp"> {
  let summary = "Check that only plan ops and the weights they name are left";
  let description = [{
    Closes the last phase, after code generation. Holds when the module has one `plan.model` and at least one
    `plan.target`, every kernel has an image, and no other op but `plan` ops, `lm.weight` and `lm.table` is left.

    Changes nothing; reports the first op that does not belong.
  }];
}

#endif
