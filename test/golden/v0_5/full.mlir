// Every table and every kind of entry: both generators of tables, cache groups of both retentions, three targets, step
// programs of several sizes, a program that samples, every argument kind, every step input, every grid operator.
//
// The code of both CPU targets is an ELF shared object of one segment that exports `step_0` and `sample_0`, each a single
// `ret`, through DT_HASH.

plan.model "full" architecture "Golden" vocabulary 11 hidden 8 layers 3 parameters 1234567890123 precision "f32"
  begin 1 stop [2, 3]
  generation <do_sample = true, temperature = 0.6, top_k = 50, top_p = 0.9, min_p = 0.05, repetition_penalty = 1.1>
  maxima context 4096 batch 3 tokens 32 rows 8

lm.table @rope from #lm.rope_table<#lm.rope<theta = 5.0e5, scaling = <factor = 8.0, low = 1.0, high = 4.0,
  original = 8192>>, dim = 16, count = 48, step = 1> as tensor<48x8x2xf32>
lm.table @rope.coarse from #lm.rope_table<#lm.rope<theta = 1.0e4>, dim = 6, count = 16, step = 256>
  as tensor<16x3x2xf32>
lm.table @temperature from #lm.temperature_table<scale = 0.1, count = 9> as tensor<9xf32>

plan.weight @rope layout "row-major"
plan.weight @rope.coarse layout "row-major"
plan.weight @temperature layout "row-major"

plan.cache_group "chunk48" layers [0, 1] chunk 48 page_tokens 32 page_bytes 16384
plan.cache_group "full" layers [2] chunk 0 page_tokens 64 page_bytes 16384

plan.target "x86-64-v3" logits 1 sampled 2 {
  plan.image elf_x86_64 "\7F\45\4C\46\02\01\01\00\00\00\00\00\00\00\00\00\03\00\3E\00\01\00\00\00\00\00\00\00\00\00\00\00\40\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\40\00\38\00\03\00\00\00\00\00\00\00\01\00\00\00\05\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\D0\01\00\00\00\00\00\00\D0\01\00\00\00\00\00\00\00\10\00\00\00\00\00\00\02\00\00\00\04\00\00\00\60\01\00\00\00\00\00\00\60\01\00\00\00\00\00\00\60\01\00\00\00\00\00\00\60\00\00\00\00\00\00\00\60\00\00\00\00\00\00\00\08\00\00\00\00\00\00\00\51\E5\74\64\04\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\10\00\00\00\00\00\00\00\01\00\00\00\03\00\00\00\01\00\00\00\00\00\00\00\02\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\12\00\01\00\C0\01\00\00\00\00\00\00\01\00\00\00\00\00\00\00\08\00\00\00\12\00\01\00\C8\01\00\00\00\00\00\00\01\00\00\00\00\00\00\00\00\73\74\65\70\5F\30\00\73\61\6D\70\6C\65\5F\30\00\00\00\00\00\00\00\00\04\00\00\00\00\00\00\00\E8\00\00\00\00\00\00\00\05\00\00\00\00\00\00\00\48\01\00\00\00\00\00\00\06\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\0A\00\00\00\00\00\00\00\11\00\00\00\00\00\00\00\0B\00\00\00\00\00\00\00\18\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\C3\CC\CC\CC\CC\CC\CC\CC\C3\CC\CC\CC\CC\CC\CC\CC"
  plan.arena "activations" size 1024
  plan.arena "results" size 64
  plan.buffer "h" arena 0 offset 0 size 512 live 0 to 3
  plan.buffer "logits" arena 0 offset 512 size 352 live 1 to 4
  plan.buffer "sampled" arena 1 offset 0 size 32 live 4 to 4
  plan.kernel "step_0" scratch 0 arguments 4 images [#plan.kernel_image<0>]
  plan.kernel "sample_0" scratch 2048 arguments 13 images [#plan.kernel_image<0>]
  plan.program function step max_tokens 1 {
    plan.launch 0 #kernel.grid<1> [#plan.argument<input 0>, #plan.argument<input 1>, #plan.argument<weight 0>,
      #plan.argument<buffer 0 + 64>]
    plan.launch 0 #kernel.grid<"S"> [#plan.argument<cache 0 + 8192>, #plan.argument<page_table 0>,
      #plan.argument<input 2>, #plan.argument<buffer 1>]
  }
  plan.program function step max_tokens 32 {
    plan.launch 0 #kernel.grid<"T", 16, "ceildiv", 3, "*"> [#plan.argument<cache 1>, #plan.argument<page_table 1 + 4>,
      #plan.argument<weight 1 + 128>, #plan.argument<buffer 0>]
    plan.launch 0 #kernel.grid<"T", 8, "min", "S", "max", "R", "+"> [#plan.argument<input 3>, #plan.argument<input 4>,
      #plan.argument<weight 2>, #plan.argument<buffer 1>]
  }
  plan.program function sample max_tokens 32 {
    plan.launch 1 #kernel.grid<"R"> [#plan.argument<input 5>, #plan.argument<input 6>, #plan.argument<input 7>,
      #plan.argument<input 8>, #plan.argument<input 9>, #plan.argument<input 10>, #plan.argument<input 11>,
      #plan.argument<input 12>, #plan.argument<input 13>, #plan.argument<input 14>, #plan.argument<history 0>,
      #plan.argument<buffer 1>, #plan.argument<buffer 2>]
  }
}

plan.target "x86-64-v4" logits 1 sampled 2 {
  plan.image elf_x86_64 "\7F\45\4C\46\02\01\01\00\00\00\00\00\00\00\00\00\03\00\3E\00\01\00\00\00\00\00\00\00\00\00\00\00\40\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\40\00\38\00\03\00\00\00\00\00\00\00\01\00\00\00\05\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\D0\01\00\00\00\00\00\00\D0\01\00\00\00\00\00\00\00\10\00\00\00\00\00\00\02\00\00\00\04\00\00\00\60\01\00\00\00\00\00\00\60\01\00\00\00\00\00\00\60\01\00\00\00\00\00\00\60\00\00\00\00\00\00\00\60\00\00\00\00\00\00\00\08\00\00\00\00\00\00\00\51\E5\74\64\04\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\10\00\00\00\00\00\00\00\01\00\00\00\03\00\00\00\01\00\00\00\00\00\00\00\02\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\12\00\01\00\C0\01\00\00\00\00\00\00\01\00\00\00\00\00\00\00\08\00\00\00\12\00\01\00\C8\01\00\00\00\00\00\00\01\00\00\00\00\00\00\00\00\73\74\65\70\5F\30\00\73\61\6D\70\6C\65\5F\30\00\00\00\00\00\00\00\00\04\00\00\00\00\00\00\00\E8\00\00\00\00\00\00\00\05\00\00\00\00\00\00\00\48\01\00\00\00\00\00\00\06\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\0A\00\00\00\00\00\00\00\11\00\00\00\00\00\00\00\0B\00\00\00\00\00\00\00\18\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\C3\CC\CC\CC\CC\CC\CC\CC\C3\CC\CC\CC\CC\CC\CC\CC"
  plan.arena "activations" size 1024
  plan.arena "results" size 64
  plan.buffer "h" arena 0 offset 0 size 512 live 0 to 3
  plan.buffer "logits" arena 0 offset 512 size 352 live 1 to 4
  plan.buffer "sampled" arena 1 offset 0 size 32 live 4 to 4
  plan.kernel "step_0" scratch 4096 arguments 4 images [#plan.kernel_image<0>]
  plan.kernel "sample_0" scratch 2048 arguments 13 images [#plan.kernel_image<0>]
  plan.program function step max_tokens 1 {
    plan.launch 0 #kernel.grid<1> [#plan.argument<input 0>, #plan.argument<input 1>, #plan.argument<weight 0>,
      #plan.argument<buffer 0 + 64>]
    plan.launch 0 #kernel.grid<"S"> [#plan.argument<cache 0 + 8192>, #plan.argument<page_table 0>,
      #plan.argument<input 2>, #plan.argument<buffer 1>]
  }
  plan.program function step max_tokens 32 {
    plan.launch 0 #kernel.grid<"T", 16, "ceildiv", 3, "*"> [#plan.argument<cache 1>, #plan.argument<page_table 1 + 4>,
      #plan.argument<weight 1 + 128>, #plan.argument<buffer 0>]
    plan.launch 0 #kernel.grid<"T", 8, "min", "S", "max", "R", "+"> [#plan.argument<input 3>, #plan.argument<input 4>,
      #plan.argument<weight 2>, #plan.argument<buffer 1>]
  }
  plan.program function sample max_tokens 32 {
    plan.launch 1 #kernel.grid<"R"> [#plan.argument<input 5>, #plan.argument<input 6>, #plan.argument<input 7>,
      #plan.argument<input 8>, #plan.argument<input 9>, #plan.argument<input 10>, #plan.argument<input 11>,
      #plan.argument<input 12>, #plan.argument<input 13>, #plan.argument<input 14>, #plan.argument<history 0>,
      #plan.argument<buffer 1>, #plan.argument<buffer 2>]
  }
}

// What a GPU adds: images of two formats per kernel, blocks of threads, a grid capped by the multiprocessors, a
// workspace, and logits with an entry for each program that writes them and one for what reads them.
plan.target "sm_90a" logits 2 sampled 3 {
  plan.image cubin "cubin of step_0"
  plan.image ptx ".version 8.7 // step_0"
  plan.image cubin "cubin of sample_0"
  plan.arena "activations" size 1024
  plan.arena "workspace" size 256 workspace
  plan.buffer "logits" arena 0 offset 512 size 352 live 0 to 0
  plan.buffer "counters" arena 1 offset 64 size 128 live 0 to 1
  plan.buffer "logits" arena 0 offset 512 size 352 live 1 to 2
  plan.buffer "sampled" arena 0 offset 0 size 32 live 2 to 2
  plan.kernel "step_0" scratch 0 arguments 3
    images [#plan.kernel_image<0, registers = 168, shared = 4096, spills = 8>, #plan.kernel_image<1>]
  plan.kernel "sample_0" scratch 0 arguments 2 images [#plan.kernel_image<2, registers = 40>]
  plan.program function step max_tokens 8 {
    plan.launch 0 #kernel.grid<"T", 264, "*", "sms", "min"> threads 256 shared 65536 [#plan.argument<weight 0>,
      #plan.argument<buffer 1>, #plan.argument<buffer 0>]
  }
  plan.program function step max_tokens 32 {
    plan.launch 0 #kernel.grid<"T"> threads 128 [#plan.argument<weight 0>, #plan.argument<buffer 1 + 64>,
      #plan.argument<buffer 2>]
  }
  plan.program function sample max_tokens 32 {
    plan.launch 1 #kernel.grid<"R"> threads 1024 [#plan.argument<buffer 2>, #plan.argument<buffer 3>]
  }
}
