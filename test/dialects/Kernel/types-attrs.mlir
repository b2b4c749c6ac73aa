// RUN: yupana-opt %s | yupana-opt | FileCheck %s
// RUN: yupana-opt %s -emit-bytecode | yupana-opt | FileCheck %s

// Views: a step input, rows of features, a scalar table, every element type, a packed weight. Row-major is not said.
// CHECK-LABEL: func.func private @views
// CHECK-SAME: !kernel.view<["S"], i32>
// CHECK-SAME: !kernel.view<["2*T", 64], f32>
// CHECK-SAME: !kernel.view<[1], i64>
// CHECK-SAME: !kernel.view<["R", 8], bf16>
// CHECK-SAME: !kernel.view<[4, 4], f32>
// CHECK-SAME: !kernel.view<[16, 32, 64], f32, "panel32">
// CHECK-SAME: !kernel.view<[32, 63], bf16, "panel32x2">
// CHECK-SAME: !kernel.view<[2, 65, 40], bf16, "tile64x128">
// CHECK-SAME: !kernel.view<["2*T", 63], bf16, "rows128">
// CHECK-SAME: !kernel.view<[7, 64], f32, "rows128">
func.func private @views(!kernel.view<["S"], i32>, !kernel.view<["2*T", 64], f32>, !kernel.view<[1], i64>,
                         !kernel.view<["R", 8], bf16>, !kernel.view<[4, 4], f32, "row-major">,
                         !kernel.view<[16, 32, 64], f32, "panel32">, !kernel.view<[32, 63], bf16, "panel32x2">,
                         !kernel.view<[2, 65, 40], bf16, "tile64x128">, !kernel.view<["2*T", 63], bf16, "rows128">,
                         !kernel.view<[7, 64], f32, "rows128">)

// Caches: with and without the size of their group's pages; float32 and the usual layout are not said. Without blocks of
// positions any number of them makes a page, and no feature needs a neighbour.
// CHECK-LABEL: func.func private @caches
// CHECK-SAME: !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 65536>
// CHECK-SAME: !kernel.cache<value, heads = 1, width = 8, page_tokens = 32, page_bytes = 0>
// CHECK-SAME: !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 4096, bf16>
// CHECK-SAME: !kernel.cache<key, heads = 2, width = 15, page_tokens = 48, page_bytes = 0, bf16, layout = "row-major">
// CHECK-SAME: !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, layout = "row-major">
// CHECK-SAME: !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
func.func private @caches(!kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 65536>,
                          !kernel.cache<value, heads = 1, width = 8, page_tokens = 32, page_bytes = 0, f32>,
                          !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 4096, bf16>,
                          !kernel.cache<key, heads = 2, width = 15, page_tokens = 48, page_bytes = 0, bf16, layout = "row-major">,
                          !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, layout = "row-major">,
                          !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, f32, layout = "keys32">)

// CHECK-LABEL: func.func private @attributes
func.func private @attributes() attributes {
  // Every operator of a grid.
  // CHECK-SAME: test.grid = #kernel.grid<"T", 256, "ceildiv", "S", "R", "max", "min", 8, "*", 1, "+">
  test.grid = #kernel.grid<"T", 256, "ceildiv", "S", "R", "max", "min", 8, "*", 1, "+">,
  // How large the device is.
  // CHECK-SAME: test.many = #kernel.grid<"T", "sms", "min">
  test.many = #kernel.grid<"T", "sms", "min">,
  // CHECK-SAME: test.narrow = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 256>
  test.narrow = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 256>,
  // CHECK-SAME: test.warps = #kernel.gpu<"sm_80", form = mma, tile = 64 x 8 x 32, stages = 4, threads = 128, blocks = 2, rows = 1>
  test.warps = #kernel.gpu<"sm_80", form = mma, tile = 64 x 8 x 32, stages = 4, threads = 128, blocks = 2, rows = 1>,
  // CHECK-SAME: test.wide = #kernel.x86<"x86-64-v4", tile = 14 x 32, rows = 1>
  test.wide = #kernel.x86<"x86-64-v4", tile = 14 x 32, rows = 1>
}

// Every step input, by name.
// CHECK: kernel.program @inputs
kernel.program @inputs function step max_tokens 1 {
  // CHECK: kernel.input sequence_starts : !kernel.view<["S"], i32>
  %s = kernel.input sequence_starts : !kernel.view<["S"], i32>
  // CHECK: kernel.input logit_rows : !kernel.view<["R"], i32>
  %r = kernel.input logit_rows : !kernel.view<["R"], i32>
}

// Numerics: a product in ranges, in one range with the blocks of a softmax, and sums alone. Fields are read in any order.
// CHECK-LABEL: func.func private @numerics
func.func private @numerics() attributes {
  // CHECK-SAME: test.blocks = #kernel.numerics<range = all, order = odd_first_pairs, partials = 16, block = 32>
  test.blocks = #kernel.numerics<block = 32, partials = 16, order = odd_first_pairs, range = all>,
  // CHECK-SAME: test.matrices = #kernel.numerics<range = all, order = matrix_blocks, partials = 32>
  test.matrices = #kernel.numerics<range = all, order = matrix_blocks, partials = 32>,
  // CHECK-SAME: test.parity = #kernel.numerics<range = all, order = even_odd_blocks, partials = 16>
  test.parity = #kernel.numerics<range = all, order = even_odd_blocks, partials = 16>,
  // CHECK-SAME: test.ranges = #kernel.numerics<range = 256, order = ascending, partials = 32>
  test.ranges = #kernel.numerics<range = 256, order = ascending, partials = 32>,
  // CHECK-SAME: test.segments = #kernel.numerics<range = all, order = matrix_blocks, partials = 64, block = 64, segment = 256>
  test.segments = #kernel.numerics<segment = 256, range = all, order = matrix_blocks, partials = 64, block = 64>,
  // CHECK-SAME: test.signature = #kernel.signature<"{{[0-9a-f]+}}", tokens = 8, configs = 5>
  test.signature = #kernel.signature<"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", tokens = 8,
    configs = 5>,
  // CHECK-SAME: test.sums = #kernel.numerics<partials = 1>
  test.sums = #kernel.numerics<partials = 1>
}
