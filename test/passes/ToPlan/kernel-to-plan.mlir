// RUN: yupana-opt %s --yupana-kernel-to-plan="max-context=1024 max-batch=2 max-step-tokens=16 max-logit-rows=4" | FileCheck %s

// Everything a launch names becomes a number; weights that no launch names are left out.
// CHECK: plan.model "tiny" architecture "Test" vocabulary 16 hidden 64 layers 1 parameters 4096 active 1024 precision "f32" begin 1 stop [2]
// CHECK-SAME: generation <do_sample = true, {{.*}}> maxima context 1024 batch 2 tokens 16 rows 4
// CHECK: kernel.library @kernels
// CHECK-NOT: plan.weight @unused
// CHECK: plan.weight @w layout "panel32"
// CHECK: plan.weight @t layout "row-major"
// CHECK: plan.cache_group "full" layers [0] chunk 0 page_tokens 64 page_bytes 16384
// CHECK: plan.target "x86-64-v3" logits 1 sampled 4 {
// CHECK: plan.arena "activations" size 8192
// CHECK: plan.arena "workspace" size 128 workspace
// CHECK: plan.buffer "x" arena 0 offset 0 size 4096 live 0 to 0
// CHECK: plan.buffer "logits" arena 0 offset 4160 size 256 live 0 to 0
// CHECK: plan.buffer "counters" arena 1 offset 0 size 64 live 0 to 0
// CHECK: plan.buffer "logits" arena 0 offset 4160 size 256 live 1 to 1
// CHECK: plan.buffer "sampled" arena 0 offset 0 size 16 live 1 to 1
// CHECK: plan.kernel "map_0" scratch 0 arguments 7
// CHECK: plan.program function step max_tokens 16
// CHECK: plan.launch 0 #kernel.grid<"T"> [#plan.argument<buffer 0>, #plan.argument<weight 0>, #plan.argument<weight 1>, #plan.argument<cache 0 + 8192>,
// CHECK-SAME: #plan.argument<page_table 0>, #plan.argument<input 1>, #plan.argument<buffer 1>]
// CHECK: plan.program function sample
// CHECK: plan.launch 1 #kernel.grid<"R"> [#plan.argument<buffer 3>, #plan.argument<history 0>, #plan.argument<buffer 4>]
module attributes {kernel.arena_bytes = 8192 : i64, kernel.workspace_bytes = 128 : i64} {
  lm.model "tiny" architecture "Test" vocabulary 16 hidden 64 layers 1 parameters 4096 active 1024 begin 1 stop [2]
    generation <do_sample = true, temperature = 0.6, top_k = 50, top_p = 0.9, min_p = 0.0, repetition_penalty = 1.0>
  lm.weight @unused from ["u"] : tensor<64x64xf32> through [#lm.pack<"panel32">] : tensor<64x64xf32>
  lm.weight @w from ["w"] : tensor<64x64xf32> through [#lm.pack<"panel32">] : tensor<64x64xf32>
  lm.table @t from #lm.temperature_table<scale = 1.0e-1 : f64, count = 8> as tensor<8xf32>
  lm.cache @layer layer 0 heads 2 width 16 : f32
  kernel.cache_group @full layers [0] chunk 0 page_tokens 64 page_bytes 16384
  kernel.program @step function step max_tokens 16 {
    %p = kernel.input token_positions : !kernel.view<["T"], i32>
    %w = kernel.weight @w : !kernel.view<[64, 64], f32, "panel32">
    %t = kernel.weight @t : !kernel.view<[8], f32>
    %v = kernel.cache @layer in @full offset 8192 : !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 16384>
    %pages = kernel.page_table @layer in @full : !kernel.view<["S", 16], i32>
    %x = kernel.buffer "x" arena 0 offset 0 size 4096 live 0 to 0 : !kernel.view<["T", 64], f32>
    %logits = kernel.buffer "logits" arena 0 offset 4160 size 256 live 0 to 0 : !kernel.view<["R", 16], f32>
    %counters = kernel.buffer "counters" workspace arena 1 offset 0 size 64 live 0 to 0 : !kernel.view<[16], i32>
    kernel.launch @kernels::@map_0 #kernel.grid<"T"> (%x, %w, %t, %v, %pages, %p, %logits)
      : !kernel.view<["T", 64], f32>, !kernel.view<[64, 64], f32, "panel32">, !kernel.view<[8], f32>,
        !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 16384>, !kernel.view<["S", 16], i32>,
        !kernel.view<["T"], i32>, !kernel.view<["R", 16], f32>
    kernel.result logits %logits : !kernel.view<["R", 16], f32>
  }
  kernel.program @sample function sample max_tokens 16 {
    %logits = kernel.buffer "logits" arena 0 offset 4160 size 256 live 1 to 1 : !kernel.view<["R", 16], f32>
    %sampled = kernel.buffer "sampled" arena 0 offset 0 size 16 live 1 to 1 : !kernel.view<["R"], i32>
    %history = kernel.history : !kernel.view<["N", 1024], i32>
    kernel.launch @kernels::@map_1 #kernel.grid<"R"> (%logits, %history, %sampled)
      : !kernel.view<["R", 16], f32>, !kernel.view<["N", 1024], i32>, !kernel.view<["R"], i32>
    kernel.result sampled %sampled : !kernel.view<["R"], i32>
  }
  kernel.library @kernels target "x86-64-v3" {
    kernel.func @map_0 {
    ^bb0(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[64, 64], f32, "panel32">, %t: !kernel.view<[8], f32>,
         %v: !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 16384>,
         %pages: !kernel.view<["S", 16], i32>, %p: !kernel.view<["T"], i32>, %logits: !kernel.view<["R", 16], f32>):
      kernel.map rows "T" groups 1 width 1 {
      ^bb0(%row: index, %group: index, %lane: index):
      }
    }
    kernel.func @map_1 {
    ^bb0(%logits: !kernel.view<["R", 16], f32>, %history: !kernel.view<["N", 1024], i32>,
         %sampled: !kernel.view<["R"], i32>):
      kernel.map rows "R" groups 1 width 1 {
      ^bb0(%row: index, %group: index, %lane: index):
      }
    }
  }
}
