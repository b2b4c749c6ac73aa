// RUN: yupana-opt %s --yupana-verify-schedule | FileCheck %s

// Kernels with grid and config, all for one target, pass.
// CHECK-COUNT-2: kernel.map
kernel.program @step function step max_tokens 16 {
  kernel.map rows "T" groups 1 width 64 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 4>, grid = #kernel.grid<"T">} {
  ^bb0(%row: index, %group: index, %lane: index):
  }
  kernel.map rows "T" groups 1 width 64 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 8>, grid = #kernel.grid<"T">} {
  ^bb0(%row: index, %group: index, %lane: index):
  }
  // A parallel has a grid; what there is to choose its members have chosen.
  // CHECK: kernel.parallel
  kernel.parallel attributes {grid = #kernel.grid<"T">} {
    kernel.map rows "T" groups 1 width 64 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 8>, grid = #kernel.grid<"T">} {
    ^bb0(%row: index, %group: index, %lane: index):
    }
  }
}
