// RUN: yupana-opt %s --yupana-state-numerics=target=sm_90a --yupana-specialize-steps=target=sm_90a | FileCheck %s
// RUN: yupana-opt %s --yupana-state-numerics=target=sm_90a --yupana-specialize-steps="target=sm_90a batch-invariant" | FileCheck %s --check-prefix=ONE --implicit-check-not="range = 256"

// A program for decoding cuts K into ranges, so that blocks can divide a cell between them; that for prompts, and one that
// serves both, does not. An order that a test has asked for stays.
// CHECK-LABEL: kernel.program @step.8
// CHECK: kernel.gemm {{.*}}numerics = #kernel.numerics<range = 256, order = matrix_blocks, partials = 32>
// CHECK: kernel.gemm {{.*}}numerics = #kernel.numerics<range = 512, order = matrix_blocks, partials = 32>
// CHECK-LABEL: kernel.program @step function
// CHECK: kernel.gemm {{.*}}numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 32>
// CHECK: kernel.gemm {{.*}}numerics = #kernel.numerics<range = 512, order = matrix_blocks, partials = 32>
// In float32 the order is that of a CPU in every program, and a program with one product that has to stay whole has none
// that is cut: in a launch for both, blocks would not know whose cell they are.
// CHECK-LABEL: kernel.program @f32.8
// CHECK: kernel.gemm {{.*}}numerics = #kernel.numerics<range = all, order = ascending, partials = 32>
// CHECK: kernel.gemm {{.*}}numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 32>
// ONE: kernel.program @step function
// ONE: kernel.gemm {{.*}}numerics = #kernel.numerics<range = all,
lm.weight @w from ["w"] : tensor<200x600xbf16> through [] : tensor<200x600xbf16>
lm.weight @f from ["f"] : tensor<200x600xf32> through [] : tensor<200x600xf32>
kernel.program @step function step max_tokens 16 {
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
