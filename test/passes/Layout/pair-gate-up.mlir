// Two products of the same rows become one of pairs.
//
// RUN: yupana-opt %s --yupana-fix-roundings --yupana-pair-gate-up=target=x86-64-v3 --split-input-file | FileCheck %s

// The weights are declared as one, behind both; 24 rows are padded to 32 of either half. What a gemm did with its
// accumulator (a bias), it does with its half of the pair, and then the map goes on, whatever it computes.
// CHECK: lm.interleaved @"mlp.gate+up" of @mlp.gate, @mlp.up by 16 : tensor<64x64xf32>
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[W_MLP_GATE_BIAS:.*]] = kernel.weight @mlp.gate_bias
// CHECK: %[[C:.*]] = kernel.buffer "c"
// CHECK: %[[W_MLP_GATE_UP:.*]] = kernel.weight @"mlp.gate+up"
// CHECK: kernel.gemm rows "T" pairs 24 by 16 product %[[X]]{{.*}} times %[[W_MLP_GATE_UP]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[X2:[^ ]*]]: f32, %[[Y:[^ ]*]]: f32, %[[ROW:[^ ]*]]: index, %[[FEATURE:[^ ]*]]: index):
// CHECK-NEXT: %[[LOAD:.*]] = kernel.load %[[W_MLP_GATE_BIAS]][%[[FEATURE]]]
// CHECK-NEXT: %[[ADDF:.*]] = arith.addf %[[X2]], %[[LOAD]] : f32
// CHECK-NEXT: %[[SUBF:.*]] = arith.subf %[[ADDF]], %[[Y]] : f32
// CHECK-NEXT: kernel.store %[[SUBF]], %[[C]][%[[ROW]], %[[FEATURE]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
!x = !kernel.view<["T", 64], f32>
!y = !kernel.view<["T", 24], f32>
!w = !kernel.view<[24, 64], f32>
!b = !kernel.view<[24], f32>
lm.weight @mlp.gate from ["mlp.gate"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
lm.weight @mlp.gate_bias from ["mlp.gate_bias"] : tensor<24xf32> through [] : tensor<24xf32>
lm.weight @mlp.up from ["mlp.up"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %gate = kernel.weight @mlp.gate : !w
  %bias = kernel.weight @mlp.gate_bias : !b
  %up = kernel.weight @mlp.up : !w
  %a = kernel.buffer "a" : !y
  %b = kernel.buffer "b" : !y
  %c = kernel.buffer "c" : !y
  kernel.gemm rows "T" product %x : !x times %gate : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %by = kernel.load %bias[%feature] : !b
    %sum = arith.addf %acc, %by : f32
    kernel.store %sum, %a[%row, %feature] : !y
  }
  kernel.gemm rows "T" product %x : !x times %up : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %b[%row, %feature] : !y
  }
  kernel.map rows "T" groups 1 width 24 {
  ^bb0(%row: index, %group: index, %lane: index):
    %g = kernel.load %a[%row, %lane] : !y
    %u = kernel.load %b[%row, %lane] : !y
    %d = arith.subf %g, %u : f32
    kernel.store %d, %c[%row, %lane] : !y
  }
}

// -----

// Experts, two for each token, and a map that counts in groups: pairs are in the order the map reads them. What was
// rounded only to lie in a buffer is not rounded any more.
// CHECK: lm.interleaved @"up+gate" of @up, @gate by 16 : tensor<4x64x64xbf16>
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[EXPERTS:.*]] = kernel.buffer "experts"
// CHECK: %[[C:.*]] = kernel.buffer "c"
// CHECK: %[[W_UP_GATE:.*]] = kernel.weight @"up+gate"
// CHECK: kernel.gemm rows "2*T" by %[[EXPERTS]]{{.*}} pairs 32 by 16 product %[[X]]{{.*}} times %[[W_UP_GATE]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[X2:[^ ]*]]: f32, %[[Y:[^ ]*]]: f32, %[[ROW:[^ ]*]]: index, %[[FEATURE:[^ ]*]]: index):
// CHECK-NEXT: %[[MULF:.*]] = arith.mulf %[[Y]], %[[X2]] : f32
// CHECK-NEXT: %[[TRUNCF:.*]] = arith.truncf %[[MULF]] : f32 to bf16
// CHECK-NEXT: kernel.store %[[TRUNCF]], %[[C]][%[[ROW]], %[[FEATURE]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
!x = !kernel.view<["2*T", 64], bf16>
!y = !kernel.view<["2*T", 32], bf16>
!w = !kernel.view<[4, 32, 64], bf16>
!e = !kernel.view<["T", 2], i32>
lm.weight @gate from ["gate"] : tensor<4x32x64xbf16> through [] : tensor<4x32x64xbf16>
lm.weight @up from ["up"] : tensor<4x32x64xbf16> through [] : tensor<4x32x64xbf16>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %experts = kernel.buffer "experts" : !e
  %gate = kernel.weight @gate : !w
  %up = kernel.weight @up : !w
  %a = kernel.buffer "a" : !y
  %b = kernel.buffer "b" : !y
  %c = kernel.buffer "c" : !y
  kernel.gemm rows "2*T" by %experts : !e product %x : !x times %gate : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %a[%row, %feature] : !y
  }
  kernel.gemm rows "2*T" by %experts : !e product %x : !x times %up : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %b[%row, %feature] : !y
  }
  kernel.map rows "2*T" groups 2 width 16 {
  ^bb0(%row: index, %group: index, %lane: index):
    %width = arith.constant 16 : index
    %first = arith.muli %group, %width : index
    %feature = arith.addi %first, %lane : index
    %u0 = kernel.load %b[%row, %feature] : !y
    %g0 = kernel.load %a[%row, %feature] : !y
    %g = arith.extf %g0 : bf16 to f32
    %u = arith.extf %u0 : bf16 to f32
    %d = arith.mulf %g, %u : f32
    %v = arith.truncf %d : f32 to bf16
    kernel.store %v, %c[%row, %feature] : !y
  }
}
