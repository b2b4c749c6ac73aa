// RUN: yupana-opt %s --yupana-hoist-row-scale="force=true target=x86-64-v3" --split-input-file | FileCheck %s
// GPUs ask for it.
// RUN: yupana-opt %s --yupana-hoist-row-scale=target=sm_90a --split-input-file | FileCheck %s

// The score goes from the input to both accumulators of a pair, in front of what the body does with them.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[SCORES:.*]] = kernel.buffer "scores"
// CHECK: kernel.gemm rows "T" by %{{.*}} pairs 32 by 16 product %[[X]]
// CHECK-NEXT: ^bb0(%[[GATE:.*]]: f32, %[[UP:.*]]: f32, %[[ROW:.*]]: index, %{{.*}}: index):
// CHECK: %[[SCORE:.*]] = kernel.load %[[SCORES]][%[[ROW]], %{{.*}}]
// CHECK: %[[SCALED_GATE:.*]] = arith.mulf %[[GATE]], %[[SCORE]]
// CHECK: %[[SCALED_UP:.*]] = arith.mulf %[[UP]], %[[SCORE]]
// CHECK: %[[NEGATED:.*]] = arith.negf %[[SCALED_GATE]]
// CHECK: arith.mulf %[[NEGATED]], %[[SCALED_UP]]
!x = !kernel.view<["T", 64], f32>
!e = !kernel.view<["T", 1], i32>
!s = !kernel.view<["T", 1], f32>
!u = !kernel.view<[4, 64, 64], f32>
!i = !kernel.view<["T", 32], f32>
lm.weight @up from ["up"] : tensor<4x64x64xf32> through [] : tensor<4x64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %experts = kernel.buffer "experts" : !e
  %scores = kernel.buffer "scores" : !s
  %y = kernel.buffer "y" : !i
  %w = kernel.weight @up : !u
  kernel.gemm rows "T" by %experts : !e pairs 32 by 16 product {
  ^bb0(%row: index, %k: index):
    %zero = arith.constant 0 : index
    %a = kernel.load %x[%row, %k] : !x
    %b = kernel.load %scores[%row, %zero] : !s
    %c = arith.mulf %a, %b : f32
    kernel.yield %c : f32
  } times %w : !u {
  ^bb0(%gate: f32, %up: f32, %row: index, %feature: index):
    %a = arith.negf %gate : f32
    %b = arith.mulf %a, %up : f32
    kernel.store %b, %y[%row, %feature] : !i
  }
}

// -----

// From the map that dispatches rows, too, which then does no more than gather; here in bfloat16, whose elements need no
// second rounding. The factor may be a computation.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[SCORES:.*]] = kernel.buffer "scores"
// CHECK: %[[ROWS:.*]] = kernel.buffer "rows"
// CHECK: kernel.map rows "2*T"
// CHECK: %[[ELEMENT:.*]] = kernel.load %[[X]]
// CHECK-NEXT: kernel.store %[[ELEMENT]], %[[ROWS]]
// CHECK-NEXT: }
// CHECK: kernel.gemm rows "2*T" by %{{.*}} product %[[ROWS]]
// CHECK-NEXT: ^bb0(%[[ACC:.*]]: f32, %[[ROW:.*]]: index, %{{.*}}: index):
// CHECK: %[[TOKEN:.*]] = arith.divui %[[ROW]]
// CHECK: %[[CHOICE:.*]] = arith.remui %[[ROW]]
// CHECK: %[[SCORE:.*]] = kernel.load %[[SCORES]][%[[TOKEN]], %[[CHOICE]]]
// CHECK: %[[FACTOR:.*]] = math.sqrt %[[SCORE]]
// CHECK: %[[SCALED:.*]] = arith.mulf %[[ACC]], %[[FACTOR]]
// CHECK: kernel.store %[[SCALED]]
!x = !kernel.view<["T", 64], bf16>
!e = !kernel.view<["T", 2], i32>
!s = !kernel.view<["T", 2], f32>
!r = !kernel.view<["2*T", 64], bf16>
!y = !kernel.view<["2*T", 64], f32>
!u = !kernel.view<[4, 64, 64], bf16>
lm.weight @up from ["up"] : tensor<4x64x64xbf16> through [] : tensor<4x64x64xbf16>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %experts = kernel.buffer "experts" : !e
  %scores = kernel.buffer "scores" : !s
  %rows = kernel.buffer "rows" : !r
  %y = kernel.buffer "y" : !y
  %w = kernel.weight @up : !u
  kernel.map rows "2*T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %two = arith.constant 2 : index
    %token = arith.divui %row, %two : index
    %choice = arith.remui %row, %two : index
    %a = kernel.load %x[%token, %lane] : !x
    %b = arith.extf %a : bf16 to f32
    %c = kernel.load %scores[%token, %choice] : !s
    %d = math.sqrt %c : f32
    %e = arith.mulf %d, %b : f32
    %f = arith.truncf %e : f32 to bf16
    kernel.store %f, %rows[%row, %lane] : !r
  }
  kernel.gemm rows "2*T" by %experts : !e product %rows : !r times %w : !u {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %y[%row, %feature] : !y
  }
}
