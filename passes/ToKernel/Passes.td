// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_PASSES_TOKERNEL_PASSES_TD
#define YUPANA_PASSES_TOKERNEL_PASSES_TD

include "mlir/Pass/PassBase.td"

def ModelToKernelPass : Pass<"yupana-model-to-kernel", "::mlir::ModuleOp"> {
  let summary = "Turn every op of the model level into launched kernels";
  let description = [{
    Each function becomes a `kernel.program`, each tensor a view: arguments are inputs, results of ops buffers that one
    kernel writes. Elementwise ops, norms, rotations and gathers become `kernel.map`, products `kernel.gemm`, routing
    `kernel.route`; what a kernel does with its values stands in its scalar region.

    Precondition: model form. Postcondition: kernel form, see `yupana-verify-kernel-form`; weights have no layout yet,
    caches no group, kernels neither grid nor config.

    ```mlir
    %y = lm.add %h, %x : tensor<?x64xf32, #lm.dims<"T", 64>>
    // becomes
    %y = kernel.buffer "add.0" : !kernel.view<["T", 64], f32>
    kernel.map rows "T" groups 1 width 64 {
    ^bb0(%row: index, %group: index, %lane: index):
      %a = kernel.load %h[%row, %lane] : !kernel.view<["T", 64], f32>
      %b = kernel.load %x[%row, %lane] : !kernel.view<["T", 64], f32>
      %c = arith.addf %a, %b : f32
      kernel.store %c, %y[%row, %lane] : !kernel.view<["T", 64], f32>
    }
    ```
  }];
  let options = [
    Option<"maxContext", "max-context", "int64_t", "32768", "Positions a sequence may hold">,
    Option<"maxStepTokens", "max-step-tokens", "int64_t", "2048", "Tokens a step may hold">,
    Option<"target", "target", "std::string", /*default=*/"", "The target to ask for the size of pages">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::yupana::kernel::KernelDialect"];
}

def FixRoundingsPass : Pass<"yupana-fix-roundings", "::mlir::ModuleOp"> {
  let summary = "Store values in float32 wherever a fusion may keep them in registers instead";
  let description = [{
    The model level says bfloat16 for every tensor. A fused kernel rounds what it stores and not what it keeps in
    registers, so that results would depend on which fusions run and in which program. Here a buffer of bfloat16 becomes
    float32 where one map alone reads it, in each lane the lane's own element or pair of neighbours, or where a map
    computes it from a row of one other buffer and something other than a plain product reads it. What stays bfloat16 is
    memory in every program: the residual, the operands of attention, gathered rows, the inputs of products.

    Precondition: kernel form, nothing fused. Postcondition: no fusing pass removes or adds a rounding.

    ```mlir
    %a = kernel.buffer "linear.0" : !kernel.view<["T", 64], bf16>
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[64, 64], bf16> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      %r = arith.truncf %acc : f32 to bf16
      kernel.store %r, %a[%row, %feature] : !kernel.view<["T", 64], bf16>
    }
    kernel.map rows "T" groups 1 width 64 {
    ^bb0(%row: index, %group: index, %lane: index):
      %v = kernel.load %a[%row, %lane] : !kernel.view<["T", 64], bf16>
      %y = arith.extf %v : bf16 to f32
    }
    // becomes
    %a = kernel.buffer "linear.0" : !kernel.view<["T", 64], f32>
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[64, 64], bf16> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %a[%row, %feature] : !kernel.view<["T", 64], f32>
    }
    kernel.map rows "T" groups 1 width 64 {
    ^bb0(%row: index, %group: index, %lane: index):
      %y = kernel.load %a[%row, %lane] : !kernel.view<["T", 64], f32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::yupana::kernel::KernelDialect"];
}

def VerifyKernelFormPass : Pass<"yupana-verify-kernel-form", "::mlir::ModuleOp"> {
  let summary = "Check that a module is at the kernel level and every buffer is written once, before it is read";
  let description = [{
    Closes the to-kernel and the fuse phase. Holds when no function is left, each program holds only `kernel` ops, every
    buffer of a program is written by exactly one launched op of it, before all that read it, or is a result of an
    earlier program. Writers are counted per program: each step program writes the logits. A workspace is used by one
    launched op of its program, which may read and write it.

    Changes nothing; a buffer written twice is reported with a note at its first writer.
  }];
}

#endif
