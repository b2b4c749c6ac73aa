// RUN: yupana-opt %s --yupana-configure-kernels=target=sm_90a | FileCheck %s

// Instructions of whole warpgroups where there are rows for them and weights are bfloat16; with few rows, or in float32,
// as on every other GPU.
lm.weight @w from ["w"] : tensor<200x64xbf16> through [#lm.pack<"tile64x128">] : tensor<200x64xbf16>
lm.weight @f from ["f"] : tensor<200x64xf32> through [#lm.pack<"tile64x128">] : tensor<200x64xf32>
lm.weight @many from ["many"] : tensor<64x96x64xbf16> through [#lm.pack<"tile64x128">] : tensor<64x96x64xbf16>
kernel.program @prompt function step max_tokens 512 {
  %w = kernel.weight @w : !kernel.view<[200, 64], bf16, "tile64x128">
  %f = kernel.weight @f : !kernel.view<[200, 64], f32, "tile64x128">
  %e = kernel.weight @many : !kernel.view<[64, 96, 64], bf16, "tile64x128">
  %x = kernel.buffer "x" : !kernel.view<["T", 64], bf16>
  %xf = kernel.buffer "xf" : !kernel.view<["T", 64], f32>
  %x1 = kernel.buffer "x1" : !kernel.view<["T", 1], i32>
  // CHECK: kernel.gemm {{.*}}config = #kernel.gpu<"sm_90a", form = wgmma, tile = 64 x 128 x 64, stages = 4, threads = 256, blocks = 1, rows = 1>, grid = #kernel.grid<"T", 128, "ceildiv", 4, "*">
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[200, 64], bf16, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  // CHECK: kernel.gemm {{.*}} form = mma, tile = 64 x 32 x 32,
  kernel.gemm rows "T" product %xf : !kernel.view<["T", 64], f32> times %f : !kernel.view<[200, 64], f32, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  // CHECK: kernel.gemm rows "T" by {{.*}} form = mma, tile = 64 x 8 x 64,
  kernel.gemm rows "T" by %x1 : !kernel.view<["T", 1], i32>
      product %x : !kernel.view<["T", 64], bf16> times %e : !kernel.view<[64, 96, 64], bf16, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}
