// The writer of a row adds up its squares.
//
// RUN: yupana-opt %s --yupana-fuse-norm-statistics=target=x86-64-v3 --split-input-file | FileCheck %s

// A map goes on in groups of 32 features, one sum each. Two norms of one row share the sums.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[W_TABLE:.*]] = kernel.weight @table
// CHECK: %[[H:.*]] = kernel.buffer "h"
// CHECK: %[[N:.*]] = kernel.buffer "n"
// CHECK: %[[M:.*]] = kernel.buffer "m"
// CHECK: %[[H_SQUARES:.*]] = kernel.buffer "h.squares"
// CHECK: kernel.map rows "T" groups 2 width 32 {
// CHECK-NEXT: ^bb0(%[[ROW:[^ ]*]]: index, %[[GROUP:[^ ]*]]: index, %[[LANE:[^ ]*]]: index):
// CHECK-NEXT: %[[C0:.*]] = arith.constant 0 : index
// CHECK-NEXT: %[[C32:.*]] = arith.constant 32 : index
// CHECK-NEXT: %[[MULI:.*]] = arith.muli %[[GROUP]], %[[C32]] : index
// CHECK-NEXT: %[[ADDI:.*]] = arith.addi %[[MULI]], %[[LANE]] : index
// CHECK-NEXT: %[[LOAD:.*]] = kernel.load %[[W_TABLE]][%[[ADDI]]]
// CHECK-NEXT: kernel.store %[[LOAD]], %[[H]][%[[ROW]], %[[ADDI]]]
// CHECK-NEXT: %[[MULF:.*]] = arith.mulf %[[LOAD]], %[[LOAD]] : f32
// CHECK-NEXT: %[[SUM:.*]] = kernel.sum %[[MULF]] : f32
// CHECK-NEXT: %[[C322:.*]] = arith.constant 32 : index
// CHECK-NEXT: %[[DIVUI:.*]] = arith.divui %[[ADDI]], %[[C322]] : index
// CHECK-NEXT: kernel.store %[[SUM]], %[[H_SQUARES]][%[[ROW]], %[[DIVUI]]]
// CHECK-NEXT: }
// CHECK-NEXT: kernel.map rows "T" groups 1 width 64 {
// CHECK-NEXT: ^bb0(%[[ROW2:[^ ]*]]: index, %[[GROUP2:[^ ]*]]: index, %[[LANE2:[^ ]*]]: index):
// CHECK-NEXT: %[[LOAD2:.*]] = kernel.load %[[H]][%[[ROW2]], %[[LANE2]]]
// CHECK-NEXT: %[[ROW_SUM:.*]] = kernel.row_sum %[[H_SQUARES]][%[[ROW2]]]
// CHECK-NEXT: %[[DIVF:.*]] = arith.divf %[[LOAD2]], %[[ROW_SUM]] : f32
// CHECK-NEXT: kernel.store %[[DIVF]], %[[N]][%[[ROW2]], %[[LANE2]]]
// CHECK-NEXT: }
// CHECK-NEXT: kernel.map rows "T" groups 1 width 64 {
// CHECK-NEXT: ^bb0(%[[ROW3:[^ ]*]]: index, %[[GROUP3:[^ ]*]]: index, %[[LANE3:[^ ]*]]: index):
// CHECK-NEXT: %[[LOAD3:.*]] = kernel.load %[[H]][%[[ROW3]], %[[LANE3]]]
// CHECK-NEXT: %[[ROW_SUM2:.*]] = kernel.row_sum %[[H_SQUARES]][%[[ROW3]]]
// CHECK-NEXT: %[[DIVF2:.*]] = arith.divf %[[LOAD3]], %[[ROW_SUM2]] : f32
// CHECK-NEXT: kernel.store %[[DIVF2]], %[[M]][%[[ROW3]], %[[LANE3]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
!x = !kernel.view<["T", 64], f32>
lm.weight @table from ["table"] : tensor<64xf32> through [] : tensor<64xf32>
kernel.program @step function step max_tokens 16 {
  %table = kernel.weight @table : !kernel.view<[64], f32>
  %h = kernel.buffer "h" : !x
  %n = kernel.buffer "n" : !x
  %m = kernel.buffer "m" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %table[%lane] : !kernel.view<[64], f32>
    kernel.store %v, %h[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %h[%row, %lane] : !x
    %square = arith.mulf %x, %x : f32
    %sum = kernel.sum %square : f32
    %y = arith.divf %x, %sum : f32
    kernel.store %y, %n[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %h[%row, %lane] : !x
    %square = arith.mulf %x, %x : f32
    %sum = kernel.sum %square : f32
    %y = arith.divf %x, %sum : f32
    kernel.store %y, %m[%row, %lane] : !x
  }
}

// -----

// A gemm gets a group. The squares are of what was stored, rounded; 16 is the largest power of two that divides 48.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[IN:.*]] = kernel.buffer "in"
// CHECK: %[[W_O:.*]] = kernel.weight @o
// CHECK: %[[H:.*]] = kernel.buffer "h"
// CHECK: %[[N:.*]] = kernel.buffer "n"
// CHECK: %[[H_SQUARES:.*]] = kernel.buffer "h.squares"
// CHECK: kernel.gemm rows "T" group 16 product %[[IN]]{{.*}} times %[[W_O]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[ACC:[^ ]*]]: f32, %[[ROW:[^ ]*]]: index, %[[FEATURE:[^ ]*]]: index):
// CHECK-NEXT: %[[TRUNCF:.*]] = arith.truncf %[[ACC]] : f32 to bf16
// CHECK-NEXT: kernel.store %[[TRUNCF]], %[[H]][%[[ROW]], %[[FEATURE]]]
// CHECK-NEXT: %[[EXTF:.*]] = arith.extf %[[TRUNCF]] : bf16 to f32
// CHECK-NEXT: %[[MULF:.*]] = arith.mulf %[[EXTF]], %[[EXTF]] : f32
// CHECK-NEXT: %[[SUM:.*]] = kernel.sum %[[MULF]] : f32
// CHECK-NEXT: %[[C16:.*]] = arith.constant 16 : index
// CHECK-NEXT: %[[DIVUI:.*]] = arith.divui %[[FEATURE]], %[[C16]] : index
// CHECK-NEXT: kernel.store %[[SUM]], %[[H_SQUARES]][%[[ROW]], %[[DIVUI]]]
// CHECK-NEXT: }
// CHECK-NEXT: kernel.map rows "T" groups 1 width 48 {
// CHECK-NEXT: ^bb0(%[[ROW2:[^ ]*]]: index, %[[GROUP:[^ ]*]]: index, %[[LANE:[^ ]*]]: index):
// CHECK-NEXT: %[[LOAD:.*]] = kernel.load %[[H]][%[[ROW2]], %[[LANE]]]
// CHECK-NEXT: %[[EXTF2:.*]] = arith.extf %[[LOAD]] : bf16 to f32
// CHECK-NEXT: %[[ROW_SUM:.*]] = kernel.row_sum %[[H_SQUARES]][%[[ROW2]]]
// CHECK-NEXT: %[[DIVF:.*]] = arith.divf %[[EXTF2]], %[[ROW_SUM]] : f32
// CHECK-NEXT: %[[TRUNCF2:.*]] = arith.truncf %[[DIVF]] : f32 to bf16
// CHECK-NEXT: kernel.store %[[TRUNCF2]], %[[N]][%[[ROW2]], %[[LANE]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
!x = !kernel.view<["T", 48], bf16>
!w = !kernel.view<[48, 48], bf16>
lm.weight @o from ["o"] : tensor<48x48xbf16> through [] : tensor<48x48xbf16>
kernel.program @step function step max_tokens 16 {
  %in = kernel.buffer "in" : !x
  %o = kernel.weight @o : !w
  %h = kernel.buffer "h" : !x
  %n = kernel.buffer "n" : !x
  kernel.gemm rows "T" product %in : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %h[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 48 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x0 = kernel.load %h[%row, %lane] : !x
    %x = arith.extf %x0 : bf16 to f32
    %square = arith.mulf %x, %x : f32
    %sum = kernel.sum %square : f32
    %y = arith.divf %x, %sum : f32
    %v = arith.truncf %y : f32 to bf16
    kernel.store %v, %n[%row, %lane] : !x
  }
}
