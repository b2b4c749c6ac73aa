// RUN: yupana-opt %s --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s

// Blocks of 64 positions from the one that the chunk begins in, by tiles of 32: scores of all positions of a tile, values
// of those that are seen.
!q = !kernel.view<["T", 128], f32>
!k = !kernel.cache<key, heads = 2, width = 32, page_tokens = 64, page_bytes = 32768>
!v = !kernel.cache<value, heads = 2, width = 32, page_tokens = 64, page_bytes = 32768>
!qn = !kernel.view<["T", 64], f32>
!kn = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 32768>
!vn = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 32768>
!q16 = !kernel.view<["T", 128], bf16>
!k16 = !kernel.cache<key, heads = 2, width = 32, page_tokens = 64, page_bytes = 16384, bf16>
!v16 = !kernel.cache<value, heads = 2, width = 32, page_tokens = 64, page_bytes = 16384, bf16>
!i = !kernel.view<["T"], i32>
!p = !kernel.view<["S", 16], i32>

kernel.library @library target "x86-64-v3" {
  kernel.func @attend {
  ^bb0(%q: !q, %k: !k, %v: !v, %at: !i, %of: !i, %p: !p, %o: !q):
    kernel.attention %q, %k, %v at %at of %of through %p into %o chunk 48 scale 2.5e-1 : !q, !k, !v, !i, !i, !p, !q
  }
}

// With 32 registers a tile has more rows and the columns of two vectors.
kernel.library @wide target "x86-64-v4" {
  kernel.func @tall {
  ^bb0(%q: !q, %k: !k, %v: !v, %at: !i, %of: !i, %p: !p, %o: !q):
    kernel.attention %q, %k, %v at %at of %of through %p into %o chunk 48 scale 2.5e-1 : !q, !k, !v, !i, !i, !p, !q
  }

  // Heads that are no whole runs of 32 features have each token alone.
  kernel.func @alone {
  ^bb0(%q: !qn, %k: !kn, %v: !vn, %at: !i, %of: !i, %p: !p, %o: !qn):
    kernel.attention %q, %k, %v at %at of %of through %p into %o chunk 48 scale 2.5e-1
      : !qn, !kn, !vn, !i, !i, !p, !qn
  }
}

// Weights are rounded to bfloat16, and pairs of positions multiplied by dot products.
kernel.library @dot target "x86-64-v4-bf16" {
  kernel.func @dots {
  ^bb0(%q: !q16, %k: !k16, %v: !v16, %at: !i, %of: !i, %p: !p, %o: !q16):
    kernel.attention %q, %k, %v at %at of %of through %p into %o chunk 0 scale 2.5e-1
      : !q16, !k16, !v16, !i, !i, !p, !q16
  }
}

// Without dot products they are widened, as pairs that lie side by side: sums of 32 features are those of the even ones, then
// those of the odd ones, and are put in order when they are stored.
kernel.library @widening target "x86-64-v4" {
  kernel.func @widened {
  ^bb0(%q: !q16, %k: !k16, %v: !v16, %at: !i, %of: !i, %p: !p, %o: !q16):
    kernel.attention %q, %k, %v at %at of %of through %p into %o chunk 0 scale 2.5e-1
      : !q16, !k16, !v16, !i, !i, !p, !q16
  }
}

// CHECK-LABEL: llvm.func @attend(
// Heads, then tokens: what a group took is passed over.
// CHECK:       scf.for
// CHECK:         scf.for %{{.*}} iter_args(%[[NEXT:.*]] = %{{.*}}) -> (i64)
// CHECK:           %[[TAKEN:.*]] = arith.cmpi eq, %{{.*}}, %[[NEXT]]
// CHECK:           scf.if %[[TAKEN]]
// How many tokens follow one another in the sequence and in the block.
// CHECK:           %[[COUNT:.*]] = scf.for %{{.*}} iter_args(%{{.*}} = %c1_i64) -> (i64)
// CHECK:           %[[ALONE:.*]] = arith.cmpi eq, %[[COUNT]], %c1_i64
// CHECK:           scf.if %[[ALONE]]
// CHECK:           %[[CHUNK:.*]] = arith.divui %{{.*}}, %c48_i64
// CHECK:           %[[LOW:.*]] = arith.muli %[[CHUNK]], %c48_i64
// CHECK:           %[[FIRST:.*]] = arith.divui %[[LOW]], %c64_i64
// CHECK:           scf.for %{{.*}} = %[[FIRST]] to
// CHECK:             %[[BEGIN:.*]] = arith.maxsi %{{.*}}, %c0_i64
// CHECK:             %[[END:.*]] = arith.minsi %{{.*}}, %c32_i64
// Two heads by two vectors of keys.
// CHECK:             %{{.*}}:4 = scf.for %{{.*}} = %c0_i64 to %c32_i64 step %c1_i64
// CHECK:               math.fma
// The nearest power of two is added to the exponent.
// CHECK:             arith.shli %{{.*}}, %{{.*}} : vector<16xi32>
// CHECK:             %{{.*}}:4 = scf.for %{{.*}} = %[[BEGIN]] to %[[END]] step %c1_i64
// CHECK:               math.fma
// CHECK:           arith.divf %{{.*}} : vector<16xf32>

// Of a group, 16 rows are a tile of six rows by a vector and two of five.
// CHECK:               %{{.*}}:6 = scf.for %{{.*}} = %c0_i64 to %c32_i64 step %c2_i64
// CHECK:               scf.for %{{.*}} = %c6_i64 to %c16_i64 step %c5_i64
// CHECK:                 %{{.*}}:5 = scf.for %{{.*}} = %c0_i64 to %c32_i64 step %c2_i64
// Values are copied where some are not seen, zeros in their places.
// CHECK:             scf.if %[[WHOLE:.*]] {
// CHECK-NEXT:        } else {
// CHECK:               arith.select
// CHECK:             arith.select %[[WHOLE]], %{{.*}}, %{{.*}} : !llvm.ptr
// CHECK:             %{{.*}}:6 = scf.for %{{.*}} = %c0_i64 to %{{.*}} step %c2_i64

// CHECK-LABEL: llvm.func @tall(
// CHECK:       %{{.*}}:16 = scf.for %{{.*}} = %c0_i64 to %c32_i64 step %c2_i64

// CHECK-LABEL: llvm.func @alone(
// CHECK-NOT:   iter_args(%{{.*}}) -> (i64)

// CHECK-LABEL: llvm.func @dots(
// CHECK:       "llvm.x86.avx512bf16.dpbf16ps.512"
// CHECK:       %[[WEIGHTS:.*]] = llvm.call_intrinsic "llvm.x86.avx512bf16.cvtne2ps2bf16.512"
// CHECK:       vector.bitcast %[[WEIGHTS]] : vector<32xbf16> to vector<16xi32>
// CHECK:       %[[WHOLE:.*]] = arith.subi %[[SEEN:.*]], %{{.*}} : i64
// Pairs of positions, then the last one alone.
// CHECK:       scf.for %{{.*}} = %{{.*}} to %[[WHOLE]] step %c2_i64
// CHECK:         vector.shuffle %{{.*}} [0, 32, 1, 33,
// CHECK:         "llvm.x86.avx512bf16.dpbf16ps.512"
// CHECK:       scf.for %{{.*}} = %[[WHOLE]] to %[[SEEN]] step %c1_i64

// CHECK-LABEL: llvm.func @widened(
// The values of a position are 32 features in one load, the odd position's first.
// CHECK:       scf.for {{.*}} step %c2_i64 iter_args
// CHECK:       %[[PAIRS:.*]] = llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> vector<16xi32>
// CHECK:       %[[LOW:.*]] = arith.shli %[[PAIRS]], %{{.*}} : vector<16xi32>
// CHECK:       %[[EVEN:.*]] = arith.bitcast %[[LOW]] : vector<16xi32> to vector<16xf32>
// CHECK:       %[[HIGH:.*]] = arith.andi %[[PAIRS]], %{{.*}} : vector<16xi32>
// CHECK:       %[[ODD:.*]] = arith.bitcast %[[HIGH]] : vector<16xi32> to vector<16xf32>
// CHECK:       math.fma %{{.*}}, %[[EVEN]], %{{.*}} : vector<16xf32>
// CHECK:       math.fma %{{.*}}, %[[ODD]], %{{.*}} : vector<16xf32>
// CHECK-COUNT-2: arith.divf {{.*}} : vector<16xf32>
// CHECK:       vector.interleave %{{.*}}, %{{.*}} : vector<16xi16> -> vector<32xi16>
// CHECK:       llvm.store %{{.*}} {alignment = 2 : i64} : vector<16xi32>
