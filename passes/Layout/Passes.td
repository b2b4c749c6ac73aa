// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_PASSES_LAYOUT_PASSES_TD
#define YUPANA_PASSES_LAYOUT_PASSES_TD

include "mlir/Pass/PassBase.td"

def PairGateUpPass : Pass<"yupana-pair-gate-up", "::mlir::ModuleOp"> {
  let summary = "Compute two products of the same rows that one map combines as one product of pairs";
  let description = [{
    A gated MLP multiplies its input by gate and up and combines the two, feature by feature. Their weights become one,
    interleaved in runs of rows as the target asks (`lm.interleaved`), so that both accumulators of a feature are in
    registers at once, and the map becomes the epilogue. Nothing here asks what the map computes.

    Precondition: kernel form, weights not packed. Applies where two gemms have the same input, for the same experts, by
    weights of one type that nothing else uses, and where all that reads the two results is one map without sums, with a
    lane for every feature, at its own.

    ```mlir
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %gate : !kernel.view<[32, 64], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %a[%row, %feature] : !kernel.view<["T", 32], f32>
    }
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %up : !kernel.view<[32, 64], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %b[%row, %feature] : !kernel.view<["T", 32], f32>
    }
    kernel.map rows "T" groups 1 width 32 {
    ^bb0(%row: index, %group: index, %lane: index):
      %p = kernel.load %a[%row, %lane] : !kernel.view<["T", 32], f32>
      %q = kernel.load %b[%row, %lane] : !kernel.view<["T", 32], f32>
      %r = arith.mulf %p, %q : f32
      kernel.store %r, %c[%row, %lane] : !kernel.view<["T", 32], f32>
    }
    // becomes
    lm.interleaved @"gate+up" of @shared.gate, @shared.up by 16 : tensor<64x64xf32>
    %both = kernel.weight @"gate+up" : !kernel.view<[64, 64], f32>
    kernel.gemm rows "T" pairs 32 by 16 product %x : !kernel.view<["T", 64], f32>
      times %both : !kernel.view<[64, 64], f32> {
    ^bb0(%p: f32, %q: f32, %row: index, %feature: index):
      %r = arith.mulf %p, %q : f32
      kernel.store %r, %c[%row, %feature] : !kernel.view<["T", 32], f32>
    }
    ```
  }];
  let options = [Option<"target", "target", "std::string", /*default=*/"", "The target to ask">];
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
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %q : !kernel.view<[64, 64], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %a[%row, %feature] : !kernel.view<["T", 64], f32>
    }
    kernel.map rows "T" groups 1 width 32 {
    ^bb0(%row: index, %group: index, %lane: index):
      %one = arith.constant 1 : index
      %even = arith.addi %lane, %lane : index
      %odd = arith.addi %even, %one : index
      %p = kernel.load %a[%row, %even] : !kernel.view<["T", 64], f32>
      %i = kernel.load %a[%row, %odd] : !kernel.view<["T", 64], f32>
      %s = arith.addf %p, %i : f32
      kernel.store %s, %b[%row, %lane] : !kernel.view<["T", 32], f32>
    }
    // becomes
    lm.weight @q.even from ["q"] : tensor<64x64xf32>
      through [#lm.slice<axis = 0, offset = 0, size = 32, step = 2>] : tensor<32x64xf32>
    lm.weight @q.odd from ["q"] : tensor<64x64xf32>
      through [#lm.slice<axis = 0, offset = 1, size = 32, step = 2>] : tensor<32x64xf32>
    lm.interleaved @"q.even+odd" of @q.even, @q.odd by 16 : tensor<64x64xf32>
    %both = kernel.weight @"q.even+odd" : !kernel.view<[64, 64], f32>
    kernel.gemm rows "T" pairs 32 by 16 product %x : !kernel.view<["T", 64], f32>
      times %both : !kernel.view<[64, 64], f32> {
    ^bb0(%p: f32, %i: f32, %row: index, %pair: index):
      %s = arith.addf %p, %i : f32
      kernel.store %s, %b[%row, %pair] : !kernel.view<["T", 32], f32>
    }
    ```
  }];
  let options = [Option<"target", "target", "std::string", /*default=*/"", "The target to ask">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::yupana::kernel::KernelDialect", "::yupana::lm::LMDialect"];
}

def FuseNormStatisticsPass : Pass<"yupana-fuse-norm-statistics", "::mlir::ModuleOp"> {
  let summary = "Let the kernel that writes a row also write the partial sums of squares that its norms need";
  let description = [{
    A norm over a row first sums its squares. The kernel that writes the row has its values at hand: it stores one sum
    for every so many features as the target says (for the largest power of two that divides the row, if that is less),
    and the norm adds those. What is left of the norm works element by element and can become part of whoever reads it.

    Precondition: kernel form. Applies to a map of one group whose only sum is over the squares of a buffer's whole row,
    where a gemm without pairs or groups, or a map of one group without sums, stores that row feature by feature.

    ```mlir
    kernel.map rows "T" groups 1 width 64 {
    ^bb0(%row: index, %group: index, %lane: index):
      %x = kernel.load %a[%row, %lane] : !kernel.view<["T", 64], f32>
      kernel.store %x, %h[%row, %lane] : !kernel.view<["T", 64], f32>
    }
    kernel.map rows "T" groups 1 width 64 {
    ^bb0(%row: index, %group: index, %lane: index):
      %x = kernel.load %h[%row, %lane] : !kernel.view<["T", 64], f32>
      %q = arith.mulf %x, %x : f32
      %s = kernel.sum %q : f32
      %y = arith.divf %x, %s : f32
      kernel.store %y, %n[%row, %lane] : !kernel.view<["T", 64], f32>
    }
    // becomes
    kernel.map rows "T" groups 2 width 32 {
    ^bb0(%row: index, %group: index, %lane: index):
      %width = arith.constant 32 : index
      %first = arith.muli %group, %width : index
      %feature = arith.addi %first, %lane : index
      %x = kernel.load %a[%row, %feature] : !kernel.view<["T", 64], f32>
      kernel.store %x, %h[%row, %feature] : !kernel.view<["T", 64], f32>
      %q = arith.mulf %x, %x : f32
      %s = kernel.sum %q : f32
      kernel.store %s, %squares[%row, %group] : !kernel.view<["T", 2], f32>
    }
    kernel.map rows "T" groups 1 width 64 {
    ^bb0(%row: index, %group: index, %lane: index):
      %x = kernel.load %h[%row, %lane] : !kernel.view<["T", 64], f32>
      %s = kernel.row_sum %squares[%row] : !kernel.view<["T", 2], f32>
      %y = arith.divf %x, %s : f32
      kernel.store %y, %n[%row, %lane] : !kernel.view<["T", 64], f32>
    }
    ```
  }];
  let options = [Option<"target", "target", "std::string", /*default=*/"", "The target to ask">];
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
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %router : !kernel.view<[16, 64], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %logits[%row, %feature] : !kernel.view<["T", 16], f32>
    }
    kernel.route rows "T" logits %logits : !kernel.view<["T", 16], f32> into %experts, %scores top 1 score sigmoid
      : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
    // becomes
    kernel.route rows "T" product %x : !kernel.view<["T", 64], f32> times %router : !kernel.view<[16, 64], f32>
      into %experts, %scores top 1 score sigmoid : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::yupana::kernel::KernelDialect"];
}

def HoistRowScalePass : Pass<"yupana-hoist-row-scale", "::mlir::ModuleOp"> {
  let summary = "Apply a factor of a whole row to the accumulators, not to the row that is multiplied";
  let description = [{
    Σ (x · s) · w is Σ x · w times s where s, such as an expert's score, is one value for the whole row: the product
    then reads rows as they are, without a multiplication for each of their elements. Other values are rounded, so
    logits differ in their last bits: a target wants it for all its programs or for none.

    Precondition: kernel form. Applies where the multiplication is the last thing before rounding, in an input region,
    or in a map whose result nothing but inputs of gemms of as many rows read, unchanged, and where what the factor is
    computed from depends on the row alone, sums over lanes apart. `force` asks no target.

    ```mlir
    kernel.gemm rows "T" by %experts : !kernel.view<["T", 1], i32> product {
    ^bb0(%row: index, %k: index):
      %x = kernel.load %h[%row, %k] : !kernel.view<["T", 64], f32>
      %s = kernel.load %scores[%row] : !kernel.view<["T"], f32>
      %y = arith.mulf %x, %s : f32
      kernel.yield %y : f32
    } times %w : !kernel.view<[16, 64, 64], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %a[%row, %feature] : !kernel.view<["T", 64], f32>
    }
    // becomes
    kernel.gemm rows "T" by %experts : !kernel.view<["T", 1], i32> product %h : !kernel.view<["T", 64], f32>
      times %w : !kernel.view<[16, 64, 64], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      %s = kernel.load %scores[%row] : !kernel.view<["T"], f32>
      %y = arith.mulf %acc, %s : f32
      kernel.store %y, %a[%row, %feature] : !kernel.view<["T", 64], f32>
    }
    ```
  }];
  let options = [Option<"target", "target", "std::string", /*default=*/"", "The target to ask">,
                 Option<"force", "force", "bool", "false", "Hoist whatever the target says">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::yupana::kernel::KernelDialect"];
}

def StateNumericsPass : Pass<"yupana-state-numerics", "::mlir::ModuleOp"> {
  let summary = "Write into every launched op the order in which the target adds";
  let description = [{
    What a sum of floats gives depends on the order of its terms, so the order is decided once per target and written
    down before programs of several sizes are made: whatever is fused or configured later, an op adds as it states.
    Numerics that an op has already are kept; a code generator that cannot add that way refuses them.

    Precondition: kernel form. Postcondition: every launched op that adds up has numerics.

    ```mlir
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[64, 64], bf16> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
    // becomes
    kernel.gemm rows "T" attributes {numerics = #kernel.numerics<range = all, order = odd_first_pairs, partials = 16>}
      product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[64, 64], bf16> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
    ```
  }];
  let options = [Option<"target", "target", "std::string", /*default=*/"", "The target to ask">];
  let dependentDialects = ["::yupana::kernel::KernelDialect"];
}

def PackWeightsPass : Pass<"yupana-pack-weights", "::mlir::ModuleOp"> {
  let summary = "Choose the one packed form of every weight";
  let description = [{
    A weight that a `kernel.gemm` multiplies by gets the form that the target's kernels read; any other stays row-major.
    An interleaved weight is packed as one, and its parts are not. A tied embedding is both multiplied by and gathered
    from: it has the panel form, and the gather reads that. The choice ends the weight's chain, or is the layout of the
    interleaved one, and becomes part of every view of it.

    Precondition: kernel form. Postcondition: every weight ends in `#lm.pack` or names a layout, parts of
    another apart.

    ```mlir
    lm.weight @q from ["q"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
    %w = kernel.weight @q : !kernel.view<[64, 64], f32>
    // becomes
    lm.weight @q from ["q"] : tensor<64x64xf32> through [#lm.pack<"panel32">] : tensor<64x64xf32>
    %w = kernel.weight @q : !kernel.view<[64, 64], f32, "panel32">
    ```
  }];
  let options = [Option<"target", "target", "std::string", /*default=*/"", "The target to ask">];
  let dependentDialects = ["::yupana::lm::LMDialect", "::yupana::kernel::KernelDialect"];
}

def GroupCachesPass : Pass<"yupana-group-caches", "::mlir::ModuleOp"> {
  let summary = "Gather the caches of layers with the same retention into groups of pages";
  let description = [{
    Layers that keep everything share pages, and so do layers with the same chunk: one page table serves them all. A
    page holds, layer by layer, the keys and then the values of `page_tokens` positions, in the layout that the target's
    kernels read.

    Precondition: kernel form. Postcondition: every `kernel.cache` has a group, an offset, the size of a page and the
    target's layout, and every `kernel.page_table` a group.

    ```mlir
    %k = kernel.cache @layers.0
      : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, layout = "row-major">
    // becomes
    kernel.cache_group @chunk48 layers [0] chunk 48 page_tokens 64 page_bytes 16384
    %k = kernel.cache @layers.0 in @chunk48 offset 0
      : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 16384>
    ```
  }];
  let options = [Option<"target", "target", "std::string", /*default=*/"", "The target to ask">];
  let dependentDialects = ["::yupana::kernel::KernelDialect"];
}

def VerifyWeightLayoutPass : Pass<"yupana-verify-weight-layout", "::mlir::ModuleOp"> {
  let summary = "Check that every weight has a layout and every cache a group";
  let description = [{
    Closes the layout phase. Holds when each `lm.weight` ends in `#lm.pack` and each `lm.interleaved` names a layout,
    parts of the latter apart, each view of a weight names its layout, each launched op that adds up states its
    numerics, and each `kernel.cache` and `kernel.page_table` belongs to a group.

    Changes nothing; a view of another layout is reported with a note at the weight.
  }];
}

#endif
