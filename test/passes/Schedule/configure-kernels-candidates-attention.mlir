// RUN: yupana-opt %s "--yupana-configure-kernels=target=sm_90a candidate=0" | FileCheck %s --check-prefixes=CHECK,USUAL
// RUN: yupana-opt %s "--yupana-configure-kernels=target=sm_90a candidate=1" | FileCheck %s --check-prefixes=CHECK,NEXT
// RUN: yupana-opt %s "--yupana-configure-kernels=target=sm_80 candidate=0" | FileCheck %s --check-prefix=WARPS -DROWS=128 -DTHREADS=256 -DSTAGES=3
// RUN: yupana-opt %s "--yupana-configure-kernels=target=sm_80 candidate=3" | FileCheck %s --check-prefix=WARPS -DROWS=64 -DTHREADS=128 -DSTAGES=3

// Attention has other rings, blocks and, by warps, tiles to be timed, of one form and one order of sums.
!keys = !kernel.cache<key, heads = 8, width = 128, page_tokens = 64, page_bytes = 262144, bf16, layout = "row-major">
!values = !kernel.cache<value, heads = 8, width = 128, page_tokens = 64, page_bytes = 262144, bf16, layout = "row-major">
lm.cache @layer layer 0 heads 8 width 128 : bf16
kernel.program @step function step max_tokens 2048 {
  %q = kernel.buffer "q" : !kernel.view<["T", 5120], bf16>
  %o = kernel.buffer "o" : !kernel.view<["T", 5120], bf16>
  %p = kernel.input token_positions : !kernel.view<["T"], i32>
  %s = kernel.input token_sequences : !kernel.view<["T"], i32>
  %t = kernel.page_table @layer : !kernel.view<["S", 512], i32>
  %k = kernel.cache @layer : !keys
  %v = kernel.cache @layer : !values
  // CHECK: kernel.attention {{.*}}form = wgmma, tile = 64 x 128 x 128,
  // USUAL-SAME: stages = 8, threads = 288, blocks = 1,
  // NEXT-SAME: stages = 7, threads = 288, blocks = 1,
  // WARPS: kernel.attention {{.*}}form = mma, tile = 64 x [[ROWS]] x 128, stages = [[STAGES]], threads = [[THREADS]], blocks = 1,
  kernel.attention %q, %k, %v at %p of %s through %t into %o chunk 8192 scale 2.5e-1
    {numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 8, block = 64>}
    : !kernel.view<["T", 5120], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 512], i32>, !kernel.view<["T", 5120], bf16>
}
