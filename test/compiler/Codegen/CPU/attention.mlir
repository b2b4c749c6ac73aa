// RUN: yupana-opt %s --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s

// Blocks of 32 positions from the one that the chunk begins in; scores of all 32, values of those that are seen.
!q = !kernel.view<["T", 128], f32>
!k = !kernel.cache<key, heads = 2, width = 32, page_tokens = 64, page_bytes = 32768>
!v = !kernel.cache<value, heads = 2, width = 32, page_tokens = 64, page_bytes = 32768>
!i = !kernel.view<["T"], i32>
!p = !kernel.view<["S", 16], i32>

kernel.library @library target "x86-64-v3" {
  kernel.func @attend {
  ^bb0(%q: !q, %k: !k, %v: !v, %at: !i, %of: !i, %p: !p, %o: !q):
    kernel.attention %q, %k, %v at %at of %of through %p into %o chunk 48 scale 2.5e-1 : !q, !k, !v, !i, !i, !p, !q
  }
}

// With 32 registers two blocks are taken at once: scores, exponentials, then the values of one after the other.
kernel.library @wide target "x86-64-v4" {
  kernel.func @pairs {
  ^bb0(%q: !q, %k: !k, %v: !v, %at: !i, %of: !i, %p: !p, %o: !q):
    kernel.attention %q, %k, %v at %at of %of through %p into %o chunk 48 scale 2.5e-1 : !q, !k, !v, !i, !i, !p, !q
  }
}

// CHECK-LABEL: llvm.func @attend(
// CHECK:       scf.for
// CHECK:         %[[CHUNK:.*]] = arith.divui %{{.*}}, %c48_i64
// CHECK:         %[[LOW:.*]] = arith.muli %[[CHUNK]], %c48_i64
// CHECK:         %[[FIRST:.*]] = arith.divui %[[LOW]], %c32_i64
// CHECK:         scf.for %{{.*}} = %[[FIRST]] to
// CHECK:           %[[BEGIN:.*]] = arith.maxsi
// CHECK:           %[[END:.*]] = arith.minsi
// Two heads by two vectors of keys.
// CHECK:           scf.for %{{.*}} = %c0_i64 to %c32_i64 step %c1_i64 iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>)
// CHECK:             math.fma
// CHECK:           math.exp %{{.*}} : vector<16xf32>
// CHECK:           scf.for %{{.*}} = %[[BEGIN]] to %[[END]]
// CHECK:             math.fma
// CHECK:         arith.divf %{{.*}} : vector<16xf32>

// CHECK-LABEL: llvm.func @pairs(
// CHECK:         scf.for %{{.*}} = %{{.*}} to %{{.*}} step %c2_i64
// CHECK:           %[[COUNT:.*]] = arith.minsi %{{.*}}, %c2_i64
// Two heads by two vectors of keys of the last block.
// CHECK:           %{{.*}}:4 = scf.for %{{.*}} = %c0_i64 to %c32_i64
// Or of each of two: two vectors for each of two heads are exponentials, and one is the factors of both heads.
// CHECK:           %[[BEGIN:.*]] = arith.maxsi
// CHECK:           %[[END:.*]] = arith.minsi
// CHECK:           %[[NEXT_BEGIN:.*]] = arith.maxsi
// CHECK:           %[[NEXT_END:.*]] = arith.minsi
// CHECK:           %{{.*}}:8 = scf.for %{{.*}} = %c0_i64 to %c32_i64
// CHECK-COUNT-10:  math.exp %{{.*}} : vector<16xf32>
// CHECK-NOT:       math.exp
// CHECK:           %[[SUMS:.*]]:4 = scf.for %{{.*}} = %[[BEGIN]] to %[[END]]
// CHECK:           arith.mulf %[[SUMS]]#0, %{{.*}} : vector<16xf32>
// CHECK:           scf.for %{{.*}} = %[[NEXT_BEGIN]] to %[[NEXT_END]]
