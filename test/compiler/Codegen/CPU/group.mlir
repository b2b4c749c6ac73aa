// RUN: yupana-opt %s --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s

kernel.library @library target "x86-64-v3" {
  kernel.func @group {
  ^bb0(%e: !kernel.view<["T", 2], i32>, %o: !kernel.view<[5], i32>, %r: !kernel.view<["2*T+28"], i32>):
    kernel.group %e into %o, %r alignment 8 {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 1>}
      : !kernel.view<["T", 2], i32>, !kernel.view<[5], i32>, !kernel.view<["2*T+28"], i32>
  }
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["2*T+28", 64], f32>, %w: !kernel.view<[4, 32, 64], f32, "panel32">, %o: !kernel.view<[5], i32>,
       %r: !kernel.view<["2*T+28"], i32>, %y: !kernel.view<["2*T+28", 32], f32>):
    kernel.gemm rows "2*T+28" by %o : !kernel.view<[5], i32> sorted %r : !kernel.view<["2*T+28"], i32>
        attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 16>}
        product %x : !kernel.view<["2*T+28", 64], f32> times %w : !kernel.view<[4, 32, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["2*T+28", 32], f32>
    }
  }
}

// A counter for each expert in the worker's memory; offsets rounded up to 8; the order filled before pairs are placed.
// CHECK-LABEL: llvm.func @group(
// CHECK-SAME:  kernel.scratch_bytes = 128
// CHECK:       scf.for
// CHECK:       scf.for
// CHECK:       scf.for {{.*}} iter_args
// CHECK:       arith.addi %{{.*}}, %c28_i64
// CHECK:       llvm.store %c-1_i32
// CHECK:       scf.for

// Rows of an expert follow one another and are read where they lie: nothing is collected, nothing staged.
// CHECK-LABEL: llvm.func @gemm(
// CHECK:       arith.cmpi slt, %{{.*}}, %c0_i32 : i32
// CHECK:       arith.select
