// RUN: yupana-opt %s --yupana-kernel-to-llvm | FileCheck %s

// Each kernel of a library becomes a function over cells; what the families emit is tested in files of their own.
// CHECK: kernel.library @library target "x86-64-v3"
// CHECK-NOT: kernel.func
// CHECK: llvm.func @copy(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: i32, %{{.*}}: i32, %{{.*}}: !llvm.ptr)
// CHECK: llvm.func @double
kernel.library @library target "x86-64-v3" {
  kernel.func @copy {
  ^bb0(%x: !kernel.view<["T", 16], f32>, %y: !kernel.view<["T", 16], f32>):
    kernel.map rows "T" groups 1 width 16 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 8>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 16], f32>
      kernel.store %v, %y[%row, %lane] : !kernel.view<["T", 16], f32>
    }
  }
  kernel.func @double {
  ^bb0(%x: !kernel.view<["T", 16], f32>, %y: !kernel.view<["T", 16], f32>):
    kernel.map rows "T" groups 1 width 16 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 8>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 16], f32>
      %w = arith.addf %v, %v : f32
      kernel.store %w, %y[%row, %lane] : !kernel.view<["T", 16], f32>
    }
  }
}
