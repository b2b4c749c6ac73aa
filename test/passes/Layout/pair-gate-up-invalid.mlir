// Where gate and up are not paired the module stays as it is.
//
// RUN: yupana-opt %s --split-input-file > %t.before
// RUN: yupana-opt %s --yupana-pair-gate-up=target=x86-64-v3 --split-input-file > %t.after
// RUN: diff %t.before %t.after

// Another kernel reads one of the products, which would have to be stored still.
!x = !kernel.view<["T", 64], f32>
!y = !kernel.view<["T", 24], f32>
!w = !kernel.view<[24, 64], f32>
lm.weight @mlp.gate from ["mlp.gate"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
lm.weight @mlp.up from ["mlp.up"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %gate = kernel.weight @mlp.gate : !w
  %up = kernel.weight @mlp.up : !w
  %a = kernel.buffer "a" : !y
  %b = kernel.buffer "b" : !y
  %c = kernel.buffer "c" : !y
  %z = kernel.buffer "z" : !y
  kernel.gemm rows "T" product %x : !x times %gate : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !y
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
  kernel.map rows "T" groups 1 width 24 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !y
    kernel.store %v, %z[%row, %lane] : !y
  }
}

// -----

// The runtime reads one of the products.
!x = !kernel.view<["R", 64], f32>
!y = !kernel.view<["R", 24], f32>
!w = !kernel.view<[24, 64], f32>
lm.weight @mlp.gate from ["mlp.gate"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
lm.weight @mlp.up from ["mlp.up"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %gate = kernel.weight @mlp.gate : !w
  %up = kernel.weight @mlp.up : !w
  %a = kernel.buffer "a" : !y
  %b = kernel.buffer "b" : !y
  %c = kernel.buffer "c" : !y
  kernel.gemm rows "R" product %x : !x times %gate : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !y
  }
  kernel.gemm rows "R" product %x : !x times %up : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %b[%row, %feature] : !y
  }
  kernel.result logits %a : !y
  kernel.map rows "R" groups 1 width 24 {
  ^bb0(%row: index, %group: index, %lane: index):
    %g = kernel.load %a[%row, %lane] : !y
    %u = kernel.load %b[%row, %lane] : !y
    %d = arith.subf %g, %u : f32
    kernel.store %d, %c[%row, %lane] : !y
  }
}

// -----

// Another program reads one of the products: they share it by its name.
!x = !kernel.view<["T", 64], f32>
!y = !kernel.view<["T", 24], f32>
!w = !kernel.view<[24, 64], f32>
lm.weight @mlp.gate from ["mlp.gate"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
lm.weight @mlp.up from ["mlp.up"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %gate = kernel.weight @mlp.gate : !w
  %up = kernel.weight @mlp.up : !w
  %a = kernel.buffer "a" : !y
  %b = kernel.buffer "b" : !y
  %c = kernel.buffer "c" : !y
  kernel.gemm rows "T" product %x : !x times %gate : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !y
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
kernel.program @sample function sample max_tokens 16 {
  %a = kernel.buffer "a" : !y
  %z = kernel.buffer "z" : !y
  kernel.map rows "T" groups 1 width 24 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !y
    kernel.store %v, %z[%row, %lane] : !y
  }
}

// -----

// A second gemm multiplies by one of the weights, and would need it in another form.
!x = !kernel.view<["T", 64], f32>
!y = !kernel.view<["T", 24], f32>
!w = !kernel.view<[24, 64], f32>
lm.weight @mlp.gate from ["mlp.gate"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
lm.weight @mlp.up from ["mlp.up"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %gate = kernel.weight @mlp.gate : !w
  %up = kernel.weight @mlp.up : !w
  %a = kernel.buffer "a" : !y
  %b = kernel.buffer "b" : !y
  %c = kernel.buffer "c" : !y
  %z = kernel.buffer "z" : !y
  kernel.gemm rows "T" product %x : !x times %gate : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !y
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
  kernel.gemm rows "T" product %x : !x times %gate : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %z[%row, %feature] : !y
  }
}

// -----

// A second view names one of the weights.
!x = !kernel.view<["T", 64], f32>
!y = !kernel.view<["T", 24], f32>
!w = !kernel.view<[24, 64], f32>
lm.weight @mlp.gate from ["mlp.gate"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
lm.weight @mlp.up from ["mlp.up"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %gate = kernel.weight @mlp.gate : !w
  %up = kernel.weight @mlp.up : !w
  %a = kernel.buffer "a" : !y
  %b = kernel.buffer "b" : !y
  %c = kernel.buffer "c" : !y
  %z = kernel.buffer "z" : !y
  %again = kernel.weight @mlp.gate : !w
  kernel.gemm rows "T" product %x : !x times %gate : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !y
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
  kernel.gemm rows "T" product %x : !x times %again : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %z[%row, %feature] : !y
  }
}

// -----

// The weights are packed: their rows have their places.
!x = !kernel.view<["T", 64], f32>
!y = !kernel.view<["T", 24], f32>
!w = !kernel.view<[24, 64], f32, "panel32">
lm.weight @mlp.gate from ["mlp.gate"] : tensor<24x64xf32> through [#lm.pack<"panel32">] : tensor<24x64xf32>
lm.weight @mlp.up from ["mlp.up"] : tensor<24x64xf32> through [#lm.pack<"panel32">] : tensor<24x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %gate = kernel.weight @mlp.gate : !w
  %up = kernel.weight @mlp.up : !w
  %a = kernel.buffer "a" : !y
  %b = kernel.buffer "b" : !y
  %c = kernel.buffer "c" : !y
  kernel.gemm rows "T" product %x : !x times %gate : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !y
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

// The two products have different inputs.
!x = !kernel.view<["T", 64], f32>
!y = !kernel.view<["T", 24], f32>
!w = !kernel.view<[24, 64], f32>
lm.weight @mlp.gate from ["mlp.gate"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
lm.weight @mlp.up from ["mlp.up"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %x2 = kernel.buffer "x2" : !x
  %gate = kernel.weight @mlp.gate : !w
  %up = kernel.weight @mlp.up : !w
  %a = kernel.buffer "a" : !y
  %b = kernel.buffer "b" : !y
  %c = kernel.buffer "c" : !y
  kernel.gemm rows "T" product %x : !x times %gate : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !y
  }
  kernel.gemm rows "T" product %x2 : !x times %up : !w {
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

// An input is computed: nothing says that both compute the same.
!x = !kernel.view<["T", 64], f32>
!y = !kernel.view<["T", 24], f32>
!w = !kernel.view<[24, 64], f32>
lm.weight @mlp.gate from ["mlp.gate"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
lm.weight @mlp.up from ["mlp.up"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %gate = kernel.weight @mlp.gate : !w
  %up = kernel.weight @mlp.up : !w
  %a = kernel.buffer "a" : !y
  %b = kernel.buffer "b" : !y
  %c = kernel.buffer "c" : !y
  kernel.gemm rows "T" product %x : !x times %gate : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !y
  }
  kernel.gemm rows "T" product {
  ^bb0(%row: index, %k: index):
    %v = kernel.load %x[%row, %k] : !x
    %n = arith.negf %v : f32
    kernel.yield %n : f32
  } times %up : !w {
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

// The products choose experts by different views.
!x = !kernel.view<["T", 64], f32>
!y = !kernel.view<["T", 24], f32>
!w = !kernel.view<[4, 24, 64], f32>
!e = !kernel.view<["T", 1], i32>
lm.weight @mlp.gate from ["mlp.gate"] : tensor<4x24x64xf32> through [] : tensor<4x24x64xf32>
lm.weight @mlp.up from ["mlp.up"] : tensor<4x24x64xf32> through [] : tensor<4x24x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %e = kernel.buffer "e" : !e
  %f = kernel.buffer "f" : !e
  %gate = kernel.weight @mlp.gate : !w
  %up = kernel.weight @mlp.up : !w
  %a = kernel.buffer "a" : !y
  %b = kernel.buffer "b" : !y
  %c = kernel.buffer "c" : !y
  kernel.gemm rows "T" by %e : !e product %x : !x times %gate : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !y
  }
  kernel.gemm rows "T" by %f : !e product %x : !x times %up : !w {
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

// The map reads a product at another feature than its own.
!x = !kernel.view<["T", 64], f32>
!y = !kernel.view<["T", 24], f32>
!w = !kernel.view<[24, 64], f32>
lm.weight @mlp.gate from ["mlp.gate"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
lm.weight @mlp.up from ["mlp.up"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %gate = kernel.weight @mlp.gate : !w
  %up = kernel.weight @mlp.up : !w
  %a = kernel.buffer "a" : !y
  %b = kernel.buffer "b" : !y
  %c = kernel.buffer "c" : !y
  kernel.gemm rows "T" product %x : !x times %gate : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !y
  }
  kernel.gemm rows "T" product %x : !x times %up : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %b[%row, %feature] : !y
  }
  kernel.map rows "T" groups 1 width 24 {
  ^bb0(%row: index, %group: index, %lane: index):
    %g = kernel.load %a[%row, %lane] : !y
    %c1 = arith.constant 1 : index
    %next = arith.xori %lane, %c1 : index
    %u = kernel.load %b[%row, %next] : !y
    %d = arith.subf %g, %u : f32
    kernel.store %d, %c[%row, %lane] : !y
  }
}

// -----

// The map takes half of the features alone: as an epilogue it would run for all.
!x = !kernel.view<["T", 64], f32>
!y = !kernel.view<["T", 24], f32>
!w = !kernel.view<[24, 64], f32>
lm.weight @mlp.gate from ["mlp.gate"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
lm.weight @mlp.up from ["mlp.up"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %gate = kernel.weight @mlp.gate : !w
  %up = kernel.weight @mlp.up : !w
  %a = kernel.buffer "a" : !y
  %b = kernel.buffer "b" : !y
  %c = kernel.buffer "c" : !y
  kernel.gemm rows "T" product %x : !x times %gate : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !y
  }
  kernel.gemm rows "T" product %x : !x times %up : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %b[%row, %feature] : !y
  }
  kernel.map rows "T" groups 1 width 12 {
  ^bb0(%row: index, %group: index, %lane: index):
    %g = kernel.load %a[%row, %lane] : !y
    %u = kernel.load %b[%row, %lane] : !y
    %d = arith.subf %g, %u : f32
    kernel.store %d, %c[%row, %lane] : !y
  }
}

// -----

// The map sums: a group of features need not lie in one kernel's registers. That is for fuse-epilogues.
!x = !kernel.view<["T", 64], f32>
!y = !kernel.view<["T", 24], f32>
!w = !kernel.view<[24, 64], f32>
lm.weight @mlp.gate from ["mlp.gate"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
lm.weight @mlp.up from ["mlp.up"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %gate = kernel.weight @mlp.gate : !w
  %up = kernel.weight @mlp.up : !w
  %a = kernel.buffer "a" : !y
  %b = kernel.buffer "b" : !y
  %c = kernel.buffer "c" : !y
  kernel.gemm rows "T" product %x : !x times %gate : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !y
  }
  kernel.gemm rows "T" product %x : !x times %up : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %b[%row, %feature] : !y
  }
  kernel.map rows "T" groups 1 width 24 {
  ^bb0(%row: index, %group: index, %lane: index):
    %g = kernel.load %a[%row, %lane] : !y
    %u = kernel.load %b[%row, %lane] : !y
    %s = kernel.sum %u : f32
    %d = arith.subf %g, %s : f32
    kernel.store %d, %c[%row, %lane] : !y
  }
}

// -----

// One product alone is read, so there is nothing to pair.
!x = !kernel.view<["T", 64], f32>
!y = !kernel.view<["T", 24], f32>
!w = !kernel.view<[24, 64], f32>
lm.weight @mlp.gate from ["mlp.gate"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
lm.weight @mlp.up from ["mlp.up"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %gate = kernel.weight @mlp.gate : !w
  %up = kernel.weight @mlp.up : !w
  %a = kernel.buffer "a" : !y
  %b = kernel.buffer "b" : !y
  %c = kernel.buffer "c" : !y
  kernel.gemm rows "T" product %x : !x times %gate : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !y
  }
  kernel.gemm rows "T" product %x : !x times %up : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %b[%row, %feature] : !y
  }
  kernel.map rows "T" groups 1 width 24 {
  ^bb0(%row: index, %group: index, %lane: index):
    %g = kernel.load %a[%row, %lane] : !y
    %u = kernel.load %a[%row, %lane] : !y
    %d = arith.subf %g, %u : f32
    kernel.store %d, %c[%row, %lane] : !y
  }
}
