// RUN: yupana-opt %s "--yupana-configure-kernels=target=sm_80 candidate=0" | FileCheck %s --check-prefixes=CHECK,FIRST
// RUN: yupana-opt %s "--yupana-configure-kernels=target=sm_80 candidate=1" | FileCheck %s --check-prefixes=CHECK,SECOND
// RUN: yupana-opt %s "--yupana-configure-kernels=target=sm_80 candidate=99" | FileCheck %s --check-prefixes=CHECK,LAST

// Candidates have other rows, stages, blocks and threads, and the form of the usual choice.
lm.weight @w from ["w"] : tensor<128x64xbf16> through [#lm.pack<"tile64x128">] : tensor<128x64xbf16>
kernel.program @step function step max_tokens 256 {
  %w = kernel.weight @w : !kernel.view<[128, 64], bf16, "tile64x128">
  %x = kernel.buffer "x" : !kernel.view<["T", 64], bf16>
  %f = kernel.buffer "f" : !kernel.view<["T", 64], f32>
  // CHECK: kernel.gemm
  // FIRST-SAME: form = mma, tile = 64 x 64 x 64, stages = 4, threads = 128, blocks = 1, rows = 1>
  // SECOND-SAME: form = mma, tile = 64 x 64 x 64, stages = 3, threads = 128, blocks = 1, rows = 1>
  // LAST-SAME: form = mma, tile = 64 x 32 x 64, stages = 3, threads = 128, blocks = 3, rows = 1>
  // CHECK-SAME: kernel.signature
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[128, 64], bf16, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  // CHECK: kernel.map
  // FIRST-SAME: form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 64>
  // SECOND-SAME: threads = 128, blocks = 1, rows = 256>
  // LAST-SAME: threads = 256, blocks = 1, rows = 32>
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
  }
  // How many threads add is part of how they add.
  // CHECK: kernel.map
  // LAST-SAME: threads = 128, blocks = 1, rows = 32>
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %f[%row, %lane] : !kernel.view<["T", 64], f32>
    %sum = kernel.sum %v : f32
  }
}
