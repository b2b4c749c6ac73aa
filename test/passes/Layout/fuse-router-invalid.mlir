// Where logits stay a buffer the module stays as it is.
//
// RUN: yupana-opt %s --split-input-file > %t.before
// RUN: yupana-opt %s --yupana-fuse-router --split-input-file > %t.after
// RUN: diff %t.before %t.after

// Another kernel reads the logits.
!x = !kernel.view<["T", 64], f32>
!l = !kernel.view<["T", 4], f32>
!e = !kernel.view<["T", 1], i32>
!s = !kernel.view<["T", 1], f32>
!w = !kernel.view<[4, 64], f32>
lm.weight @router from ["router"] : tensor<4x64xf32> through [] : tensor<4x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %router = kernel.weight @router : !w
  %logits = kernel.buffer "scored" : !l
  %z = kernel.buffer "z" : !l
  %experts = kernel.buffer "experts" : !e
  %scores = kernel.buffer "scores" : !s
  kernel.gemm rows "T" product %x : !x times %router : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %logits[%row, %feature] : !l
  }
  kernel.route rows "T" logits %logits : !l into %experts, %scores top 1 score sigmoid : !e, !s
  kernel.map rows "T" groups 1 width 4 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %logits[%row, %lane] : !l
    kernel.store %v, %z[%row, %lane] : !l
  }
}

// -----

// Another program reads the logits: they share them by their name.
!x = !kernel.view<["T", 64], f32>
!l = !kernel.view<["T", 4], f32>
!e = !kernel.view<["T", 1], i32>
!s = !kernel.view<["T", 1], f32>
!w = !kernel.view<[4, 64], f32>
lm.weight @router from ["router"] : tensor<4x64xf32> through [] : tensor<4x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %router = kernel.weight @router : !w
  %logits = kernel.buffer "scored" : !l
  %experts = kernel.buffer "experts" : !e
  %scores = kernel.buffer "scores" : !s
  kernel.gemm rows "T" product %x : !x times %router : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %logits[%row, %feature] : !l
  }
  kernel.route rows "T" logits %logits : !l into %experts, %scores top 1 score sigmoid : !e, !s
}
kernel.program @sample function sample max_tokens 16 {
  %a = kernel.buffer "scored" : !l
  %z = kernel.buffer "z" : !l
  kernel.map rows "T" groups 1 width 4 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !l
    kernel.store %v, %z[%row, %lane] : !l
  }
}

// -----

// The gemm adds a bias: what it stores is not the accumulator.
!x = !kernel.view<["T", 64], f32>
!l = !kernel.view<["T", 4], f32>
!e = !kernel.view<["T", 1], i32>
!s = !kernel.view<["T", 1], f32>
!w = !kernel.view<[4, 64], f32>
lm.weight @router from ["router"] : tensor<4x64xf32> through [] : tensor<4x64xf32>
lm.weight @bias from ["bias"] : tensor<4xf32> through [] : tensor<4xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %router = kernel.weight @router : !w
  %bias = kernel.weight @bias : !kernel.view<[4], f32>
  %logits = kernel.buffer "scored" : !l
  %experts = kernel.buffer "experts" : !e
  %scores = kernel.buffer "scores" : !s
  kernel.gemm rows "T" product %x : !x times %router : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %by = kernel.load %bias[%feature] : !kernel.view<[4], f32>
    %sum = arith.addf %acc, %by : f32
    kernel.store %sum, %logits[%row, %feature] : !l
  }
  kernel.route rows "T" logits %logits : !l into %experts, %scores top 1 score sigmoid : !e, !s
}

// -----

// The gemm stores the logits of a row in another order.
!x = !kernel.view<["T", 64], f32>
!l = !kernel.view<["T", 4], f32>
!e = !kernel.view<["T", 1], i32>
!s = !kernel.view<["T", 1], f32>
!w = !kernel.view<[4, 64], f32>
lm.weight @router from ["router"] : tensor<4x64xf32> through [] : tensor<4x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %router = kernel.weight @router : !w
  %logits = kernel.buffer "scored" : !l
  %experts = kernel.buffer "experts" : !e
  %scores = kernel.buffer "scores" : !s
  kernel.gemm rows "T" product %x : !x times %router : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %c1 = arith.constant 1 : index
    %other = arith.xori %feature, %c1 : index
    kernel.store %acc, %logits[%row, %other] : !l
  }
  kernel.route rows "T" logits %logits : !l into %experts, %scores top 1 score sigmoid : !e, !s
}

// -----

// The gemm stores something else besides.
!x = !kernel.view<["T", 64], f32>
!l = !kernel.view<["T", 4], f32>
!e = !kernel.view<["T", 1], i32>
!s = !kernel.view<["T", 1], f32>
!w = !kernel.view<[4, 64], f32>
lm.weight @router from ["router"] : tensor<4x64xf32> through [] : tensor<4x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %router = kernel.weight @router : !w
  %logits = kernel.buffer "scored" : !l
  %z = kernel.buffer "z" : !l
  %experts = kernel.buffer "experts" : !e
  %scores = kernel.buffer "scores" : !s
  kernel.gemm rows "T" product %x : !x times %router : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %logits[%row, %feature] : !l
    kernel.store %acc, %z[%row, %feature] : !l
  }
  kernel.route rows "T" logits %logits : !l into %experts, %scores top 1 score sigmoid : !e, !s
}

// -----

// A second gemm multiplies by the router in panels, and one weight has one form: the tied weights of a head, say.
!x = !kernel.view<["T", 64], f32>
!l = !kernel.view<["T", 4], f32>
!e = !kernel.view<["T", 1], i32>
!s = !kernel.view<["T", 1], f32>
!w = !kernel.view<[4, 64], f32>
lm.weight @router from ["router"] : tensor<4x64xf32> through [] : tensor<4x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %router = kernel.weight @router : !w
  %logits = kernel.buffer "scored" : !l
  %again = kernel.weight @router : !w
  %z = kernel.buffer "z" : !l
  %experts = kernel.buffer "experts" : !e
  %scores = kernel.buffer "scores" : !s
  kernel.gemm rows "T" product %x : !x times %router : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %logits[%row, %feature] : !l
  }
  kernel.route rows "T" logits %logits : !l into %experts, %scores top 1 score sigmoid : !e, !s
  kernel.gemm rows "T" product %x : !x times %again : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %z[%row, %feature] : !l
  }
}

// -----

// Two products make the logits.
!x = !kernel.view<["T", 64], f32>
!l = !kernel.view<["T", 4], f32>
!e = !kernel.view<["T", 1], i32>
!s = !kernel.view<["T", 1], f32>
!w = !kernel.view<[4, 64], f32>
lm.weight @router from ["router"] : tensor<4x64xf32> through [] : tensor<4x64xf32>
lm.weight @second from ["second"] : tensor<4x64xf32> through [] : tensor<4x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %router = kernel.weight @router : !w
  %second = kernel.weight @second : !w
  %logits = kernel.buffer "scored" : !l
  %experts = kernel.buffer "experts" : !e
  %scores = kernel.buffer "scores" : !s
  kernel.gemm rows "T" product %x : !x times %router : !w product %x : !x times %second : !w {
  ^bb0(%acc: f32, %more: f32, %row: index, %feature: index):
    kernel.store %acc, %logits[%row, %feature] : !l
  }
  kernel.route rows "T" logits %logits : !l into %experts, %scores top 1 score sigmoid : !e, !s
}

// -----

// Nothing of the program writes the logits: an earlier program does.
!x = !kernel.view<["T", 64], f32>
!l = !kernel.view<["T", 4], f32>
!e = !kernel.view<["T", 1], i32>
!s = !kernel.view<["T", 1], f32>
!w = !kernel.view<[4, 64], f32>
lm.weight @router from ["router"] : tensor<4x64xf32> through [] : tensor<4x64xf32>
kernel.program @step function step max_tokens 16 {
  %logits = kernel.buffer "scored" : !l
  %experts = kernel.buffer "experts" : !e
  %scores = kernel.buffer "scores" : !s
  kernel.route rows "T" logits %logits : !l into %experts, %scores top 1 score sigmoid : !e, !s
}
