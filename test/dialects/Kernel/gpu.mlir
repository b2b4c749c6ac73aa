// RUN: yupana-opt %s | yupana-opt | FileCheck %s
// RUN: yupana-opt %s -emit-bytecode | yupana-opt | FileCheck %s

// What a GPU back end writes: weights in tiles with pairs by 8, token panels, decode in ranges of 256 and prefill in one.

lm.weight @gate from ["gate"] : tensor<16x64x512xbf16> through [] : tensor<16x64x512xbf16>
lm.weight @up from ["up"] : tensor<16x64x512xbf16> through [] : tensor<16x64x512xbf16>
lm.interleaved @gate_up of @gate, @up by 8 layout "tile64x128" : tensor<16x128x512xbf16>
lm.weight @q from ["q"] : tensor<64x512xbf16> through [#lm.pack<"tile64x128">] : tensor<64x512xbf16>
lm.weight @router from ["router"] : tensor<16x512xbf16> through [#lm.pack<"row-major">] : tensor<16x512xbf16>
lm.cache @layer layer 0 heads 2 width 16 : bf16

// CHECK: kernel.program @decode
kernel.program @decode function step max_tokens 8 {
  %q = kernel.weight @q : !kernel.view<[64, 512], bf16, "tile64x128">
  %gate_up = kernel.weight @gate_up : !kernel.view<[16, 128, 512], bf16, "tile64x128">
  %router = kernel.weight @router : !kernel.view<[16, 512], bf16>
  %x = kernel.buffer "x" : !kernel.view<["T", 512], f32>
  %n = kernel.buffer "n" : !kernel.view<["T", 512], bf16>
  %y = kernel.buffer "y" : !kernel.view<["T", 64], bf16>
  %experts = kernel.buffer "experts" : !kernel.view<["T", 1], i32>
  %scores = kernel.buffer "scores" : !kernel.view<["T", 1], f32>
  %inner = kernel.buffer "inner" : !kernel.view<["T", 64], bf16>

  // A row a warp: what is left of a norm, with a partial sum per lane.
  // CHECK: kernel.map
  // CHECK-SAME: config = #kernel.gpu<"sm_90a", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 256, blocks = 4, rows = 8>
  // CHECK-SAME: numerics = #kernel.numerics<partials = 32>
  kernel.map rows "T" groups 1 width 512 attributes {
    config = #kernel.gpu<"sm_90a", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 256, blocks = 4, rows = 8>,
    grid = #kernel.grid<"T", 8, "ceildiv">, numerics = #kernel.numerics<partials = 32>} {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %x[%row, %lane] : !kernel.view<["T", 512], f32>
    %1 = arith.mulf %0, %0 : f32
    %2 = kernel.sum %1 : f32
    %3 = math.rsqrt %2 : f32
    %4 = arith.mulf %0, %3 : f32
    %5 = arith.truncf %4 : f32 to bf16
    kernel.store %5, %n[%row, %lane] : !kernel.view<["T", 512], bf16>
  }
  // CHECK: kernel.route
  // CHECK-SAME: config = #kernel.gpu<"sm_90a", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 512, blocks = 1, rows = 1>
  kernel.route rows "T" product {
  ^bb0(%row: index, %k: index):
    %0 = kernel.load %x[%row, %k] : !kernel.view<["T", 512], f32>
    kernel.yield %0 : f32
  } times %router : !kernel.view<[16, 512], bf16> into %experts, %scores top 1 score sigmoid
    {config = #kernel.gpu<"sm_90a", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 512, blocks = 1, rows = 1>,
     grid = #kernel.grid<"T">, numerics = #kernel.numerics<partials = 32>}
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  // CHECK: kernel.gemm rows "T" by
  // CHECK-SAME: config = #kernel.gpu<"sm_90a", form = decode, tile = 64 x 8 x 256, stages = 8, threads = 160, blocks = 1, rows = 1>
  // CHECK-SAME: grid = #kernel.grid<"sms">
  // CHECK-SAME: numerics = #kernel.numerics<range = 256, order = ascending, partials = 32>
  kernel.gemm rows "T" by %experts : !kernel.view<["T", 1], i32> pairs 64 by 8 attributes {
    config = #kernel.gpu<"sm_90a", form = decode, tile = 64 x 8 x 256, stages = 8, threads = 160, blocks = 1, rows = 1>,
    grid = #kernel.grid<"sms">, numerics = #kernel.numerics<range = 256, order = ascending, partials = 32>}
    product %n : !kernel.view<["T", 512], bf16> times %gate_up : !kernel.view<[16, 128, 512], bf16, "tile64x128"> {
  ^bb0(%gate: f32, %up: f32, %row: index, %feature: index):
    %0 = arith.mulf %gate, %up : f32
    %1 = arith.truncf %0 : f32 to bf16
    kernel.store %1, %inner[%row, %feature] : !kernel.view<["T", 64], bf16>
  }
}

// CHECK: kernel.program @prefill
kernel.program @prefill function step max_tokens 2048 {
  %q = kernel.weight @q : !kernel.view<[64, 512], bf16, "tile64x128">
  %n = kernel.buffer "n" : !kernel.view<["T", 512], bf16, "rows128">
  %y = kernel.buffer "y" : !kernel.view<["T", 64], bf16>
  %o = kernel.buffer "o" : !kernel.view<["T", 64], bf16>
  %positions = kernel.input token_positions : !kernel.view<["T"], i32>
  %sequences = kernel.input token_sequences : !kernel.view<["T"], i32>
  %pages = kernel.page_table @layer : !kernel.view<["S", 16], i32>
  %k = kernel.cache @layer : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, bf16, layout = "row-major">
  %v = kernel.cache @layer : !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, bf16, layout = "row-major">
  // CHECK: kernel.gemm rows "T"
  // CHECK-SAME: config = #kernel.gpu<"sm_90a", form = wgmma, tile = 64 x 256 x 64, stages = 4, threads = 384, blocks = 1, rows = 1, cluster = 2>
  // CHECK-SAME: numerics = #kernel.numerics<range = all, order = ascending, partials = 32>
  kernel.gemm rows "T" attributes {
    config = #kernel.gpu<"sm_90a", form = wgmma, tile = 64 x 256 x 64, stages = 4, threads = 384, blocks = 1, rows = 1,
                         cluster = 2>,
    grid = #kernel.grid<"T", 256, "ceildiv", "sms", "min">,
    numerics = #kernel.numerics<range = all, order = ascending, partials = 32>}
    product %n : !kernel.view<["T", 512], bf16, "rows128"> times %q : !kernel.view<[64, 512], bf16, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %0 = arith.truncf %acc : f32 to bf16
    kernel.store %0, %y[%row, %feature] : !kernel.view<["T", 64], bf16>
  }
  // CHECK: kernel.attention
  // CHECK-SAME: config = #kernel.gpu<"sm_90a", form = mma, tile = 64 x 64 x 16, stages = 2, threads = 128, blocks = 2, rows = 1>
  // CHECK-SAME: numerics = #kernel.numerics<range = all, order = ascending, partials = 32, block = 64>
  kernel.attention %y, %k, %v at %positions of %sequences through %pages into %o chunk 0 scale 2.5e-1
    {config = #kernel.gpu<"sm_90a", form = mma, tile = 64 x 64 x 16, stages = 2, threads = 128, blocks = 2, rows = 1>,
     grid = #kernel.grid<"T", 2, "*">,
     numerics = #kernel.numerics<range = all, order = ascending, partials = 32, block = 64>}
    : !kernel.view<["T", 64], bf16>,
      !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, bf16, layout = "row-major">,
      !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, bf16, layout = "row-major">,
      !kernel.view<["T"], i32>, !kernel.view<["T"], i32>, !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], bf16>
}
