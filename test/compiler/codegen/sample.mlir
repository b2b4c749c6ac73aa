// RUN: yupana-opt %s --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s

kernel.library @library target "x86-64-v3" {
  kernel.func @sample {
  ^bb0(%l: !kernel.view<["R", 256], f32>, %t: !kernel.view<["R"], f32>, %s: !kernel.view<["R"], i64>,
       %n: !kernel.view<["R"], i64>, %p: !kernel.view<["R"], i32>, %i: !kernel.view<["R"], i32>):
    kernel.sample %l temperatures %t seeds %s sequences %n positions %p into %i
      : !kernel.view<["R", 256], f32>, !kernel.view<["R"], f32>, !kernel.view<["R"], i64>, !kernel.view<["R"], i64>,
        !kernel.view<["R"], i32>, !kernel.view<["R"], i32>
  }
}

// The largest logit first; then, where the temperature is above 0, the same sums twice.
// CHECK-LABEL: llvm.func @sample(
// CHECK:       scf.for %{{.*}} = %c0_i64 to %c256_i64
// CHECK:         arith.cmpf ogt
// CHECK:       scf.if
// CHECK:         math.exp %{{.*}} : vector<16xf32>
// CHECK:         arith.addf %{{.*}} : f64
// CHECK:         arith.uitofp %{{.*}} : i32 to f64
// CHECK:         math.exp %{{.*}} : vector<16xf32>
// CHECK:         arith.addf %{{.*}} : f64
// CHECK:       else
// CHECK:         llvm.store
