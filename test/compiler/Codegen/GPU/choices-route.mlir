// RUN: yupana-opt %s --yupana-configure-kernels=target=sm_90a | FileCheck %s

// A warp for each expert. Where there are more than a block has warps, blocks share the experts of few tokens: each
// leaves the logits of 16.
lm.weight @few from ["few"] : tensor<6x64xbf16> through [] : tensor<6x64xbf16>
lm.weight @many from ["many"] : tensor<100x64xbf16> through [] : tensor<100x64xbf16>
kernel.program @decode function step max_tokens 8 {
  %few = kernel.weight @few : !kernel.view<[6, 64], bf16>
  %many = kernel.weight @many : !kernel.view<[100, 64], bf16>
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  %logits = kernel.buffer "logits" : !kernel.view<["T", 100], f32>
  %experts = kernel.buffer "experts" : !kernel.view<["T", 1], i32>
  %scores = kernel.buffer "scores" : !kernel.view<["T", 1], f32>
  // CHECK-LABEL: @decode
  // CHECK: kernel.route rows "T" product {{.*}}config = #kernel.gpu<"sm_90a", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 192, blocks = 1, rows = 1>, grid = #kernel.grid<"T">
  kernel.route rows "T" product %x : !kernel.view<["T", 64], f32> times %few : !kernel.view<[6, 64], bf16>
    into %experts, %scores top 1 score sigmoid : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  // CHECK: kernel.route rows "T" product {{.*}} workspace %{{.*}}, %{{.*}} : !kernel.view<["T", 100], f32>, !kernel.view<["T"], i32>
  // CHECK-SAME: config = #kernel.gpu<"sm_90a", form = decode, tile = 0 x 0 x 0, stages = 0, threads = 512, blocks = 1, rows = 1>, grid = #kernel.grid<"T", 7, "*">
  kernel.route rows "T" product %x : !kernel.view<["T", 64], f32> times %many : !kernel.view<[100, 64], bf16>
    into %experts, %scores top 1 score sigmoid : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  // What follows given logits is one warp's.
  // CHECK: kernel.route rows "T" logits {{.*}} form = simt, tile = 0 x 0 x 0, stages = 0, threads = 32,
  kernel.route rows "T" logits %logits : !kernel.view<["T", 100], f32>
    into %experts, %scores top 1 score sigmoid : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
}

kernel.program @prefill function step max_tokens 64 {
  %many = kernel.weight @many : !kernel.view<[100, 64], bf16>
  %x = kernel.buffer "y" : !kernel.view<["T", 64], f32>
  %experts = kernel.buffer "numbers" : !kernel.view<["T", 1], i32>
  %scores = kernel.buffer "values" : !kernel.view<["T", 1], f32>
  // CHECK-LABEL: @prefill
  // CHECK: kernel.route rows "T" product {{.*}} form = simt, tile = 0 x 0 x 0, stages = 0, threads = 512, blocks = 1, rows = 1>, grid = #kernel.grid<"T">
  kernel.route rows "T" product %x : !kernel.view<["T", 64], f32> times %many : !kernel.view<[100, 64], bf16>
    into %experts, %scores top 1 score sigmoid : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
}
