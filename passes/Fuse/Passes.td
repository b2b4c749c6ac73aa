// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_PASSES_FUSE_PASSES_TD
#define YUPANA_PASSES_FUSE_PASSES_TD

include "mlir/Pass/PassBase.td"

def PairGateUpPass : Pass<"yupana-pair-gate-up", "::mlir::ModuleOp"> {
  let summary = "Compute two products of the same rows that one map combines as one product of pairs";
  let description = [{
    A gated MLP multiplies its input by gate and up and combines the two, feature by feature. Their weights become one,
    interleaved by 16 rows (`lm.interleaved`), so that both accumulators of a feature are in registers at once, and the
    map becomes the epilogue. Nothing here asks what the map computes.

    Precondition: kernel form, weights not packed. Applies where two gemms have the same input, for the same experts, by
    weights of one type that nothing else uses, and where all that reads the two results is one map without sums, with a
    lane for every feature, at its own.

    ```mlir
    kernel.gemm rows "T" product %x : .. times %gate : .. { store %a }
    kernel.gemm rows "T" product %x : .. times %up : .. { store %b }
    kernel.map rows "T" groups 1 width 32 { .. load %a, load %b .. store %c }
    // becomes
    lm.interleaved @"gate+up" of @gate, @up by 16 : tensor<64x64xf32>
    kernel.gemm rows "T" pairs 32 product %x : .. times %both : .. {
    ^bb0(%a: f32, %b: f32, %row: index, %feature: index):
      .. store %c
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::yupana::kernel::KernelDialect", "::yupana::lm::LMDialect"];
}

def PairRotationPass : Pass<"yupana-pair-rotation", "::mlir::ModuleOp"> {
  let summary = "Compute a product whose neighbours a map rotates as one product of pairs";
  let description = [{
    A rotary embedding needs the features 2p and 2p + 1 of a projection at once. Even and odd rows of the weight become
    the two halves of an interleaved one, which takes its place, and the map the epilogue over pairs.

    Precondition: kernel form, weights not packed. Applies where nothing else uses the weight, and where all that reads
    the gemm's result is a map without sums, with a lane for every pair, at 2p and 2p + 1 for p = group · width + lane.

    ```mlir
    kernel.gemm rows "T" product %x : .. times %q : .. { store %a }
    kernel.map rows "T" groups 4 width 8 { .. load %a[.., 2p], load %a[.., 2p + 1] .. }
    // becomes
    lm.weight @q.even from ["q"] .. through [#lm.slice<axis = 0, offset = 0, size = 32, step = 2>] ..
    lm.weight @q.odd ..
    lm.interleaved @"q.even+odd" of @q.even, @q.odd by 16 : tensor<64x64xf32>
    kernel.gemm rows "T" pairs 32 product %x : .. times %both : .. { .. }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::yupana::kernel::KernelDialect", "::yupana::lm::LMDialect"];
}

def FuseNormStatisticsPass : Pass<"yupana-fuse-norm-statistics", "::mlir::ModuleOp"> {
  let summary = "Let the kernel that writes a row also write the partial sums of squares that its norms need";
  let description = [{
    A norm over a row first sums its squares. The kernel that writes the row has its values at hand: it stores one sum
    per 32 features (per largest power of two that divides the row, if that is less), and the norm adds those. What is
    left of the norm works element by element and can become part of whoever reads it.

    Precondition: kernel form. Applies to a map of one group whose only sum is over the squares of a buffer's whole row,
    where a gemm without pairs or groups, or a map of one group without sums, stores that row feature by feature.

    ```mlir
    kernel.map rows "T" groups 1 width 64 { .. store %x, %h .. }
    kernel.map rows "T" groups 1 width 64 { %x = load %h; %s = kernel.sum (%x * %x) .. }
    // becomes
    kernel.map rows "T" groups 2 width 32 { .. store %x, %h; store (kernel.sum (%x * %x)), %squares[.., feature / 32] }
    kernel.map rows "T" groups 1 width 64 { %s = kernel.row_sum %squares[%row] .. }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::yupana::kernel::KernelDialect"];
}

def JoinProductsPass : Pass<"yupana-join-products", "::mlir::ModuleOp"> {
  let summary = "Compute products that one map adds up in one kernel";
  let description = [{
    With one expert per token, the routed down projection and the shared expert's have the same rows and features, and
    the combine adds them: they become two products of one gemm, whose epilogue has an accumulator of each.

    Precondition: kernel form. Applies where all that reads the results of several gemms of the same rows, features and
    type, of no more than one choice of experts, is a map without sums, with a lane for every feature, at its own.

    ```mlir
    kernel.gemm rows "T" by %experts : .. product %x : .. times %down : .. { store %a }
    kernel.gemm rows "T" product %y : .. times %shared_down : .. { store %b }
    kernel.map rows "T" groups 1 width 64 { .. load %b, load %a .. store %c }
    // becomes
    kernel.gemm rows "T" by %experts : .. product %y : .. times %shared_down : .. product %x : .. times %down : .. {
    ^bb0(%b: f32, %a: f32, %row: index, %feature: index):
      .. store %c
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::yupana::kernel::KernelDialect"];
}

def FuseEpiloguesPass : Pass<"yupana-fuse-epilogues", "::mlir::ModuleOp"> {
  let summary = "Continue a kernel with the map that alone reads its result";
  let description = [{
    Residual, bias, temperature, QK-norm, cache append: a map that reads what a gemm or another map stored, at its own
    row and feature, becomes part of that kernel's body, and the buffer between them disappears. Sums
    over a map's groups become sums over groups of a gemm's features; where the gemm has pairs of neighbours, each half
    goes on and a sum adds both.

    Precondition: kernel form. Applies where the map is the buffer's only reader, has a lane for every feature, reads
    nothing else that the kernel writes, and nothing between them is in the way; where it sums, over no more than 256
    features, and over groups that the gemm has already if it has some. A map continued so must not sum itself.

    ```mlir
    kernel.gemm rows "T" product %x : .. times %o : .. { store %a }
    kernel.map rows "T" groups 1 width 64 { load %a, load %residual .. store %h }
    // becomes
    kernel.gemm rows "T" product %x : .. times %o : .. { load %residual .. store %h }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::yupana::kernel::KernelDialect"];
}

def InlineProducersPass : Pass<"yupana-inline-producers", "::mlir::ModuleOp"> {
  let summary = "Compute elements of a gathered, scaled or normalised row where they are read";
  let description = [{
    A map that makes each row from one row of another buffer, element by element, is repeated in front of every load of
    its result and disappears: in the input regions of products, so that norm, gather and score happen while rows are
    staged.

    Precondition: kernel form. Applies to a map without sums that stores one value at its own row and feature and reads
    one buffer along the features, where every use of the result is a load in a region; of one row in all lanes, if the
    map adds up a row (`kernel.row_sum`).

    ```mlir
    kernel.map rows "T" groups 1 width 64 { %x = load %h[%row, %lane] .. store %y, %n }
    kernel.gemm rows "T" product %n : .. times %q : .. { .. }
    // becomes
    kernel.gemm rows "T" product {
    ^bb0(%row: index, %k: index):
      %x = load %h[%row, %k] .. kernel.yield %y
    } times %q : .. { .. }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::yupana::kernel::KernelDialect"];
}

def FuseRouterPass : Pass<"yupana-fuse-router", "::mlir::ModuleOp"> {
  let summary = "Compute a router's logits where the choice is made";
  let description = [{
    A router is a small matrix: multiplying by it, choosing the top k and scoring them is one kernel, whose logits never
    leave it. Its weight stays row-major. The input is taken before rounding where the kernel computes it.

    Precondition: kernel form, weights not packed. Applies where a gemm of one product, whose weight nothing else uses,
    stores its accumulators alone, for one `kernel.route` to read.

    ```mlir
    kernel.gemm rows "T" product %x : .. times %router : .. { store %logits }
    kernel.route rows "T" logits %logits : .. into %experts, %scores top 1 score sigmoid : ..
    // becomes
    kernel.route rows "T" product %x : .. times %router : .. into %experts, %scores top 1 score sigmoid : ..
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::yupana::kernel::KernelDialect"];
}

def MergeLaunchesPass : Pass<"yupana-merge-launches", "::mlir::ModuleOp"> {
  let summary = "Launch products that do not depend on one another side by side";
  let description = [{
    Queries, keys and values; the routed and the shared gate and up: each pair of launches saves a barrier and lets the
    cells of the larger fill the gaps of the smaller. A gemm joins the first one before it that it can run beside,
    itself alone or with others.

    Precondition: kernel form. Applies where nothing from the earlier gemm on touches what the later one writes, or
    writes what it reads.

    ```mlir
    kernel.gemm rows "T" product %x : .. times %q : .. { .. }
    kernel.gemm rows "T" product %x : .. times %k : .. { .. }
    // becomes
    kernel.parallel { kernel.gemm .. kernel.gemm .. }
    ```
  }];
  let dependentDialects = ["::yupana::kernel::KernelDialect"];
}

#endif
