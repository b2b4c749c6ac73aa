// Where rows do not collide, are not read where they lie, or something relies on their places, the module stays as it is.
//
// RUN: yupana-opt %s --split-input-file > %t.before
// RUN: yupana-opt %s --yupana-pad-rows=target=x86-64-v3 --split-input-file > %t.after
// RUN: diff %t.before %t.after
// RUN: not yupana-opt %s --yupana-pad-rows=target=pdp-11 --split-input-file 2>&1 | FileCheck %s --check-prefix=UNKNOWN
//
// GPUs read rows in tiles of their own.
// RUN: yupana-opt %S/pad-rows.mlir --split-input-file > %t.before
// RUN: yupana-opt %S/pad-rows.mlir --yupana-pad-rows=target=sm_90a --split-input-file > %t.after
// RUN: diff %t.before %t.after

// UNKNOWN: error: target "pdp-11": no back end, expected one of

// Rows of 2 KiB lie in two sets, those of 4 KiB and a line in different ones.
lm.weight @w from ["w"] : tensor<64x512xf32> through [#lm.pack<"panel32">] : tensor<64x512xf32>
lm.weight @v from ["v"] : tensor<64x1040xf32> through [#lm.pack<"panel32">] : tensor<64x1040xf32>
kernel.program @step function step max_tokens 64 {
  %a = kernel.buffer "a" : !kernel.view<["T", 512], f32>
  %b = kernel.buffer "b" : !kernel.view<["T", 1040], f32>
  %w = kernel.weight @w : !kernel.view<[64, 512], f32, "panel32">
  %v = kernel.weight @v : !kernel.view<[64, 1040], f32, "panel32">
  kernel.gemm rows "T" product %a : !kernel.view<["T", 512], f32> times %w : !kernel.view<[64, 512], f32, "panel32"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  kernel.gemm rows "T" product %b : !kernel.view<["T", 1040], f32> times %v : !kernel.view<[64, 1040], f32, "panel32"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}

// -----

// Rows that an input region computes from, or that are those of an expert, are staged first; nobody multiplies by %c.
!h = !kernel.view<["T", 1024], f32>
!w = !kernel.view<[64, 1024], f32, "panel32">
!e = !kernel.view<[4, 64, 1024], f32, "panel32">
lm.weight @w from ["w"] : tensor<64x1024xf32> through [#lm.pack<"panel32">] : tensor<64x1024xf32>
lm.weight @e from ["e"] : tensor<4x64x1024xf32> through [#lm.pack<"panel32">] : tensor<4x64x1024xf32>
kernel.program @step function step max_tokens 64 {
  %a = kernel.buffer "a" : !h
  %b = kernel.buffer "b" : !h
  %c = kernel.buffer "c" : !h
  %w = kernel.weight @w : !w
  %e = kernel.weight @e : !e
  %choices = kernel.buffer "choices" : !kernel.view<["T", 1], i32>
  kernel.gemm rows "T" product {
  ^bb0(%row: index, %k: index):
    %x = kernel.load %a[%row, %k] : !h
    %y = arith.mulf %x, %x : f32
    kernel.yield %y : f32
  } times %w : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %c[%row, %feature] : !h
  }
  kernel.gemm rows "T" by %choices : !kernel.view<["T", 1], i32> product %b : !h times %e : !e {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}

// -----

// A sum takes the whole row. Queries are read by attention, which looks for their heads.
!h = !kernel.view<["T", 1024], f32>
!w = !kernel.view<[64, 1024], f32, "panel32">
!i = !kernel.view<["T"], i32>
!keys = !kernel.cache<key, heads = 2, width = 128, page_tokens = 64, page_bytes = 0>
!values = !kernel.cache<value, heads = 2, width = 128, page_tokens = 64, page_bytes = 0>
!pages = !kernel.view<["S", 16], i32>
lm.weight @w from ["w"] : tensor<64x1024xf32> through [#lm.pack<"panel32">] : tensor<64x1024xf32>
lm.cache @layer layer 0 heads 2 width 128 : f32
kernel.program @step function step max_tokens 64 {
  %a = kernel.buffer "a" : !h
  %q = kernel.buffer "q" : !h
  %o = kernel.buffer "o" : !h
  %s = kernel.buffer "s" : !kernel.view<["T"], f32>
  %w = kernel.weight @w : !w
  %positions = kernel.input token_positions : !i
  %sequences = kernel.input token_sequences : !i
  %keys = kernel.cache @layer : !keys
  %values = kernel.cache @layer : !values
  %pages = kernel.page_table @layer : !pages
  kernel.map rows "T" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %sum = kernel.row_sum %a[%row] : !h
    kernel.store %sum, %s[%row] : !kernel.view<["T"], f32>
  }
  kernel.gemm rows "T" product %a : !h times %w : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  kernel.attention %q, %keys, %values at %positions of %sequences through %pages into %o chunk 0 scale 2.5e-1
    : !h, !keys, !values, !i, !i, !pages, !h
  kernel.gemm rows "T" product %q : !h times %w : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}

// -----

// Programs that share a buffer by its name agree on its shape.
!h = !kernel.view<["T", 1024], f32>
!w = !kernel.view<[64, 1024], f32, "panel32">
lm.weight @w from ["w"] : tensor<64x1024xf32> through [#lm.pack<"panel32">] : tensor<64x1024xf32>
kernel.program @one function step max_tokens 1 {
  %a = kernel.buffer "a" : !h
  %w = kernel.weight @w : !w
  kernel.gemm rows "T" product %a : !h times %w : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}
kernel.program @many function step max_tokens 64 {
  %a = kernel.buffer "a" : !h
  %w = kernel.weight @w : !w
  kernel.gemm rows "T" product %a : !h times %w : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}
