// RUN: yupana-opt %s --yupana-kernel-to-nvvm --canonicalize --cse | FileCheck %s

// Three warpgroups: one thread of the third fetches, by bulk copies alone; the others multiply a weight tile each by
// all rows, with instructions as wide as the rows that there are. Blocks take units in turns.
#config = #kernel.gpu<"sm_90a", form = wgmma, tile = 128 x 256 x 64, stages = 4, threads = 384, blocks = 1, rows = 1>
kernel.library @library target "sm_90a" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 256], bf16, "rows128">, %w: !kernel.view<[192, 256], bf16, "tile64x128">,
       %y: !kernel.view<["T", 192], f32>):
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 256], bf16, "rows128"> times %w : !kernel.view<[192, 256], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 192], f32>
    }
  }
}

// Two blocks of a cluster take turns in asking for token rows, for both of them.
#pairs = #kernel.gpu<"sm_90a", form = wgmma, tile = 128 x 256 x 64, stages = 4, threads = 384, blocks = 1, rows = 1, cluster = 2>
kernel.library @clusters target "sm_90a" {
  kernel.func @pairs {
  ^bb0(%x: !kernel.view<["T", 256], bf16, "rows128">, %w: !kernel.view<[256, 256], bf16, "tile64x128">,
       %y: !kernel.view<["T", 256], f32>):
    kernel.gemm rows "T" attributes {config = #pairs}
        product %x : !kernel.view<["T", 256], bf16, "rows128"> times %w : !kernel.view<[256, 256], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 256], f32>
    }
  }
}

// Warpgroups with units of their own, in turn.
#turns = #kernel.gpu<"sm_90a", form = pingpong, tile = 128 x 128 x 64, stages = 5, threads = 384, blocks = 1, rows = 1>
kernel.library @pingpong target "sm_90a" {
  kernel.func @turns {
  ^bb0(%x: !kernel.view<["T", 256], bf16, "rows128">, %w: !kernel.view<[128, 256], bf16, "tile64x128">,
       %y: !kernel.view<["T", 128], f32>):
    kernel.gemm rows "T" attributes {config = #turns}
        product %x : !kernel.view<["T", 256], bf16, "rows128"> times %w : !kernel.view<[128, 256], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 128], f32>
    }
  }
}

// Four stages of 48 KiB, 64 rows of 128 sums and 16 bytes, eight barriers.
// CHECK-LABEL: llvm.func @gemm
// CHECK-SAME:    kernel.shared_bytes = 230464 : i64
// CHECK-SAME:    nvvm.reqntid = array<i32: 384, 1, 1>
// CHECK:         nvvm.read.ptx.sreg.nctaid.x
// CHECK-COUNT-8: nvvm.mbarrier.init
// CHECK:         nvvm.fence.mbarrier.init
// CHECK:         nvvm.barrier
// CHECK:         scf.if
// CHECK:           scf.for
// CHECK:             scf.for
// CHECK:             nvvm.mbarrier.try_wait
// CHECK-COUNT-4:     m64n256k16
// CHECK:             "wgmma.wait_group.sync.aligned 1;"
// CHECK:             "wgmma.wait_group.sync.aligned 0;"
// CHECK-COUNT-4:     m64n192k16
// CHECK-COUNT-4:     m64n128k16
// CHECK-COUNT-4:     m64n64k16
// The sums of 64 rows at a time, between barriers of those who multiply.
// CHECK:             scf.for
// CHECK:               nvvm.barrier id = %{{.*}} number_of_threads = %{{.*}}
// CHECK:               nvvm.barrier id = %{{.*}} number_of_threads = %{{.*}}
// The thread that fetches: two weight tiles, which need not follow one another, and the panel.
// CHECK:         } else {
// CHECK:           scf.if
// CHECK:             nvvm.mbarrier.try_wait
// CHECK:             nvvm.mbarrier.arrive.expect_tx
// CHECK-COUNT-3:     nvvm.cp.async.bulk.shared.cluster.global
// CHECK-NOT:       nvvm.fence.proxy
// CHECK:         llvm.return

// CHECK-LABEL: llvm.func @pairs
// CHECK-SAME:    nvvm.cluster_dim = array<i32: 2, 1, 1>
// CHECK:         nvvm.read.ptx.sreg.cluster.ctarank
// CHECK:         nvvm.mbarrier.init
// CHECK:         nvvm.fence.mbarrier.init
// CHECK:         nvvm.cluster.arrive
// CHECK:         nvvm.cluster.wait
// A stage is given back to both blocks.
// CHECK:         nvvm.mapa
// CHECK-NEXT:    nvvm.mbarrier.arrive {{.*}}relaxed = true, scope = #nvvm.mem_scope<cluster>
// CHECK:         } else {
// CHECK:           nvvm.mbarrier.try_wait {{.*}}relaxed = true, scope = #nvvm.mem_scope<cluster>
// CHECK:           nvvm.mbarrier.arrive.expect_tx
// CHECK-COUNT-2:   nvvm.cp.async.bulk.shared.cluster.global
// CHECK:           scf.if
// CHECK:             nvvm.cp.async.bulk.shared.cluster.global {{.*}} multicast_mask
// CHECK:         nvvm.cluster.arrive
// CHECK:         nvvm.cluster.wait
// CHECK:         llvm.return

// Five stages of 32 KiB, sums of each warpgroup, twelve barriers.
// CHECK-LABEL: llvm.func @turns
// CHECK-SAME:    kernel.shared_bytes = 231520 : i64
// CHECK-COUNT-12: nvvm.mbarrier.init
// Whose turn it is waits for the other, and multiplies both weight tiles.
// CHECK:         nvvm.mbarrier.try_wait
// CHECK-COUNT-8:   m64n128k16
// The other may go on before the products are complete.
// CHECK:           nvvm.mbarrier.arrive
// CHECK:           "wgmma.wait_group.sync.aligned 0;"
// CHECK:         llvm.return
