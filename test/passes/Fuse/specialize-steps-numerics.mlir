// RUN: yupana-opt %s --yupana-state-numerics=target=sm_90a --yupana-specialize-steps=target=sm_90a | FileCheck %s
// RUN: yupana-opt %s --yupana-state-numerics=target=sm_90a --yupana-specialize-steps="target=sm_90a batch-invariant" | FileCheck %s --check-prefix=ONE --implicit-check-not="range = 256"

// A program for decoding cuts K into ranges, so that blocks can divide a cell between them; that for prompts, and one that
// serves both, does not. An order that a test has asked for stays.
// Attention of a step for prompts is from several tokens at once, whose rows add up in another order; the one program for
// all steps attends from each token by itself.
// CHECK-LABEL: kernel.program @step.8
// CHECK: kernel.attention {{.*}}numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 64, block = 64, segment = 256>
// CHECK: kernel.gemm {{.*}}numerics = #kernel.numerics<range = 256, order = matrix_blocks, partials = 32>
// CHECK: kernel.gemm {{.*}}numerics = #kernel.numerics<range = 512, order = matrix_blocks, partials = 32>
// CHECK-LABEL: kernel.program @step function
// CHECK: kernel.attention {{.*}}numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 8, block = 64>
// CHECK: kernel.gemm {{.*}}numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 32>
// CHECK: kernel.gemm {{.*}}numerics = #kernel.numerics<range = 512, order = matrix_blocks, partials = 32>
// In float32 the order is that of a CPU in every program, and a program with one product that has to stay whole has none
// that is cut: in a launch for both, blocks would not know whose cell they are.
// CHECK-LABEL: kernel.program @f32.8
// CHECK: kernel.gemm {{.*}}numerics = #kernel.numerics<range = all, order = ascending, partials = 32>
// CHECK: kernel.gemm {{.*}}numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 32>
// ONE: kernel.program @step function
// ONE: kernel.attention {{.*}}partials = 64, block = 64, segment = 256>
// ONE: kernel.gemm {{.*}}numerics = #kernel.numerics<range = all,
lm.weight @w from ["w"] : tensor<200x600xbf16> through [] : tensor<200x600xbf16>
lm.weight @f from ["f"] : tensor<200x600xf32> through [] : tensor<200x600xf32>
!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 8192, bf16, layout = "row-major">
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 8192, bf16, layout = "row-major">
lm.cache @layer layer 0 heads 2 width 16 : bf16
kernel.program @step function step max_tokens 16 {
  %q = kernel.buffer "q" : !kernel.view<["T", 64], bf16>
  %o = kernel.buffer "o" : !kernel.view<["T", 64], bf16>
  %p = kernel.input token_positions : !kernel.view<["T"], i32>
  %s = kernel.input token_sequences : !kernel.view<["T"], i32>
  %t = kernel.page_table @layer : !kernel.view<["S", 16], i32>
  %keys = kernel.cache @layer : !keys
  %values = kernel.cache @layer : !values
  kernel.attention %q, %keys, %values at %p of %s through %t into %o chunk 0 scale 2.5e-1
    : !kernel.view<["T", 64], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], bf16>
  %w = kernel.weight @w : !kernel.view<[200, 600], bf16>
  %x = kernel.buffer "x" : !kernel.view<["T", 600], bf16>
  kernel.gemm rows "T" product %x : !kernel.view<["T", 600], bf16> times %w : !kernel.view<[200, 600], bf16> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  kernel.gemm rows "T" attributes {numerics = #kernel.numerics<range = 512, order = matrix_blocks, partials = 32>}
      product %x : !kernel.view<["T", 600], bf16> times %w : !kernel.view<[200, 600], bf16> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}
kernel.program @f32 function step max_tokens 16 {
  %w = kernel.weight @w : !kernel.view<[200, 600], bf16>
  %f = kernel.weight @f : !kernel.view<[200, 600], f32>
  %x = kernel.buffer "x" : !kernel.view<["T", 600], bf16>
  %y = kernel.buffer "y" : !kernel.view<["T", 600], f32>
  kernel.gemm rows "T" product %y : !kernel.view<["T", 600], f32> times %f : !kernel.view<[200, 600], f32> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  kernel.gemm rows "T" product %x : !kernel.view<["T", 600], bf16> times %w : !kernel.view<[200, 600], bf16> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}
