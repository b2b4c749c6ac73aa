// RUN: yupana-opt %s --yupana-kernel-to-nvvm --canonicalize --cse | FileCheck %s

// Four warps multiply, the fifth fetches weights and nothing else, also while the launch before still runs. A range that
// belongs to a cell which another block began goes to the workspace; the last of a cell's blocks adds.
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
  kernel.func @experts workspace [6, 7] {
  ^bb0(%x: !kernel.view<["T", 600], bf16>, %ids: !kernel.view<["T", 1], i32>,
       %e: !kernel.view<[4, 128, 600], bf16, "tile64x128">, %w: !kernel.view<[128, 600], bf16, "tile64x128">,
       %y: !kernel.view<["T", 128], f32>, %z: !kernel.view<["T", 128], f32>, %sums: !kernel.view<[60, 1536], f32>,
       %counts: !kernel.view<[60], i32>):
    kernel.parallel workspace %sums, %counts : !kernel.view<[60, 1536], f32>, !kernel.view<[60], i32> {
      kernel.gemm rows "T" by %ids : !kernel.view<["T", 1], i32> attributes {config = #config}
          product %x : !kernel.view<["T", 600], bf16> times %e : !kernel.view<[4, 128, 600], bf16, "tile64x128"> {
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
// CHECK-SAME:    kernel.shared_bytes = 43216 : i64
// CHECK-SAME:    nvvm.minctasm = 2 : i32
// CHECK-SAME:    nvvm.reqntid = array<i32: 160, 1, 1>
// CHECK-NOT:     nvvm.griddepcontrol
// CHECK-COUNT-8: nvvm.mbarrier.init
// CHECK-NOT:     nvvm.griddepcontrol
// CHECK:         nvvm.barrier id = {{.*}} number_of_threads = %{{.*}}
// CHECK:         scf.if
// Those who read wait for the launch before: tokens of the next unit, then the tiles of this one.
// CHECK:           nvvm.griddepcontrol wait
// CHECK-NOT:       nvvm.griddepcontrol
// CHECK:           nvvm.cp.async.shared.global
// CHECK:           nvvm.mbarrier.try_wait
// CHECK-COUNT-4:   nvvm.mma.sync
// CHECK:           nvvm.mbarrier.arrive
// CHECK:           llvm.fence syncscope("device") acq_rel
// CHECK-NEXT:      llvm.atomicrmw add %{{.*}} syncscope("device") monotonic
// CHECK-NEXT:      llvm.fence syncscope("device") acq_rel
// Whoever comes last has eight ranges of four neighbouring sums on their way at once.
// CHECK-COUNT-8:   llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
// The one who fetches does not wait. Two units behind the one that fills the ring come into the L2 cache. When all is on
// its way, the next launch may begin.
// CHECK-NOT:       nvvm.griddepcontrol
// CHECK:         } else {
// CHECK:           nvvm.mbarrier.try_wait
// CHECK:           nvvm.mbarrier.arrive.expect_tx
// CHECK:           nvvm.cp.async.bulk.shared.cluster.global
// CHECK-NOT:       nvvm.griddepcontrol
// CHECK:           nvvm.cp.async.bulk.prefetch
// CHECK-NOT:       nvvm.mma.sync
// CHECK:           nvvm.griddepcontrol wait
// CHECK-NEXT:      nvvm.griddepcontrol launch_dependents

// Members that share their blocks wait for the launch before together.
// CHECK-LABEL: llvm.func @pair
// CHECK:         nvvm.mbarrier.init
// CHECK:         nvvm.griddepcontrol wait
// CHECK:         nvvm.cp.async.bulk.prefetch
// CHECK:         nvvm.griddepcontrol wait
// CHECK-NEXT:    nvvm.griddepcontrol launch_dependents
// CHECK-NOT:     nvvm.griddepcontrol

// Experts are known when the launch before has ended: readers list them and say so at a barrier of its own. Weights that
// no routing chooses are fetched first, without waiting.
// CHECK-LABEL: llvm.func @experts
// CHECK-COUNT-9: nvvm.mbarrier.init
// CHECK:         nvvm.griddepcontrol wait
// CHECK:         nvvm.vote.sync ballot
// CHECK:         nvvm.mbarrier.arrive
// CHECK-NEXT:    }
// CHECK:         nvvm.cp.async.bulk.shared.cluster.global
// CHECK:         nvvm.mbarrier.try_wait
// CHECK:         llvm.load %{{.*}} : !llvm.ptr<3> -> i32
// CHECK:         nvvm.cp.async.bulk.shared.cluster.global
// CHECK-NOT:     nvvm.cp.async.bulk
// CHECK:         nvvm.griddepcontrol wait
// CHECK-NEXT:    nvvm.griddepcontrol launch_dependents
