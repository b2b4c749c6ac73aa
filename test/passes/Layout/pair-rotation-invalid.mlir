// Where neighbours are not paired the module stays as it is.
//
// RUN: yupana-opt %s --split-input-file > %t.before
// RUN: yupana-opt %s --yupana-pair-rotation=target=x86-64-v3 --split-input-file > %t.after
// RUN: diff %t.before %t.after

// Another kernel reads the product.
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
  %z = kernel.buffer "z" : !x
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
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !x
    kernel.store %v, %z[%row, %lane] : !x
  }
}

// -----

// Another program reads the product: they share it by its name.
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
kernel.program @sample function sample max_tokens 16 {
  %a = kernel.buffer "a" : !x
  %z = kernel.buffer "z" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !x
    kernel.store %v, %z[%row, %lane] : !x
  }
}

// -----

// A second gemm multiplies by the weight, and would need it in another form.
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
  %z = kernel.buffer "z" : !x
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
  kernel.gemm rows "T" product %x : !x times %q : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %z[%row, %feature] : !x
  }
}

// -----

// The weight is packed: its rows have their places.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32, "panel32">
!b = !kernel.view<[64], f32>
lm.weight @q from ["q"] : tensor<64x64xf32> through [#lm.transpose<1, 0>, #lm.pack<"panel32">] : tensor<64x64xf32>
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

// The halves of a head are turned into one another: p and p + 8, not neighbours.
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
    %half = arith.constant 8 : index
    %first = arith.muli %group, %head : index
    %even = arith.addi %first, %lane : index
    %odd = arith.addi %even, %half : index
    %u = kernel.load %a[%row, %even] : !x
    %v = kernel.load %a[%row, %odd] : !x
    %minus = arith.subf %u, %v : f32
    %plus = arith.addf %u, %v : f32
    kernel.store %minus, %y[%row, %even] : !x
    kernel.store %plus, %y[%row, %odd] : !x
  }
}

// -----

// Pairs begin at an odd feature: 2p + 1 and 2p + 2.
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
    %odd = arith.addi %even, %two : index
    %u = kernel.load %a[%row, %even] : !x
    %v = kernel.load %a[%row, %odd] : !x
    %minus = arith.subf %u, %v : f32
    %plus = arith.addf %u, %v : f32
    kernel.store %minus, %y[%row, %even] : !x
    kernel.store %plus, %y[%row, %odd] : !x
  }
}

// -----

// Heads are further apart than they are wide, so lanes are no pairs of the product.
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
    %head = arith.constant 32 : index
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

// The map turns half of the heads alone: as an epilogue it would run for all.
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
  kernel.map rows "T" groups 2 width 8 {
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

// The map reads the row of another token.
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
    %before = arith.xori %row, %one : index
    %u = kernel.load %a[%before, %even] : !x
    %v = kernel.load %a[%row, %odd] : !x
    %minus = arith.subf %u, %v : f32
    %plus = arith.addf %u, %v : f32
    kernel.store %minus, %y[%row, %even] : !x
    kernel.store %plus, %y[%row, %odd] : !x
  }
}

// -----

// The map sums: that is for fuse-epilogues.
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
    %s = kernel.sum %u : f32
    %minus = arith.subf %s, %v : f32
    %plus = arith.addf %u, %v : f32
    kernel.store %minus, %y[%row, %even] : !x
    kernel.store %plus, %y[%row, %odd] : !x
  }
}
