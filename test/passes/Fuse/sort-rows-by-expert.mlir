// RUN: yupana-opt %s --yupana-sort-rows-by-expert="force=true target=x86-64-v3" --split-input-file | FileCheck %s

// Two experts a token of four: a dispatch gathers and scales into place, the two products of an expert hand rows over in
// that order, and the last scatters them for a combine that stays where it was.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[EXPERTS:.*]] = kernel.buffer "experts"
// CHECK: %[[SCORES:.*]] = kernel.buffer "scores"
// CHECK: %[[ROWS:.*]] = kernel.buffer "rows" : !kernel.view<["2*T+28", 64], f32, "rows128">
// CHECK: %[[INNER:.*]] = kernel.buffer "inner" : !kernel.view<["2*T+28", 32], f32, "rows128">
// CHECK: %[[DOWN:.*]] = kernel.buffer "down" : !kernel.view<["2*T", 64], f32>
// CHECK: %[[OFFSETS:.*]] = kernel.buffer "experts.offsets" : !kernel.view<[5], i32>
// CHECK: %[[ORDER:.*]] = kernel.buffer "experts.order" : !kernel.view<["2*T+28"], i32>
// CHECK: kernel.route
// CHECK-NEXT: kernel.group %[[EXPERTS]] into %[[OFFSETS]], %[[ORDER]] alignment 8
// CHECK: kernel.map rows "2*T+28" groups 1 width 64 {
// CHECK-NEXT: ^bb0(%[[PLACE:.*]]: index, %{{.*}}: index, %[[LANE:.*]]: index):
// CHECK-NEXT: %[[FOUND:.*]] = kernel.load %[[ORDER]][%[[PLACE]]]
// CHECK-NEXT: %[[ZERO:.*]] = arith.constant 0 : i32
// CHECK-NEXT: %[[SAFE:.*]] = arith.maxsi %[[FOUND]], %[[ZERO]]
// CHECK-NEXT: %[[PAIR:.*]] = arith.index_castui %[[SAFE]]
// CHECK: %[[TOKEN:.*]] = arith.divui %[[PAIR]]
// CHECK: %[[CHOICE:.*]] = arith.remui %[[PAIR]]
// CHECK: kernel.load %[[X]][%[[TOKEN]], %[[LANE]]]
// CHECK: kernel.load %[[SCORES]][%[[TOKEN]], %[[CHOICE]]]
// CHECK: kernel.store %{{.*}}, %[[ROWS]][%[[PLACE]], %[[LANE]]]
// CHECK: kernel.gemm rows "2*T+28" by %[[OFFSETS]] : !kernel.view<[5], i32> sorted %[[ORDER]] : !kernel.view<["2*T+28"], i32> pairs 32 by 16 product %[[ROWS]]
// CHECK-NEXT: ^bb0(%{{.*}}: f32, %{{.*}}: f32, %[[PLACE:.*]]: index, %[[FEATURE:.*]]: index):
// CHECK: kernel.store %{{.*}}, %[[INNER]][%[[PLACE]], %[[FEATURE]]]
// CHECK: kernel.gemm rows "2*T+28" by %[[OFFSETS]] : !kernel.view<[5], i32> sorted %[[ORDER]] : !kernel.view<["2*T+28"], i32> product %[[INNER]]
// CHECK-NEXT: ^bb0(%[[ACC:.*]]: f32, %[[PLACE:.*]]: index, %[[FEATURE:.*]]: index):
// CHECK-NEXT: %[[FOUND:.*]] = kernel.load %[[ORDER]][%[[PLACE]]]
// CHECK-NEXT: %[[PAIR:.*]] = arith.index_castui %[[FOUND]]
// CHECK-NEXT: kernel.store %[[ACC]], %[[DOWN]][%[[PAIR]], %[[FEATURE]]]
// CHECK: kernel.map rows "T" groups 1 width 64
!x = !kernel.view<["T", 64], f32>
!l = !kernel.view<["T", 4], f32>
!e = !kernel.view<["T", 2], i32>
!s = !kernel.view<["T", 2], f32>
!p = !kernel.view<["2*T", 64], f32>
!i = !kernel.view<["2*T", 32], f32>
!u = !kernel.view<[4, 64, 64], f32, "panel32">
!d = !kernel.view<[4, 64, 32], f32, "panel32">
lm.weight @up from ["up"] : tensor<4x64x64xf32> through [#lm.pack<"panel32">] : tensor<4x64x64xf32>
lm.weight @down from ["down"] : tensor<4x64x32xf32> through [#lm.pack<"panel32">] : tensor<4x64x32xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %logits = kernel.buffer "scored" : !l
  %experts = kernel.buffer "experts" : !e
  %scores = kernel.buffer "scores" : !s
  %rows = kernel.buffer "rows" : !p
  %inner = kernel.buffer "inner" : !i
  %down = kernel.buffer "down" : !p
  %y = kernel.buffer "y" : !x
  %w_up = kernel.weight @up : !u
  %w_down = kernel.weight @down : !d
  kernel.route rows "T" logits %logits : !l into %experts, %scores top 2 score softmax : !e, !s
  kernel.map rows "2*T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %two = arith.constant 2 : index
    %token = arith.divui %row, %two : index
    %choice = arith.remui %row, %two : index
    %a = kernel.load %x[%token, %lane] : !x
    %b = kernel.load %scores[%token, %choice] : !s
    %c = arith.mulf %a, %b : f32
    kernel.store %c, %rows[%row, %lane] : !p
  }
  kernel.gemm rows "2*T" by %experts : !e pairs 32 by 16 product %rows : !p times %w_up : !u {
  ^bb0(%gate: f32, %up: f32, %row: index, %feature: index):
    %a = arith.mulf %gate, %up : f32
    kernel.store %a, %inner[%row, %feature] : !i
  }
  kernel.gemm rows "2*T" by %experts : !e product %inner : !i times %w_down : !d {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %down[%row, %feature] : !p
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %two = arith.constant 2 : index
    %one = arith.constant 1 : index
    %first = arith.muli %row, %two : index
    %second = arith.addi %first, %one : index
    %a = kernel.load %down[%first, %lane] : !p
    %b = kernel.load %down[%second, %lane] : !p
    %c = arith.addf %a, %b : f32
    kernel.store %c, %y[%row, %lane] : !x
  }
}

// -----

// Rows that something else reads, too, stay in the order of the tokens: the product gathers them itself.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x" : !kernel.view<["T", 64], f32>
// CHECK: %[[Y:.*]] = kernel.buffer "y" : !kernel.view<["T", 64], f32>
// CHECK: %[[ORDER:.*]] = kernel.buffer "experts.order" : !kernel.view<["T+28"], i32>
// CHECK: kernel.map rows "T" groups 1 width 64
// CHECK: kernel.gemm rows "T+28" by {{.*}} sorted %[[ORDER]] : {{.*}} product {
// CHECK-NEXT: ^bb0(%[[PLACE:.*]]: index, %[[K:.*]]: index):
// CHECK-NEXT: %[[FOUND:.*]] = kernel.load %[[ORDER]][%[[PLACE]]]
// CHECK-NEXT: %[[PAIR:.*]] = arith.index_castui %[[FOUND]]
// CHECK-NEXT: %[[LOADED:.*]] = kernel.load %[[X]][%[[PAIR]], %[[K]]]
// CHECK-NEXT: kernel.yield %[[LOADED]]
// CHECK: ^bb0(%[[ACC:.*]]: f32, %[[PLACE:.*]]: index, %[[FEATURE:.*]]: index):
// CHECK-NEXT: %[[FOUND:.*]] = kernel.load %[[ORDER]][%[[PLACE]]]
// CHECK-NEXT: %[[PAIR:.*]] = arith.index_castui %[[FOUND]]
// CHECK-NEXT: kernel.store %[[ACC]], %[[Y]][%[[PAIR]], %[[FEATURE]]]
!x = !kernel.view<["T", 64], f32>
!l = !kernel.view<["T", 4], f32>
!e = !kernel.view<["T", 1], i32>
!s = !kernel.view<["T", 1], f32>
!u = !kernel.view<[4, 64, 64], f32, "panel32">
lm.weight @up from ["up"] : tensor<4x64x64xf32> through [#lm.pack<"panel32">] : tensor<4x64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %logits = kernel.buffer "scored" : !l
  %experts = kernel.buffer "experts" : !e
  %scores = kernel.buffer "scores" : !s
  %y = kernel.buffer "y" : !x
  %z = kernel.buffer "z" : !x
  %w = kernel.weight @up : !u
  kernel.route rows "T" logits %logits : !l into %experts, %scores top 1 score sigmoid : !e, !s
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %a = arith.constant 1.0 : f32
    kernel.store %a, %x[%row, %lane] : !x
  }
  kernel.gemm rows "T" by %experts : !e product %x : !x times %w : !u {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %y[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %a = kernel.load %x[%row, %lane] : !x
    %b = kernel.load %y[%row, %lane] : !x
    %c = arith.addf %a, %b : f32
    kernel.store %c, %z[%row, %lane] : !x
  }
}
