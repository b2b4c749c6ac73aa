// A row that a map makes of one other is computed where it is read.
//
// RUN: yupana-opt %s --yupana-fix-roundings --yupana-inline-producers --split-input-file | FileCheck %s

// A norm, whose sum is a row's, in the input of a gemm, where it is rounded once, and in a map, which widened what it
// read and so takes it unrounded.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[H:.*]] = kernel.buffer "h"
// CHECK: %[[SQUARES:.*]] = kernel.buffer "squares"
// CHECK: %[[W_GAIN:.*]] = kernel.weight @gain
// CHECK: %[[W_Q:.*]] = kernel.weight @q
// CHECK: %[[Y:.*]] = kernel.buffer "y"
// CHECK: %[[Z:.*]] = kernel.buffer "z"
// CHECK: kernel.gemm rows "T" product {
// CHECK-NEXT: ^bb0(%[[ROW:[^ ]*]]: index, %[[K:[^ ]*]]: index):
// CHECK-NEXT: %[[LOAD:.*]] = kernel.load %[[H]][%[[ROW]], %[[K]]]
// CHECK-NEXT: %[[EXTF:.*]] = arith.extf %[[LOAD]] : bf16 to f32
// CHECK-NEXT: %[[ROW_SUM:.*]] = kernel.row_sum %[[SQUARES]][%[[ROW]]]
// CHECK-NEXT: %[[DIVF:.*]] = arith.divf %[[EXTF]], %[[ROW_SUM]] : f32
// CHECK-NEXT: %[[LOAD2:.*]] = kernel.load %[[W_GAIN]][%[[K]]]
// CHECK-NEXT: %[[MULF:.*]] = arith.mulf %[[DIVF]], %[[LOAD2]] : f32
// CHECK-NEXT: %[[TRUNCF:.*]] = arith.truncf %[[MULF]] : f32 to bf16
// CHECK-NEXT: kernel.yield %[[TRUNCF]] : bf16
// CHECK-NEXT: } times %[[W_Q]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[ACC:[^ ]*]]: f32, %[[ROW2:[^ ]*]]: index, %[[FEATURE:[^ ]*]]: index):
// CHECK-NEXT: %[[TRUNCF2:.*]] = arith.truncf %[[ACC]] : f32 to bf16
// CHECK-NEXT: kernel.store %[[TRUNCF2]], %[[Y]][%[[ROW2]], %[[FEATURE]]]
// CHECK-NEXT: }
// CHECK-NEXT: kernel.map rows "T" groups 1 width 64 {
// CHECK-NEXT: ^bb0(%[[ROW3:[^ ]*]]: index, %[[GROUP:[^ ]*]]: index, %[[LANE:[^ ]*]]: index):
// CHECK-NEXT: %[[LOAD3:.*]] = kernel.load %[[H]][%[[ROW3]], %[[LANE]]]
// CHECK-NEXT: %[[EXTF2:.*]] = arith.extf %[[LOAD3]] : bf16 to f32
// CHECK-NEXT: %[[ROW_SUM2:.*]] = kernel.row_sum %[[SQUARES]][%[[ROW3]]]
// CHECK-NEXT: %[[DIVF2:.*]] = arith.divf %[[EXTF2]], %[[ROW_SUM2]] : f32
// CHECK-NEXT: %[[LOAD4:.*]] = kernel.load %[[W_GAIN]][%[[LANE]]]
// CHECK-NEXT: %[[MULF2:.*]] = arith.mulf %[[DIVF2]], %[[LOAD4]] : f32
// CHECK-NEXT: %[[NEGF:.*]] = arith.negf %[[MULF2]] : f32
// CHECK-NEXT: %[[TRUNCF3:.*]] = arith.truncf %[[NEGF]] : f32 to bf16
// CHECK-NEXT: kernel.store %[[TRUNCF3]], %[[Z]][%[[ROW3]], %[[LANE]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
!x = !kernel.view<["T", 64], bf16>
!w = !kernel.view<[64, 64], bf16>
!s = !kernel.view<["T", 2], f32>
!g = !kernel.view<[64], f32>
lm.weight @gain from ["gain"] : tensor<64xf32> through [] : tensor<64xf32>
lm.weight @q from ["q"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
kernel.program @step function step max_tokens 16 {
  %h = kernel.buffer "h" : !x
  %squares = kernel.buffer "squares" : !s
  %gain = kernel.weight @gain : !g
  %q = kernel.weight @q : !w
  %n = kernel.buffer "n" : !x
  %y = kernel.buffer "y" : !x
  %z = kernel.buffer "z" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %h[%row, %lane] : !x
    %v = arith.extf %v0 : bf16 to f32
    %sum = kernel.row_sum %squares[%row] : !s
    %scaled = arith.divf %v, %sum : f32
    %g = kernel.load %gain[%lane] : !g
    %product = arith.mulf %scaled, %g : f32
    %rounded = arith.truncf %product : f32 to bf16
    kernel.store %rounded, %n[%row, %lane] : !x
  }
  kernel.gemm rows "T" product %n : !x times %q : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %y[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %n[%row, %lane] : !x
    %v = arith.extf %v0 : bf16 to f32
    %negated = arith.negf %v : f32
    %rounded = arith.truncf %negated : f32 to bf16
    kernel.store %rounded, %z[%row, %lane] : !x
  }
}

// -----

// The gather and the score of two experts for each token: what is read along the features is one row, the score is the
// same for all of them.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[EXPERTS:.*]] = kernel.buffer "experts"
// CHECK: %[[SCORES:.*]] = kernel.buffer "scores"
// CHECK: %[[W_UP:.*]] = kernel.weight @up
// CHECK: %[[Y:.*]] = kernel.buffer "y"
// CHECK: kernel.gemm rows "2*T" by %[[EXPERTS]]{{.*}} product {
// CHECK-NEXT: ^bb0(%[[ROW:[^ ]*]]: index, %[[K:[^ ]*]]: index):
// CHECK-NEXT: %[[C2:.*]] = arith.constant 2 : index
// CHECK-NEXT: %[[DIVUI:.*]] = arith.divui %[[ROW]], %[[C2]] : index
// CHECK-NEXT: %[[REMUI:.*]] = arith.remui %[[ROW]], %[[C2]] : index
// CHECK-NEXT: %[[LOAD:.*]] = kernel.load %[[X]][%[[DIVUI]], %[[K]]]
// CHECK-NEXT: %[[LOAD2:.*]] = kernel.load %[[SCORES]][%[[DIVUI]], %[[REMUI]]]
// CHECK-NEXT: %[[MULF:.*]] = arith.mulf %[[LOAD]], %[[LOAD2]] : f32
// CHECK-NEXT: kernel.yield %[[MULF]] : f32
// CHECK-NEXT: } times %[[W_UP]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[ACC:[^ ]*]]: f32, %[[ROW2:[^ ]*]]: index, %[[FEATURE:[^ ]*]]: index):
// CHECK-NEXT: kernel.store %[[ACC]], %[[Y]][%[[ROW2]], %[[FEATURE]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
!x = !kernel.view<["T", 64], f32>
!d = !kernel.view<["2*T", 64], f32>
!y = !kernel.view<["2*T", 32], f32>
!e = !kernel.view<["T", 2], i32>
!s = !kernel.view<["T", 2], f32>
!w = !kernel.view<[4, 32, 64], f32>
lm.weight @up from ["up"] : tensor<4x32x64xf32> through [] : tensor<4x32x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %experts = kernel.buffer "experts" : !e
  %scores = kernel.buffer "scores" : !s
  %up = kernel.weight @up : !w
  %d = kernel.buffer "d" : !d
  %y = kernel.buffer "y" : !y
  kernel.map rows "2*T" groups 1 width 64 {
  ^bb0(%pair: index, %group: index, %lane: index):
    %two = arith.constant 2 : index
    %token = arith.divui %pair, %two : index
    %choice = arith.remui %pair, %two : index
    %v = kernel.load %x[%token, %lane] : !x
    %score = kernel.load %scores[%token, %choice] : !s
    %scaled = arith.mulf %v, %score : f32
    kernel.store %scaled, %d[%pair, %lane] : !d
  }
  kernel.gemm rows "2*T" by %experts : !e product %d : !d times %up : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %y[%row, %feature] : !y
  }
}

// -----

// A map in groups, read by a map of other rows.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[LOGIT_ROWS:.*]] = kernel.input logit_rows
// CHECK: %[[H:.*]] = kernel.buffer "h"
// CHECK: %[[LAST:.*]] = kernel.buffer "last"
// CHECK: kernel.map rows "R" groups 1 width 64 {
// CHECK-NEXT: ^bb0(%[[ROW:[^ ]*]]: index, %[[GROUP:[^ ]*]]: index, %[[LANE:[^ ]*]]: index):
// CHECK-NEXT: %[[LOAD:.*]] = kernel.load %[[LOGIT_ROWS]][%[[ROW]]]
// CHECK-NEXT: %[[INDEX_CASTUI:.*]] = arith.index_castui %[[LOAD]] : i32 to index
// CHECK-NEXT: %[[LOAD2:.*]] = kernel.load %[[H]][%[[INDEX_CASTUI]], %[[LANE]]]
// CHECK-NEXT: %[[MULF:.*]] = arith.mulf %[[LOAD2]], %[[LOAD2]] : f32
// CHECK-NEXT: %[[SUM:.*]] = kernel.sum %[[MULF]] : f32
// CHECK-NEXT: kernel.store %[[SUM]], %[[LAST]][%[[ROW]], %[[LANE]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
!x = !kernel.view<["T", 64], f32>
!r = !kernel.view<["R", 64], f32>
!i = !kernel.view<["R"], i32>
kernel.program @step function step max_tokens 16 {
  %rows = kernel.input logit_rows : !i
  %h = kernel.buffer "h" : !x
  %n = kernel.buffer "n" : !x
  %last = kernel.buffer "last" : !r
  kernel.map rows "T" groups 2 width 32 {
  ^bb0(%row: index, %group: index, %lane: index):
    %width = arith.constant 32 : index
    %first = arith.muli %group, %width : index
    %feature = arith.addi %first, %lane : index
    %v = kernel.load %h[%row, %feature] : !x
    %y = arith.mulf %v, %v : f32
    kernel.store %y, %n[%row, %feature] : !x
  }
  kernel.map rows "R" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %t0 = kernel.load %rows[%row] : !i
    %t = arith.index_castui %t0 : i32 to index
    %v = kernel.load %n[%t, %lane] : !x
    %sum = kernel.sum %v : f32
    kernel.store %sum, %last[%row, %lane] : !r
  }
}

// -----

// A reader that did not add up now adds a row as its producer states it.
// CHECK: kernel.map rows "T" groups 1 width 64 attributes {numerics = #kernel.numerics<partials = 16>}
// CHECK: kernel.row_sum
// CHECK-NOT: kernel.map
!x = !kernel.view<["T", 64], f32>
kernel.program @step function step max_tokens 16 {
  %h = kernel.buffer "h" : !x
  %n = kernel.buffer "n" : !x
  %y = kernel.buffer "y" : !x
  kernel.map rows "T" groups 1 width 64 attributes {numerics = #kernel.numerics<partials = 16>} {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %h[%row, %lane] : !x
    %1 = kernel.row_sum %h[%row] : !x
    %2 = arith.divf %0, %1 : f32
    kernel.store %2, %n[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %n[%row, %lane] : !x
    kernel.store %0, %y[%row, %lane] : !x
  }
}
