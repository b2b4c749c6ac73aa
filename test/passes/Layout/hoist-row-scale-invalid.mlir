// Where a factor stays with the input the module stays as it is.
//
// RUN: yupana-opt %s --split-input-file > %t.before
// RUN: yupana-opt %s --yupana-hoist-row-scale="force=true target=x86-64-v3" --split-input-file > %t.after
// RUN: diff %t.before %t.after
// RUN: not yupana-opt %s --yupana-hoist-row-scale=target=pdp-11 --split-input-file 2>&1 | FileCheck %s --check-prefix=UNKNOWN
//
// x86 scales inputs, unless it is told not to.
// RUN: yupana-opt %S/hoist-row-scale.mlir --split-input-file > %t.before
// RUN: yupana-opt %S/hoist-row-scale.mlir --yupana-hoist-row-scale=target=x86-64-v3 --split-input-file > %t.after
// RUN: diff %t.before %t.after

// UNKNOWN: error: target "pdp-11": no back end, expected one of {{.*}}, x86-64-v3, x86-64-v4, x86-64-v4-amx, x86-64-v4-bf16

// Something follows the multiplication.
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
    %d = arith.addf %c, %b : f32
    kernel.yield %d : f32
  } times %w : !u {
  ^bb0(%gate: f32, %up: f32, %row: index, %feature: index):
    %m = arith.mulf %gate, %up : f32
    kernel.store %m, %y[%row, %feature] : !i
  }
}

// -----

// The factor is another one for every element.
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
    %a = kernel.load %x[%row, %k] : !x
    %b = arith.mulf %a, %a : f32
    kernel.yield %b : f32
  } times %w : !u {
  ^bb0(%gate: f32, %up: f32, %row: index, %feature: index):
    %m = arith.mulf %gate, %up : f32
    kernel.store %m, %y[%row, %feature] : !i
  }
}

// -----

// A constant is no factor of the row.
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
    %a = kernel.load %x[%row, %k] : !x
    %b = arith.constant 2.0 : f32
    %c = arith.mulf %a, %b : f32
    kernel.yield %c : f32
  } times %w : !u {
  ^bb0(%gate: f32, %up: f32, %row: index, %feature: index):
    %m = arith.mulf %gate, %up : f32
    kernel.store %m, %y[%row, %feature] : !i
  }
}

// -----

// The factor is a sum over the lanes of the map, which a body does not have.
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
  %rows = kernel.buffer "rows" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %a = kernel.load %x[%row, %lane] : !x
    %s = kernel.sum %a : f32
    %c = arith.mulf %a, %s : f32
    kernel.store %c, %rows[%row, %lane] : !x
  }
  kernel.gemm rows "T" by %experts : !e pairs 32 by 16 product %rows : !x times %w : !u {
  ^bb0(%gate: f32, %up: f32, %row: index, %feature: index):
    %m = arith.mulf %gate, %up : f32
    kernel.store %m, %y[%row, %feature] : !i
  }
}

// -----

// A map reads the scaled rows, too.
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
  %rows = kernel.buffer "rows" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %zero = arith.constant 0 : index
    %a = kernel.load %x[%row, %lane] : !x
    %b = kernel.load %scores[%row, %zero] : !s
    %c = arith.mulf %a, %b : f32
    kernel.store %c, %rows[%row, %lane] : !x
  }
  kernel.gemm rows "T" by %experts : !e pairs 32 by 16 product %rows : !x times %w : !u {
  ^bb0(%gate: f32, %up: f32, %row: index, %feature: index):
    %m = arith.mulf %gate, %up : f32
    kernel.store %m, %y[%row, %feature] : !i
  }
  %z = kernel.buffer "z" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %a = kernel.load %rows[%row, %lane] : !x
    kernel.store %a, %z[%row, %lane] : !x
  }
}

// -----

// A product does more than read the scaled rows.
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
  %rows = kernel.buffer "rows" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %zero = arith.constant 0 : index
    %a = kernel.load %x[%row, %lane] : !x
    %b = kernel.load %scores[%row, %zero] : !s
    %c = arith.mulf %a, %b : f32
    kernel.store %c, %rows[%row, %lane] : !x
  }
  kernel.gemm rows "T" by %experts : !e pairs 32 by 16 product {
  ^bb0(%row: index, %k: index):
    %a = kernel.load %rows[%row, %k] : !x
    %b = arith.negf %a : f32
    kernel.yield %b : f32
  } times %w : !u {
  ^bb0(%gate: f32, %up: f32, %row: index, %feature: index):
    %m = arith.mulf %gate, %up : f32
    kernel.store %m, %y[%row, %feature] : !i
  }
}

// -----

// A product reads the scaled rows from another row.
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
  %rows = kernel.buffer "rows" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %zero = arith.constant 0 : index
    %a = kernel.load %x[%row, %lane] : !x
    %b = kernel.load %scores[%row, %zero] : !s
    %c = arith.mulf %a, %b : f32
    kernel.store %c, %rows[%row, %lane] : !x
  }
  kernel.gemm rows "T" by %experts : !e pairs 32 by 16 product {
  ^bb0(%row: index, %k: index):
    %zero = arith.constant 0 : index
    %a = kernel.load %rows[%zero, %k] : !x
    kernel.yield %a : f32
  } times %w : !u {
  ^bb0(%gate: f32, %up: f32, %row: index, %feature: index):
    %m = arith.mulf %gate, %up : f32
    kernel.store %m, %y[%row, %feature] : !i
  }
}
