// Where a row stays a buffer the module stays as it is.
//
// RUN: yupana-opt %s --split-input-file > %t.before
// RUN: yupana-opt %s --yupana-inline-producers --split-input-file > %t.after
// RUN: diff %t.before %t.after

// A kernel reads the result by an operand, not in a region.
!l = !kernel.view<["T", 4], f32>
!e = !kernel.view<["T", 1], i32>
!s = !kernel.view<["T", 1], f32>
kernel.program @step function step max_tokens 16 {
  %h = kernel.buffer "h" : !l
  %n = kernel.buffer "n" : !l
  %e = kernel.buffer "e" : !e
  %s = kernel.buffer "s" : !s
  kernel.map rows "T" groups 1 width 4 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %h[%row, %lane] : !l
    kernel.store %v, %n[%row, %lane] : !l
  }
  kernel.route rows "T" logits %n : !l into %e, %s top 1 score sigmoid : !e, !s
}

// -----

// The runtime reads the result.
!l = !kernel.view<["R", 4], f32>
kernel.program @step function step max_tokens 16 {
  %h = kernel.buffer "h" : !l
  %n = kernel.buffer "n" : !l
  %m = kernel.buffer "m" : !l
  kernel.map rows "R" groups 1 width 4 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %h[%row, %lane] : !l
    kernel.store %v, %n[%row, %lane] : !l
  }
  kernel.map rows "R" groups 1 width 4 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %n[%row, %lane] : !l
    %v = kernel.sum %v0 : f32
    kernel.store %v, %m[%row, %lane] : !l
  }
  kernel.result logits %n : !l
}

// -----

// Another program reads the result: they share it by its name.
!x = !kernel.view<["T", 64], f32>
kernel.program @step function step max_tokens 16 {
  %h = kernel.buffer "h" : !x
  %a = kernel.buffer "a" : !x
  %m = kernel.buffer "m" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %h[%row, %lane] : !x
    kernel.store %v, %a[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %a[%row, %lane] : !x
    %square = arith.mulf %x, %x : f32
    %sum = kernel.sum %square : f32
    %y = arith.divf %x, %sum : f32
    kernel.store %y, %m[%row, %lane] : !x
  }
}
kernel.program @sample function sample max_tokens 16 {
  %a = kernel.buffer "a" : !x
  %z = kernel.buffer "z" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %u = kernel.load %a[%row, %lane] : !x
    %v = kernel.sum %u : f32
    kernel.store %v, %z[%row, %lane] : !x
  }
}

// -----

// The map sums: repeated for every element that would be a whole row each time.
!x = !kernel.view<["T", 64], bf16>
!w = !kernel.view<[64, 64], bf16>
!s = !kernel.view<["T", 2], f32>
!g = !kernel.view<[64], f32>
lm.weight @gain from ["gain"] : tensor<64xf32> through [] : tensor<64xf32>
lm.weight @q from ["q"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
kernel.program @step function step max_tokens 16 {
  %h = kernel.buffer "h" : !x
  %gain = kernel.weight @gain : !g
  %q = kernel.weight @q : !w
  %n = kernel.buffer "n" : !x
  %y = kernel.buffer "y" : !x
  %z = kernel.buffer "z" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %h[%row, %lane] : !x
    %v = arith.extf %v0 : bf16 to f32
    %square = arith.mulf %v, %v : f32
    %sum = kernel.sum %square : f32
    %scaled = arith.divf %v, %sum : f32
    %g = kernel.load %gain[%lane] : !g
    %product = arith.mulf %scaled, %g : f32
    %rounded = arith.truncf %product : f32 to bf16
    kernel.store %rounded, %n[%row, %lane] : !x
  }
  kernel.gemm rows "T" product %n : !x times %q : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %y[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %n[%row, %lane] : !x
    %v = arith.extf %v0 : bf16 to f32
    %negated = arith.negf %v : f32
    %rounded = arith.truncf %negated : f32 to bf16
    kernel.store %rounded, %z[%row, %lane] : !x
  }
}

// -----

// The map reads two buffers along the features: reading one result is cheaper.
!x = !kernel.view<["T", 64], bf16>
!w = !kernel.view<[64, 64], bf16>
!s = !kernel.view<["T", 2], f32>
!g = !kernel.view<[64], f32>
lm.weight @q from ["q"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
kernel.program @step function step max_tokens 16 {
  %h = kernel.buffer "h" : !x
  %squares = kernel.buffer "squares" : !s
  %other = kernel.buffer "other" : !x
  %q = kernel.weight @q : !w
  %n = kernel.buffer "n" : !x
  %y = kernel.buffer "y" : !x
  %z = kernel.buffer "z" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %h[%row, %lane] : !x
    %v = arith.extf %v0 : bf16 to f32
    %sum = kernel.row_sum %squares[%row] : !s
    %scaled = arith.divf %v, %sum : f32
    %g0 = kernel.load %other[%row, %lane] : !x
    %g = arith.extf %g0 : bf16 to f32
    %product = arith.mulf %scaled, %g : f32
    %rounded = arith.truncf %product : f32 to bf16
    kernel.store %rounded, %n[%row, %lane] : !x
  }
  kernel.gemm rows "T" product %n : !x times %q : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %y[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %n[%row, %lane] : !x
    %v = arith.extf %v0 : bf16 to f32
    %negated = arith.negf %v : f32
    %rounded = arith.truncf %negated : f32 to bf16
    kernel.store %rounded, %z[%row, %lane] : !x
  }
}

// -----

// The map reads a weight along the features and no buffer: a gather from a table is done once.
!x = !kernel.view<["T", 64], bf16>
!w = !kernel.view<[64, 64], bf16>
!s = !kernel.view<["T", 2], f32>
!g = !kernel.view<[64], f32>
lm.weight @gain from ["gain"] : tensor<64xf32> through [] : tensor<64xf32>
lm.weight @q from ["q"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
kernel.program @step function step max_tokens 16 {
  %squares = kernel.buffer "squares" : !s
  %gain = kernel.weight @gain : !g
  %q = kernel.weight @q : !w
  %n = kernel.buffer "n" : !x
  %y = kernel.buffer "y" : !x
  %z = kernel.buffer "z" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %gain[%lane] : !g
    %sum = kernel.row_sum %squares[%row] : !s
    %scaled = arith.divf %v, %sum : f32
    %g = kernel.load %gain[%lane] : !g
    %product = arith.mulf %scaled, %g : f32
    %rounded = arith.truncf %product : f32 to bf16
    kernel.store %rounded, %n[%row, %lane] : !x
  }
  kernel.gemm rows "T" product %n : !x times %q : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %y[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %n[%row, %lane] : !x
    %v = arith.extf %v0 : bf16 to f32
    %negated = arith.negf %v : f32
    %rounded = arith.truncf %negated : f32 to bf16
    kernel.store %rounded, %z[%row, %lane] : !x
  }
}

// -----

// The map stores a second value.
!x = !kernel.view<["T", 64], bf16>
!w = !kernel.view<[64, 64], bf16>
!s = !kernel.view<["T", 2], f32>
!g = !kernel.view<[64], f32>
lm.weight @gain from ["gain"] : tensor<64xf32> through [] : tensor<64xf32>
lm.weight @q from ["q"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
kernel.program @step function step max_tokens 16 {
  %h = kernel.buffer "h" : !x
  %squares = kernel.buffer "squares" : !s
  %gain = kernel.weight @gain : !g
  %q = kernel.weight @q : !w
  %n = kernel.buffer "n" : !x
  %m = kernel.buffer "m" : !x
  %y = kernel.buffer "y" : !x
  %z = kernel.buffer "z" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %h[%row, %lane] : !x
    %v = arith.extf %v0 : bf16 to f32
    %sum = kernel.row_sum %squares[%row] : !s
    %scaled = arith.divf %v, %sum : f32
    %g = kernel.load %gain[%lane] : !g
    %product = arith.mulf %scaled, %g : f32
    %rounded = arith.truncf %product : f32 to bf16
    kernel.store %rounded, %n[%row, %lane] : !x
    kernel.store %rounded, %m[%row, %lane] : !x
  }
  kernel.gemm rows "T" product %n : !x times %q : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %y[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %n[%row, %lane] : !x
    %v = arith.extf %v0 : bf16 to f32
    %negated = arith.negf %v : f32
    %rounded = arith.truncf %negated : f32 to bf16
    kernel.store %rounded, %z[%row, %lane] : !x
  }
}

// -----

// The map stores at another feature than its own.
!x = !kernel.view<["T", 64], bf16>
!w = !kernel.view<[64, 64], bf16>
!s = !kernel.view<["T", 2], f32>
!g = !kernel.view<[64], f32>
lm.weight @gain from ["gain"] : tensor<64xf32> through [] : tensor<64xf32>
lm.weight @q from ["q"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
kernel.program @step function step max_tokens 16 {
  %h = kernel.buffer "h" : !x
  %squares = kernel.buffer "squares" : !s
  %gain = kernel.weight @gain : !g
  %q = kernel.weight @q : !w
  %n = kernel.buffer "n" : !x
  %y = kernel.buffer "y" : !x
  %z = kernel.buffer "z" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %h[%row, %lane] : !x
    %v = arith.extf %v0 : bf16 to f32
    %sum = kernel.row_sum %squares[%row] : !s
    %scaled = arith.divf %v, %sum : f32
    %g = kernel.load %gain[%lane] : !g
    %product = arith.mulf %scaled, %g : f32
    %rounded = arith.truncf %product : f32 to bf16
    %c1 = arith.constant 1 : index
    %next = arith.xori %lane, %c1 : index
    kernel.store %rounded, %n[%row, %next] : !x
  }
  kernel.gemm rows "T" product %n : !x times %q : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %y[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %n[%row, %lane] : !x
    %v = arith.extf %v0 : bf16 to f32
    %negated = arith.negf %v : f32
    %rounded = arith.truncf %negated : f32 to bf16
    kernel.store %rounded, %z[%row, %lane] : !x
  }
}

// -----

// A reader has another row in every lane, and the sum over a row is one per row.
!x = !kernel.view<["T", 64], bf16>
!w = !kernel.view<[64, 64], bf16>
!s = !kernel.view<["T", 2], f32>
!g = !kernel.view<[64], f32>
lm.weight @gain from ["gain"] : tensor<64xf32> through [] : tensor<64xf32>
lm.weight @q from ["q"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
kernel.program @step function step max_tokens 16 {
  %h = kernel.buffer "h" : !x
  %squares = kernel.buffer "squares" : !s
  %gain = kernel.weight @gain : !g
  %q = kernel.weight @q : !w
  %n = kernel.buffer "n" : !x
  %y = kernel.buffer "y" : !x
  %z = kernel.buffer "z" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %h[%row, %lane] : !x
    %v = arith.extf %v0 : bf16 to f32
    %sum = kernel.row_sum %squares[%row] : !s
    %scaled = arith.divf %v, %sum : f32
    %g = kernel.load %gain[%lane] : !g
    %product = arith.mulf %scaled, %g : f32
    %rounded = arith.truncf %product : f32 to bf16
    kernel.store %rounded, %n[%row, %lane] : !x
  }
  kernel.gemm rows "T" product %n : !x times %q : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %y[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %n[%lane, %row] : !x
    %v = arith.extf %v0 : bf16 to f32
    %negated = arith.negf %v : f32
    %rounded = arith.truncf %negated : f32 to bf16
    kernel.store %rounded, %z[%row, %lane] : !x
  }
}

// -----

// Rows in the order of their experts are there to be read as they are.
!x = !kernel.view<["T", 64], f32>
!p = !kernel.view<["T+28", 64], f32>
!o = !kernel.view<[5], i32>
!r = !kernel.view<["T+28"], i32>
!w = !kernel.view<[4, 64, 64], f32>
lm.weight @up from ["up"] : tensor<4x64x64xf32> through [] : tensor<4x64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %offsets = kernel.buffer "offsets" : !o
  %order = kernel.buffer "order" : !r
  %placed = kernel.buffer "placed" : !p
  %y = kernel.buffer "y" : !p
  %w = kernel.weight @up : !w
  kernel.map rows "T+28" groups 1 width 64 {
  ^bb0(%place: index, %group: index, %lane: index):
    %pair = kernel.load %order[%place] : !r
    %zero = arith.constant 0 : i32
    %safe = arith.maxsi %pair, %zero : i32
    %row = arith.index_castui %safe : i32 to index
    %v = kernel.load %x[%row, %lane] : !x
    kernel.store %v, %placed[%place, %lane] : !p
  }
  kernel.gemm rows "T+28" by %offsets : !o sorted %order : !r product %placed : !p times %w : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %y[%row, %feature] : !p
  }
}

// -----

// The sum of a row would be added up in other partial sums than the producer states.
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @q from ["q"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %h = kernel.buffer "h" : !x
  %q = kernel.weight @q : !w
  %n = kernel.buffer "n" : !x
  %y = kernel.buffer "y" : !x
  kernel.map rows "T" groups 1 width 64 attributes {numerics = #kernel.numerics<partials = 16>} {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %h[%row, %lane] : !x
    %1 = kernel.row_sum %h[%row] : !x
    %2 = arith.divf %0, %1 : f32
    kernel.store %2, %n[%row, %lane] : !x
  }
  kernel.gemm rows "T" attributes {numerics = #kernel.numerics<range = all, order = ascending, partials = 32>} product %n : !x times %q : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %y[%row, %feature] : !x
  }
}
