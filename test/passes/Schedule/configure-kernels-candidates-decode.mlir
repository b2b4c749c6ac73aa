// RUN: yupana-opt %s "--yupana-configure-kernels=target=sm_90a candidate=0" | FileCheck %s
// RUN: yupana-opt %s "--yupana-configure-kernels=target=sm_90a candidate=1" | FileCheck %s
// RUN: yupana-opt %s "--yupana-configure-kernels=target=sm_90a candidate=2" | FileCheck %s
// RUN: yupana-opt %s "--yupana-configure-kernels=target=sm_90a candidate=99" | FileCheck %s

// Products that share a launch's blocks have one ring: whatever the candidate, its members have as many stages and
// blocks as one another. The signature is the same with and without the workspaces that follow from configs.
lm.weight @small from ["s"] : tensor<128x512xbf16> through [#lm.pack<"tile64x128">] : tensor<128x512xbf16>
lm.weight @large from ["l"] : tensor<4096x512xbf16> through [#lm.pack<"tile64x128">] : tensor<4096x512xbf16>
kernel.program @step function step max_tokens 8 {
  %small = kernel.weight @small : !kernel.view<[128, 512], bf16, "tile64x128">
  %large = kernel.weight @large : !kernel.view<[4096, 512], bf16, "tile64x128">
  %x = kernel.buffer "x" : !kernel.view<["T", 512], bf16>
  // CHECK: kernel.parallel workspace {{.*}}kernel.signature
  // CHECK: kernel.gemm {{.*}}form = decode, tile = 64 x 8 x 256, stages = [[STAGES:[0-9]+]], threads = 160, blocks = [[BLOCKS:[0-9]+]], rows = 1>
  // CHECK: kernel.gemm {{.*}}form = decode, tile = 64 x 8 x 256, stages = [[STAGES]], threads = 160, blocks = [[BLOCKS]], rows = 1>
  kernel.parallel {
    kernel.gemm rows "T" attributes {numerics = #kernel.numerics<range = 256, order = matrix_blocks, partials = 32>}
        product %x : !kernel.view<["T", 512], bf16> times %small : !kernel.view<[128, 512], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
    kernel.gemm rows "T" attributes {numerics = #kernel.numerics<range = 256, order = matrix_blocks, partials = 32>}
        product %x : !kernel.view<["T", 512], bf16> times %large : !kernel.view<[4096, 512], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
  }
}
