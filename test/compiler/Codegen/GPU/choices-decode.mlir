// RUN: yupana-opt %s --yupana-configure-kernels=target=sm_90a | FileCheck %s -DTARGET=sm_90a -DSTAGES=4
// RUN: yupana-opt %s --yupana-configure-kernels=target=sm_80 | FileCheck %s -DTARGET=sm_80 -DSTAGES=3
// RUN: yupana-opt %s --yupana-configure-kernels=target=sm_100a | FileCheck %s -DTARGET=sm_100a -DSTAGES=5

// Products whose K is cut into ranges are shared out: two blocks for each multiprocessor, no more than there are units,
// and none in a step without rows. 200 rows are 4 cells of 3 ranges; 4 experts of 2 cells of a range, of which 16 pairs
// choose all. As many stages as keep the memory busy.
#ranges = #kernel.numerics<range = 256, order = matrix_blocks, partials = 32>
lm.weight @w from ["w"] : tensor<200x600xbf16> through [#lm.pack<"tile64x128">] : tensor<200x600xbf16>
lm.weight @e from ["e"] : tensor<4x96x64xbf16> through [#lm.pack<"tile64x128">] : tensor<4x96x64xbf16>
lm.weight @big from ["b"] : tensor<6400x5120xbf16> through [#lm.pack<"tile64x128">] : tensor<6400x5120xbf16>
kernel.program @decode function step max_tokens 8 {
  %w = kernel.weight @w : !kernel.view<[200, 600], bf16, "tile64x128">
  %e = kernel.weight @e : !kernel.view<[4, 96, 64], bf16, "tile64x128">
  %big = kernel.weight @big : !kernel.view<[6400, 5120], bf16, "tile64x128">
  %x = kernel.buffer "x" : !kernel.view<["T", 600], bf16>
  %l = kernel.buffer "l" : !kernel.view<["R", 5120], bf16>
  %rows = kernel.buffer "rows" : !kernel.view<["2*T", 64], bf16>
  %x2 = kernel.buffer "x2" : !kernel.view<["T", 2], i32>
  // CHECK: %[[SUMS:.*]] = kernel.buffer "decode.workspace.0" workspace : !kernel.view<[12, 1536], f32>
  // CHECK: %[[COUNTS:.*]] = kernel.buffer "decode.workspace.1" workspace : !kernel.view<[12], i32>
  // CHECK: kernel.gemm rows "T" workspace %[[SUMS]], %[[COUNTS]] : !kernel.view<[12, 1536], f32>, !kernel.view<[12], i32>
  // CHECK-SAME: config = #kernel.gpu<"[[TARGET]]", form = decode, tile = 64 x 8 x 256, stages = [[STAGES]], threads = 160, blocks = 2, rows = 1>
  // CHECK-SAME: grid = #kernel.grid<"sms", 2, "*", "T", 12, "*", "min", 12, "min">
  kernel.gemm rows "T" attributes {numerics = #ranges}
      product %x : !kernel.view<["T", 600], bf16> times %w : !kernel.view<[200, 600], bf16, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  // All that the largest devices run at once, of 2,000 units.
  // CHECK: kernel.buffer "decode.workspace.2" workspace : !kernel.view<[384, 10240], f32>
  // CHECK: grid = #kernel.grid<"sms", 2, "*", "R", 384, "*", "min", 384, "min">
  kernel.gemm rows "R" attributes {numerics = #ranges}
      product %l : !kernel.view<["R", 5120], bf16> times %big : !kernel.view<[6400, 5120], bf16, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  // Members share the blocks and the workspaces of their launch: a block has a share of each kind of units.
  // CHECK: kernel.buffer "decode.workspace.4" workspace : !kernel.view<[40, 1536], f32>
  // CHECK: kernel.parallel workspace %{{.*}}, %{{.*}} attributes {grid = #kernel.grid<"sms", 2, "*", "T", "T", 2, "*", "+", 20, "*", "min", 20, "min">}
  // CHECK-NEXT: kernel.gemm rows "T" attributes {{.*}} form = decode, tile = 64 x 8 x 256,
  // CHECK: kernel.gemm rows "2*T" by {{.*}} form = decode, tile = 64 x 16 x 256,
  kernel.parallel {
    kernel.gemm rows "T" attributes {numerics = #ranges}
        product %x : !kernel.view<["T", 600], bf16> times %w : !kernel.view<[200, 600], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
    kernel.gemm rows "2*T" by %x2 : !kernel.view<["T", 2], i32> attributes {numerics = #ranges}
        product %rows : !kernel.view<["2*T", 64], bf16> times %e : !kernel.view<[4, 96, 64], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
  }
}
