// RUN: yupana-opt %s --yupana-verify-kernel-form --split-input-file | FileCheck %s

// A buffer written once and read afterwards passes unchanged, and so does a result that a later program reads. Writers
// are counted per program: each step program writes the result. The history may be written again and again.
// CHECK: kernel.program @step.1
// CHECK: kernel.program @step
// CHECK: kernel.program @sample
kernel.program @step.1 function step max_tokens 1 {
  %ids = kernel.input token_ids : !kernel.view<["T"], i32>
  %a = kernel.buffer "a" : !kernel.view<["R"], i32>
  kernel.map rows "R" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %ids[%row] : !kernel.view<["T"], i32>
    kernel.store %x, %a[%row] : !kernel.view<["R"], i32>
  }
  kernel.result sampled %a : !kernel.view<["R"], i32>
}
kernel.program @step function step max_tokens 16 {
  %ids = kernel.input token_ids : !kernel.view<["T"], i32>
  %a = kernel.buffer "a" : !kernel.view<["R"], i32>
  kernel.map rows "T" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %ids[%row] : !kernel.view<["T"], i32>
    kernel.store %x, %a[%row] : !kernel.view<["R"], i32>
  }
  %h = kernel.history : !kernel.view<["N", 64], i32>
  kernel.map rows "T" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %ids[%row] : !kernel.view<["T"], i32>
    kernel.store %x, %h[%row, %lane] : !kernel.view<["N", 64], i32>
  }
  kernel.map rows "T" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %a[%row] : !kernel.view<["R"], i32>
    kernel.store %x, %h[%row, %lane] : !kernel.view<["N", 64], i32>
  }
  kernel.result sampled %a : !kernel.view<["R"], i32>
}
kernel.program @sample function sample max_tokens 16 {
  %a = kernel.buffer "a" : !kernel.view<["R"], i32>
  %b = kernel.buffer "b" : !kernel.view<["T"], i32>
  kernel.map rows "T" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %a[%row] : !kernel.view<["R"], i32>
    kernel.store %x, %b[%row] : !kernel.view<["T"], i32>
  }
}

// -----

// A workspace is read and written by one launch, before anything else has written it.
// CHECK: kernel.buffer "w" workspace
kernel.program @step function step max_tokens 16 {
  %w = kernel.buffer "w" workspace : !kernel.view<[16], i32>
  kernel.map rows "T" groups 1 width 16 {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %w[%lane] : !kernel.view<[16], i32>
    kernel.store %0, %w[%lane] : !kernel.view<[16], i32>
  }
}
