// A kernel continues with the map that alone reads what it stores.
//
// RUN: yupana-opt %s --yupana-fix-roundings --yupana-fuse-epilogues=target=x86-64-v3 --split-input-file | FileCheck %s

// Residual: a gemm goes on, and the buffer disappears with its rounding. The map that made the other summand is taken in
// first, and stands in no way then.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[W_O:.*]] = kernel.weight @o
// CHECK: %[[H:.*]] = kernel.buffer "h"
// CHECK: kernel.gemm rows "T" product %[[X]]{{.*}} times %[[W_O]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[ACC:[^ ]*]]: f32, %[[ROW:[^ ]*]]: index, %[[FEATURE:[^ ]*]]: index):
// CHECK-NEXT: %[[LOAD:.*]] = kernel.load %[[X]][%[[ROW]], %[[FEATURE]]]
// CHECK-NEXT: %[[EXTF:.*]] = arith.extf %[[LOAD]] : bf16 to f32
// CHECK-NEXT: %[[ADDF:.*]] = arith.addf %[[EXTF]], %[[ACC]] : f32
// CHECK-NEXT: %[[TRUNCF:.*]] = arith.truncf %[[ADDF]] : f32 to bf16
// CHECK-NEXT: kernel.store %[[TRUNCF]], %[[H]][%[[ROW]], %[[FEATURE]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
!x = !kernel.view<["T", 64], bf16>
!w = !kernel.view<[64, 64], bf16>
lm.weight @o from ["o"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %o = kernel.weight @o : !w
  %a = kernel.buffer "a" : !x
  %h = kernel.buffer "h" : !x
  %old = kernel.buffer "old" : !x
  kernel.gemm rows "T" product %x : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %a[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %x[%row, %lane] : !x
    kernel.store %v, %old[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %r0 = kernel.load %old[%row, %lane] : !x
    %r = arith.extf %r0 : bf16 to f32
    %a0 = kernel.load %a[%row, %lane] : !x
    %a1 = arith.extf %a0 : bf16 to f32
    %sum = arith.addf %r, %a1 : f32
    %v = arith.truncf %sum : f32 to bf16
    kernel.store %v, %h[%row, %lane] : !x
  }
}

// -----

// A sum over 16 lanes of a map is one over 16 features of a gemm.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[W_Q:.*]] = kernel.weight @q
// CHECK: %[[Y:.*]] = kernel.buffer "y"
// CHECK: %[[S:.*]] = kernel.buffer "s"
// CHECK: kernel.gemm rows "T" group 16 product %[[X]]{{.*}} times %[[W_Q]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[ACC:[^ ]*]]: f32, %[[ROW:[^ ]*]]: index, %[[FEATURE:[^ ]*]]: index):
// CHECK-NEXT: %[[C16:.*]] = arith.constant 16 : index
// CHECK-NEXT: %[[DIVUI:.*]] = arith.divui %[[FEATURE]], %[[C16]] : index
// CHECK-NEXT: %[[MULF:.*]] = arith.mulf %[[ACC]], %[[ACC]] : f32
// CHECK-NEXT: %[[SUM:.*]] = kernel.sum %[[MULF]] : f32
// CHECK-NEXT: %[[DIVF:.*]] = arith.divf %[[ACC]], %[[SUM]] : f32
// CHECK-NEXT: kernel.store %[[DIVF]], %[[Y]][%[[ROW]], %[[FEATURE]]]
// CHECK-NEXT: kernel.store %[[SUM]], %[[S]][%[[ROW]], %[[DIVUI]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
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
  kernel.gemm rows "T" product %x : !x times %q : !w {
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

// Where a gemm has pairs of neighbours, both halves go on, a sum adds both of 8 pairs, and both are appended.
// CHECK: lm.weight @even from ["even"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
// CHECK: lm.interleaved @both of @even, @odd by 16 : tensor<64x64xf32>
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[W_BOTH:.*]] = kernel.weight @both
// CHECK: %[[TOKEN_POSITIONS:.*]] = kernel.input token_positions
// CHECK: %[[TOKEN_SEQUENCES:.*]] = kernel.input token_sequences
// CHECK: %[[KEYS:.*]] = kernel.cache @layer
// CHECK: %[[PAGES:.*]] = kernel.page_table
// CHECK: kernel.gemm rows "T" pairs 32 by 16 group 8 product %[[X]]{{.*}} times %[[W_BOTH]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[X2:[^ ]*]]: f32, %[[Y:[^ ]*]]: f32, %[[ROW:[^ ]*]]: index, %[[FEATURE:[^ ]*]]: index):
// CHECK-NEXT: %[[C2:.*]] = arith.constant 2 : index
// CHECK-NEXT: %[[C8:.*]] = arith.constant 8 : index
// CHECK-NEXT: %[[DIVUI:.*]] = arith.divui %[[FEATURE]], %[[C8]] : index
// CHECK-NEXT: %[[REMUI:.*]] = arith.remui %[[FEATURE]], %[[C8]] : index
// CHECK-NEXT: %[[MULI:.*]] = arith.muli %[[REMUI]], %[[C2]] : index
// CHECK-NEXT: %[[C1:.*]] = arith.constant 1 : index
// CHECK-NEXT: %[[ADDI:.*]] = arith.addi %[[MULI]], %[[C1]] : index
// CHECK-NEXT: %[[MULF:.*]] = arith.mulf %[[X2]], %[[X2]] : f32
// CHECK-NEXT: %[[MULF2:.*]] = arith.mulf %[[Y]], %[[Y]] : f32
// CHECK-NEXT: %[[ADDF:.*]] = arith.addf %[[MULF]], %[[MULF2]] : f32
// CHECK-NEXT: %[[SUM:.*]] = kernel.sum %[[ADDF]] : f32
// CHECK-NEXT: %[[DIVF:.*]] = arith.divf %[[X2]], %[[SUM]] : f32
// CHECK-NEXT: %[[DIVF2:.*]] = arith.divf %[[Y]], %[[SUM]] : f32
// CHECK-NEXT: %[[LOAD:.*]] = kernel.load %[[TOKEN_POSITIONS]][%[[ROW]]]
// CHECK-NEXT: %[[INDEX_CASTUI:.*]] = arith.index_castui %[[LOAD]] : i32 to index
// CHECK-NEXT: %[[LOAD2:.*]] = kernel.load %[[TOKEN_SEQUENCES]][%[[ROW]]]
// CHECK-NEXT: %[[INDEX_CASTUI2:.*]] = arith.index_castui %[[LOAD2]] : i32 to index
// CHECK-NEXT: kernel.append %[[DIVF]], %[[KEYS]][%[[DIVUI]], %[[MULI]]] at %[[INDEX_CASTUI]] of %[[INDEX_CASTUI2]] through %[[PAGES]]
// CHECK-NEXT: kernel.append %[[DIVF2]], %[[KEYS]][%[[DIVUI]], %[[ADDI]]] at %[[INDEX_CASTUI]] of %[[INDEX_CASTUI2]] through %[[PAGES]]
// CHECK-NEXT: }
// CHECK-NEXT: }
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
    %one = arith.constant 1 : index
    %two = arith.constant 2 : index
    %even = arith.muli %pair, %two : index
    %odd = arith.addi %even, %one : index
    kernel.store %u, %a[%row, %even] : !x
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

// A map goes on too, in the groups of the one behind it; what else it stores it still does.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[OLD:.*]] = kernel.buffer "old"
// CHECK: %[[OTHER:.*]] = kernel.buffer "other"
// CHECK: %[[Y:.*]] = kernel.buffer "y"
// CHECK: kernel.map rows "T" groups 4 width 16 {
// CHECK-NEXT: ^bb0(%[[ROW:[^ ]*]]: index, %[[GROUP:[^ ]*]]: index, %[[LANE:[^ ]*]]: index):
// CHECK-NEXT: %[[C16:.*]] = arith.constant 16 : index
// CHECK-NEXT: %[[MULI:.*]] = arith.muli %[[GROUP]], %[[C16]] : index
// CHECK-NEXT: %[[ADDI:.*]] = arith.addi %[[MULI]], %[[LANE]] : index
// CHECK-NEXT: %[[LOAD:.*]] = kernel.load %[[X]][%[[ROW]], %[[ADDI]]]
// CHECK-NEXT: %[[LOAD2:.*]] = kernel.load %[[OLD]][%[[ROW]], %[[ADDI]]]
// CHECK-NEXT: %[[ADDF:.*]] = arith.addf %[[LOAD]], %[[LOAD2]] : f32
// CHECK-NEXT: kernel.store %[[LOAD]], %[[OTHER]][%[[ROW]], %[[ADDI]]]
// CHECK-NEXT: %[[SUM:.*]] = kernel.sum %[[ADDF]] : f32
// CHECK-NEXT: %[[DIVF:.*]] = arith.divf %[[ADDF]], %[[SUM]] : f32
// CHECK-NEXT: kernel.store %[[DIVF]], %[[Y]][%[[ROW]], %[[ADDI]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
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

// A chain of maps ends in one gemm.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[W_O:.*]] = kernel.weight @o
// CHECK: %[[W_GAIN:.*]] = kernel.weight @gain
// CHECK: %[[C:.*]] = kernel.buffer "c"
// CHECK: kernel.gemm rows "T" product %[[X]]{{.*}} times %[[W_O]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[ACC:[^ ]*]]: f32, %[[ROW:[^ ]*]]: index, %[[FEATURE:[^ ]*]]: index):
// CHECK-NEXT: %[[LOAD:.*]] = kernel.load %[[W_GAIN]][%[[FEATURE]]]
// CHECK-NEXT: %[[MULF:.*]] = arith.mulf %[[ACC]], %[[LOAD]] : f32
// CHECK-NEXT: %[[LOAD2:.*]] = kernel.load %[[X]][%[[ROW]], %[[FEATURE]]]
// CHECK-NEXT: %[[ADDF:.*]] = arith.addf %[[MULF]], %[[LOAD2]] : f32
// CHECK-NEXT: kernel.store %[[ADDF]], %[[C]][%[[ROW]], %[[FEATURE]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @o from ["o"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @gain from ["gain"] : tensor<64xf32> through [] : tensor<64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %o = kernel.weight @o : !w
  %gain = kernel.weight @gain : !kernel.view<[64], f32>
  %a = kernel.buffer "a" : !x
  %b = kernel.buffer "b" : !x
  %c = kernel.buffer "c" : !x
  kernel.gemm rows "T" product %x : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %a[%row, %lane] : !x
    %g = kernel.load %gain[%lane] : !kernel.view<[64], f32>
    %y = arith.mulf %v, %g : f32
    kernel.store %y, %b[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %b[%row, %lane] : !x
    %r = kernel.load %x[%row, %lane] : !x
    %y = arith.addf %v, %r : f32
    kernel.store %y, %c[%row, %lane] : !x
  }
}

// -----

// Of two maps that become one, one has numerics.
// CHECK: kernel.map rows "T" groups 1 width 64 attributes {numerics = #kernel.numerics<partials = 16>}
// CHECK: kernel.row_sum
// CHECK-NOT: kernel.map
!x = !kernel.view<["T", 64], f32>
kernel.program @step function step max_tokens 16 {
  %h = kernel.buffer "h" : !x
  %n = kernel.buffer "n" : !x
  %y = kernel.buffer "y" : !x
  kernel.map rows "T" groups 1 width 64 attributes {numerics = #kernel.numerics<partials = 16>} {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %h[%row, %lane] : !x
    %1 = kernel.row_sum %h[%row] : !x
    %2 = arith.divf %0, %1 : f32
    kernel.store %2, %n[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %n[%row, %lane] : !x
    kernel.store %0, %y[%row, %lane] : !x
  }
}
