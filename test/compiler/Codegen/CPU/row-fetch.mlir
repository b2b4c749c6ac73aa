// RUN: yupana-opt %s --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s

// The next row of an expert is fetched while one is copied, and what the epilogue reads and writes 8 rows before it does; not
// what it reads at another place than its own.
kernel.library @library target "x86-64-v4" {
  kernel.func @experts {
  ^bb0(%x: !kernel.view<["T", 64], f32>, %ids: !kernel.view<["T", 1], i32>, %w: !kernel.view<[4, 32, 64], f32, "panel32">,
       %add: !kernel.view<["T", 32], f32>, %bias: !kernel.view<[32], f32>, %y: !kernel.view<["T", 32], f32>):
    kernel.gemm rows "T" by %ids : !kernel.view<["T", 1], i32>
        attributes {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = 144>}
        product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[4, 32, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      %a = kernel.load %add[%row, %feature] : !kernel.view<["T", 32], f32>
      %b = kernel.load %bias[%feature] : !kernel.view<[32], f32>
      %r = arith.addf %acc, %a : f32
      %s = arith.addf %r, %b : f32
      kernel.store %s, %y[%row, %feature] : !kernel.view<["T", 32], f32>
    }
  }
}

// CHECK-LABEL: llvm.func @experts(
// The list of the expert's rows.
// CHECK:       arith.cmpi eq
// CHECK:       scf.for %[[I:.*]] = %c0_i64 to %[[COUNT:.*]] step
// CHECK:         %[[AFTER:.*]] = arith.addi %[[I]], %c1_i64
// CHECK:         %[[LAST:.*]] = arith.subi %[[COUNT]], %c1_i64
// CHECK:         %[[NEXT:.*]] = arith.minsi %[[AFTER]], %[[LAST]]
// CHECK:         scf.for %{{.*}} = %c0_i64 to %c64_i64
// CHECK:           "llvm.intr.prefetch"(%{{.*}}) <{cache = 1 : i32, hint = 3 : i32
// CHECK-NOT:       llvm.intr.prefetch
// CHECK:           llvm.load {{.*}} : !llvm.ptr -> vector<16xf32>
// CHECK:       scf.for %[[ROW:.*]] = %c0_i64 to %[[COUNT]] step %c1_i64 : i64 {
// CHECK-NEXT:    %[[AHEAD:.*]] = arith.addi %[[ROW]], %c8_i64
// CHECK-NEXT:    %[[LAST:.*]] = arith.subi %[[COUNT]], %c1_i64
// CHECK-NEXT:    arith.minsi %[[AHEAD]], %[[LAST]]
// CHECK:         "llvm.intr.prefetch"(%[[START:.*]]) <{cache = 1 : i32, hint = 3 : i32
// CHECK:         %[[LINE:.*]] = llvm.getelementptr %[[START]][64]
// CHECK:         "llvm.intr.prefetch"(%[[LINE]]) <{cache = 1 : i32, hint = 3 : i32
// CHECK:         "llvm.intr.prefetch"(%[[WRITTEN:.*]]) <{cache = 1 : i32, hint = 3 : i32
// CHECK:         %[[LINE:.*]] = llvm.getelementptr %[[WRITTEN]][64]
// CHECK:         "llvm.intr.prefetch"(%[[LINE]]) <{cache = 1 : i32, hint = 3 : i32
// CHECK-NOT:     llvm.intr.prefetch
// CHECK:         llvm.store
