// RUN: yupana-opt %s --canonicalize | FileCheck %s

// Constants that folding makes stay in the scalar region that uses them: a program holds views and launches alone.
// CHECK-LABEL: kernel.program @constants
// CHECK-NOT: arith.constant
// CHECK: kernel.map rows "T"
// CHECK-NEXT: ^bb0(%[[ROW:.*]]: index, %{{.*}}: index, %[[LANE:.*]]: index):
// CHECK-NEXT: %[[SIX:.*]] = arith.constant 6 : index
// CHECK-NEXT: %[[FEATURE:.*]] = arith.addi %[[LANE]], %[[SIX]] : index
// CHECK-NEXT: kernel.load %{{.*}}[%[[ROW]], %[[FEATURE]]]
kernel.program @constants function step max_tokens 16 {
  %a = kernel.buffer "a" : !kernel.view<["T", 64], f32>
  %b = kernel.buffer "b" : !kernel.view<["T", 16], f32>
  kernel.map rows "T" groups 1 width 16 {
  ^bb0(%row: index, %group: index, %lane: index):
    %two = arith.constant 2 : index
    %three = arith.constant 3 : index
    %six = arith.muli %two, %three : index
    %feature = arith.addi %lane, %six : index
    %x = kernel.load %a[%row, %feature] : !kernel.view<["T", 64], f32>
    kernel.store %x, %b[%row, %lane] : !kernel.view<["T", 16], f32>
  }
}

// The same in an input region and in the body of a member of a parallel launch.
// CHECK-LABEL: kernel.program @members
// CHECK: kernel.parallel {
// CHECK-NEXT: kernel.gemm rows "T" product {
// CHECK-NEXT: ^bb0
// CHECK-NEXT: arith.constant 2.500000e-01 : f32
// CHECK: } times %{{.*}} {
// CHECK-NEXT: ^bb0
// CHECK-NEXT: arith.constant 8 : index
kernel.program @members function step max_tokens 16 {
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  %w = kernel.weight @w : !kernel.view<[32, 64], f32>
  %y = kernel.buffer "y" : !kernel.view<["T", 40], f32>
  kernel.parallel {
    kernel.gemm rows "T" product {
    ^bb0(%row: index, %k: index):
      %half = arith.constant 0.5 : f32
      %quarter = arith.mulf %half, %half : f32
      %element = kernel.load %x[%row, %k] : !kernel.view<["T", 64], f32>
      %scaled = arith.mulf %element, %quarter : f32
      kernel.yield %scaled : f32
    } times %w : !kernel.view<[32, 64], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      %four = arith.constant 4 : index
      %eight = arith.addi %four, %four : index
      %place = arith.addi %feature, %eight : index
      kernel.store %acc, %y[%row, %place] : !kernel.view<["T", 40], f32>
    }
  }
}
lm.weight @w from ["w"] : tensor<32x64xf32> through [] : tensor<32x64xf32>

// Naming memory has no effect, and a load has none: what nobody uses goes, of whatever kind, and so does a launch that
// writes nothing. What is written stays, read or not.
// CHECK-LABEL: kernel.program @unused
// CHECK-NEXT: %[[IDS:.*]] = kernel.input token_ids
// CHECK-NEXT: %[[OUT:.*]] = kernel.buffer "out"
// CHECK-NEXT: kernel.map rows "T" groups 1 width 1 {
// CHECK-NEXT: ^bb0(%[[ROW:.*]]: index, %{{.*}}: index, %{{.*}}: index):
// CHECK-NEXT: %[[ID:.*]] = kernel.load %[[IDS]][%[[ROW]]]
// CHECK-NEXT: kernel.store %[[ID]], %[[OUT]][%[[ROW]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
kernel.program @unused function step max_tokens 16 {
  %ids = kernel.input token_ids : !kernel.view<["T"], i32>
  %positions = kernel.input token_positions : !kernel.view<["T"], i32>
  %w = kernel.weight @w : !kernel.view<[32, 64], f32>
  %squares = kernel.buffer "squares" : !kernel.view<["T", 4], f32>
  %out = kernel.buffer "out" : !kernel.view<["T"], i32>
  %k = kernel.cache @c : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
  %pages = kernel.page_table @c : !kernel.view<["S", 16], i32>
  %history = kernel.history : !kernel.view<["N", 1024], i32>
  kernel.map rows "T" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %id = kernel.load %ids[%row] : !kernel.view<["T"], i32>
    %position = kernel.load %positions[%row] : !kernel.view<["T"], i32>
    %sum = kernel.row_sum %squares[%row] : !kernel.view<["T", 4], f32>
    kernel.store %id, %out[%row] : !kernel.view<["T"], i32>
  }
  kernel.map rows "T" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %id = kernel.load %ids[%row] : !kernel.view<["T"], i32>
  }
}
lm.cache @c layer 0 heads 2 width 16 : f32
