// RUN: yupana-opt %s --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s

// 1072 columns are 33 tiles of 16 pairs and 8 pairs. Up to 32 rows go through the whole depth at once; more of them through
// blocks of 7 tiles, whose sums wait in memory. What fills no tile comes last, with tile registers of its own height.
kernel.library @library target "x86-64-v4-amx" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 1072], bf16>, %w: !kernel.view<[96, 1072], bf16, "panel32x2">, %y: !kernel.view<["T", 96], f32>):
    kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v4-amx", tile = 32 x 32, rows = 256>}
        product %x : !kernel.view<["T", 1072], bf16> times %w : !kernel.view<[96, 1072], bf16, "panel32x2"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 96], f32>
    }
  }
}

// Rows are read where they lie, and tile registers are out of use at the end.
// CHECK-LABEL: llvm.func @gemm(
// CHECK:         llvm.call @[[TILES:gemm.tiles_bf16_matrix[a-z0-9_]+]](
// CHECK:         llvm.call_intrinsic "llvm.x86.tilerelease"
// CHECK-NEXT:    llvm.return

// CHECK:       llvm.func internal @[[TILES]](
// CHECK:         %[[FEW:.*]] = arith.cmpi slt, %arg3, %c33_i64
// CHECK:         scf.if %[[FEW]] {
// CHECK:           llvm.call_intrinsic "llvm.x86.ldtilecfg"
// CHECK:           llvm.call_intrinsic "llvm.x86.tilezero"(%c0_i8) :
// CHECK-NEXT:      llvm.call_intrinsic "llvm.x86.tilezero"(%c1_i8) :
// CHECK-NEXT:      scf.for %{{.*}} = %c0_i64 to %c528_i64 step %c16_i64 : i64 {
// CHECK:             llvm.call_intrinsic "llvm.x86.tileloadd64"(%c6_i8, %{{.*}}, %c128_i64)
// CHECK:             llvm.call_intrinsic "llvm.x86.tileloadd64"(%c4_i8, %{{.*}}, %c2144_i64)
// CHECK:             llvm.call_intrinsic "llvm.x86.tdpbf16ps"(%c0_i8, %c4_i8, %c6_i8)
// CHECK:             llvm.intr.prefetch
// CHECK:             llvm.call_intrinsic "llvm.x86.tileloadd64"(%c7_i8, %{{.*}}, %c128_i64)
// CHECK:             llvm.call_intrinsic "llvm.x86.tdpbf16ps"(%c1_i8, %c4_i8, %c7_i8)
// CHECK:           llvm.call_intrinsic "llvm.x86.tilestored64"(%c0_i8, %{{.*}}, %c128_i64)
// CHECK:         } else {
// CHECK:           scf.for %{{.*}} = %c0_i64 to %c528_i64 step %c112_i64 : i64 {
// CHECK:             llvm.call_intrinsic "llvm.x86.ldtilecfg"
// CHECK:             scf.for
// CHECK:               scf.if
// CHECK-COUNT-4:         llvm.call_intrinsic "llvm.x86.tilezero"
// CHECK:               } else {
// CHECK-COUNT-4:         llvm.call_intrinsic "llvm.x86.tileloadd64"
// CHECK:               scf.for
// CHECK-COUNT-4:         llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// CHECK:               }
// CHECK-COUNT-4:       llvm.call_intrinsic "llvm.x86.tilestored64"
