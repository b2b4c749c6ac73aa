// Where launches stay one behind the other the module stays as it is.
//
// RUN: yupana-opt %s --split-input-file > %t.before
// RUN: yupana-opt %s --yupana-merge-launches --split-input-file > %t.after
// RUN: diff %t.before %t.after

// The second gemm reads what the first writes.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @a from ["a"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @b from ["b"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %wa = kernel.weight @a : !w
  %wb = kernel.weight @b : !w
  %a = kernel.buffer "a" : !x
  %b = kernel.buffer "b" : !x
  %c = kernel.buffer "c" : !x
  kernel.gemm rows "T" product %x : !x times %wa : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.gemm rows "T" product %a : !x times %wb : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %b[%row, %feature] : !x
  }
}

// -----

// The second gemm reads in its body what the first writes.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @a from ["a"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @b from ["b"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %wa = kernel.weight @a : !w
  %wb = kernel.weight @b : !w
  %a = kernel.buffer "a" : !x
  %b = kernel.buffer "b" : !x
  %c = kernel.buffer "c" : !x
  kernel.gemm rows "T" product %x : !x times %wa : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.gemm rows "T" product %x : !x times %wb : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = kernel.load %a[%row, %feature] : !x
    %sum = arith.addf %acc, %v : f32
    kernel.store %sum, %b[%row, %feature] : !x
  }
}

// -----

// The second gemm reads what a map between them makes of the first.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @a from ["a"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @b from ["b"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %wa = kernel.weight @a : !w
  %wb = kernel.weight @b : !w
  %a = kernel.buffer "a" : !x
  %b = kernel.buffer "b" : !x
  %c = kernel.buffer "c" : !x
  kernel.gemm rows "T" product %x : !x times %wa : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !x
    kernel.store %v, %b[%row, %lane] : !x
  }
  kernel.gemm rows "T" product %b : !x times %wb : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %c[%row, %feature] : !x
  }
}

// -----

// A map between them reads what the second gemm writes, as it was before.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @a from ["a"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @b from ["b"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %wa = kernel.weight @a : !w
  %wb = kernel.weight @b : !w
  %a = kernel.buffer "a" : !x
  %b = kernel.buffer "b" : !x
  %c = kernel.buffer "c" : !x
  kernel.gemm rows "T" product %x : !x times %wa : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %b[%row, %lane] : !x
    kernel.store %v, %c[%row, %lane] : !x
  }
  kernel.gemm rows "T" product %x : !x times %wb : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %b[%row, %feature] : !x
  }
}

// -----

// Attention between them reads the cache that the second gemm appends to.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
!i = !kernel.view<["T"], i32>
!keys = !kernel.cache<key, heads = 4, width = 16, page_tokens = 64, page_bytes = 0>
!values = !kernel.cache<value, heads = 4, width = 16, page_tokens = 64, page_bytes = 0>
!pages = !kernel.view<["S", 16], i32>
lm.weight @a from ["a"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @b from ["b"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.cache @layer layer 0 heads 4 width 16 : f32
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %wa = kernel.weight @a : !w
  %wb = kernel.weight @b : !w
  %positions = kernel.input token_positions : !i
  %sequences = kernel.input token_sequences : !i
  %keys = kernel.cache @layer : !keys
  %values = kernel.cache @layer : !values
  %pages = kernel.page_table @layer : !pages
  %a = kernel.buffer "a" : !x
  %o = kernel.buffer "o" : !x
  kernel.gemm rows "T" product %x : !x times %wa : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.attention %a, %keys, %values at %positions of %sequences through %pages into %o chunk 0 scale 2.5e-1
    : !x, !keys, !values, !i, !i, !pages, !x
  kernel.gemm rows "T" product %x : !x times %wb : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %width = arith.constant 16 : index
    %head = arith.divui %feature, %width : index
    %lane = arith.remui %feature, %width : index
    %p0 = kernel.load %positions[%row] : !i
    %p = arith.index_castui %p0 : i32 to index
    %s0 = kernel.load %sequences[%row] : !i
    %s = arith.index_castui %s0 : i32 to index
    kernel.append %acc, %keys[%head, %lane] at %p of %s through %pages : f32, !keys, !pages
  }
}

// -----

// Maps and routes are not gathered: they are short, and gemms are what fills a machine.
!x = !kernel.view<["T", 64], f32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %a = kernel.buffer "a" : !x
  %b = kernel.buffer "b" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %x[%row, %lane] : !x
    kernel.store %v, %a[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %x[%row, %lane] : !x
    kernel.store %v, %b[%row, %lane] : !x
  }
}
