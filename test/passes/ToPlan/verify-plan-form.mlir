// RUN: yupana-opt %s --yupana-verify-plan-form | FileCheck %s

// A model, a target with code and the weights they name pass.
// CHECK: plan.image elf_x86_64 "\7FELF"
plan.model "tiny" architecture "Test" vocabulary 16 hidden 64 layers 1 parameters 4096 precision "f32" begin 1 stop [2] maxima context 1024 batch 2 tokens 16 rows 4
lm.table @t from #lm.temperature_table<scale = 1.0e-1 : f64, count = 8> as tensor<8xf32>
plan.weight @t layout "row-major"
plan.target "x86-64-v3" logits 0 sampled 1 {
  plan.image elf_x86_64 "\7FELF"
  plan.arena "activations" size 8192
  plan.buffer "logits" arena 0 offset 0 size 4096 live 0 to 0
  plan.buffer "sampled" arena 0 offset 4096 size 64 live 0 to 0
  plan.kernel "map_0" scratch 0 arguments 0 images [#plan.kernel_image<0>]
}
