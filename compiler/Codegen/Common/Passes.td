// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_COMPILER_CODEGEN_COMMON_PASSES_TD
#define YUPANA_COMPILER_CODEGEN_COMMON_PASSES_TD

include "mlir/Pass/PassBase.td"

def ApproximateMathPass : Pass<"yupana-approximate-math"> {
  let summary = "Replace functions that no instruction computes by polynomials";
  let description = [{
    A kernel calls no library, so exponentials, logarithms, hyperbolic and trigonometric functions become polynomials,
    on vectors and scalars with the same steps and therefore the same bits.

    Postcondition: of `math` only ops that are one instruction are left, such as `math.sqrt` and `math.fma`. An op that
    has no polynomial, for its type or at all, is an error.

    ```mlir
    %y = math.exp %x : vector<16xf32>
    // becomes, and so on
    %k = math.fma %x, %log2e, %half : vector<16xf32>
    %n = math.floor %k : vector<16xf32>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::vector::VectorDialect"];
}

#endif
