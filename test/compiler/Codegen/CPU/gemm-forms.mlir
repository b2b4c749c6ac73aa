// RUN: yupana-opt %s --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s

// Products by expert, with computed inputs, pairs and groups; and products side by side.
kernel.library @library target "x86-64-v4" {
  // Rows of an expert are collected into a list; the input is scaled once per row and list; a
  // group is a vector of either half.
  kernel.func @experts {
  ^bb0(%x: !kernel.view<["T", 64], f32>, %s: !kernel.view<["T"], f32>, %e: !kernel.view<["T", 1], i32>,
       %w: !kernel.view<[4, 64, 64], f32, "panel32">, %y: !kernel.view<["T", 32], f32>):
    kernel.gemm rows "T" by %e : !kernel.view<["T", 1], i32> pairs 32 by 16 group 16
        attributes {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = 144>} product {
    ^bb0(%row: index, %k: index):
      %v = kernel.load %x[%row, %k] : !kernel.view<["T", 64], f32>
      %f = kernel.load %s[%row] : !kernel.view<["T"], f32>
      %p = arith.mulf %v, %f : f32
      kernel.yield %p : f32
    } times %w : !kernel.view<[4, 64, 64], f32, "panel32"> {
    ^bb0(%a: f32, %b: f32, %row: index, %feature: index):
      %p = arith.mulf %a, %b : f32
      %sum = kernel.sum %p : f32
      %q = arith.divf %p, %sum : f32
      kernel.store %q, %y[%row, %feature] : !kernel.view<["T", 32], f32>
    }
  }
  kernel.func @members {
  ^bb0(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[64, 64], f32, "panel32">, %y: !kernel.view<["T", 64], f32>,
       %z: !kernel.view<["T", 64], f32>):
    kernel.parallel {
      kernel.map rows "T" groups 1 width 64
          attributes {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = 4>, grid = #kernel.grid<"T", 4, "ceildiv">} {
      ^bb0(%row: index, %group: index, %lane: index):
        %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 64], f32>
        kernel.store %v, %z[%row, %lane] : !kernel.view<["T", 64], f32>
      }
      kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = 144>,
                                       grid = #kernel.grid<"T", 144, "ceildiv", 2, "*">}
          product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[64, 64], f32, "panel32">
          product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[64, 64], f32, "panel32"> {
      ^bb0(%acc: f32, %other: f32, %row: index, %feature: index):
        %sum = arith.addf %acc, %other : f32
        kernel.store %sum, %y[%row, %feature] : !kernel.view<["T", 64], f32>
      }
    }
  }
}

// CHECK-LABEL: llvm.func @experts(
// CHECK:       scf.for
// What is an expert's is found by comparing; the row behind the last one is remembered.
// CHECK:         scf.for
// CHECK:           arith.cmpi eq, %{{.*}} : i32
// CHECK:           llvm.store %{{.*}} : i32, !llvm.ptr
// The scale is loaded once per row.
// CHECK:         scf.for
// CHECK:           %[[SCALE:.*]] = llvm.load %{{.*}} : !llvm.ptr -> f32
// CHECK:           scf.for %{{.*}} = %c0_i64 to %c64_i64 step %c16_i64
// CHECK:             arith.mulf %{{.*}} : vector<16xf32>
// CHECK:             llvm.store %{{.*}} : vector<16xf32>
// CHECK:         llvm.call @[[TILES:experts.tiles_[a-z0-9_]+_few]](
// The accumulators of both halves, which lie beside each other, then the sum of their products.
// CHECK:         %[[GATE:.*]] = llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> vector<16xf32>
// CHECK:         %[[UP:.*]] = llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> vector<16xf32>
// CHECK:         arith.mulf %[[GATE]], %[[UP]] : vector<16xf32>
// CHECK:         vector.shuffle
// CHECK:         arith.divf %{{.*}} : vector<16xf32>
// CHECK:       llvm.func internal @[[TILES]](
// CHECK-SAME:  always_inline
// CHECK:         math.fma %{{.*}} : vector<16xf32>
// Of many tiles the first fetches its own weights, too, all lines of a step, since the panel before may be another's.
// CHECK:         %[[IS_FIRST:.*]] = arith.cmpi eq, %{{.*}}, %c0_i64 : i64
// CHECK:         %[[AHEAD:.*]] = llvm.getelementptr %{{.*}}[8192]
// CHECK:         arith.select %[[IS_FIRST]], %[[AHEAD]], %{{.*}} : !llvm.ptr
// CHECK:         arith.select %[[IS_FIRST]], %c128_i64, %c4_i64 : i64

// The range of a member is what is left of the launch's behind the cells of those before it.
// CHECK-LABEL: llvm.func @members(
// CHECK:       %[[CELLS:.*]] = arith.divui %{{.*}}, %c4_i64
// CHECK:       %[[FIRST:.*]] = arith.minsi %{{.*}}, %[[CELLS]]
// CHECK:       %[[LAST:.*]] = arith.minsi %{{.*}}, %[[CELLS]]
// CHECK:       %[[SOME:.*]] = arith.cmpi slt, %[[FIRST]], %[[LAST]]
// CHECK:       scf.if %[[SOME]] {
// CHECK:       arith.subi %{{.*}}, %[[CELLS]]
// CHECK:       scf.if
// Products of one depth share the code of their tiles.
// CHECK:         llvm.call @[[TILES:members.tiles_[a-z0-9_]+]](
// CHECK:         llvm.call @[[TILES]](
// CHECK:       llvm.func internal @[[TILES]](
// CHECK-NOT:   always_inline
// CHECK:         math.fma %{{.*}} : vector<16xf32>
// CHECK-NOT:   llvm.func internal
