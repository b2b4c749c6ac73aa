// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_COMPILER_CODEGEN_GPU_PASSES_TD
#define YUPANA_COMPILER_CODEGEN_GPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def KernelToNVVMPass : Pass<"yupana-kernel-to-nvvm", "::mlir::ModuleOp"> {
  let summary = "Write every kernel of a library as a function over arith, math, scf, nvvm and llvm";
  let description = [{
    Runs the builder template of each kernel family on the one op that a `kernel.func` holds. The function is a kernel
    whose blocks do one cell each: it takes its views as pointers to global memory, then T, S and R, and states how many
    threads it has (`nvvm.reqntid`) and how much dynamic shared memory it needs (`kernel.shared_bytes`).

    Precondition: a `kernel.library` whose ops have a `#kernel.gpu` config for its target. Postcondition: the library
    holds `llvm.func`s and the symbol of shared memory alone.

    ```mlir
    kernel.func @map_0 {
    ^bb0(%x: !kernel.view<["T", 64], f32>, %y: !kernel.view<["T", 64], f32>):
      kernel.map rows "T" groups 1 width 64 {
      ^bb0(%row: index, %group: index, %lane: index):
        %value = kernel.load %x[%row, %lane] : !kernel.view<["T", 64], f32>
        kernel.store %value, %y[%row, %lane] : !kernel.view<["T", 64], f32>
      }
    }
    // becomes
    llvm.func @map_0(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>, %tokens: i32, %sequences: i32, %rows: i32) {
      llvm.return
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
                           "::mlir::NVVM::NVVMDialect", "::mlir::scf::SCFDialect"];
}

#endif
