// RUN: yupana-opt %s --yupana-verify-plan-form --split-input-file --verify-diagnostics

// Nothing of the levels above is left.
plan.model "tiny" architecture "Test" vocabulary 16 hidden 64 layers 1 parameters 4096 precision "f32" begin 1 stop [2] maxima context 1024 batch 2 tokens 16 rows 4
// expected-error @below {{'kernel.library' op is left, expected plan ops and the weights they name alone}}
kernel.library @kernels target "x86-64-v3" {
}

// -----

// expected-error @below {{module has 0 plan.model ops, expected one}}
module {
}

// -----

// expected-error @below {{module has no plan.target}}
module {
  plan.model "tiny" architecture "Test" vocabulary 16 hidden 64 layers 1 parameters 4096 precision "f32" begin 1 stop [2] maxima context 1024 batch 2 tokens 16 rows 4
}

// -----

// A kernel without code cannot run.
plan.model "tiny" architecture "Test" vocabulary 16 hidden 64 layers 1 parameters 4096 precision "f32" begin 1 stop [2] maxima context 1024 batch 2 tokens 16 rows 4
plan.target "x86-64-v3" logits 0 sampled 1 {
  plan.arena "activations" size 8192
  plan.buffer "logits" arena 0 offset 0 size 4096 live 0 to 0
  plan.buffer "sampled" arena 0 offset 4096 size 64 live 0 to 0
  // expected-error @below {{'plan.kernel' op "map_0" has no image, expected code generation to have run}}
  plan.kernel "map_0" scratch 0 arguments 0
}
