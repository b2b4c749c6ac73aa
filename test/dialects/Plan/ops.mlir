// RUN: yupana-opt %s | yupana-opt | FileCheck %s
// RUN: yupana-opt %s -mlir-print-op-generic | yupana-opt | FileCheck %s
// RUN: yupana-opt %s -emit-bytecode | yupana-opt | FileCheck %s

lm.weight @layers.0.q from ["q"] : tensor<64x64xf32> through [#lm.pack<"panel32">] : tensor<64x64xf32>

// CHECK: plan.model "nano" architecture "Llama4ForConditionalGeneration" vocabulary 1536 hidden 128 layers 4
// CHECK-SAME: parameters 2300000 active 900000 precision "f32" begin 1472 stop [1473, 1479, 1480]
// CHECK-SAME: generation <do_sample = true, temperature = {{.*}}, top_k = 50, {{.*}}> maxima context 1024 batch 8 tokens 2048 rows 2048
plan.model "nano" architecture "Llama4ForConditionalGeneration" vocabulary 1536 hidden 128 layers 4
  parameters 2300000 active 900000 precision "f32" begin 1472 stop [1473, 1479, 1480]
  generation <do_sample = true, temperature = 0.6, top_k = 50, top_p = 0.9, min_p = 0.0, repetition_penalty = 1.0>
  maxima context 1024 batch 8 tokens 2048 rows 2048

// CHECK: plan.weight @layers.0.q layout "panel32"
plan.weight @layers.0.q layout "panel32"

// CHECK: plan.cache_group "chunk48" layers [0, 1, 2] chunk 48 page_tokens 64 page_bytes 49152
plan.cache_group "chunk48" layers [0, 1, 2] chunk 48 page_tokens 64 page_bytes 49152

// CHECK: plan.target "x86-64-v3" logits 0 sampled 1 {
plan.target "x86-64-v3" logits 0 sampled 1 {
  // CHECK: plan.image elf_x86_64 "\7FELF"
  plan.image elf_x86_64 "\7FELF"
  // CHECK: plan.arena "activations" size 65536
  plan.arena "activations" size 65536
  // CHECK: plan.buffer "logits" arena 0 offset 0 size 4096 live 0 to 1
  plan.buffer "logits" arena 0 offset 0 size 4096 live 0 to 1
  // CHECK: plan.buffer "ids" arena 0 offset 4096 size 64 live 1 to 1
  plan.buffer "ids" arena 0 offset 4096 size 64 live 1 to 1
  // CHECK: plan.kernel "map_0" scratch 0 arguments 5 images [#plan.kernel_image<0>]
  plan.kernel "map_0" scratch 0 arguments 5 images [#plan.kernel_image<0>]
  // CHECK: plan.kernel "sample_0" scratch 1024 arguments 3 images [#plan.kernel_image<0>]
  plan.kernel "sample_0" scratch 1024 arguments 3 images [#plan.kernel_image<0>]
  // CHECK: plan.program function step max_tokens 2048 {
  plan.program function step max_tokens 2048 {
    // Every kind of argument; an offset of zero is not said.
    // CHECK: plan.launch 0 #kernel.grid<"T"> [#plan.argument<input 0>, #plan.argument<weight 0>, #plan.argument<cache 0 + 8192>, #plan.argument<page_table 0>, #plan.argument<buffer 0>]
    plan.launch 0 #kernel.grid<"T"> [#plan.argument<input 0>, #plan.argument<weight 0>,
      #plan.argument<cache 0 + 8192>, #plan.argument<page_table 0>, #plan.argument<buffer 0>]
  }
  // CHECK: plan.program function sample max_tokens 8 {
  plan.program function sample max_tokens 8 {
    // CHECK: plan.launch 1 #kernel.grid<"R"> [#plan.argument<buffer 0>, #plan.argument<history 0>, #plan.argument<buffer 1>]
    plan.launch 1 #kernel.grid<"R"> [#plan.argument<buffer 0>, #plan.argument<history 0>, #plan.argument<buffer 1>]
  }
}

// A GPU: images of two formats, blocks of threads, a workspace, and a value with an entry per program.
// CHECK: plan.target "sm_90a" logits 1 sampled 1 {
plan.target "sm_90a" logits 1 sampled 1 {
  // CHECK: plan.image cubin "\7FELF"
  plan.image cubin "\7FELF"
  // CHECK: plan.image ptx ".version 8.7"
  plan.image ptx ".version 8.7"
  // CHECK: plan.arena "activations" size 4096
  plan.arena "activations" size 4096
  // CHECK: plan.arena "workspace" size 256 workspace
  plan.arena "workspace" size 256 workspace
  // CHECK: plan.buffer "logits" arena 0 offset 0 size 4096 live 0 to 0
  plan.buffer "logits" arena 0 offset 0 size 4096 live 0 to 0
  // CHECK: plan.buffer "logits" arena 0 offset 0 size 4096 live 1 to 1
  plan.buffer "logits" arena 0 offset 0 size 4096 live 1 to 1
  // CHECK: plan.buffer "counters" arena 1 offset 0 size 64 live 0 to 1
  plan.buffer "counters" arena 1 offset 0 size 64 live 0 to 1
  // CHECK: plan.kernel "gemm_0" scratch 0 arguments 2 waits images [#plan.kernel_image<0, registers = 168, shared = 4096, spills = 8>, #plan.kernel_image<1>]
  plan.kernel "gemm_0" scratch 0 arguments 2 waits
    images [#plan.kernel_image<0, registers = 168, shared = 4096, spills = 8>, #plan.kernel_image<1>]
  plan.program function step max_tokens 8 {
    // CHECK: plan.launch 0 #kernel.grid<"T", "sms", "min"> threads 256 shared 65536 [#plan.argument<buffer 0>, #plan.argument<buffer 2>]
    plan.launch 0 #kernel.grid<"T", "sms", "min"> threads 256 shared 65536
      [#plan.argument<buffer 0>, #plan.argument<buffer 2>]
  }
  plan.program function step max_tokens 2048 {
    // CHECK: plan.launch 0 #kernel.grid<"T"> threads 128 [#plan.argument<buffer 1>, #plan.argument<buffer 2>]
    plan.launch 0 #kernel.grid<"T"> threads 128 [#plan.argument<buffer 1>, #plan.argument<buffer 2>]
  }
}

// A target before its code is generated, its programs still empty.
// CHECK: plan.target "x86-64-v4" logits 0 sampled 0 {
plan.target "x86-64-v4" logits 0 sampled 0 {
  plan.arena "activations" size 64
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
  // CHECK: plan.program function step max_tokens 1 {
  plan.program function step max_tokens 1 {
  }
}
