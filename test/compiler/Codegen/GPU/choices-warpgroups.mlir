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

// Where rows are panels that one thread can fetch, two warpgroups take as many of them as fit: less where experts have
// fewer. Blocks take units in turns, so there are as many as run at once, in clusters where numbers of cells are even.
lm.weight @sixteen from ["sixteen"] : tensor<16x96x64xbf16> through [#lm.pack<"tile64x128">] : tensor<16x96x64xbf16>
kernel.program @panels function step max_tokens 1024 {
  %w = kernel.weight @w : !kernel.view<[200, 64], bf16, "tile64x128">
  %e = kernel.weight @sixteen : !kernel.view<[16, 96, 64], bf16, "tile64x128">
  %x = kernel.buffer "panels" : !kernel.view<["T", 64], bf16, "rows128">
  %p = kernel.buffer "placed" : !kernel.view<["T+112", 64], bf16, "rows128">
  %offsets = kernel.buffer "offsets" : !kernel.view<[17], i32>
  %order = kernel.buffer "order" : !kernel.view<["T+112"], i32>
  // CHECK: kernel.gemm {{.*}}config = #kernel.gpu<"sm_90a", form = wgmma, tile = 128 x 256 x 64, stages = 4, threads = 384, blocks = 1, rows = 1, cluster = 2>, grid = #kernel.grid<"sms", 2, "ceildiv", 2, "*", "T", 256, "ceildiv", 2, "*", "min">
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], bf16, "rows128"> times %w : !kernel.view<[200, 64], bf16, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  // Experts of one cell have none to share rows with in a cluster.
  // CHECK: kernel.gemm {{.*}}sorted {{.*}} tile = 128 x 128 x 64, stages = 6, threads = 384, blocks = 1, rows = 1>, grid = #kernel.grid<"sms", "T", 112, "+", 128, "ceildiv", 16, "+", "min">
  kernel.gemm rows "T+112" by %offsets : !kernel.view<[17], i32> sorted %order : !kernel.view<["T+112"], i32>
      product %p : !kernel.view<["T+112", 64], bf16, "rows128"> times %e : !kernel.view<[16, 96, 64], bf16, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  // Groups of 192 features are no part of two tiles.
  // CHECK: kernel.gemm {{.*}} tile = 64 x 128 x 64,
  kernel.gemm rows "T" group 192 product %x : !kernel.view<["T", 64], bf16, "rows128"> times %w : !kernel.view<[200, 64], bf16, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  // CHECK: kernel.parallel attributes {grid = #kernel.grid<"sms", 2, "ceildiv", 2, "*", "T", 256, "ceildiv", 2, "*", "T", 256, "ceildiv", 2, "*", "+", "min">} {
  kernel.parallel {
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], bf16, "rows128"> times %w : !kernel.view<[200, 64], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], bf16, "rows128"> times %w : !kernel.view<[200, 64], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
  }
}
