// RUN: yupana-opt %s --yupana-kernel-to-llvm | FileCheck %s

// A worker runs the members of a launch one after the other: together they need no more scratch memory than the largest
// of them alone, wherever it stands. What a member has made ready is gone once another has run.
// CHECK: llvm.func @alone({{.*}} attributes {kernel.scratch_bytes = [[BYTES:[0-9]+]] : i64}
// CHECK: llvm.func @side_by_side({{.*}}, %[[SCRATCH:[a-z0-9]+]]: !llvm.ptr) attributes {kernel.scratch_bytes = [[BYTES]] : i64}
// CHECK:      %[[PLACE:.*]] = llvm.getelementptr %[[SCRATCH]][8]
// CHECK-NEXT: %[[LAST:.*]] = llvm.load %[[PLACE]]
// CHECK-NEXT: %[[SAME:.*]] = arith.cmpi eq, %[[LAST]], %[[MEMBER:.*]] : i64
// CHECK-NEXT: %[[READY:.*]] = llvm.load %[[SCRATCH]]
// CHECK:      %[[KEPT:.*]] = arith.select %[[SAME]], %[[READY]], %{{.*}} : i64
// CHECK-NEXT: llvm.store %[[KEPT]], %[[SCRATCH]]
// CHECK:      llvm.store %[[MEMBER]], %{{.*}} : i64
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32, "panel32">
kernel.library @library target "x86-64-v4" {
  kernel.func @alone {
  ^bb0(%x: !x, %w: !w, %y: !x):
    kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = 144>,
                                     grid = #kernel.grid<"T", 144, "ceildiv", 2, "*">}
        product %x : !x times %w : !w {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !x
    }
  }
  kernel.func @side_by_side {
  ^bb0(%x: !x, %w: !w, %y: !x, %z: !x, %u: !x):
    kernel.parallel {
      kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = 24>,
                                       grid = #kernel.grid<"T", 24, "ceildiv", 2, "*">}
          product %x : !x times %w : !w {
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %z[%row, %feature] : !x
      }
      kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = 144>,
                                       grid = #kernel.grid<"T", 144, "ceildiv", 2, "*">}
          product %x : !x times %w : !w {
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %y[%row, %feature] : !x
      }
      kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = 48>,
                                       grid = #kernel.grid<"T", 48, "ceildiv", 2, "*">}
          product %x : !x times %w : !w {
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %u[%row, %feature] : !x
      }
    }
  }

  // Products of experts have the last cells, wherever they stand.
  // CHECK: llvm.func @experts_last(
  // CHECK: math.absf
  // CHECK: arith.negf
  kernel.func @experts_last {
  ^bb0(%x: !x, %ids: !kernel.view<["T", 1], i32>, %e: !kernel.view<[4, 64, 64], f32, "panel32">, %w: !w, %y: !x, %z: !x):
    kernel.parallel {
      kernel.gemm rows "T" by %ids : !kernel.view<["T", 1], i32>
          attributes {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = 144>, grid = #kernel.grid<2, 4, "*">}
          product %x : !x times %e : !kernel.view<[4, 64, 64], f32, "panel32"> {
      ^bb0(%acc: f32, %row: index, %feature: index):
        %n = arith.negf %acc : f32
        kernel.store %n, %z[%row, %feature] : !x
      }
      kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = 144>,
                                       grid = #kernel.grid<"T", 144, "ceildiv", 2, "*">}
          product %x : !x times %w : !w {
      ^bb0(%acc: f32, %row: index, %feature: index):
        %a = math.absf %acc : f32
        kernel.store %a, %y[%row, %feature] : !x
      }
    }
  }
}
