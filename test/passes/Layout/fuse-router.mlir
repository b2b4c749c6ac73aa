// A route multiplies by its router itself.
//
// RUN: yupana-opt %s --yupana-fuse-router --split-input-file | FileCheck %s

// An input that is read stays the view.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[W_ROUTER:.*]] = kernel.weight @router
// CHECK: %[[EXPERTS:.*]] = kernel.buffer "experts"
// CHECK: %[[SCORES:.*]] = kernel.buffer "scores"
// CHECK: kernel.route rows "T" product %[[X]]{{.*}} times %[[W_ROUTER]]{{.*}} into %[[EXPERTS]], %[[SCORES]] top 1 score sigmoid
// CHECK-NEXT: }
!x = !kernel.view<["T", 64], f32>
!l = !kernel.view<["T", 4], f32>
!e = !kernel.view<["T", 1], i32>
!s = !kernel.view<["T", 1], f32>
!w = !kernel.view<[4, 64], f32>
lm.weight @router from ["router"] : tensor<4x64xf32> through [] : tensor<4x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %router = kernel.weight @router : !w
  %logits = kernel.buffer "scored" : !l
  %experts = kernel.buffer "experts" : !e
  %scores = kernel.buffer "scores" : !s
  kernel.gemm rows "T" product %x : !x times %router : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %logits[%row, %feature] : !l
  }
  kernel.route rows "T" logits %logits : !l into %experts, %scores top 1 score sigmoid : !e, !s
}

// -----

// An input that is computed is taken before its rounding.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[W_ROUTER:.*]] = kernel.weight @router
// CHECK: %[[EXPERTS:.*]] = kernel.buffer "experts"
// CHECK: %[[SCORES:.*]] = kernel.buffer "scores"
// CHECK: kernel.route rows "T" product {
// CHECK-NEXT: ^bb0(%[[ROW:[^ ]*]]: index, %[[K:[^ ]*]]: index):
// CHECK-NEXT: %[[LOAD:.*]] = kernel.load %[[X]][%[[ROW]], %[[K]]]
// CHECK-NEXT: %[[EXTF:.*]] = arith.extf %[[LOAD]] : bf16 to f32
// CHECK-NEXT: %[[MULF:.*]] = arith.mulf %[[EXTF]], %[[EXTF]] : f32
// CHECK-NEXT: kernel.yield %[[MULF]] : f32
// CHECK-NEXT: } times %[[W_ROUTER]]{{.*}} into %[[EXPERTS]], %[[SCORES]] top 2 score softmax normalize
// CHECK-NEXT: }
!x = !kernel.view<["T", 64], bf16>
!l = !kernel.view<["T", 4], f32>
!e = !kernel.view<["T", 2], i32>
!s = !kernel.view<["T", 2], f32>
!w = !kernel.view<[4, 64], bf16>
lm.weight @router from ["router"] : tensor<4x64xbf16> through [] : tensor<4x64xbf16>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %router = kernel.weight @router : !w
  %logits = kernel.buffer "scored" : !l
  %experts = kernel.buffer "experts" : !e
  %scores = kernel.buffer "scores" : !s
  kernel.gemm rows "T" product {
  ^bb0(%row: index, %k: index):
    %v0 = kernel.load %x[%row, %k] : !x
    %v = arith.extf %v0 : bf16 to f32
    %y = arith.mulf %v, %v : f32
    %rounded = arith.truncf %y : f32 to bf16
    kernel.yield %rounded : bf16
  } times %router : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %logits[%row, %feature] : !l
  }
  kernel.route rows "T" logits %logits : !l into %experts, %scores top 2 score softmax normalize : !e, !s
}

// -----

// A bf16 input that is read is widened: a route multiplies in float32.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[W_ROUTER:.*]] = kernel.weight @router
// CHECK: %[[EXPERTS:.*]] = kernel.buffer "experts"
// CHECK: %[[SCORES:.*]] = kernel.buffer "scores"
// CHECK: kernel.route rows "T" product {
// CHECK-NEXT: ^bb0(%[[ROW:[^ ]*]]: index, %[[K:[^ ]*]]: index):
// CHECK-NEXT: %[[LOAD:.*]] = kernel.load %[[X]][%[[ROW]], %[[K]]]
// CHECK-NEXT: %[[EXTF:.*]] = arith.extf %[[LOAD]] : bf16 to f32
// CHECK-NEXT: kernel.yield %[[EXTF]] : f32
// CHECK-NEXT: } times %[[W_ROUTER]]{{.*}} into %[[EXPERTS]], %[[SCORES]] top 1 score sigmoid
// CHECK-NEXT: }
!x = !kernel.view<["T", 64], bf16>
!l = !kernel.view<["T", 4], f32>
!e = !kernel.view<["T", 1], i32>
!s = !kernel.view<["T", 1], f32>
!w = !kernel.view<[4, 64], bf16>
lm.weight @router from ["router"] : tensor<4x64xbf16> through [] : tensor<4x64xbf16>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %router = kernel.weight @router : !w
  %logits = kernel.buffer "scored" : !l
  %experts = kernel.buffer "experts" : !e
  %scores = kernel.buffer "scores" : !s
  kernel.gemm rows "T" product %x : !x times %router : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %logits[%row, %feature] : !l
  }
  kernel.route rows "T" logits %logits : !l into %experts, %scores top 1 score sigmoid : !e, !s
}
