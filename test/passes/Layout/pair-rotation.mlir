// A product whose neighbours a map rotates becomes one of pairs.
//
// RUN: yupana-opt %s --yupana-fix-roundings --yupana-pair-rotation=target=x86-64-v3 --split-input-file | FileCheck %s \
// RUN:   --implicit-check-not="lm.weight @q from" --implicit-check-not="lm.weight @k from"

// Even and odd rows of the weight are its halves, behind all that its chain did; the weight itself is not declared any
// more. The bias of either half is that of features 2p and 2p + 1, where the map's results are stored as well.
// CHECK: lm.weight @q.even from ["q"] : tensor<64x64xf32> through [#lm.transpose<1, 0>, #lm.slice<axis = 0, offset = 0, size = 32, step = 2>] : tensor<32x64xf32>
// CHECK: lm.weight @q.odd from ["q"] : tensor<64x64xf32> through [#lm.transpose<1, 0>, #lm.slice<axis = 0, offset = 1, size = 32, step = 2>] : tensor<32x64xf32>
// CHECK: lm.interleaved @"q.even+odd" of @q.even, @q.odd by 16 : tensor<64x64xf32>
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[W_Q_BIAS:.*]] = kernel.weight @q_bias
// CHECK: %[[Y:.*]] = kernel.buffer "y"
// CHECK: %[[W_Q_EVEN_ODD:.*]] = kernel.weight @"q.even+odd"
// CHECK: kernel.gemm rows "T" pairs 32 by 16 product %[[X]]{{.*}} times %[[W_Q_EVEN_ODD]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[X2:[^ ]*]]: f32, %[[Y2:[^ ]*]]: f32, %[[ROW:[^ ]*]]: index, %[[FEATURE:[^ ]*]]: index):
// CHECK-NEXT: %[[C2:.*]] = arith.constant 2 : index
// CHECK-NEXT: %[[MULI:.*]] = arith.muli %[[FEATURE]], %[[C2]] : index
// CHECK-NEXT: %[[LOAD:.*]] = kernel.load %[[W_Q_BIAS]][%[[MULI]]]
// CHECK-NEXT: %[[ADDF:.*]] = arith.addf %[[X2]], %[[LOAD]] : f32
// CHECK-NEXT: %[[C1:.*]] = arith.constant 1 : index
// CHECK-NEXT: %[[ADDI:.*]] = arith.addi %[[MULI]], %[[C1]] : index
// CHECK-NEXT: %[[LOAD2:.*]] = kernel.load %[[W_Q_BIAS]][%[[ADDI]]]
// CHECK-NEXT: %[[ADDF2:.*]] = arith.addf %[[Y2]], %[[LOAD2]] : f32
// CHECK-NEXT: %[[SUBF:.*]] = arith.subf %[[ADDF]], %[[ADDF2]] : f32
// CHECK-NEXT: %[[ADDF3:.*]] = arith.addf %[[ADDF]], %[[ADDF2]] : f32
// CHECK-NEXT: kernel.store %[[SUBF]], %[[Y]][%[[ROW]], %[[MULI]]]
// CHECK-NEXT: kernel.store %[[ADDF3]], %[[Y]][%[[ROW]], %[[ADDI]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
!b = !kernel.view<[64], f32>
lm.weight @q from ["q"] : tensor<64x64xf32> through [#lm.transpose<1, 0>] : tensor<64x64xf32>
lm.weight @q_bias from ["q_bias"] : tensor<64xf32> through [] : tensor<64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %q = kernel.weight @q : !w
  %bias = kernel.weight @q_bias : !b
  %a = kernel.buffer "a" : !x
  %y = kernel.buffer "y" : !x
  kernel.gemm rows "T" product %x : !x times %q : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %by = kernel.load %bias[%feature] : !b
    %sum = arith.addf %acc, %by : f32
    kernel.store %sum, %a[%row, %feature] : !x
  }
  kernel.map rows "T" groups 4 width 8 {
  ^bb0(%row: index, %group: index, %lane: index):
    %one = arith.constant 1 : index
    %two = arith.constant 2 : index
    %head = arith.constant 16 : index
    %even0 = arith.muli %lane, %two : index
    %first = arith.muli %group, %head : index
    %even = arith.addi %first, %even0 : index
    %odd = arith.addi %even, %one : index
    %u = kernel.load %a[%row, %even] : !x
    %v = kernel.load %a[%row, %odd] : !x
    %minus = arith.subf %u, %v : f32
    %plus = arith.addf %u, %v : f32
    kernel.store %minus, %y[%row, %even] : !x
    kernel.store %plus, %y[%row, %odd] : !x
  }
}

// -----

// One head, halves padded from 8 rows to 16. A table by lane is read by pair; what is widened is not rounded before, what
// is stored as it was read still is.
// CHECK: lm.weight @k.even from ["k"] : tensor<16x64xbf16> through [#lm.slice<axis = 0, offset = 0, size = 8, step = 2>] : tensor<8x64xbf16>
// CHECK: lm.weight @k.odd from ["k"] : tensor<16x64xbf16> through [#lm.slice<axis = 0, offset = 1, size = 8, step = 2>] : tensor<8x64xbf16>
// CHECK: lm.interleaved @"k.even+odd" of @k.even, @k.odd by 16 : tensor<32x64xbf16>
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[W_ANGLES:.*]] = kernel.weight @angles
// CHECK: %[[Y:.*]] = kernel.buffer "y"
// CHECK: %[[W_K_EVEN_ODD:.*]] = kernel.weight @"k.even+odd"
// CHECK: kernel.gemm rows "T" pairs 8 by 16 product %[[X]]{{.*}} times %[[W_K_EVEN_ODD]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[X2:[^ ]*]]: f32, %[[Y2:[^ ]*]]: f32, %[[ROW:[^ ]*]]: index, %[[FEATURE:[^ ]*]]: index):
// CHECK-NEXT: %[[C2:.*]] = arith.constant 2 : index
// CHECK-NEXT: %[[MULI:.*]] = arith.muli %[[FEATURE]], %[[C2]] : index
// CHECK-NEXT: %[[C1:.*]] = arith.constant 1 : index
// CHECK-NEXT: %[[ADDI:.*]] = arith.addi %[[MULI]], %[[C1]] : index
// CHECK-NEXT: %[[LOAD:.*]] = kernel.load %[[W_ANGLES]][%[[FEATURE]]]
// CHECK-NEXT: %[[TRUNCF:.*]] = arith.truncf %[[Y2]] : f32 to bf16
// CHECK-NEXT: %[[MULF:.*]] = arith.mulf %[[Y2]], %[[LOAD]] : f32
// CHECK-NEXT: %[[TRUNCF2:.*]] = arith.truncf %[[MULF]] : f32 to bf16
// CHECK-NEXT: kernel.store %[[TRUNCF2]], %[[Y]][%[[ROW]], %[[MULI]]]
// CHECK-NEXT: kernel.store %[[TRUNCF]], %[[Y]][%[[ROW]], %[[ADDI]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
!x = !kernel.view<["T", 64], bf16>
!a = !kernel.view<["T", 16], bf16>
!w = !kernel.view<[16, 64], bf16>
!t = !kernel.view<[8], f32>
lm.weight @k from ["k"] : tensor<16x64xbf16> through [] : tensor<16x64xbf16>
lm.weight @angles from ["angles"] : tensor<8xf32> through [] : tensor<8xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %k = kernel.weight @k : !w
  %t = kernel.weight @angles : !t
  %a = kernel.buffer "a" : !a
  %y = kernel.buffer "y" : !a
  kernel.gemm rows "T" product %x : !x times %k : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %a[%row, %feature] : !a
  }
  kernel.map rows "T" groups 1 width 8 {
  ^bb0(%row: index, %group: index, %lane: index):
    %one = arith.constant 1 : index
    %two = arith.constant 2 : index
    %even = arith.muli %lane, %two : index
    %odd = arith.addi %even, %one : index
    %angle = kernel.load %t[%lane] : !t
    %v0 = kernel.load %a[%row, %odd] : !a
    %v = arith.extf %v0 : bf16 to f32
    %turned = arith.mulf %v, %angle : f32
    %stored = arith.truncf %turned : f32 to bf16
    kernel.store %stored, %y[%row, %even] : !a
    kernel.store %v0, %y[%row, %odd] : !a
  }
}
