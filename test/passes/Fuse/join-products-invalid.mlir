// Where products stay apart the module stays as it is.
//
// RUN: yupana-opt %s --split-input-file > %t.before
// RUN: yupana-opt %s --yupana-join-products=target=x86-64-v3 --split-input-file > %t.after
// RUN: diff %t.before %t.after

// With many tokens the weight of the second product would be read once for every expert that is hit.
!x = !kernel.view<["T", 32], f32>
!y = !kernel.view<["T", 64], f32>
!e = !kernel.view<["T", 1], i32>
!w = !kernel.view<[4, 64, 32], f32>
!v = !kernel.view<[64, 48], f32>
!z = !kernel.view<["T", 48], f32>
lm.weight @down from ["down"] : tensor<4x64x32xf32> through [] : tensor<4x64x32xf32>
lm.weight @shared_down from ["shared_down"] : tensor<64x48xf32> through [] : tensor<64x48xf32>
lm.weight @bias from ["bias"] : tensor<64xf32> through [] : tensor<64xf32>
kernel.program @step function step max_tokens 16 {
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

// Another kernel reads one of the results.
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
  %d = kernel.buffer "d" : !y
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
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !y
    kernel.store %v, %d[%row, %lane] : !y
  }
}

// -----

// Another program reads one of the results: they share it by its name.
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
kernel.program @sample function sample max_tokens 1 {
  %a = kernel.buffer "a" : !y
  %z = kernel.buffer "z" : !y
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !y
    kernel.store %v, %z[%row, %lane] : !y
  }
}

// -----

// Two choices of experts: one gemm has one.
!x = !kernel.view<["T", 32], f32>
!y = !kernel.view<["T", 64], f32>
!e = !kernel.view<["T", 1], i32>
!w = !kernel.view<[4, 64, 32], f32>
!v = !kernel.view<[4, 64, 48], f32>
!z = !kernel.view<["T", 48], f32>
lm.weight @down from ["down"] : tensor<4x64x32xf32> through [] : tensor<4x64x32xf32>
lm.weight @shared_down from ["shared_down"] : tensor<4x64x48xf32> through [] : tensor<4x64x48xf32>
lm.weight @bias from ["bias"] : tensor<64xf32> through [] : tensor<64xf32>
kernel.program @step function step max_tokens 1 {
  %x = kernel.buffer "x" : !x
  %z = kernel.buffer "z" : !z
  %experts = kernel.buffer "experts" : !e
  %others = kernel.buffer "others" : !e
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
  kernel.gemm rows "T" by %others : !e product {
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

// The products have different numbers of experts to choose from.
!x = !kernel.view<["T", 32], f32>
!y = !kernel.view<["T", 64], f32>
!e = !kernel.view<["T", 1], i32>
!w = !kernel.view<[4, 64, 32], f32>
!v = !kernel.view<[8, 64, 48], f32>
!z = !kernel.view<["T", 48], f32>
lm.weight @down from ["down"] : tensor<4x64x32xf32> through [] : tensor<4x64x32xf32>
lm.weight @shared_down from ["shared_down"] : tensor<8x64x48xf32> through [] : tensor<8x64x48xf32>
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
  kernel.gemm rows "T" by %experts : !e product {
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

// With two experts per token the rows of the routed product are pairs, those of the map tokens.
!x = !kernel.view<["2*T", 32], f32>
!a = !kernel.view<["2*T", 64], f32>
!y = !kernel.view<["T", 64], f32>
!e = !kernel.view<["T", 2], i32>
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
  %a = kernel.buffer "a" : !a
  %b = kernel.buffer "b" : !y
  %c = kernel.buffer "c" : !y
  kernel.gemm rows "2*T" by %experts : !e product %x : !x times %down : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !a
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
    %two = arith.constant 2 : index
    %pair = arith.muli %row, %two : index
    %routed = kernel.load %a[%pair, %lane] : !a
    %old = kernel.load %residual[%row, %lane] : !y
    %sum = arith.addf %shared, %routed : f32
    %new = arith.addf %old, %sum : f32
    kernel.store %new, %c[%row, %lane] : !y
  }
}

// -----

// The products have weights of two types.
!x = !kernel.view<["T", 32], f32>
!y = !kernel.view<["T", 64], f32>
!e = !kernel.view<["T", 1], i32>
!w = !kernel.view<[4, 64, 32], f32>
!v = !kernel.view<[64, 48], bf16>
!z = !kernel.view<["T", 48], f32>
lm.weight @down from ["down"] : tensor<4x64x32xf32> through [] : tensor<4x64x32xf32>
lm.weight @shared_down from ["shared_down"] : tensor<64x48xbf16> through [] : tensor<64x48xbf16>
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
    %r = arith.truncf %w : f32 to bf16
    kernel.yield %r : bf16
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

// The map takes half of the features alone: as an epilogue it would run for all.
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
  kernel.map rows "T" groups 1 width 32 {
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

// The map reads one of the results at another feature.
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
    %c1 = arith.constant 1 : index
    %next = arith.xori %lane, %c1 : index
    %routed = kernel.load %a[%row, %next] : !y
    %old = kernel.load %residual[%row, %lane] : !y
    %sum = arith.addf %shared, %routed : f32
    %new = arith.addf %old, %sum : f32
    kernel.store %new, %c[%row, %lane] : !y
  }
}

// -----

// The map sums.
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
    %total = kernel.sum %routed : f32
    %sum = arith.addf %shared, %total : f32
    %new = arith.addf %old, %sum : f32
    kernel.store %new, %c[%row, %lane] : !y
  }
}

// -----

// One of the gemms writes a second buffer, which is not the map's.
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
  %d = kernel.buffer "d" : !y
  kernel.gemm rows "T" by %experts : !e product %x : !x times %down : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !y
    kernel.store %acc, %d[%row, %feature] : !y
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

// One gemm has groups for sums.
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
  kernel.gemm rows "T" by %experts : !e group 32 product %x : !x times %down : !w {
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

// One product is added up in ranges of K, the other in one: joined, both would have the numerics of one op.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @v from ["v"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @w from ["w"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 1 {
  %x = kernel.buffer "x" : !x
  %v = kernel.weight @v : !w
  %w = kernel.weight @w : !w
  %a = kernel.buffer "a" : !x
  %b = kernel.buffer "b" : !x
  %c = kernel.buffer "c" : !x
  kernel.gemm rows "T" attributes {numerics = #kernel.numerics<range = 32, order = ascending, partials = 16>} product %x : !x times %v : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.gemm rows "T" attributes {numerics = #kernel.numerics<range = all, order = ascending, partials = 16>} product %x : !x times %w : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %b[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %a[%row, %lane] : !x
    %1 = kernel.load %b[%row, %lane] : !x
    %2 = arith.addf %0, %1 : f32
    kernel.store %2, %c[%row, %lane] : !x
  }
}
