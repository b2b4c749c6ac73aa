// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_PASSES_LAYOUT_PASSES_TD
#define YUPANA_PASSES_LAYOUT_PASSES_TD

include "mlir/Pass/PassBase.td"

def PackWeightsPass : Pass<"yupana-pack-weights", "::mlir::ModuleOp"> {
  let summary = "Choose the one packed form of every weight";
  let description = [{
    A weight that a `kernel.gemm` multiplies by is packed in panels of 32 outputs, with columns in pairs where it is
    bf16; any other stays row-major. An interleaved weight is packed as one, and its parts are not. A tied embedding is
    both multiplied by and gathered from: it has the panel form, and the gather reads that. The choice ends the weight's
    chain, or is the layout of the interleaved one, and becomes part of every view of it.

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
  let dependentDialects = ["::yupana::lm::LMDialect", "::yupana::kernel::KernelDialect"];
}

def GroupCachesPass : Pass<"yupana-group-caches", "::mlir::ModuleOp"> {
  let summary = "Gather the caches of layers with the same retention into groups of pages";
  let description = [{
    Layers that keep everything share pages, and so do layers with the same chunk: one page table serves them all. A
    page holds, layer by layer, the keys and then the values of `page_tokens` positions.

    Precondition: kernel form. Postcondition: every `kernel.cache` has a group, an offset and the size of a page, and
    every `kernel.page_table` a group.

    ```mlir
    %k = kernel.cache @layers.0 : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
    // becomes
    kernel.cache_group @chunk48 layers [0] chunk 48 page_tokens 64 page_bytes 16384
    %k = kernel.cache @layers.0 in @chunk48 offset 0
      : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 16384>
    ```
  }];
  let dependentDialects = ["::yupana::kernel::KernelDialect"];
}

def VerifyWeightLayoutPass : Pass<"yupana-verify-weight-layout", "::mlir::ModuleOp"> {
  let summary = "Check that every weight has a layout and every cache a group";
  let description = [{
    Closes the layout phase. Holds when each `lm.weight` ends in `#lm.pack` and each `lm.interleaved` names a layout,
    parts of the latter apart, each view of a weight names its layout, and each `kernel.cache` and `kernel.page_table`
    belongs to a group.

    Changes nothing; a view of another layout is reported with a note at the weight.
  }];
}

#endif
