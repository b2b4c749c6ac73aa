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
    kernel.func @map_0 { ... }
    // becomes
    llvm.func @map_0(%args: !llvm.ptr, %dims: !llvm.ptr, %first: i32, %last: i32, %scratch: !llvm.ptr) { ... }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def ApproximateMathPass : Pass<"yupana-approximate-math"> {
  let summary = "Replace functions that no instruction computes by polynomials";
  let description = [{
    A kernel calls no library, so exponentials, logarithms, hyperbolic and trigonometric functions become polynomials,
    on vectors and scalars with the same steps and therefore the same bits.

    Postcondition: of `math` only ops that are one instruction are left, such as `math.sqrt` and `math.fma`. An op that
    has no polynomial, for its type or at all, is an error.

    ```mlir
    %y = math.exp %x : vector<16xf32>
    // becomes
    %k = math.fma %x, %log2e, %half : vector<16xf32>
    ...
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::vector::VectorDialect"];
}

#endif
