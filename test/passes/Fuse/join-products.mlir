// Products that one map adds up are computed by one gemm.
//
// RUN: yupana-opt %s --yupana-fix-roundings --yupana-join-products=target=x86-64-v3 --split-input-file | FileCheck %s

// One of them by experts, the other for all rows, of another depth and with a computed input. The order is the map's.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[Z:.*]] = kernel.buffer "z"
// CHECK: %[[EXPERTS:.*]] = kernel.buffer "experts"
// CHECK: %[[RESIDUAL:.*]] = kernel.buffer "residual"
// CHECK: %[[W_DOWN:.*]] = kernel.weight @down
// CHECK: %[[W_SHARED_DOWN:.*]] = kernel.weight @shared_down
// CHECK: %[[W_BIAS:.*]] = kernel.weight @bias
// CHECK: %[[C:.*]] = kernel.buffer "c"
// CHECK: kernel.gemm rows "T" by %[[EXPERTS]]{{.*}} product {
// CHECK-NEXT: ^bb0(%[[ROW:[^ ]*]]: index, %[[K:[^ ]*]]: index):
// CHECK-NEXT: %[[LOAD:.*]] = kernel.load %[[Z]][%[[ROW]], %[[K]]]
// CHECK-NEXT: %[[MULF:.*]] = arith.mulf %[[LOAD]], %[[LOAD]] : f32
// CHECK-NEXT: kernel.yield %[[MULF]] : f32
// CHECK-NEXT: } times %[[W_SHARED_DOWN]]{{.*}} product %[[X]]{{.*}} times %[[W_DOWN]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[X2:[^ ]*]]: f32, %[[Y:[^ ]*]]: f32, %[[ROW2:[^ ]*]]: index, %[[FEATURE:[^ ]*]]: index):
// CHECK-NEXT: %[[LOAD2:.*]] = kernel.load %[[W_BIAS]][%[[FEATURE]]]
// CHECK-NEXT: %[[ADDF:.*]] = arith.addf %[[X2]], %[[LOAD2]] : f32
// CHECK-NEXT: %[[LOAD3:.*]] = kernel.load %[[RESIDUAL]][%[[ROW2]], %[[FEATURE]]]
// CHECK-NEXT: %[[ADDF2:.*]] = arith.addf %[[ADDF]], %[[Y]] : f32
// CHECK-NEXT: %[[ADDF3:.*]] = arith.addf %[[LOAD3]], %[[ADDF2]] : f32
// CHECK-NEXT: kernel.store %[[ADDF3]], %[[C]][%[[ROW2]], %[[FEATURE]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
!x = !kernel.view<["T", 32], f32>
!y = !kernel.view<["T", 64], f32>
!e = !kernel.view<["T", 1], i32>
!w = !kernel.view<[4, 64, 32], f32>
!v = !kernel.view<[64, 48], f32>
!z = !kernel.view<["T", 48], f32>
lm.weight @down from ["down"] : tensor<4x64x32xf32> through [] : tensor<4x64x32xf32>
lm.weight @shared_down from ["shared_down"] : tensor<64x48xf32> through [] : tensor<64x48xf32>
lm.weight @bias from ["bias"] : tensor<64xf32> through [] : tensor<64xf32>
kernel.program @step function step max_tokens 1 {
  %x = kernel.buffer "x" : !x
  %z = kernel.buffer "z" : !z
  %experts = kernel.buffer "experts" : !e
  %residual = kernel.buffer "residual" : !y
  %down = kernel.weight @down : !w
  %shared_down = kernel.weight @shared_down : !v
  %bias = kernel.weight @bias : !kernel.view<[64], f32>
  %a = kernel.buffer "a" : !y
  %b = kernel.buffer "b" : !y
  %c = kernel.buffer "c" : !y
  kernel.gemm rows "T" by %experts : !e product %x : !x times %down : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !y
  }
  kernel.gemm rows "T" product {
  ^bb0(%row: index, %k: index):
    %v = kernel.load %z[%row, %k] : !z
    %w = arith.mulf %v, %v : f32
    kernel.yield %w : f32
  } times %shared_down : !v {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %by = kernel.load %bias[%feature] : !kernel.view<[64], f32>
    %sum = arith.addf %acc, %by : f32
    kernel.store %sum, %b[%row, %feature] : !y
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %shared = kernel.load %b[%row, %lane] : !y
    %routed = kernel.load %a[%row, %lane] : !y
    %old = kernel.load %residual[%row, %lane] : !y
    %sum = arith.addf %shared, %routed : f32
    %new = arith.addf %old, %sum : f32
    kernel.store %new, %c[%row, %lane] : !y
  }
}

// -----

// Three of them, and what was rounded only to lie in a buffer is not rounded any more.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[W_A:.*]] = kernel.weight @a
// CHECK: %[[W_B:.*]] = kernel.weight @b
// CHECK: %[[W_C:.*]] = kernel.weight @c
// CHECK: %[[Y:.*]] = kernel.buffer "y"
// CHECK: kernel.gemm rows "T" product %[[X]]{{.*}} times %[[W_A]]{{.*}} product %[[X]]{{.*}} times %[[W_B]]{{.*}} product %[[X]]{{.*}} times %[[W_C]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[X2:[^ ]*]]: f32, %[[Y2:[^ ]*]]: f32, %[[Z:[^ ]*]]: f32, %[[ROW:[^ ]*]]: index, %[[FEATURE:[^ ]*]]: index):
// CHECK-NEXT: %[[ADDF:.*]] = arith.addf %[[X2]], %[[Y2]] : f32
// CHECK-NEXT: %[[ADDF2:.*]] = arith.addf %[[ADDF]], %[[Z]] : f32
// CHECK-NEXT: %[[TRUNCF:.*]] = arith.truncf %[[ADDF2]] : f32 to bf16
// CHECK-NEXT: kernel.store %[[TRUNCF]], %[[Y]][%[[ROW]], %[[FEATURE]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
!x = !kernel.view<["T", 64], bf16>
!w = !kernel.view<[64, 64], bf16>
lm.weight @a from ["a"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
lm.weight @b from ["b"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
lm.weight @c from ["c"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
kernel.program @step function step max_tokens 1 {
  %x = kernel.buffer "x" : !x
  %wa = kernel.weight @a : !w
  %wb = kernel.weight @b : !w
  %wc = kernel.weight @c : !w
  %a = kernel.buffer "a" : !x
  %b = kernel.buffer "b" : !x
  %c = kernel.buffer "c" : !x
  %y = kernel.buffer "y" : !x
  kernel.gemm rows "T" product %x : !x times %wa : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %a[%row, %feature] : !x
  }
  kernel.gemm rows "T" product %x : !x times %wb : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %b[%row, %feature] : !x
  }
  kernel.gemm rows "T" product %x : !x times %wc : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %c[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %a0 = kernel.load %a[%row, %lane] : !x
    %b0 = kernel.load %b[%row, %lane] : !x
    %c0 = kernel.load %c[%row, %lane] : !x
    %a1 = arith.extf %a0 : bf16 to f32
    %b1 = arith.extf %b0 : bf16 to f32
    %c1 = arith.extf %c0 : bf16 to f32
    %ab = arith.addf %a1, %b1 : f32
    %abc = arith.addf %ab, %c1 : f32
    %v = arith.truncf %abc : f32 to bf16
    kernel.store %v, %y[%row, %lane] : !x
  }
}

// -----

// A gemm chooses its experts once: a third product, by another choice, stays apart, and is read as it was.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[Z:.*]] = kernel.buffer "z"
// CHECK: %[[EXPERTS:.*]] = kernel.buffer "experts"
// CHECK: %[[OTHERS:.*]] = kernel.buffer "others"
// CHECK: %[[W_DOWN:.*]] = kernel.weight @down
// CHECK: %[[W_SHARED_DOWN:.*]] = kernel.weight @shared_down
// CHECK: %[[W_BIAS:.*]] = kernel.weight @bias
// CHECK: %[[W_MORE:.*]] = kernel.weight @more
// CHECK: %[[D:.*]] = kernel.buffer "d"
// CHECK: %[[C:.*]] = kernel.buffer "c"
// CHECK: kernel.gemm rows "T" by %[[OTHERS]]{{.*}} product %[[X]]{{.*}} times %[[W_MORE]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[ACC:[^ ]*]]: f32, %[[ROW:[^ ]*]]: index, %[[FEATURE:[^ ]*]]: index):
// CHECK-NEXT: kernel.store %[[ACC]], %[[D]][%[[ROW]], %[[FEATURE]]]
// CHECK-NEXT: }
// CHECK-NEXT: kernel.gemm rows "T" by %[[EXPERTS]]{{.*}} product {
// CHECK-NEXT: ^bb0(%[[ROW2:[^ ]*]]: index, %[[K:[^ ]*]]: index):
// CHECK-NEXT: %[[LOAD:.*]] = kernel.load %[[Z]][%[[ROW2]], %[[K]]]
// CHECK-NEXT: %[[MULF:.*]] = arith.mulf %[[LOAD]], %[[LOAD]] : f32
// CHECK-NEXT: kernel.yield %[[MULF]] : f32
// CHECK-NEXT: } times %[[W_SHARED_DOWN]]{{.*}} product %[[X]]{{.*}} times %[[W_DOWN]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[X2:[^ ]*]]: f32, %[[Y:[^ ]*]]: f32, %[[ROW3:[^ ]*]]: index, %[[FEATURE2:[^ ]*]]: index):
// CHECK-NEXT: %[[LOAD2:.*]] = kernel.load %[[W_BIAS]][%[[FEATURE2]]]
// CHECK-NEXT: %[[ADDF:.*]] = arith.addf %[[X2]], %[[LOAD2]] : f32
// CHECK-NEXT: %[[LOAD3:.*]] = kernel.load %[[D]][%[[ROW3]], %[[FEATURE2]]]
// CHECK-NEXT: %[[ADDF2:.*]] = arith.addf %[[ADDF]], %[[Y]] : f32
// CHECK-NEXT: %[[ADDF3:.*]] = arith.addf %[[LOAD3]], %[[ADDF2]] : f32
// CHECK-NEXT: kernel.store %[[ADDF3]], %[[C]][%[[ROW3]], %[[FEATURE2]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
!x = !kernel.view<["T", 32], f32>
!y = !kernel.view<["T", 64], f32>
!e = !kernel.view<["T", 1], i32>
!w = !kernel.view<[4, 64, 32], f32>
!v = !kernel.view<[64, 48], f32>
!z = !kernel.view<["T", 48], f32>
lm.weight @down from ["down"] : tensor<4x64x32xf32> through [] : tensor<4x64x32xf32>
lm.weight @shared_down from ["shared_down"] : tensor<64x48xf32> through [] : tensor<64x48xf32>
lm.weight @bias from ["bias"] : tensor<64xf32> through [] : tensor<64xf32>
lm.weight @more from ["more"] : tensor<4x64x32xf32> through [] : tensor<4x64x32xf32>
kernel.program @step function step max_tokens 1 {
  %x = kernel.buffer "x" : !x
  %z = kernel.buffer "z" : !z
  %experts = kernel.buffer "experts" : !e
  %others = kernel.buffer "others" : !e
  %down = kernel.weight @down : !w
  %shared_down = kernel.weight @shared_down : !v
  %bias = kernel.weight @bias : !kernel.view<[64], f32>
  %a = kernel.buffer "a" : !y
  %b = kernel.buffer "b" : !y
  %more = kernel.weight @more : !w
  %d = kernel.buffer "d" : !y
  %c = kernel.buffer "c" : !y
  kernel.gemm rows "T" by %experts : !e product %x : !x times %down : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !y
  }
  kernel.gemm rows "T" product {
  ^bb0(%row: index, %k: index):
    %v = kernel.load %z[%row, %k] : !z
    %w = arith.mulf %v, %v : f32
    kernel.yield %w : f32
  } times %shared_down : !v {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %by = kernel.load %bias[%feature] : !kernel.view<[64], f32>
    %sum = arith.addf %acc, %by : f32
    kernel.store %sum, %b[%row, %feature] : !y
  }
  kernel.gemm rows "T" by %others : !e product %x : !x times %more : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %d[%row, %feature] : !y
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %shared = kernel.load %b[%row, %lane] : !y
    %routed = kernel.load %a[%row, %lane] : !y
    %old = kernel.load %d[%row, %lane] : !y
    %sum = arith.addf %shared, %routed : f32
    %new = arith.addf %old, %sum : f32
    kernel.store %new, %c[%row, %lane] : !y
  }
}

// -----

// Products of sorted rows keep the offsets and the order.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[OFFSETS:.*]] = kernel.buffer "offsets"
// CHECK: %[[ORDER:.*]] = kernel.buffer "order"
// CHECK: kernel.gemm rows "T+28" by %[[OFFSETS]] : {{.*}} sorted %[[ORDER]] : {{.*}} product %[[X]] : {{.*}} product %[[X]]
// CHECK-NOT: kernel.gemm
!x = !kernel.view<["T+28", 64], f32>
!o = !kernel.view<[5], i32>
!r = !kernel.view<["T+28"], i32>
!w = !kernel.view<[4, 64, 64], f32>
lm.weight @gate from ["gate"] : tensor<4x64x64xf32> through [] : tensor<4x64x64xf32>
lm.weight @up from ["up"] : tensor<4x64x64xf32> through [] : tensor<4x64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %offsets = kernel.buffer "offsets" : !o
  %order = kernel.buffer "order" : !r
  %gate = kernel.weight @gate : !w
  %up = kernel.weight @up : !w
  %a = kernel.buffer "a" : !x
  %b = kernel.buffer "b" : !x
  %c = kernel.buffer "c" : !x
  kernel.gemm rows "T+28" by %offsets : !o sorted %order : !r product %x : !x times %gate : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.gemm rows "T+28" by %offsets : !o sorted %order : !r product %x : !x times %up : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %b[%row, %feature] : !x
  }
  kernel.map rows "T+28" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !x
    %w = kernel.load %b[%row, %lane] : !x
    %p = arith.mulf %v, %w : f32
    kernel.store %p, %c[%row, %lane] : !x
  }
}
