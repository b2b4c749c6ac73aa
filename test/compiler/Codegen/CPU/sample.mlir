// RUN: yupana-opt %s --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s

!f32s = !kernel.view<["R"], f32>
!i32s = !kernel.view<["R"], i32>
!i64s = !kernel.view<["R"], i64>
kernel.library @library target "x86-64-v3" {
  kernel.func @sample {
  ^bb0(%l: !kernel.view<["R", 250], f32>, %t: !f32s, %k: !i32s, %p: !f32s, %m: !f32s, %r: !f32s, %s: !i64s, %n: !i64s,
       %x: !i32s, %h: !i32s, %g: !kernel.view<["N", 64], i32>, %i: !i32s):
    kernel.sample %l temperatures %t top_k %k top_p %p min_p %m penalties %r seeds %s sequences %n positions %x
      slots %h of %g into %i
      : !kernel.view<["R", 250], f32>, !f32s, !i32s, !f32s, !f32s, !f32s, !i64s, !i64s, !i32s, !i32s,
        !kernel.view<["N", 64], i32>, !i32s
  }
}

// Keys of the whole row; then the penalty, where there is one, from the logits as they were; then the best.
// CHECK-LABEL: llvm.func @sample(
// CHECK-SAME:  %[[SCRATCH:[a-z0-9]+]]: !llvm.ptr) attributes
// CHECK:         arith.bitcast %{{.*}} : vector<16xf32> to vector<16xi32>
// CHECK:         llvm.store %{{.*}}, %{{.*}} {alignment = 64 : i64} : vector<16xi32>
// CHECK:         arith.cmpf one
// CHECK-NEXT:    scf.if
// CHECK-DAG:       arith.divf
// CHECK-DAG:       arith.mulf
// CHECK:         vector.reduction <maxsi>
// CHECK:         vector.reduction <minsi>
// Only where the temperature counts and the best logit is a finite number: masses, the two filters that search, the
// draw, all of them sums of integers.
// CHECK:         arith.cmpf oge
// CHECK:         scf.if
// CHECK:           math.fma %{{.*}} : vector<16xf32>
// CHECK-NOT:       math.exp
// CHECK:           arith.shrui %{{.*}} : vector<16xi64>
// CHECK:           scf.if
// CHECK:             vector.reduction <add>
// CHECK:             vector.reduction <or>
// CHECK:           scf.if
// CHECK:             arith.mului_extended
// CHECK:             arith.divui
// CHECK:             vector.reduction <or>
// CHECK-NOT:       arith.addf
// CHECK:           arith.mului_extended
// CHECK:         else
// A row whose logits are no numbers yields no id.
// CHECK:         arith.select %{{.*}}, %{{.*}}, %c-1_i64
// CHECK:         llvm.store %{{.*}} : i32, !llvm.ptr
