// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_COMPILER_CODEGEN_CPU_PASSES_TD
#define YUPANA_COMPILER_CODEGEN_CPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def KernelToLLVMPass : Pass<"yupana-kernel-to-llvm", "::mlir::ModuleOp"> {
  let summary = "Write every kernel of a library as a function over arith, math, scf, vector and llvm";
  let description = [{
    Runs the builder template of each kernel family on the one op that a `kernel.func` holds. The function takes its
    views as addresses and does the cells [first, last) of its grid.

    Precondition: a `kernel.library` whose ops have a `#kernel.x86` config for its target. Postcondition: the library
    holds `llvm.func`s alone.

    ```mlir
    kernel.func @map_0 {
    ^bb0(%x: !kernel.view<["T", 64], f32>):
      kernel.map rows "T" groups 1 width 64 {
      ^bb0(%row: index, %group: index, %lane: index):
      }
    }
    // becomes
    llvm.func @map_0(%args: !llvm.ptr, %dims: !llvm.ptr, %first: i32, %last: i32, %scratch: !llvm.ptr) {
      llvm.return
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

#endif
