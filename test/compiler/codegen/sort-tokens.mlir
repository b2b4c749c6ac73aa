// RUN: yupana-opt %s --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s

// Counts, adds up, places; the offsets are the counters, and no other memory is used.
kernel.library @library target "x86-64-v3" {
  kernel.func @sort {
  ^bb0(%e: !kernel.view<["T", 2], i32>, %o: !kernel.view<[17], i32>, %r: !kernel.view<["2*T"], i32>,
       %s: !kernel.view<["T", 2], i32>):
    kernel.sort_tokens %e into %o, %r, %s
      : !kernel.view<["T", 2], i32>, !kernel.view<[17], i32>, !kernel.view<["2*T"], i32>, !kernel.view<["T", 2], i32>
  }
}

// CHECK-LABEL: llvm.func @sort(
// CHECK-NOT:   llvm.alloca
// CHECK:       scf.if
// CHECK:         arith.muli %{{.*}}, %c2_i64
// CHECK:         scf.for %{{.*}} = %c0_i64 to %c17_i64
// CHECK-COUNT-4: scf.for
// CHECK-NOT:   scf.for
