// RUN: yupana-opt %s --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s

!q = !kernel.view<["T", 640], bf16>
!k = !kernel.cache<key, heads = 2, width = 64, page_tokens = 64, page_bytes = 32768, bf16>
!v = !kernel.cache<value, heads = 2, width = 64, page_tokens = 64, page_bytes = 32768, bf16>
!i = !kernel.view<["T"], i32>
!p = !kernel.view<["S", 16], i32>

// Five query heads of a key head: three tokens fill the rows of a tile register, six go through the keys together.
kernel.library @library target "x86-64-v4-amx" {
  kernel.func @attend {
  ^bb0(%q: !q, %k: !k, %v: !v, %at: !i, %of: !i, %p: !p, %o: !q):
    kernel.attention %q, %k, %v at %at of %of through %p into %o chunk 8192 scale 1.25e-1 : !q, !k, !v, !i, !i, !p, !q
  }
}

// CHECK-LABEL: llvm.func @attend(
// CHECK:       llvm.call_intrinsic "llvm.x86.ldtilecfg"
// How many tokens follow one another in one block and one chunk.
// CHECK:       arith.divui %{{.*}}, %c64_i64
// CHECK:       arith.divui %{{.*}}, %c8192_i64
// CHECK:       arith.cmpi slt, %{{.*}}, %c4_i64
// CHECK:       arith.cmpi eq, %{{.*}}, %c1_i64

// A token alone: two tiles of scores, two steps of 16 pairs of features.
// CHECK:       llvm.call_intrinsic "llvm.x86.tilezero"(%c0_i8)
// CHECK-NEXT:  llvm.call_intrinsic "llvm.x86.tilezero"(%c1_i8)
// CHECK-NEXT:  scf.for %{{.*}} = %c0_i64 to %c32_i64 step %c16_i64
// CHECK:         llvm.call_intrinsic "llvm.x86.tileloadd64"(%c6_i8, %{{.*}}, %c128_i64)
// CHECK:         llvm.call_intrinsic "llvm.x86.tileloadd64"(%c7_i8, %{{.*}}, %c128_i64)
// CHECK:         llvm.call_intrinsic "llvm.x86.tileloadd64"(%c4_i8, %{{.*}}, %c128_i64)
// CHECK:         llvm.call_intrinsic "llvm.x86.tdpbf16ps"(%c0_i8, %c4_i8, %c6_i8)
// CHECK:         llvm.call_intrinsic "llvm.x86.tdpbf16ps"(%c1_i8, %c4_i8, %c7_i8)
// CHECK:       }
// CHECK:       llvm.call_intrinsic "llvm.x86.tilestored64"(%c0_i8, %{{.*}}, %c128_i64)
// CHECK:       llvm.call_intrinsic "llvm.x86.tilestored64"(%c1_i8, %{{.*}}, %c128_i64)
// Pairs of values side by side, zeros where a position is not seen.
// CHECK:       scf.for %{{.*}} = %c0_i64 to %c16_i64 step %c1_i64
// CHECK:         %[[SEEN:.*]] = arith.andi
// CHECK:         arith.select %[[SEEN]], %{{.*}}, %{{.*}} : !llvm.ptr
// CHECK:         vector.shuffle
// Sums are scaled where a factor is not one.
// CHECK:       %[[DIFFERS:.*]] = arith.cmpf une, %{{.*}} : vector<16xf32>
// CHECK:       %[[ANY:.*]] = vector.reduction <or>, %[[DIFFERS]]
// CHECK:       scf.if %[[ANY]]
// Values, 32 features at a time.
// CHECK:       scf.for %{{.*}} = %c0_i64 to %c64_i64 step %c32_i64
// CHECK:         llvm.call_intrinsic "llvm.x86.tileloadd64"(%c0_i8, %{{.*}}, %c256_i64)
// CHECK:         llvm.call_intrinsic "llvm.x86.tileloadd64"(%c6_i8, %{{.*}}, %c256_i64)
// CHECK:         llvm.call_intrinsic "llvm.x86.tileloadd64"(%c4_i8, %{{.*}}, %c64_i64)
// CHECK:         llvm.call_intrinsic "llvm.x86.tilestored64"(%c0_i8, %{{.*}}, %c256_i64)

// Six tokens have two rows of tile registers.
// CHECK:       llvm.call_intrinsic "llvm.x86.tdpbf16ps"(%c2_i8, %c5_i8, %c6_i8)
// CHECK:       llvm.call_intrinsic "llvm.x86.tdpbf16ps"(%c3_i8, %c5_i8, %c7_i8)
// CHECK:       llvm.call_intrinsic "llvm.x86.tilerelease"
// CHECK-NEXT:  llvm.return
