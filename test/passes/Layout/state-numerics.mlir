// RUN: yupana-opt %s --yupana-state-numerics=target=x86-64-v4-bf16 --split-input-file | FileCheck %s --check-prefixes=CHECK,PAIRS
// RUN: yupana-opt %s --yupana-state-numerics=target=x86-64-v4-amx --split-input-file | FileCheck %s --check-prefixes=CHECK,TILES

// On x86 a product has one range; the order is that of its weight's type. Whatever adds up keeps 16 partial sums.
// CHECK: kernel.gemm {{.*}} attributes {numerics = #kernel.numerics<range = all, order = ascending, partials = 16>}
// PAIRS: kernel.gemm {{.*}} attributes {numerics = #kernel.numerics<range = all, order = odd_first_pairs, partials = 16>}
// TILES: kernel.gemm {{.*}} attributes {numerics = #kernel.numerics<range = all, order = even_odd_blocks, partials = 16>}
lm.weight @w from ["w"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @h from ["h"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
kernel.program @step function step max_tokens 16 {
  %w = kernel.weight @w : !kernel.view<[64, 64], f32>
  %h = kernel.weight @h : !kernel.view<[64, 64], bf16>
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  %z = kernel.buffer "z" : !kernel.view<["T", 64], bf16>
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[64, 64], f32> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  kernel.gemm rows "T" product %z : !kernel.view<["T", 64], bf16> times %h : !kernel.view<[64, 64], bf16> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}

// -----

// Maps that add, over lanes or over a row; others have no order.
// CHECK: kernel.map rows "T" groups 1 width 64 attributes {numerics = #kernel.numerics<partials = 16>}
// CHECK: kernel.map rows "T" groups 1 width 32 attributes {numerics = #kernel.numerics<partials = 16>}
// CHECK: kernel.map rows "T" groups 1 width 16 {
// CHECK: kernel.route {{.*}} top 1 score sigmoid {numerics = #kernel.numerics<partials = 16>}
// CHECK: kernel.route {{.*}} top 2 score sigmoid :
lm.weight @router from ["router"] : tensor<16x64xf32> through [] : tensor<16x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  %y = kernel.buffer "y" : !kernel.view<["T", 64], f32>
  %router = kernel.weight @router : !kernel.view<[16, 64], f32>
  %logits = kernel.buffer "logits" : !kernel.view<["T", 16], f32>
  %e = kernel.buffer "e" : !kernel.view<["T", 1], i32>
  %s = kernel.buffer "s" : !kernel.view<["T", 1], f32>
  %e2 = kernel.buffer "e2" : !kernel.view<["T", 2], i32>
  %s2 = kernel.buffer "s2" : !kernel.view<["T", 2], f32>
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %a = kernel.load %x[%row, %lane] : !kernel.view<["T", 64], f32>
    %sum = kernel.sum %a : f32
    kernel.store %sum, %y[%row, %lane] : !kernel.view<["T", 64], f32>
  }
  kernel.map rows "T" groups 1 width 32 {
  ^bb0(%row: index, %group: index, %lane: index):
    %sum = kernel.row_sum %x[%row] : !kernel.view<["T", 64], f32>
    kernel.store %sum, %y[%row, %lane] : !kernel.view<["T", 64], f32>
  }
  kernel.map rows "T" groups 1 width 16 {
  ^bb0(%row: index, %group: index, %lane: index):
    %a = kernel.load %x[%row, %lane] : !kernel.view<["T", 64], f32>
    kernel.store %a, %y[%row, %lane] : !kernel.view<["T", 64], f32>
  }
  kernel.route rows "T" product %x : !kernel.view<["T", 64], f32> times %router : !kernel.view<[16, 64], f32>
    into %e, %s top 1 score sigmoid : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  kernel.route rows "T" logits %logits : !kernel.view<["T", 16], f32> into %e2, %s2 top 2 score sigmoid
    : !kernel.view<["T", 2], i32>, !kernel.view<["T", 2], f32>
}

// -----

// Attention adds products over a head's features, exponentials, and blocks of positions.
// CHECK: kernel.attention
// CHECK-SAME: {numerics = #kernel.numerics<range = all, order = odd_first_pairs, partials = 16, block = 64>}
lm.cache @layer layer 0 heads 2 width 16 : bf16
kernel.program @step function step max_tokens 16 {
  %q = kernel.buffer "q" : !kernel.view<["T", 64], bf16>
  %o = kernel.buffer "o" : !kernel.view<["T", 64], bf16>
  %positions = kernel.input token_positions : !kernel.view<["T"], i32>
  %sequences = kernel.input token_sequences : !kernel.view<["T"], i32>
  %pages = kernel.page_table @layer : !kernel.view<["S", 16], i32>
  %k = kernel.cache @layer : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, bf16>
  %v = kernel.cache @layer : !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, bf16>
  kernel.attention %q, %k, %v at %positions of %sequences through %pages into %o chunk 0 scale 2.5e-1
    : !kernel.view<["T", 64], bf16>, !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, bf16>,
      !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, bf16>, !kernel.view<["T"], i32>,
      !kernel.view<["T"], i32>, !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], bf16>
}

// -----

// What is there is kept: here a product cut into ranges, as a GPU has it.
// CHECK: kernel.gemm {{.*}} attributes {numerics = #kernel.numerics<range = 256, order = ascending, partials = 32>}
lm.weight @w from ["w"] : tensor<64x512xf32> through [] : tensor<64x512xf32>
kernel.program @step function step max_tokens 16 {
  %w = kernel.weight @w : !kernel.view<[64, 512], f32>
  %x = kernel.buffer "x" : !kernel.view<["T", 512], f32>
  kernel.gemm rows "T" attributes {numerics = #kernel.numerics<range = 256, order = ascending, partials = 32>}
    product %x : !kernel.view<["T", 512], f32> times %w : !kernel.view<[64, 512], f32> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}
