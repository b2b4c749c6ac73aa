// Where rows are not sorted the module stays as it is.
//
// RUN: yupana-opt %s --split-input-file > %t.before
// RUN: yupana-opt %s --yupana-sort-rows-by-expert="force=true target=x86-64-v3" --split-input-file > %t.after
// RUN: diff %t.before %t.after
// RUN: not yupana-opt %s --yupana-sort-rows-by-expert=target=pdp-11 --split-input-file 2>&1 | FileCheck %s --check-prefix=UNKNOWN
//
// x86 finds its rows, unless it is told not to.
// RUN: yupana-opt %S/sort-rows-by-expert.mlir --split-input-file > %t.before
// RUN: yupana-opt %S/sort-rows-by-expert.mlir --yupana-sort-rows-by-expert=target=x86-64-v3 --split-input-file > %t.after
// RUN: diff %t.before %t.after

// UNKNOWN: error: target "pdp-11": no back end, expected one of {{.*}}, x86-64-v3, x86-64-v4, x86-64-v4-amx, x86-64-v4-bf16

// Nothing of this program makes the choice.
!x = !kernel.view<["T", 64], f32>
!e = !kernel.view<["T", 1], i32>
!u = !kernel.view<[4, 64, 64], f32, "panel32">
lm.weight @up from ["up"] : tensor<4x64x64xf32> through [#lm.pack<"panel32">] : tensor<4x64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %experts = kernel.buffer "experts" : !e
  %y = kernel.buffer "y" : !x
  %w = kernel.weight @up : !u
  kernel.gemm rows "T" by %experts : !e product %x : !x times %w : !u {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %y[%row, %feature] : !x
  }
}

// -----

// Another program reads the choice: they share it by its name.
!x = !kernel.view<["T", 64], f32>
!e = !kernel.view<["T", 1], i32>
!u = !kernel.view<[4, 64, 64], f32, "panel32">
lm.weight @up from ["up"] : tensor<4x64x64xf32> through [#lm.pack<"panel32">] : tensor<4x64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %logits = kernel.buffer "scored" : !kernel.view<["T", 4], f32>
  %experts = kernel.buffer "experts" : !e
  %scores = kernel.buffer "scores" : !kernel.view<["T", 1], f32>
  %y = kernel.buffer "y" : !x
  %w = kernel.weight @up : !u
  kernel.route rows "T" logits %logits : !kernel.view<["T", 4], f32> into %experts, %scores top 1 score sigmoid
    : !e, !kernel.view<["T", 1], f32>
  kernel.gemm rows "T" by %experts : !e product %x : !x times %w : !u {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %y[%row, %feature] : !x
  }
}
kernel.program @sample function sample max_tokens 16 {
  %experts = kernel.buffer "experts" : !e
}

// -----

// Rows of no expert have no order.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32, "panel32">
lm.weight @q from ["q"] : tensor<64x64xf32> through [#lm.pack<"panel32">] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %y = kernel.buffer "y" : !x
  %w = kernel.weight @q : !w
  kernel.gemm rows "T" product %x : !x times %w : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %y[%row, %feature] : !x
  }
}
