// RUN: yupana-opt %s --yupana-configure-kernels=target=sm_90a | FileCheck %s -DSTAGES=3 -DBLOCKS=2 -DTARGET=sm_90a --check-prefixes=CHECK,WGMMA
// RUN: yupana-opt %s --yupana-configure-kernels=target=sm_80 | FileCheck %s -DSTAGES=2 -DBLOCKS=2 -DTARGET=sm_80 -DTILE_STAGES=3 -DSMALL_BLOCKS=2 --check-prefixes=CHECK,MMA
// RUN: yupana-opt %s --yupana-configure-kernels=target=sm_89 | FileCheck %s -DSTAGES=2 -DBLOCKS=1 -DTARGET=sm_89 -DTILE_STAGES=2 -DSMALL_BLOCKS=1 --check-prefixes=CHECK,MMA

!keys = !kernel.cache<key, heads = 8, width = 128, page_tokens = 64, page_bytes = 262144, bf16, layout = "row-major">
!values = !kernel.cache<value, heads = 8, width = 128, page_tokens = 64, page_bytes = 262144, bf16, layout = "row-major">
!fkeys = !kernel.cache<key, heads = 8, width = 128, page_tokens = 64, page_bytes = 524288, layout = "row-major">
!fvalues = !kernel.cache<value, heads = 8, width = 128, page_tokens = 64, page_bytes = 524288, layout = "row-major">
lm.cache @layer layer 0 heads 8 width 128 : bf16
lm.cache @wide layer 1 heads 8 width 128 : f32
// CHECK-LABEL: kernel.program @decode
kernel.program @decode function step max_tokens 8 {
  %q = kernel.buffer "q" : !kernel.view<["T", 5120], bf16>
  %a = kernel.buffer "a" : !kernel.view<["T", 5120], bf16>
  %b = kernel.buffer "b" : !kernel.view<["T", 5120], bf16>
  %c = kernel.buffer "c" : !kernel.view<["T", 5120], bf16>
  %qf = kernel.buffer "qf" : !kernel.view<["T", 5120], f32>
  %f = kernel.buffer "f" : !kernel.view<["T", 5120], f32>
  %p = kernel.input token_positions : !kernel.view<["T"], i32>
  %s = kernel.input token_sequences : !kernel.view<["T"], i32>
  %t = kernel.page_table @layer : !kernel.view<["S", 16384], i32>
  %tf = kernel.page_table @wide : !kernel.view<["S", 512], i32>
  %k = kernel.cache @layer : !keys
  %v = kernel.cache @layer : !values
  %kf = kernel.cache @wide : !fkeys
  %vf = kernel.cache @wide : !fvalues
  // 32 segments of a chunk, and of 5 query heads 132 words each; blocks share them.
  // CHECK: kernel.buffer "decode.workspace.0" workspace : !kernel.view<["T", 168960], f32>
  // CHECK: kernel.buffer "decode.workspace.1" workspace : !kernel.view<["T", 8], i32>
  // CHECK: kernel.attention {{.*}} chunk 8192 {{.*}} workspace {{.*}}config = #kernel.gpu<"[[TARGET]]", form = decode, tile = 64 x 8 x 256, stages = [[STAGES]], threads = 128, blocks = [[BLOCKS]], rows = 1>, grid = #kernel.grid<"sms"
  // CHECK-SAME: "T", 8, "*", 32, "*", "min">
  kernel.attention %q, %k, %v at %p of %s through %t into %a chunk 8192 scale 2.5e-1
    : !kernel.view<["T", 5120], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 16384], i32>, !kernel.view<["T", 5120], bf16>
  // A context of 2^20 positions: longer segments, as many as one block can merge.
  // CHECK: workspace : !kernel.view<["T", 1351680], f32>
  // CHECK: kernel.attention {{.*}} tile = 64 x 8 x 4096, {{.*}} "T", 8, "*", 256, "*", "min">
  kernel.attention %q, %k, %v at %p of %s through %t into %b chunk 0 scale 2.5e-1
    : !kernel.view<["T", 5120], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 16384], i32>, !kernel.view<["T", 5120], bf16>
  // Few positions are one segment: nothing is left for another block.
  // CHECK-NOT: workspace
  // CHECK: kernel.attention {{.*}} form = mma, tile = 64 x 8 x 128, {{.*}} grid = #kernel.grid<"T", 8, "*">
  kernel.attention %q, %k, %v at %p of %s through %t into %c chunk 256 scale 2.5e-1
    : !kernel.view<["T", 5120], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 16384], i32>, !kernel.view<["T", 5120], bf16>
  // float32 has no matrix instructions.
  // CHECK: kernel.attention {{.*}} form = simt, tile = 0 x 0 x 0, {{.*}} grid = #kernel.grid<"T", 8, "*">
  kernel.attention %qf, %kf, %vf at %p of %s through %tf into %f chunk 0 scale 2.5e-1
    : !kernel.view<["T", 5120], f32>, !fkeys, !fvalues, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 512], i32>, !kernel.view<["T", 5120], f32>
}

// A prompt has cells enough.
// CHECK-LABEL: kernel.program @prompt
kernel.program @prompt function step max_tokens 2048 {
  %q = kernel.buffer "pq" : !kernel.view<["T", 5120], bf16>
  %a = kernel.buffer "pa" : !kernel.view<["T", 5120], bf16>
  %b = kernel.buffer "pb" : !kernel.view<["T", 5120], bf16>
  %p = kernel.input token_positions : !kernel.view<["T"], i32>
  %s = kernel.input token_sequences : !kernel.view<["T"], i32>
  %t = kernel.page_table @layer : !kernel.view<["S", 16384], i32>
  %k = kernel.cache @layer : !keys
  %v = kernel.cache @layer : !values
  // CHECK-NOT: workspace
  // CHECK: kernel.attention {{.*}} form = mma, tile = 64 x 8 x 128, {{.*}} grid = #kernel.grid<"T", 8, "*">
  kernel.attention %q, %k, %v at %p of %s through %t into %a chunk 8192 scale 2.5e-1
    : !kernel.view<["T", 5120], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 16384], i32>, !kernel.view<["T", 5120], bf16>
  // Where the order of sums is that of rows, 25 tokens of 5 query heads fill a tile. Every sequence may end one early.
  // WGMMA: kernel.attention {{.*}} form = wgmma, tile = 64 x 128 x 128, stages = 8, threads = 288, blocks = 1, rows = 1>, grid = #kernel.grid<"T", 25, "ceildiv", "S", "+", 8, "*">
  // MMA: kernel.attention {{.*}} form = mma, tile = 64 x 128 x 128, stages = [[TILE_STAGES]], threads = 256, blocks = 1, rows = 1>, grid = #kernel.grid<"T", 25, "ceildiv", "S", "+", 8, "*">
  kernel.attention %q, %k, %v at %p of %s through %t into %b chunk 8192 scale 2.5e-1
    {numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 8, block = 64>}
    : !kernel.view<["T", 5120], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 16384], i32>, !kernel.view<["T", 5120], bf16>
}

// A few tokens are more blocks in smaller tiles.
// CHECK-LABEL: kernel.program @few
kernel.program @few function step max_tokens 64 {
  %q = kernel.buffer "fq" : !kernel.view<["T", 5120], bf16>
  %a = kernel.buffer "fa" : !kernel.view<["T", 5120], bf16>
  %p = kernel.input token_positions : !kernel.view<["T"], i32>
  %s = kernel.input token_sequences : !kernel.view<["T"], i32>
  %t = kernel.page_table @layer : !kernel.view<["S", 16384], i32>
  %k = kernel.cache @layer : !keys
  %v = kernel.cache @layer : !values
  // MMA: kernel.attention {{.*}} form = mma, tile = 64 x 64 x 128, stages = 2, threads = 128, blocks = [[SMALL_BLOCKS]], rows = 1>, grid = #kernel.grid<"T", 12, "ceildiv", "S", "+", 8, "*">
  // WGMMA: kernel.attention {{.*}} form = mma, tile = 64 x 64 x 128, stages = 3, threads = 128, blocks = 2, rows = 1>
  kernel.attention %q, %k, %v at %p of %s through %t into %a chunk 8192 scale 2.5e-1
    {numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 8, block = 64>}
    : !kernel.view<["T", 5120], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 16384], i32>, !kernel.view<["T", 5120], bf16>
}
