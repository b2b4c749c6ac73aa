// RUN: yupana-opt %s --yupana-configure-kernels=target=sm_80 | FileCheck %s -DTARGET=sm_80 -DROWS=64
// RUN: yupana-opt %s --yupana-configure-kernels=target=sm_120a | FileCheck %s -DTARGET=sm_120a -DROWS=32

// Decoding: eight token rows to a tile, the least that a matrix instruction takes. Weight tiles are the fastest index of a
// grid; where rows are found by expert, a cell has all rows of one.
lm.weight @w from ["w"] : tensor<200x64xbf16> through [#lm.pack<"tile64x128">] : tensor<200x64xbf16>
lm.weight @f from ["f"] : tensor<200x64xf32> through [#lm.pack<"tile64x128">] : tensor<200x64xf32>
lm.weight @e from ["e"] : tensor<4x96x64xbf16> through [#lm.pack<"tile64x128">] : tensor<4x96x64xbf16>
lm.weight @many from ["many"] : tensor<64x96x64xbf16> through [#lm.pack<"tile64x128">] : tensor<64x96x64xbf16>
kernel.program @decode function step max_tokens 8 {
  %w = kernel.weight @w : !kernel.view<[200, 64], bf16, "tile64x128">
  %f = kernel.weight @f : !kernel.view<[200, 64], f32, "tile64x128">
  %e = kernel.weight @e : !kernel.view<[4, 96, 64], bf16, "tile64x128">
  %x = kernel.buffer "x" : !kernel.view<["T", 64], bf16>
  %xf = kernel.buffer "xf" : !kernel.view<["T", 64], f32>
  %rows = kernel.buffer "rows" : !kernel.view<["2*T", 64], bf16>
  %x2 = kernel.buffer "x2" : !kernel.view<["T", 2], i32>
  // CHECK: kernel.gemm {{.*}}config = #kernel.gpu<"[[TARGET]]", form = mma, tile = 64 x 8 x 64, stages = 4, threads = 128, blocks = 1, rows = 1>, grid = #kernel.grid<"T", 8, "ceildiv", 4, "*">
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[200, 64], bf16, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  // CHECK: kernel.gemm {{.*}} tile = 64 x 8 x 32, stages = 4, threads = 128,
  kernel.gemm rows "T" product %xf : !kernel.view<["T", 64], f32> times %f : !kernel.view<[200, 64], f32, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  // CHECK: kernel.gemm rows "2*T" by {{.*}} tile = 64 x 8 x 64, {{.*}} grid = #kernel.grid<2, 4, "*">
  kernel.gemm rows "2*T" by %x2 : !kernel.view<["T", 2], i32>
      product %rows : !kernel.view<["2*T", 64], bf16> times %e : !kernel.view<[4, 96, 64], bf16, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}

// Prompts: more rows, as far as the registers of a thread and the shared memory of a block go. Groups that end in the
// middle of a tile make cells of several tiles, whose sums leave less room for rows.
// CHECK-LABEL: kernel.program @prompt
kernel.program @prompt function step max_tokens 512 {
  %w = kernel.weight @w : !kernel.view<[200, 64], bf16, "tile64x128">
  %f = kernel.weight @f : !kernel.view<[200, 64], f32, "tile64x128">
  %e = kernel.weight @many : !kernel.view<[64, 96, 64], bf16, "tile64x128">
  %x = kernel.buffer "x" : !kernel.view<["T", 64], bf16>
  %xf = kernel.buffer "xf" : !kernel.view<["T", 64], f32>
  %x1 = kernel.buffer "x1" : !kernel.view<["T", 1], i32>
  %y = kernel.buffer "y" : !kernel.view<["T", 64], f32>
  // CHECK: kernel.gemm {{.*}} tile = 64 x 64 x 64, {{.*}} grid = #kernel.grid<"T", 64, "ceildiv", 4, "*">
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[200, 64], bf16, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  // CHECK: kernel.gemm {{.*}} tile = 64 x 32 x 32,
  kernel.gemm rows "T" product %xf : !kernel.view<["T", 64], f32> times %f : !kernel.view<[200, 64], f32, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  // 8 rows for each expert if they share them evenly.
  // CHECK: kernel.gemm rows "T" by {{.*}} tile = 64 x 8 x 64,
  kernel.gemm rows "T" by %x1 : !kernel.view<["T", 1], i32>
      product %x : !kernel.view<["T", 64], bf16> times %e : !kernel.view<[64, 96, 64], bf16, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  // CHECK: kernel.gemm rows "T" group 48 {{.*}} tile = 64 x [[ROWS]] x 64, {{.*}} grid = #kernel.grid<"T", [[ROWS]], "ceildiv", 2, "*">
  kernel.gemm rows "T" group 48 product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[200, 64], bf16, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  // CHECK: kernel.map {{.*}}config = #kernel.gpu<"[[TARGET]]", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 64>, grid = #kernel.grid<"T", 64, "ceildiv">
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %c = arith.constant 1.0 : f32
    kernel.store %c, %y[%row, %lane] : !kernel.view<["T", 64], f32>
  }
}
