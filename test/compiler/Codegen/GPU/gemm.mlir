// RUN: yupana-opt %s --yupana-kernel-to-nvvm --canonicalize --cse --split-input-file | FileCheck %s

// Weights and plain rows are copied to a ring of stages asynchronously, and read from there by ldmatrix for the matrix
// instructions; accumulators leave through shared memory, where a warp takes a row.
#config = #kernel.gpu<"sm_80", form = mma, tile = 64 x 8 x 64, stages = 4, threads = 128, blocks = 1, rows = 1>
kernel.library @library target "sm_80" {
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

// Four stages of 9 KiB, and eight rows of 64 sums and 16 bytes.
// CHECK-LABEL: llvm.func @gemm
// CHECK-SAME:    kernel.shared_bytes = 39040 : i64
// CHECK-SAME:    nvvm.reqntid = array<i32: 128, 1, 1>
// The first three stages: 64 bytes of weights for each thread, and 16 of a token row for half of them.
// CHECK:         scf.for %{{.*}} = %c0_i32 to %c3_i32 step %c1_i32
// CHECK-COUNT-4:   nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache = cg :
// CHECK:           scf.if
// CHECK:             nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache = cg, %{{.*}} :
// CHECK:           nvvm.cp.async.commit.group
// Four steps of K, each with four matrix instructions of 16 k.
// CHECK:         %[[SUMS:.*]]:6 = scf.for %{{.*}} = %c0_i32 to %c4_i32 step %c1_i32
// CHECK:           nvvm.cp.async.wait.group 2
// CHECK:           nvvm.barrier
// CHECK:           nvvm.cp.async.commit.group
// CHECK:           nvvm.ldmatrix
// CHECK-COUNT-4:   nvvm.mma.sync
// CHECK-NOT:       nvvm.mma.sync
// CHECK:         llvm.store %[[SUMS]]#0
// CHECK:         nvvm.barrier
// CHECK:         scf.for
// CHECK:           llvm.load %{{.*}} : !llvm.ptr<3> -> f32
// CHECK:           llvm.store %{{.*}} : f32, !llvm.ptr<1>

// -----

// What is computed goes through registers, 16 bytes at a time, loads along k included; sums of rows of memory are there
// before, a warp a row.
#config = #kernel.gpu<"sm_80", form = mma, tile = 64 x 16 x 64, stages = 2, threads = 128, blocks = 1, rows = 1>
kernel.library @library target "sm_80" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 64], f32>, %s: !kernel.view<["T", 2], f32>, %w: !kernel.view<[64, 64], bf16, "tile64x128">,
       %y: !kernel.view<["T", 64], f32>):
    kernel.gemm rows "T" attributes {config = #config} product {
    ^bb0(%row: index, %k: index):
      %v = kernel.load %x[%row, %k] : !kernel.view<["T", 64], f32>
      %sum = kernel.row_sum %s[%row] : !kernel.view<["T", 2], f32>
      %m = arith.mulf %v, %sum : f32
      %r = arith.truncf %m : f32 to bf16
      kernel.yield %r : bf16
    } times %w : !kernel.view<[64, 64], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
    }
  }
}

// CHECK-LABEL: llvm.func @gemm
// CHECK:         nvvm.shfl.sync bfly
// CHECK:         nvvm.barrier
// CHECK:         %[[SUM:.*]] = llvm.load %{{.*}} : !llvm.ptr<3> -> f32
// CHECK:         llvm.load %{{.*}} invariant {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
// CHECK:         llvm.load %{{.*}} invariant {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
// CHECK-COUNT-8: arith.mulf %{{.*}}, %[[SUM]]
// CHECK:         llvm.store %{{.*}} {alignment = 16 : i64} : vector<8xbf16>, !llvm.ptr<3>

// -----

// float32 has no matrix instruction that does not round: a thread multiplies one weight row by half of the token rows.
#config = #kernel.gpu<"sm_80", form = mma, tile = 64 x 8 x 32, stages = 4, threads = 128, blocks = 1, rows = 1>
kernel.library @library target "sm_80" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 32], f32>, %w: !kernel.view<[64, 32], f32, "tile64x128">, %y: !kernel.view<["T", 64], f32>):
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 32], f32> times %w : !kernel.view<[64, 32], f32, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
    }
  }
}

// CHECK-LABEL:     llvm.func @gemm
// CHECK-NOT:         nvvm.mma.sync
// CHECK-COUNT-128:   math.fma
// CHECK-NOT:         math.fma
