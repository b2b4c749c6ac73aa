// RUN: yupana-opt %s --yupana-kernel-to-plan --split-input-file --verify-diagnostics

// expected-error @below {{expected plan-memory and outline-kernels to have run}}
module {
}

// -----

// The runtime reads logits and sampled ids; a program that names neither is of no use to it.
// expected-error @below {{no program names its result logits}}
module attributes {kernel.arena_bytes = 8192 : i64} {
  lm.model "tiny" architecture "Test" vocabulary 16 hidden 64 layers 1 parameters 4096 begin 1 stop [2]
  kernel.library @kernels target "x86-64-v3" {
  }
}

// -----

// A buffer without a place cannot stand in a plan.
module attributes {kernel.arena_bytes = 8192 : i64} {
  lm.model "tiny" architecture "Test" vocabulary 16 hidden 64 layers 1 parameters 4096 begin 1 stop [2]
  kernel.program @step function step max_tokens 16 {
    // expected-error @below {{has no offset or size, expected plan-memory to have run}}
    %logits = kernel.buffer "logits" : !kernel.view<["R", 16], f32>
    %sampled = kernel.buffer "sampled" : !kernel.view<["R"], i32>
    kernel.result logits %logits : !kernel.view<["R", 16], f32>
    kernel.result sampled %sampled : !kernel.view<["R"], i32>
  }
  kernel.library @kernels target "x86-64-v3" {
  }
}
