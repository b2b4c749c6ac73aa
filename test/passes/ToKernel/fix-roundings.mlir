// Which buffers hold float32, so that a fusion may keep their values in registers and round nothing more or less.
//
// RUN: yupana-opt %s --yupana-fix-roundings --split-input-file | FileCheck %s

// What one map reads at its own element is not rounded; the sum that it stores, memory in every program, is.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[A:.*]] = kernel.buffer "a" : !kernel.view<["T", 64], f32>
// CHECK: %[[H:.*]] = kernel.buffer "h" : !kernel.view<["T", 64], bf16>
// CHECK: ^bb0(%[[ACC:.*]]: f32, %[[ROW:.*]]: index, %[[FEATURE:.*]]: index):
// CHECK-NEXT: kernel.store %[[ACC]], %[[A]][%[[ROW]], %[[FEATURE]]]
// CHECK: %[[R0:.*]] = kernel.load %{{.*}} : !kernel.view<["T", 64], bf16>
// CHECK: %[[R:.*]] = arith.extf %[[R0]]
// CHECK: %[[V:.*]] = kernel.load %[[A]][{{.*}} : !kernel.view<["T", 64], f32>
// CHECK-NEXT: %[[S:.*]] = arith.addf %[[R]], %[[V]]
// CHECK-NEXT: %[[T:.*]] = arith.truncf %[[S]] : f32 to bf16
// CHECK-NEXT: kernel.store %[[T]], %[[H]]
!x = !kernel.view<["T", 64], bf16>
!w = !kernel.view<[64, 64], bf16>
lm.weight @o from ["o"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %o = kernel.weight @o : !w
  %a = kernel.buffer "a" : !x
  %h = kernel.buffer "h" : !x
  kernel.gemm rows "T" product %x : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %a[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %r0 = kernel.load %x[%row, %lane] : !x
    %r = arith.extf %r0 : bf16 to f32
    %a0 = kernel.load %a[%row, %lane] : !x
    %a1 = arith.extf %a0 : bf16 to f32
    %sum = arith.addf %r, %a1 : f32
    %v = arith.truncf %sum : f32 to bf16
    kernel.store %v, %h[%row, %lane] : !x
  }
}

// -----

// A product and a map read what a map computes from a row of another buffer. The product still multiplies by what is
// rounded, once; the map goes on with what is not.
// CHECK-LABEL: kernel.program @step
// CHECK: kernel.buffer "n" : !kernel.view<["T", 64], f32>
// CHECK: kernel.gemm rows "T" product {
// CHECK: %[[L:.*]] = kernel.load {{.*}} : !kernel.view<["T", 64], f32>
// CHECK-NEXT: %[[T:.*]] = arith.truncf %[[L]] : f32 to bf16
// CHECK-NEXT: kernel.yield %[[T]] : bf16
// CHECK: kernel.map
// CHECK: %[[M:.*]] = kernel.load {{.*}} : !kernel.view<["T", 64], f32>
// CHECK-NEXT: arith.negf %[[M]]
!x = !kernel.view<["T", 64], bf16>
!w = !kernel.view<[64, 64], bf16>
lm.weight @o from ["o"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %o = kernel.weight @o : !w
  %n = kernel.buffer "n" : !x
  %y = kernel.buffer "y" : !x
  %z = kernel.buffer "z" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %x[%row, %lane] : !x
    %v = arith.extf %v0 : bf16 to f32
    %s = arith.mulf %v, %v : f32
    %r = arith.truncf %s : f32 to bf16
    kernel.store %r, %n[%row, %lane] : !x
  }
  kernel.gemm rows "T" product %n : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %y[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %n[%row, %lane] : !x
    %v = arith.extf %v0 : bf16 to f32
    %m = arith.negf %v : f32
    %r = arith.truncf %m : f32 to bf16
    kernel.store %r, %z[%row, %lane] : !x
  }
}
