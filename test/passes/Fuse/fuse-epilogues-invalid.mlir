// Where a map stays a kernel of its own the module stays as it is.
//
// RUN: yupana-opt %s --split-input-file > %t.before
// RUN: yupana-opt %s --yupana-fuse-epilogues=target=x86-64-v3 --split-input-file > %t.after
// RUN: diff %t.before %t.after

// Another kernel reads the buffer, by an operand.
!l = !kernel.view<["T", 4], f32>
!e = !kernel.view<["T", 1], i32>
!s = !kernel.view<["T", 1], f32>
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[4, 64], f32>
lm.weight @o from ["o"] : tensor<4x64xf32> through [] : tensor<4x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %o = kernel.weight @o : !w
  %a = kernel.buffer "a" : !l
  %e = kernel.buffer "e" : !e
  %s = kernel.buffer "s" : !s
  %c = kernel.buffer "c" : !x
  kernel.gemm rows "T" product %x : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !l
  }
  kernel.route rows "T" logits %a : !l into %e, %s top 1 score sigmoid : !e, !s
  kernel.map rows "T" groups 1 width 4 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !l
    %r = kernel.load %x[%row, %lane] : !x
    %y = arith.addf %v, %r : f32
    kernel.store %y, %c[%row, %lane] : !x
  }
}

// -----

// Another map reads the buffer.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @o from ["o"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %o = kernel.weight @o : !w
  %a = kernel.buffer "a" : !x
  %c = kernel.buffer "c" : !x
  %d = kernel.buffer "d" : !x
  kernel.gemm rows "T" product %x : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !x
    kernel.store %v, %d[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !x
    %r = kernel.load %x[%row, %lane] : !x
    %y = arith.addf %v, %r : f32
    kernel.store %y, %c[%row, %lane] : !x
  }
}

// -----

// The runtime reads the buffer.
!x = !kernel.view<["R", 64], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @o from ["o"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %o = kernel.weight @o : !w
  %a = kernel.buffer "a" : !x
  %c = kernel.buffer "c" : !x
  kernel.gemm rows "R" product %x : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.result logits %a : !x
  kernel.map rows "R" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !x
    %r = kernel.load %x[%row, %lane] : !x
    %y = arith.addf %v, %r : f32
    kernel.store %y, %c[%row, %lane] : !x
  }
}

// -----

// Another program reads the buffer: they share it by its name.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @o from ["o"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %o = kernel.weight @o : !w
  %a = kernel.buffer "a" : !x
  %c = kernel.buffer "c" : !x
  kernel.gemm rows "T" product %x : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !x
    %r = kernel.load %x[%row, %lane] : !x
    %y = arith.addf %v, %r : f32
    kernel.store %y, %c[%row, %lane] : !x
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

// The map reads a second buffer that the gemm writes, at another feature: all of a row would have to be there.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @o from ["o"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %o = kernel.weight @o : !w
  %a = kernel.buffer "a" : !x
  %c = kernel.buffer "c" : !x
  %b = kernel.buffer "b" : !x
  kernel.gemm rows "T" product %x : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
    kernel.store %acc, %b[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !x
    %c1 = arith.constant 1 : index
    %next = arith.xori %lane, %c1 : index
    %r = kernel.load %b[%row, %next] : !x
    %y = arith.addf %v, %r : f32
    kernel.store %y, %c[%row, %lane] : !x
  }
}

// -----

// A kernel between them reads the other buffer that the gemm writes: the gemm cannot move behind it.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @o from ["o"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %o = kernel.weight @o : !w
  %a = kernel.buffer "a" : !x
  %c = kernel.buffer "c" : !x
  %b = kernel.buffer "b" : !x
  %d = kernel.buffer "d" : !x
  kernel.gemm rows "T" product %x : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
    kernel.store %acc, %b[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %c1 = arith.constant 1 : index
    %next = arith.xori %lane, %c1 : index
    %v = kernel.load %b[%row, %next] : !x
    kernel.store %v, %d[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !x
    %r = kernel.load %x[%row, %lane] : !x
    %y = arith.addf %v, %r : f32
    kernel.store %y, %c[%row, %lane] : !x
  }
}

// -----

// The map reads the row of another token.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @o from ["o"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %o = kernel.weight @o : !w
  %a = kernel.buffer "a" : !x
  %c = kernel.buffer "c" : !x
  kernel.gemm rows "T" product %x : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %c1 = arith.constant 1 : index
    %other = arith.xori %row, %c1 : index
    %v = kernel.load %a[%other, %lane] : !x
    %r = kernel.load %x[%row, %lane] : !x
    %y = arith.addf %v, %r : f32
    kernel.store %y, %c[%row, %lane] : !x
  }
}

// -----

// The map has other rows.
!x = !kernel.view<["T", 64], f32>
!r = !kernel.view<["R", 64], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @o from ["o"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %o = kernel.weight @o : !w
  %a = kernel.buffer "a" : !x
  %c0 = kernel.buffer "c0" : !r
  %c = kernel.buffer "c" : !r
  kernel.gemm rows "T" product %x : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.map rows "R" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !x
    %r = kernel.load %c0[%row, %lane] : !r
    %y = arith.addf %v, %r : f32
    kernel.store %y, %c[%row, %lane] : !r
  }
}

// -----

// The map takes half of the features alone: as an epilogue it would store behind its row.
!x = !kernel.view<["T", 64], f32>
!h = !kernel.view<["T", 32], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @o from ["o"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %o = kernel.weight @o : !w
  %a = kernel.buffer "a" : !x
  %c = kernel.buffer "c" : !h
  kernel.gemm rows "T" product %x : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 32 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !x
    %r = kernel.load %x[%row, %lane] : !x
    %y = arith.addf %v, %r : f32
    kernel.store %y, %c[%row, %lane] : !h
  }
}

// -----

// The map sums over more features than a group of a gemm may have: cells would be few.
!x = !kernel.view<["T", 512], f32>
!w = !kernel.view<[512, 512], f32>
!s = !kernel.view<["T", 4], f32>
lm.weight @q from ["q"] : tensor<512x512xf32> through [] : tensor<512x512xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %q = kernel.weight @q : !w
  %a = kernel.buffer "a" : !x
  %y = kernel.buffer "y" : !x
  %s = kernel.buffer "s" : !s
  kernel.gemm rows "T" product %x : !x times %q : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 512 {
  ^bb0(%row: index, %group: index, %lane: index):
    %width = arith.constant 512 : index
    %first = arith.muli %group, %width : index
    %feature = arith.addi %first, %lane : index
    %v = kernel.load %a[%row, %feature] : !x
    %square = arith.mulf %v, %v : f32
    %sum = kernel.sum %square : f32
    %z = arith.divf %v, %sum : f32
    kernel.store %z, %y[%row, %feature] : !x
    kernel.store %sum, %s[%row, %group] : !s
  }
}

// -----

// The gemm has groups of another width for sums of its own.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
!s = !kernel.view<["T", 4], f32>
lm.weight @q from ["q"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %q = kernel.weight @q : !w
  %a = kernel.buffer "a" : !x
  %y = kernel.buffer "y" : !x
  %s = kernel.buffer "s" : !s
  kernel.gemm rows "T" group 32 product %x : !x times %q : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.map rows "T" groups 4 width 16 {
  ^bb0(%row: index, %group: index, %lane: index):
    %width = arith.constant 16 : index
    %first = arith.muli %group, %width : index
    %feature = arith.addi %first, %lane : index
    %v = kernel.load %a[%row, %feature] : !x
    %square = arith.mulf %v, %v : f32
    %sum = kernel.sum %square : f32
    %z = arith.divf %v, %sum : f32
    kernel.store %z, %y[%row, %feature] : !x
    kernel.store %sum, %s[%row, %group] : !s
  }
}

// -----

// Pairs lie across the groups of the map, whose width is odd.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
!i = !kernel.view<["T"], i32>
!keys = !kernel.cache<key, heads = 64, width = 1, page_tokens = 64, page_bytes = 0>
!pages = !kernel.view<["S", 16], i32>
lm.weight @even from ["even"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.weight @odd from ["odd"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.interleaved @both of @even, @odd by 16 : tensor<64x64xf32>
lm.cache @layer layer 0 heads 64 width 1 : f32
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %k = kernel.weight @both : !w
  %positions = kernel.input token_positions : !i
  %sequences = kernel.input token_sequences : !i
  %keys = kernel.cache @layer : !keys
  %pages = kernel.page_table @layer : !pages
  %a = kernel.buffer "a" : !x
  kernel.gemm rows "T" pairs 32 by 16 product %x : !x times %k : !w {
  ^bb0(%u: f32, %v: f32, %row: index, %pair: index):
    %one = arith.constant 1 : index
    %two = arith.constant 2 : index
    %even = arith.muli %pair, %two : index
    %odd = arith.addi %even, %one : index
    kernel.store %u, %a[%row, %even] : !x
    kernel.store %v, %a[%row, %odd] : !x
  }
  kernel.map rows "T" groups 64 width 1 {
  ^bb0(%row: index, %head: index, %lane: index):
    %width = arith.constant 1 : index
    %first = arith.muli %head, %width : index
    %feature = arith.addi %first, %lane : index
    %v = kernel.load %a[%row, %feature] : !x
    %square = arith.mulf %v, %v : f32
    %sum = kernel.sum %square : f32
    %z = arith.divf %v, %sum : f32
    %p0 = kernel.load %positions[%row] : !i
    %p = arith.index_castui %p0 : i32 to index
    %s0 = kernel.load %sequences[%row] : !i
    %s = arith.index_castui %s0 : i32 to index
    kernel.append %z, %keys[%head, %lane] at %p of %s through %pages : f32, !keys, !pages
  }
}

// -----

// The gemm stores its two accumulators in halves of the row, not side by side.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
!i = !kernel.view<["T"], i32>
!keys = !kernel.cache<key, heads = 4, width = 16, page_tokens = 64, page_bytes = 0>
!pages = !kernel.view<["S", 16], i32>
lm.weight @even from ["even"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.weight @odd from ["odd"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.interleaved @both of @even, @odd by 16 : tensor<64x64xf32>
lm.cache @layer layer 0 heads 4 width 16 : f32
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %k = kernel.weight @both : !w
  %positions = kernel.input token_positions : !i
  %sequences = kernel.input token_sequences : !i
  %keys = kernel.cache @layer : !keys
  %pages = kernel.page_table @layer : !pages
  %a = kernel.buffer "a" : !x
  kernel.gemm rows "T" pairs 32 by 16 product %x : !x times %k : !w {
  ^bb0(%u: f32, %v: f32, %row: index, %pair: index):
    %c32 = arith.constant 32 : index
    %odd = arith.addi %pair, %c32 : index
    kernel.store %u, %a[%row, %pair] : !x
    kernel.store %v, %a[%row, %odd] : !x
  }
  kernel.map rows "T" groups 4 width 16 {
  ^bb0(%row: index, %head: index, %lane: index):
    %width = arith.constant 16 : index
    %first = arith.muli %head, %width : index
    %feature = arith.addi %first, %lane : index
    %v = kernel.load %a[%row, %feature] : !x
    %square = arith.mulf %v, %v : f32
    %sum = kernel.sum %square : f32
    %z = arith.divf %v, %sum : f32
    %p0 = kernel.load %positions[%row] : !i
    %p = arith.index_castui %p0 : i32 to index
    %s0 = kernel.load %sequences[%row] : !i
    %s = arith.index_castui %s0 : i32 to index
    kernel.append %z, %keys[%head, %lane] at %p of %s through %pages : f32, !keys, !pages
  }
}

// -----

// Two maps, of which the first sums: the second would have to sum before it sums.
!x = !kernel.view<["T", 64], f32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %old = kernel.buffer "old" : !x
  %other = kernel.buffer "other" : !x
  %a = kernel.buffer "a" : !x
  %y = kernel.buffer "y" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %u = kernel.load %x[%row, %lane] : !x
    %v = kernel.load %old[%row, %lane] : !x
    %sum = arith.addf %u, %v : f32
    %total = kernel.sum %sum : f32
    kernel.store %total, %a[%row, %lane] : !x
    kernel.store %u, %other[%row, %lane] : !x
  }
  kernel.map rows "T" groups 4 width 16 {
  ^bb0(%row: index, %group: index, %lane: index):
    %width = arith.constant 16 : index
    %first = arith.muli %group, %width : index
    %feature = arith.addi %first, %lane : index
    %v = kernel.load %a[%row, %feature] : !x
    %sum = kernel.sum %v : f32
    %z = arith.divf %v, %sum : f32
    kernel.store %z, %y[%row, %feature] : !x
  }
}

// -----

// Two maps, of which the first stores a row twice as long as the second reads.
!x = !kernel.view<["T", 64], f32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %old = kernel.buffer "old" : !x
  %other = kernel.buffer "other" : !x
  %a = kernel.buffer "a" : !x
  %y = kernel.buffer "y" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %u = kernel.load %x[%row, %lane] : !x
    %v = kernel.load %old[%row, %lane] : !x
    %sum = arith.addf %u, %v : f32
    kernel.store %sum, %a[%row, %lane] : !x
    kernel.store %u, %other[%row, %lane] : !x
  }
  kernel.map rows "T" groups 2 width 16 {
  ^bb0(%row: index, %group: index, %lane: index):
    %width = arith.constant 16 : index
    %first = arith.muli %group, %width : index
    %feature = arith.addi %first, %lane : index
    %v = kernel.load %a[%row, %feature] : !x
    %sum = kernel.sum %v : f32
    %z = arith.divf %v, %sum : f32
    kernel.store %z, %y[%row, %feature] : !x
  }
}

// -----

// Attention writes the buffer: it has no body to continue.
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
    %v = kernel.load %h[%row, %lane] : !x
    kernel.store %v, %n[%row, %lane] : !x
  }
}

// -----

// The map keeps other partial sums than the product would.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @o from ["o"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %o = kernel.weight @o : !w
  %a = kernel.buffer "a" : !x
  %c = kernel.buffer "c" : !x
  kernel.gemm rows "T" attributes {numerics = #kernel.numerics<range = all, order = ascending, partials = 32>} product %x : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 attributes {numerics = #kernel.numerics<partials = 16>} {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %a[%row, %lane] : !x
    %1 = kernel.sum %0 : f32
    kernel.store %1, %c[%row, %lane] : !x
  }
}
