// RUN: yupana-opt %s --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,V3
// RUN: sed 's/x86-64-v3/x86-64-v4/; s/6 x 16/8 x 32/' %s | yupana-opt --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,V4

// A kernel is a function of addresses, sizes and a range of cells. Its accumulators are carried by the loop over k, which
// takes two steps at a time, four where the tile is narrower than the panel; the epilogue runs on rows of a buffer.
kernel.library @library target "x86-64-v3" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[96, 64], f32, "panel32">, %y: !kernel.view<["T", 96], f32>):
    kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 264>}
        product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[96, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      %r = math.absf %acc : f32
      kernel.store %r, %y[%row, %feature] : !kernel.view<["T", 96], f32>
    }
  }
}

// CHECK-LABEL: llvm.func @gemm(
// CHECK-SAME:    %[[ARGS:.*]]: !llvm.ptr, %[[DIMS:.*]]: !llvm.ptr, %{{.*}}: i32, %{{.*}}: i32, %{{.*}}: !llvm.ptr)
// The worker lends memory for what a launch keeps, 264 rows of a panel, a vector behind them and a row of zeros.
// CHECK-SAME:  attributes {kernel.scratch_bytes = 34048 : i64}
// CHECK-NOT:   llvm.alloca
// CHECK:       llvm.load %[[ARGS]] {{.*}} : !llvm.ptr -> !llvm.ptr
// CHECK:       arith.divui %{{.*}}, %c3_i64
// CHECK:       scf.for
// CHECK:         scf.for
// CHECK:           llvm.call @[[TILES:gemm.tiles_f32_[a-z0-9_]+_k64_apart256_128_rows264]](
// CHECK:         math.absf %{{.*}} : vector<16xf32>
// CHECK:         llvm.store %{{.*}} : vector<16xf32>, !llvm.ptr
// Code for all heights of a tile is a function, which is inlined where it is called once.
// CHECK:       llvm.func internal @[[TILES]](
// CHECK-SAME:  always_inline
// One row takes the whole panel in one pass, with weights fetched a fixed distance ahead.
// V3:            scf.for %{{.*}} = %c0_i64 to %c64_i64 step %c4_i64 iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>)
// V4:            scf.for %{{.*}} = %c0_i64 to %c64_i64 step %c2_i64 iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>)
// CHECK:           llvm.intr.prefetch
// CHECK:           llvm.load %{{.*}} {alignment = 64 : i64} : !llvm.ptr -> vector<16xf32>
// CHECK:           math.fma %{{.*}} : vector<16xf32>
// The tallest tile of several: 6 rows by 16 outputs in two passes, or 8 by 32.
// V3:              scf.for %{{.*}} = %c0_i64 to %c32_i64 step %c16_i64
// V3:              scf.for %{{.*}} iter_args({{.*}}) -> ({{(vector<16xf32>, ){5}vector<16xf32>}})
// V4:              scf.for %{{.*}} iter_args({{.*}}) -> ({{(vector<16xf32>, ){15}vector<16xf32>}})
