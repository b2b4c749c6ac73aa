// RUN: yupana-opt %s --yupana-kernel-to-llvm --yupana-cpu-lower | FileCheck %s

// Behind the pipeline stands the llvm dialect alone; functions that no instruction computes have become polynomials.
kernel.library @library target "x86-64-v4" {
  kernel.func @functions {
  ^bb0(%x: !kernel.view<["T", 16], f32>, %y: !kernel.view<["T", 16], f32>):
    kernel.map rows "T" groups 1 width 16 attributes {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = 8>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 16], f32>
      %a = math.exp %v : f32
      %b = math.tanh %a : f32
      %c = math.erf %b : f32
      %d = math.rsqrt %c : f32
      %e = math.fma %d, %v, %a fastmath<fast> : f32
      kernel.store %e, %y[%row, %lane] : !kernel.view<["T", 16], f32>
    }
  }
}

// CHECK-LABEL: llvm.func @functions(
// CHECK-NOT:   math.
// CHECK-NOT:   arith.
// CHECK-NOT:   scf.
// CHECK-NOT:   fastmath
// CHECK-NOT:   llvm.intr.exp
// CHECK-NOT:   llvm.call
// CHECK:       llvm.intr.fma
// CHECK:       llvm.intr.sqrt
// CHECK:       llvm.return
