// RUN: yupana-opt %s --yupana-kernel-to-llvm --canonicalize --cse --split-input-file | FileCheck %s

// A sum takes a pass over the lanes of its own, with 16 partial sums; what does not depend on the lane is outside of it.
kernel.library @library target "x86-64-v3" {
  kernel.func @norm {
  ^bb0(%x: !kernel.view<["T", 40], f32>, %y: !kernel.view<["T", 40], f32>):
    kernel.map rows "T" groups 1 width 40 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 8>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 40], f32>
      %v2 = arith.mulf %v, %v : f32
      %s = kernel.sum %v2 : f32
      %r = math.sqrt %s : f32
      %q = arith.divf %v, %r : f32
      kernel.store %q, %y[%row, %lane] : !kernel.view<["T", 40], f32>
    }
  }
}

// CHECK-LABEL: llvm.func @norm(
// CHECK:       scf.for
// CHECK:         %[[SUMS:.*]] = scf.for %{{.*}} = %c0_i64 to %c32_i64 step %c16_i64 iter_args(%[[SUM:.*]] = %{{.*}}) -> (vector<16xf32>)
// CHECK:           %[[V:.*]] = llvm.load %{{.*}} : !llvm.ptr -> vector<16xf32>
// CHECK:           %[[V2:.*]] = arith.mulf %[[V]], %[[V]] : vector<16xf32>
// CHECK:           arith.addf %[[SUM]], %[[V2]] : vector<16xf32>
// The last 8 lanes: what lies beyond them is not added.
// CHECK:         arith.select %{{.*}}, %{{.*}}, %{{.*}} : vector<16xi1>, vector<16xf32>
// CHECK:         vector.shuffle
// CHECK:         %[[TOTAL:.*]] = vector.extract %{{.*}}[0]
// CHECK:         %[[ROOT:.*]] = math.sqrt %[[TOTAL]] : f32
// CHECK:         scf.for
// CHECK:           arith.divf %{{.*}} : vector<16xf32>
// CHECK:           llvm.store
// CHECK:         llvm.intr.masked.store

// -----

// Index arithmetic on the lane stays in vectors where it follows a pattern: neighbours are a shuffle of one load, a pair's
// element one load of half as many; only what memory names is gathered.
kernel.library @library target "x86-64-v3" {
  kernel.func @index {
  ^bb0(%x: !kernel.view<["T", 64], f32>, %o: !kernel.view<[64], i32>, %y: !kernel.view<["T", 64], f32>):
    kernel.map rows "T" groups 1 width 64 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 8>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %c1 = arith.constant 1 : index
      %c2 = arith.constant 2 : index
      %partner = arith.xori %lane, %c1 : index
      %pair = arith.divui %lane, %c2 : index
      %o32 = kernel.load %o[%lane] : !kernel.view<[64], i32>
      %any = arith.index_cast %o32 : i32 to index
      %a = kernel.load %x[%row, %partner] : !kernel.view<["T", 64], f32>
      %b = kernel.load %x[%row, %pair] : !kernel.view<["T", 64], f32>
      %c = kernel.load %x[%row, %any] : !kernel.view<["T", 64], f32>
      %ab = arith.addf %a, %b : f32
      %abc = arith.addf %ab, %c : f32
      kernel.store %abc, %y[%row, %lane] : !kernel.view<["T", 64], f32>
    }
  }
}

// CHECK-LABEL: llvm.func @index(
// CHECK:       vector.shuffle %{{.*}} [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14]
// CHECK:       vector.shuffle %{{.*}} [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]
// CHECK:       llvm.intr.masked.gather
// CHECK-NOT:   llvm.intr.masked.gather

// -----

// What is stored in 16 bits is computed in 32.
kernel.library @library target "x86-64-v4-bf16" {
  kernel.func @half {
  ^bb0(%x: !kernel.view<["T", 32], bf16>, %y: !kernel.view<["T", 32], bf16>):
    kernel.map rows "T" groups 1 width 32 attributes {config = #kernel.x86<"x86-64-v4-bf16", tile = 8 x 32, rows = 8>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 32], bf16>
      %w = arith.extf %v : bf16 to f32
      %d = arith.addf %w, %w : f32
      %r = arith.truncf %d : f32 to bf16
      kernel.store %r, %y[%row, %lane] : !kernel.view<["T", 32], bf16>
    }
  }
}

// CHECK-LABEL: llvm.func @half(
// CHECK:       %[[BITS:.*]] = llvm.load %{{.*}} {alignment = 2 : i64} : !llvm.ptr -> vector<16xi16>
// CHECK:       arith.extui %[[BITS]] : vector<16xi16> to vector<16xi32>
// CHECK:       arith.addf %{{.*}} : vector<16xf32>
// CHECK:       cvtneps2bf16
// CHECK:       llvm.store %{{.*}} {alignment = 2 : i64} : vector<16xi16>
