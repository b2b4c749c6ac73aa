// Where a norm goes on summing by itself the module stays as it is.
//
// RUN: yupana-opt %s --split-input-file > %t.before
// RUN: yupana-opt %s --yupana-fuse-norm-statistics=target=x86-64-v3 --split-input-file > %t.after
// RUN: diff %t.before %t.after

// The sum is over heads, not over the whole row.
!x = !kernel.view<["T", 64], f32>
lm.weight @table from ["table"] : tensor<64xf32> through [] : tensor<64xf32>
kernel.program @step function step max_tokens 16 {
  %table = kernel.weight @table : !kernel.view<[64], f32>
  %h = kernel.buffer "h" : !x
  %n = kernel.buffer "n" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %table[%lane] : !kernel.view<[64], f32>
    kernel.store %v, %h[%row, %lane] : !x
  }
  kernel.map rows "T" groups 4 width 16 {
  ^bb0(%row: index, %group: index, %lane: index):
    %width = arith.constant 16 : index
    %first = arith.muli %group, %width : index
    %feature = arith.addi %first, %lane : index
    %x = kernel.load %h[%row, %feature] : !x
    %square = arith.mulf %x, %x : f32
    %sum = kernel.sum %square : f32
    %y = arith.divf %x, %sum : f32
    kernel.store %y, %n[%row, %feature] : !x
  }
}

// -----

// The sum is over half of the row.
!x = !kernel.view<["T", 64], f32>
lm.weight @table from ["table"] : tensor<64xf32> through [] : tensor<64xf32>
kernel.program @step function step max_tokens 16 {
  %table = kernel.weight @table : !kernel.view<[64], f32>
  %h = kernel.buffer "h" : !x
  %n = kernel.buffer "n" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %table[%lane] : !kernel.view<[64], f32>
    kernel.store %v, %h[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 32 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %h[%row, %lane] : !x
    %square = arith.mulf %x, %x : f32
    %sum = kernel.sum %square : f32
    %y = arith.divf %x, %sum : f32
    kernel.store %y, %n[%row, %lane] : !x
  }
}

// -----

// The sum is not over squares.
!x = !kernel.view<["T", 64], f32>
lm.weight @table from ["table"] : tensor<64xf32> through [] : tensor<64xf32>
kernel.program @step function step max_tokens 16 {
  %table = kernel.weight @table : !kernel.view<[64], f32>
  %h = kernel.buffer "h" : !x
  %n = kernel.buffer "n" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %table[%lane] : !kernel.view<[64], f32>
    kernel.store %v, %h[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %h[%row, %lane] : !x
    %square = arith.addf %x, %x : f32
    %sum = kernel.sum %square : f32
    %y = arith.divf %x, %sum : f32
    kernel.store %y, %n[%row, %lane] : !x
  }
}

// -----

// The map sums twice.
!x = !kernel.view<["T", 64], f32>
lm.weight @table from ["table"] : tensor<64xf32> through [] : tensor<64xf32>
kernel.program @step function step max_tokens 16 {
  %table = kernel.weight @table : !kernel.view<[64], f32>
  %h = kernel.buffer "h" : !x
  %n = kernel.buffer "n" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %table[%lane] : !kernel.view<[64], f32>
    kernel.store %v, %h[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %h[%row, %lane] : !x
    %square = arith.mulf %x, %x : f32
    %sum = kernel.sum %square : f32
    %mean = kernel.sum %x : f32
    %both = arith.addf %sum, %mean : f32
    %y = arith.divf %x, %both : f32
    kernel.store %y, %n[%row, %lane] : !x
  }
}

// -----

// The squares are of another row.
!x = !kernel.view<["T", 64], f32>
lm.weight @table from ["table"] : tensor<64xf32> through [] : tensor<64xf32>
kernel.program @step function step max_tokens 16 {
  %table = kernel.weight @table : !kernel.view<[64], f32>
  %h = kernel.buffer "h" : !x
  %n = kernel.buffer "n" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %table[%lane] : !kernel.view<[64], f32>
    kernel.store %v, %h[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %c1 = arith.constant 1 : index
    %other = arith.xori %row, %c1 : index
    %x = kernel.load %h[%other, %lane] : !x
    %square = arith.mulf %x, %x : f32
    %sum = kernel.sum %square : f32
    %y = arith.divf %x, %sum : f32
    kernel.store %y, %n[%row, %lane] : !x
  }
}

// -----

// No kernel of regions writes the row: attention does, and what it writes is not at hand feature by feature.
!x = !kernel.view<["T", 64], f32>
!i = !kernel.view<["T"], i32>
!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
!pages = !kernel.view<["S", 16], i32>
lm.cache @layer layer 0 heads 2 width 16 : f32
kernel.program @step function step max_tokens 16 {
  %q = kernel.buffer "q" : !x
  %positions = kernel.input token_positions : !i
  %sequences = kernel.input token_sequences : !i
  %keys = kernel.cache @layer : !keys
  %values = kernel.cache @layer : !values
  %pages = kernel.page_table @layer : !pages
  %h = kernel.buffer "h" : !x
  %n = kernel.buffer "n" : !x
  kernel.attention %q, %keys, %values at %positions of %sequences through %pages into %h chunk 0 scale 2.5e-1
    : !x, !keys, !values, !i, !i, !pages, !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %h[%row, %lane] : !x
    %square = arith.mulf %x, %x : f32
    %sum = kernel.sum %square : f32
    %y = arith.divf %x, %sum : f32
    kernel.store %y, %n[%row, %lane] : !x
  }
}

// -----

// The writer sums already, over groups of its own.
!x = !kernel.view<["T", 64], f32>
lm.weight @table from ["table"] : tensor<64xf32> through [] : tensor<64xf32>
kernel.program @step function step max_tokens 16 {
  %table = kernel.weight @table : !kernel.view<[64], f32>
  %h = kernel.buffer "h" : !x
  %n = kernel.buffer "n" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %table[%lane] : !kernel.view<[64], f32>
    %total = kernel.sum %v : f32
    kernel.store %total, %h[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %h[%row, %lane] : !x
    %square = arith.mulf %x, %x : f32
    %sum = kernel.sum %square : f32
    %y = arith.divf %x, %sum : f32
    kernel.store %y, %n[%row, %lane] : !x
  }
}

// -----

// The writer's gemm has pairs: its features are not in the order of the row.
!x = !kernel.view<["T", 48], bf16>
!w = !kernel.view<[64, 48], bf16>
lm.weight @even from ["even"] : tensor<24x48xbf16> through [] : tensor<24x48xbf16>
lm.weight @odd from ["odd"] : tensor<24x48xbf16> through [] : tensor<24x48xbf16>
lm.interleaved @o of @even, @odd by 16 : tensor<64x48xbf16>
kernel.program @step function step max_tokens 16 {
  %in = kernel.buffer "in" : !x
  %o = kernel.weight @o : !w
  %h = kernel.buffer "h" : !x
  %n = kernel.buffer "n" : !x
  kernel.gemm rows "T" pairs 24 by 16 product %in : !x times %o : !w {
  ^bb0(%u: f32, %v: f32, %row: index, %pair: index):
    %c24 = arith.constant 24 : index
    %second = arith.addi %pair, %c24 : index
    %u0 = arith.truncf %u : f32 to bf16
    %v0 = arith.truncf %v : f32 to bf16
    kernel.store %u0, %h[%row, %pair] : !x
    kernel.store %v0, %h[%row, %second] : !x
  }
  kernel.map rows "T" groups 1 width 48 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x0 = kernel.load %h[%row, %lane] : !x
    %x = arith.extf %x0 : bf16 to f32
    %square = arith.mulf %x, %x : f32
    %sum = kernel.sum %square : f32
    %y = arith.divf %x, %sum : f32
    %v = arith.truncf %y : f32 to bf16
    kernel.store %v, %n[%row, %lane] : !x
  }
}

// -----

// The writer's gemm has groups for sums of its own.
!x = !kernel.view<["T", 48], bf16>
!w = !kernel.view<[48, 48], bf16>
lm.weight @o from ["o"] : tensor<48x48xbf16> through [] : tensor<48x48xbf16>
kernel.program @step function step max_tokens 16 {
  %in = kernel.buffer "in" : !x
  %o = kernel.weight @o : !w
  %h = kernel.buffer "h" : !x
  %n = kernel.buffer "n" : !x
  kernel.gemm rows "T" group 48 product %in : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %h[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 48 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x0 = kernel.load %h[%row, %lane] : !x
    %x = arith.extf %x0 : bf16 to f32
    %square = arith.mulf %x, %x : f32
    %sum = kernel.sum %square : f32
    %y = arith.divf %x, %sum : f32
    %v = arith.truncf %y : f32 to bf16
    kernel.store %v, %n[%row, %lane] : !x
  }
}

// -----

// The writer has fewer lanes than the row has features, so partial sums of 32 would miss some.
!x = !kernel.view<["T", 64], f32>
lm.weight @table from ["table"] : tensor<64xf32> through [] : tensor<64xf32>
kernel.program @step function step max_tokens 16 {
  %table = kernel.weight @table : !kernel.view<[64], f32>
  %h = kernel.buffer "h" : !x
  %n = kernel.buffer "n" : !x
  kernel.map rows "T" groups 1 width 48 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %table[%lane] : !kernel.view<[64], f32>
    kernel.store %v, %h[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %h[%row, %lane] : !x
    %square = arith.mulf %x, %x : f32
    %sum = kernel.sum %square : f32
    %y = arith.divf %x, %sum : f32
    kernel.store %y, %n[%row, %lane] : !x
  }
}

// -----

// The writer stores features in another order than its lanes, so those of one sum are not those of one group.
!x = !kernel.view<["T", 64], f32>
lm.weight @table from ["table"] : tensor<64xf32> through [] : tensor<64xf32>
kernel.program @step function step max_tokens 16 {
  %table = kernel.weight @table : !kernel.view<[64], f32>
  %h = kernel.buffer "h" : !x
  %n = kernel.buffer "n" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %table[%lane] : !kernel.view<[64], f32>
    %c1 = arith.constant 1 : index
    %swapped = arith.xori %lane, %c1 : index
    kernel.store %v, %h[%row, %swapped] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %h[%row, %lane] : !x
    %square = arith.mulf %x, %x : f32
    %sum = kernel.sum %square : f32
    %y = arith.divf %x, %sum : f32
    kernel.store %y, %n[%row, %lane] : !x
  }
}
