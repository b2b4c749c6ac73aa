// RUN: yupana-opt %s --yupana-specialize-steps=target=x86-64-v3 | FileCheck %s
// RUN: yupana-opt %s --yupana-specialize-steps="target=x86-64-v3 batch-invariant" | FileCheck %s
// RUN: yupana-opt %s --yupana-specialize-steps=target=sm_90a | FileCheck %s --check-prefix=TWO
// RUN: yupana-opt %s --yupana-specialize-steps="target=sm_80 batch-invariant" | FileCheck %s --check-prefix=ONE --implicit-check-not=step.8
// RUN: yupana-opt %s --yupana-specialize-steps="target=sm_90a batch-invariant" | FileCheck %s --check-prefix=ONE --implicit-check-not=step.8

// A program for steps of one token, in front of the one for all others. Its buffers are its own; the result keeps its
// name, since whoever reads it looks for that, and so do weights and caches.
// CHECK-LABEL: kernel.program @step.1 function step max_tokens 1 {
// CHECK: kernel.input token_ids
// CHECK: %[[H1:.*]] = kernel.buffer "step.1.h"
// CHECK: %[[L1:.*]] = kernel.buffer "logits"
// CHECK: kernel.store %{{.*}}, %[[H1]]
// CHECK: kernel.load %[[H1]]
// CHECK: kernel.store %{{.*}}, %[[L1]]
// CHECK: kernel.result sampled %[[L1]]
// CHECK-LABEL: kernel.program @step function step max_tokens 16 {
// CHECK: kernel.buffer "h"
// CHECK: kernel.buffer "logits"
// CHECK-LABEL: kernel.program @sample function sample max_tokens 16 {
// CHECK-NOT: kernel.program

// Where two programs of the target may differ in their bits, and no result may depend on the size of a step, there is one.
// TWO: kernel.program @step.8 function step max_tokens 8 {
// TWO: kernel.program @step function step max_tokens 16 {
// ONE: kernel.program @step function step max_tokens 16 {
kernel.program @step function step max_tokens 16 {
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
kernel.program @sample function sample max_tokens 16 {
}
