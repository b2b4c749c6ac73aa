// RUN: yupana-opt %s --yupana-specialize-steps=target=x86-64-v3 | FileCheck %s --implicit-check-not=kernel.program
// RUN: not yupana-opt %s --yupana-specialize-steps=target=pdp-11 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: error: target "pdp-11": no back end, expected one of {{.*}}, x86-64-v3, x86-64-v4, x86-64-v4-amx, x86-64-v4-bf16

// Steps of one token alone need no second program.
// CHECK: kernel.program @step function step max_tokens 1 {
// CHECK: kernel.buffer "h"
kernel.program @step function step max_tokens 1 {
  %ids = kernel.input token_ids : !kernel.view<["T"], i32>
  %h = kernel.buffer "h" : !kernel.view<["T"], i32>
  %logits = kernel.buffer "logits" : !kernel.view<["R"], i32>
  kernel.map rows "T" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %ids[%row] : !kernel.view<["T"], i32>
    kernel.store %x, %h[%row] : !kernel.view<["T"], i32>
  }
  kernel.map rows "R" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %h[%row] : !kernel.view<["T"], i32>
    kernel.store %x, %logits[%row] : !kernel.view<["R"], i32>
  }
  kernel.result sampled %logits : !kernel.view<["R"], i32>
}
