// RUN: yupana-opt %s --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s

kernel.library @library target "x86-64-v3" {
  kernel.func @sigmoid {
  ^bb0(%l: !kernel.view<["T", 16], f32>, %e: !kernel.view<["T", 1], i32>, %s: !kernel.view<["T", 1], f32>):
    kernel.route %l into %e, %s top 1 score sigmoid {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 16>}
      : !kernel.view<["T", 16], f32>, !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  }
  kernel.func @softmax {
  ^bb0(%l: !kernel.view<["T", 20], f32>, %e: !kernel.view<["T", 2], i32>, %s: !kernel.view<["T", 2], f32>):
    kernel.route %l into %e, %s top 2 score softmax normalize {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 16>}
      : !kernel.view<["T", 20], f32>, !kernel.view<["T", 2], i32>, !kernel.view<["T", 2], f32>
  }
}

// CHECK-LABEL: llvm.func @sigmoid(
// CHECK:       llvm.alloca %c16_i64 x i8
// CHECK:       arith.cmpf ogt
// CHECK-NOT:   vector<16xf32>
// CHECK:       arith.negf
// CHECK:       math.exp
// CHECK:       arith.divf

// CHECK-LABEL: llvm.func @softmax(
// CHECK:       arith.cmpf ogt
// CHECK:       math.exp %{{.*}} : vector<16xf32>
// CHECK:       arith.divf
// CHECK:       arith.divf
