// RUN: yupana-opt %s --yupana-configure-kernels=target=x86-64-v3 | FileCheck %s --check-prefixes=CHECK,V3
// RUN: yupana-opt %s --yupana-configure-kernels=target=x86-64-v4 | FileCheck %s --check-prefixes=CHECK,V4

// Every kernel gets a tile for the target and a grid over the dimension its rows have: panels are the fastest index of a
// product, experts count where rows are grouped, a config that is there already stays.
lm.weight @w from ["w"] : tensor<70x64xf32> through [#lm.pack<"panel32">] : tensor<70x64xf32>
lm.weight @e from ["e"] : tensor<4x64x64xf32> through [#lm.pack<"panel32">] : tensor<4x64x64xf32>
kernel.program @step function step max_tokens 16 {
  %w = kernel.weight @w : !kernel.view<[70, 64], f32, "panel32">
  %e = kernel.weight @e : !kernel.view<[4, 64, 64], f32, "panel32">
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  %y = kernel.buffer "y" : !kernel.view<["T", 70], f32>
  %rows = kernel.buffer "rows" : !kernel.view<["2*T", 64], f32>
  %offsets = kernel.buffer "offsets" : !kernel.view<[5], i32>
  %order = kernel.buffer "order" : !kernel.view<["2*T"], i32>
  %slots = kernel.buffer "slots" : !kernel.view<["T", 2], i32>
  %l = kernel.buffer "l" : !kernel.view<["T", 4], f32>
  %x2 = kernel.buffer "x2" : !kernel.view<["T", 2], i32>
  %s2 = kernel.buffer "s2" : !kernel.view<["T", 2], f32>
  // V3: kernel.gemm {{.*}} {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = [[ROWS:.*]]>, grid = #kernel.grid<"T", [[ROWS]], "ceildiv", 3, "*">}
  // V4: kernel.gemm {{.*}} {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = [[ROWS:.*]]>, grid = #kernel.grid<"T", [[ROWS]], "ceildiv", 3, "*">}
  kernel.gemm %x, %w : !kernel.view<["T", 64], f32>, !kernel.view<[70, 64], f32, "panel32"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 70], f32>
  }
  // CHECK: kernel.gemm {{.*}} grid = #kernel.grid<2, 4, "*">
  kernel.gemm %rows, %e by %offsets : !kernel.view<["2*T", 64], f32>, !kernel.view<[4, 64, 64], f32, "panel32"> by !kernel.view<[5], i32> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  // CHECK: kernel.map rows "2*T" {{.*}} grid = #kernel.grid<"T", 2, "*", {{[0-9]+}}, "ceildiv">
  kernel.map rows "2*T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
  }
  // CHECK: kernel.map rows "T" {{.*}} rows = 5>, grid = #kernel.grid<"T", 5, "ceildiv">
  kernel.map rows "T" groups 1 width 64 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 5>} {
  ^bb0(%row: index, %group: index, %lane: index):
  }
  // CHECK: kernel.route {{.*}} grid = #kernel.grid<"T", {{[0-9]+}}, "ceildiv">
  kernel.route %l into %x2, %s2 top 2 score sigmoid
    : !kernel.view<["T", 4], f32>, !kernel.view<["T", 2], i32>, !kernel.view<["T", 2], f32>
  // CHECK: kernel.sort_tokens {{.*}} grid = #kernel.grid<1>
  kernel.sort_tokens %x2 into %offsets, %order, %slots
    : !kernel.view<["T", 2], i32>, !kernel.view<[5], i32>, !kernel.view<["2*T"], i32>, !kernel.view<["T", 2], i32>
}
