// RUN: yupana-opt %s --yupana-kernel-to-nvvm --yupana-gpu-lower | FileCheck %s

// Nothing but the llvm and nvvm dialects is left; an exponential is the polynomial that a CPU has, too.
kernel.library @library target "sm_90a" {
  kernel.func @exponential {
  ^bb0(%x: !kernel.view<["T", 40], f32>, %y: !kernel.view<["T", 40], bf16>):
    kernel.map rows "T" groups 1 width 40 attributes {config = #kernel.gpu<"sm_90a", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 8>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 40], f32>
      %e = math.exp %v : f32
      %r = arith.truncf %e : f32 to bf16
      kernel.store %r, %y[%row, %lane] : !kernel.view<["T", 40], bf16>
    }
  }
}

// CHECK-LABEL: llvm.func @exponential
// CHECK-NOT:   {{(arith|math|scf|cf|kernel)\.[a-z]+ }}
// CHECK:       llvm.intr.floor
// CHECK-COUNT-5: llvm.intr.fma
// CHECK:       llvm.fptrunc %{{.*}} : f32 to bf16
// CHECK:       llvm.return
