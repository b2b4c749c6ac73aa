// RUN: yupana-opt %s --yupana-kernel-to-nvvm --canonicalize --cse | FileCheck %s

// Four warps multiply, the fifth fetches weights and nothing else. A range that belongs to a cell which another block
// began goes to the workspace; the last of a cell's blocks adds.
#config = #kernel.gpu<"sm_90a", form = decode, tile = 64 x 8 x 256, stages = 4, threads = 160, blocks = 2, rows = 1>
kernel.library @library target "sm_90a" {
  kernel.func @gemm workspace [3, 4] {
  ^bb0(%x: !kernel.view<["T", 600], bf16>, %w: !kernel.view<[128, 600], bf16, "tile64x128">,
       %y: !kernel.view<["T", 128], f32>, %sums: !kernel.view<[6, 1536], f32>, %counts: !kernel.view<[6], i32>):
    kernel.gemm rows "T" workspace %sums, %counts : !kernel.view<[6, 1536], f32>, !kernel.view<[6], i32>
        attributes {config = #config}
        product %x : !kernel.view<["T", 600], bf16> times %w : !kernel.view<[128, 600], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 128], f32>
    }
  }
  kernel.func @pair workspace [4, 5] {
  ^bb0(%x: !kernel.view<["T", 600], bf16>, %w: !kernel.view<[128, 600], bf16, "tile64x128">,
       %y: !kernel.view<["T", 128], f32>, %z: !kernel.view<["T", 128], f32>, %sums: !kernel.view<[12, 1536], f32>,
       %counts: !kernel.view<[12], i32>):
    kernel.parallel workspace %sums, %counts : !kernel.view<[12, 1536], f32>, !kernel.view<[12], i32> {
      kernel.gemm rows "T" attributes {config = #config}
          product %x : !kernel.view<["T", 600], bf16> times %w : !kernel.view<[128, 600], bf16, "tile64x128"> {
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 128], f32>
      }
      kernel.gemm rows "T" attributes {config = #config}
          product %x : !kernel.view<["T", 600], bf16> times %w : !kernel.view<[128, 600], bf16, "tile64x128"> {
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %z[%row, %feature] : !kernel.view<["T", 128], f32>
      }
    }
  }
}

// Four stages of 8 KiB, twice four steps of eight rows, eight rows of 64 sums and 16 bytes, the flag, eight barriers.
// CHECK-LABEL: llvm.func @gemm
// CHECK-SAME:    kernel.shared_bytes = 43208 : i64
// CHECK-SAME:    nvvm.minctasm = 2 : i32
// CHECK-SAME:    nvvm.reqntid = array<i32: 160, 1, 1>
// CHECK-COUNT-8: nvvm.mbarrier.init
// CHECK:         nvvm.barrier id = {{.*}} number_of_threads = %{{.*}}
// CHECK:         scf.if
// Those who read: tokens of the next unit, then the tiles of this one.
// CHECK:           nvvm.cp.async.shared.global
// CHECK:           nvvm.mbarrier.try_wait
// CHECK-COUNT-4:   nvvm.mma.sync
// CHECK:           nvvm.mbarrier.arrive
// CHECK:           llvm.fence syncscope("device") acq_rel
// CHECK-NEXT:      llvm.atomicrmw add %{{.*}} syncscope("device") monotonic
// CHECK-NEXT:      llvm.fence syncscope("device") acq_rel
// The one who fetches.
// CHECK:         } else {
// CHECK:           nvvm.mbarrier.try_wait
// CHECK:           nvvm.mbarrier.arrive.expect_tx
// CHECK:           nvvm.cp.async.bulk.shared.cluster.global
// CHECK-NOT:       nvvm.mma.sync

// Members that share their blocks wait for the launch before together.
// CHECK-LABEL: llvm.func @pair
// CHECK:         nvvm.griddepcontrol wait
// CHECK-NEXT:    nvvm.griddepcontrol launch_dependents
// CHECK-NOT:     nvvm.griddepcontrol
// CHECK:         nvvm.mbarrier.init
