// RUN: yupana-opt %s --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s

// Rotary embeddings leave pairs: two bfloat16 that a lane writes side by side are one store, in a buffer and in the cache.
!x = !kernel.view<["T", 64], bf16>
!odd = !kernel.view<["T", 65], bf16>
!f = !kernel.view<["T", 64], f32>
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
  // A row of odd width begins in the middle of a pair; float32 are no pairs; nor are an odd column and the next, nor
  // neighbours on a diagonal.
  kernel.func @none {
  ^bb0(%x: !x, %odd: !odd, %f: !f, %y: !x):
    kernel.map rows "T" groups 1 width 31 attributes {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = 4>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %c1 = arith.constant 1 : index
      %c2 = arith.constant 2 : index
      %even = arith.muli %lane, %c2 : index
      %next = arith.addi %even, %c1 : index
      %last = arith.addi %next, %c1 : index
      %a = kernel.load %x[%row, %lane] : !x
      %w = arith.extf %a : bf16 to f32
      kernel.store %a, %odd[%row, %even] : !odd
      kernel.store %a, %odd[%row, %next] : !odd
      kernel.store %w, %f[%row, %even] : !f
      kernel.store %w, %f[%row, %next] : !f
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
// CHECK-LABEL: llvm.func @none(
// CHECK-NOT:   arith.ori {{.*}} : vector<16xi32>
// CHECK-COUNT-8: llvm.intr.masked.scatter
