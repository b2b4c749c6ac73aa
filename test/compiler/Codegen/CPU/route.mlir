// RUN: yupana-opt %s --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s

kernel.library @library target "x86-64-v3" {
  kernel.func @sigmoid {
  ^bb0(%l: !kernel.view<["T", 16], f32>, %e: !kernel.view<["T", 1], i32>, %s: !kernel.view<["T", 1], f32>):
    kernel.route rows "T" logits %l : !kernel.view<["T", 16], f32> into %e, %s top 1 score sigmoid
      {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 16>} : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  }
  kernel.func @computed {
  ^bb0(%x: !kernel.view<["T", 40], bf16>, %w: !kernel.view<[6, 40], bf16>, %e: !kernel.view<["T", 1], i32>,
       %s: !kernel.view<["T", 1], f32>):
    kernel.route rows "T" product {
    ^bb0(%row: index, %k: index):
      %0 = kernel.load %x[%row, %k] : !kernel.view<["T", 40], bf16>
      %1 = arith.extf %0 : bf16 to f32
      kernel.yield %1 : f32
    } times %w : !kernel.view<[6, 40], bf16> into %e, %s top 1 score sigmoid
      {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 16>} : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  }
  kernel.func @softmax {
  ^bb0(%l: !kernel.view<["T", 20], f32>, %e: !kernel.view<["T", 2], i32>, %s: !kernel.view<["T", 2], f32>):
    kernel.route rows "T" logits %l : !kernel.view<["T", 20], f32> into %e, %s top 2 score softmax normalize
      {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 16>} : !kernel.view<["T", 2], i32>, !kernel.view<["T", 2], f32>
  }
}

// CHECK-LABEL: llvm.func @sigmoid(
// CHECK:       llvm.alloca %c16_i64 x i8
// CHECK:       arith.cmpf ogt
// CHECK-NOT:   vector<16xf32>
// CHECK:       arith.negf
// CHECK:       math.exp
// CHECK:       arith.divf

// A row's input is computed once, in float32; four experts' sums go over it together.
// CHECK-LABEL: llvm.func @computed(
// CHECK:       arith.shli %{{.*}} : vector<16xi32>
// CHECK:       scf.for {{.*}} -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>)
// CHECK-COUNT-4: math.fma %{{.*}} : vector<16xf32>
// CHECK:       vector.shuffle
// CHECK:       arith.cmpf ogt

// CHECK-LABEL: llvm.func @softmax(
// CHECK:       arith.cmpf ogt
// CHECK:       math.exp %{{.*}} : vector<16xf32>
// CHECK:       arith.divf
// CHECK:       arith.divf
