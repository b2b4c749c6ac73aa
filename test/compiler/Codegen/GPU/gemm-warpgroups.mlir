// RUN: yupana-opt %s --yupana-kernel-to-nvvm --canonicalize --cse | FileCheck %s

// Half of the block fetches, by bulk copies of whole weight tiles and by the input region; the other half multiplies by
// instructions of a whole warpgroup. Two barriers a stage go between them.
#config = #kernel.gpu<"sm_90a", form = wgmma, tile = 64 x 16 x 64, stages = 4, threads = 256, blocks = 1, rows = 1>
kernel.library @library target "sm_90a" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 256], bf16>, %w: !kernel.view<[128, 256], bf16, "tile64x128">,
       %y: !kernel.view<["T", 128], f32>):
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 256], bf16> times %w : !kernel.view<[128, 256], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 128], f32>
    }
  }
}

// Four stages of 10 KiB, sixteen rows of 64 sums and 16 bytes, eight barriers.
// CHECK-LABEL: llvm.func @gemm
// CHECK-SAME:    kernel.shared_bytes = 45376 : i64
// CHECK-SAME:    nvvm.reqntid = array<i32: 256, 1, 1>
// CHECK-COUNT-8: nvvm.mbarrier.init
// CHECK:         nvvm.fence.mbarrier.init
// CHECK:         nvvm.barrier
// CHECK:         scf.if
// The half that multiplies: four instructions of 16 k a stage, one stage left running.
// CHECK:           scf.for
// CHECK:             nvvm.mbarrier.try_wait
// CHECK:             nvvm.wgmma.fence.aligned
// CHECK-COUNT-4:     llvm.inline_asm has_side_effects asm_dialect = att "wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 {$0, $1, $2, $3, $4, $5, $6, $7}, $16, $17, 1, 1, 1, 0, 0;"
// CHECK:             nvvm.wgmma.commit.group.sync.aligned
// CHECK:             "wgmma.wait_group.sync.aligned 1;"
// CHECK:             nvvm.mbarrier.arrive
// CHECK:           "wgmma.wait_group.sync.aligned 0;"
// The half that fetches.
// CHECK:         } else {
// CHECK:           scf.for
// CHECK:             nvvm.mbarrier.try_wait
// CHECK:             nvvm.mbarrier.arrive.expect_tx
// CHECK:             nvvm.cp.async.bulk.shared.cluster.global
// CHECK:             llvm.store %{{.*}} {alignment = 16 : i64} : vector<8xbf16>, !llvm.ptr<3>
// CHECK:             nvvm.fence.proxy
// CHECK:             nvvm.mbarrier.arrive
// CHECK:         nvvm.barrier
