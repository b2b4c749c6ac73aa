// RUN: yupana-opt %s --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s

// Rotary embeddings leave pairs: two bfloat16 that a lane writes side by side are one store, in a buffer and in the cache.
// Pairs of float32 are put side by side in registers where they fill a row.
!x = !kernel.view<["T", 64], bf16>
!odd = !kernel.view<["T", 65], bf16>
!f = !kernel.view<["T", 64], f32>
!wide = !kernel.view<["T", 128], f32>
!k = !kernel.cache<key, heads = 1, width = 64, page_tokens = 64, page_bytes = 16384, bf16>
!i = !kernel.view<["T"], i32>
!p = !kernel.view<["S", 16], i32>

kernel.library @library target "x86-64-v4" {
  kernel.func @rows {
  ^bb0(%x: !x, %y: !x):
    kernel.map rows "T" groups 1 width 32 attributes {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = 4>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %c1 = arith.constant 1 : index
      %c2 = arith.constant 2 : index
      %even = arith.muli %lane, %c2 : index
      %next = arith.addi %even, %c1 : index
      %a = kernel.load %x[%row, %lane] : !x
      kernel.store %a, %y[%row, %even] : !x
      kernel.store %a, %y[%row, %next] : !x
    }
  }
  kernel.func @cache {
  ^bb0(%x: !x, %k: !k, %at: !i, %of: !i, %p: !p):
    kernel.map rows "T" groups 1 width 32 attributes {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = 4>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c2 = arith.constant 2 : index
      %even = arith.muli %lane, %c2 : index
      %next = arith.addi %even, %c1 : index
      %a = kernel.load %x[%row, %lane] : !x
      %t = kernel.load %at[%row] : !i
      %position = arith.index_castui %t : i32 to index
      %s = kernel.load %of[%row] : !i
      %sequence = arith.index_castui %s : i32 to index
      kernel.append %a, %k[%c0, %even] at %position of %sequence through %p : bf16, !k, !p
      kernel.append %a, %k[%c0, %next] at %position of %sequence through %p : bf16, !k, !p
    }
  }
  kernel.func @floats {
  ^bb0(%x: !f, %y: !f, %z: !wide):
    kernel.map rows "T" groups 1 width 31 attributes {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = 4>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %c1 = arith.constant 1 : index
      %c2 = arith.constant 2 : index
      %c4 = arith.constant 4 : index
      %even = arith.muli %lane, %c2 : index
      %next = arith.addi %even, %c1 : index
      %fourth = arith.muli %lane, %c4 : index
      %fifth = arith.addi %fourth, %c1 : index
      %a = kernel.load %x[%row, %lane] : !f
      %b = arith.addf %a, %a : f32
      kernel.store %a, %y[%row, %even] : !f
      kernel.store %b, %y[%row, %next] : !f
      kernel.store %a, %z[%row, %fourth] : !wide
      kernel.store %b, %z[%row, %fifth] : !wide
    }
  }
  // A row of odd width begins in the middle of a pair; an odd column and the next are no pair, nor are neighbours on a
  // diagonal.
  kernel.func @none {
  ^bb0(%x: !x, %odd: !odd, %y: !x):
    kernel.map rows "T" groups 1 width 31 attributes {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = 4>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %c1 = arith.constant 1 : index
      %c2 = arith.constant 2 : index
      %even = arith.muli %lane, %c2 : index
      %next = arith.addi %even, %c1 : index
      %last = arith.addi %next, %c1 : index
      %a = kernel.load %x[%row, %lane] : !x
      kernel.store %a, %odd[%row, %even] : !odd
      kernel.store %a, %odd[%row, %next] : !odd
      kernel.store %a, %y[%row, %next] : !x
      kernel.store %a, %y[%row, %last] : !x
      kernel.store %a, %y[%even, %even] : !x
      kernel.store %a, %y[%next, %next] : !x
    }
  }
}

// CHECK-LABEL: llvm.func @rows(
// CHECK:       %[[EVEN:.*]] = llvm.load {{.*}} -> vector<16xi16>
// CHECK:       %[[LOW:.*]] = arith.extui %[[EVEN]] : vector<16xi16> to vector<16xi32>
// CHECK:       %[[HIGH:.*]] = arith.shli %[[LOW]], %{{.*}} : vector<16xi32>
// CHECK:       %[[PAIRS:.*]] = arith.ori %[[LOW]], %[[HIGH]] : vector<16xi32>
// CHECK:       llvm.store %[[PAIRS]], %{{.*}} : vector<16xi32>
// CHECK-NOT:   scatter
// CHECK-LABEL: llvm.func @cache(
// CHECK:       %[[PAIRS:.*]] = arith.ori {{.*}} : vector<16xi32>
// CHECK:       llvm.intr.masked.scatter %[[PAIRS]]
// CHECK-NOT:   scatter
// CHECK-LABEL: llvm.func @floats(
// CHECK:       %[[A:.*]] = llvm.load {{.*}} -> vector<16xf32>
// CHECK:       %[[B:.*]] = arith.addf %[[A]], %[[A]]
// CHECK:       %[[FIRST:.*]] = vector.shuffle %[[A]], %[[B]] [0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23]
// CHECK:       llvm.store %[[FIRST]], %[[AT:.*]] {alignment
// CHECK:       %[[SECOND:.*]] = vector.shuffle %[[A]], %[[B]] [8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31]
// CHECK:       %[[BEHIND:.*]] = llvm.getelementptr %[[AT]][64]
// CHECK:       llvm.store %[[SECOND]], %[[BEHIND]] {alignment
// CHECK-COUNT-2: llvm.intr.masked.scatter
// The last 15 lanes are 30 elements.
// CHECK:       vector.shuffle
// CHECK:       vector.shuffle
// CHECK:       llvm.intr.masked.store
// CHECK-COUNT-2: llvm.intr.masked.scatter
// CHECK-NOT:   scatter
// CHECK-LABEL: llvm.func @none(
// CHECK-NOT:   arith.ori {{.*}} : vector<16xi32>
// CHECK-COUNT-6: llvm.intr.masked.scatter
