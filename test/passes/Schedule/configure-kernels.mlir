// RUN: yupana-opt %s --yupana-configure-kernels=target=x86-64-v3 | FileCheck %s --check-prefixes=CHECK,V3
// RUN: yupana-opt %s --yupana-configure-kernels=target=x86-64-v4 | FileCheck %s --check-prefixes=CHECK,V4 -DTARGET=x86-64-v4
// RUN: yupana-opt %s --yupana-configure-kernels=target=x86-64-v4-bf16 | FileCheck %s --check-prefixes=CHECK,V4 -DTARGET=x86-64-v4-bf16

// Every kernel gets a tile for the target and a grid over the dimension its rows have: panels are the fastest index of a
// product, experts count where rows are grouped, a config that is there already stays.
lm.weight @w from ["w"] : tensor<70x64xf32> through [#lm.pack<"panel32">] : tensor<70x64xf32>
lm.weight @e from ["e"] : tensor<4x64x64xf32> through [#lm.pack<"panel32">] : tensor<4x64x64xf32>
lm.weight @pairs from ["p"] : tensor<4x96x64xf32> through [#lm.pack<"panel32">] : tensor<4x96x64xf32>
lm.weight @router from ["r"] : tensor<4x1024xf32> through [#lm.pack<"row-major">] : tensor<4x1024xf32>
kernel.program @step function step max_tokens 16 {
  %w = kernel.weight @w : !kernel.view<[70, 64], f32, "panel32">
  %e = kernel.weight @e : !kernel.view<[4, 64, 64], f32, "panel32">
  %pairs = kernel.weight @pairs : !kernel.view<[4, 96, 64], f32, "panel32">
  %router = kernel.weight @router : !kernel.view<[4, 1024], f32>
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  %y = kernel.buffer "y" : !kernel.view<["T", 70], f32>
  %rows = kernel.buffer "rows" : !kernel.view<["2*T", 64], f32>
  %deep = kernel.buffer "deep" : !kernel.view<["T", 1024], f32>
  %l = kernel.buffer "l" : !kernel.view<["T", 4], f32>
  %x2 = kernel.buffer "x2" : !kernel.view<["T", 2], i32>
  %s2 = kernel.buffer "s2" : !kernel.view<["T", 2], f32>
  // V3: kernel.gemm {{.*}} attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = [[ROWS:.*]]>, grid = #kernel.grid<"T", [[ROWS]], "ceildiv", 3, "*">}
  // V4: kernel.gemm {{.*}} attributes {config = #kernel.x86<"[[TARGET]]", tile = 12 x 32, rows = [[ROWS:.*]]>, grid = #kernel.grid<"T", [[ROWS]], "ceildiv", 3, "*">}
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[70, 64], f32, "panel32"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 70], f32>
  }
  // CHECK: kernel.gemm {{.*}} grid = #kernel.grid<2, 4, "*">
  kernel.gemm rows "2*T" by %x2 : !kernel.view<["T", 2], i32>
      product %rows : !kernel.view<["2*T", 64], f32> times %e : !kernel.view<[4, 64, 64], f32, "panel32"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  // Cells hold whole panels and whole groups: 33 pairs are 3 panels of 16, and three panels hold two groups of 24.
  // CHECK: kernel.gemm rows "2*T" by {{.*}} pairs 33 by 16 {{.*}} grid = #kernel.grid<3, 4, "*">
  kernel.gemm rows "2*T" by %x2 : !kernel.view<["T", 2], i32> pairs 33 by 16
      product %rows : !kernel.view<["2*T", 64], f32> times %pairs : !kernel.view<[4, 96, 64], f32, "panel32"> {
  ^bb0(%a: f32, %b: f32, %row: index, %feature: index):
  }
  // CHECK: kernel.gemm {{.*}} group 24 {{.*}} grid = #kernel.grid<1, 4, "*">
  kernel.gemm rows "2*T" by %x2 : !kernel.view<["T", 2], i32> pairs 33 by 16 group 24
      product %rows : !kernel.view<["2*T", 64], f32> times %pairs : !kernel.view<[4, 96, 64], f32, "panel32"> {
  ^bb0(%a: f32, %b: f32, %row: index, %feature: index):
  }
  // CHECK: kernel.gemm rows "T" group 64 {{.*}} grid = #kernel.grid<"T", {{[0-9]+}}, "ceildiv", 2, "*">
  kernel.gemm rows "T" group 64 product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[70, 64], f32, "panel32"> {
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
  // CHECK: kernel.route {{.*}} rows = 64>, grid = #kernel.grid<"T", 64, "ceildiv">
  kernel.route rows "T" logits %l : !kernel.view<["T", 4], f32> into %x2, %s2 top 2 score sigmoid
    : !kernel.view<["T", 2], i32>, !kernel.view<["T", 2], f32>
  // A row of which the logits have to be computed takes longer.
  // CHECK: kernel.route {{.*}} rows = 4>, grid = #kernel.grid<"T", 4, "ceildiv">
  kernel.route rows "T" product %deep : !kernel.view<["T", 1024], f32> times %router : !kernel.view<[4, 1024], f32>
    into %x2, %s2 top 2 score sigmoid : !kernel.view<["T", 2], i32>, !kernel.view<["T", 2], f32>
  // Sorted rows: one cell sorts them, cells of a product are as many as without, and a map has more rows than T gives.
  %offsets = kernel.buffer "offsets" : !kernel.view<[5], i32>
  %order = kernel.buffer "order" : !kernel.view<["2*T+28"], i32>
  %placed = kernel.buffer "placed" : !kernel.view<["2*T+28", 64], f32>
  // CHECK: kernel.group {{.*}} grid = #kernel.grid<1>
  kernel.group %x2 into %offsets, %order alignment 8
    : !kernel.view<["T", 2], i32>, !kernel.view<[5], i32>, !kernel.view<["2*T+28"], i32>
  // CHECK: kernel.map rows "2*T+28" {{.*}} grid = #kernel.grid<"T", 2, "*", 28, "+", {{[0-9]+}}, "ceildiv">
  kernel.map rows "2*T+28" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
  }
  // CHECK: kernel.gemm {{.*}} grid = #kernel.grid<2, 4, "*">
  kernel.gemm rows "2*T+28" by %offsets : !kernel.view<[5], i32> sorted %order : !kernel.view<["2*T+28"], i32>
      product %placed : !kernel.view<["2*T+28", 64], f32> times %e : !kernel.view<[4, 64, 64], f32, "panel32"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  // Side by side: the sum of what the members have.
  // CHECK: kernel.parallel attributes {grid = #kernel.grid<"T", 5, "ceildiv", 2, 4, "*", "+", "T", 7, "ceildiv", 3, "*", "+">}
  // CHECK-NEXT: kernel.map {{.*}} grid = #kernel.grid<"T", 5, "ceildiv">
  // CHECK: kernel.gemm {{.*}} grid = #kernel.grid<2, 4, "*">
  // CHECK: kernel.gemm {{.*}} grid = #kernel.grid<"T", 7, "ceildiv", 3, "*">
  kernel.parallel {
    kernel.map rows "T" groups 1 width 64 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 5>} {
    ^bb0(%row: index, %group: index, %lane: index):
    }
    kernel.gemm rows "2*T" by %x2 : !kernel.view<["T", 2], i32>
        product %rows : !kernel.view<["2*T", 64], f32> times %e : !kernel.view<[4, 64, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
    kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 7>}
        product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[70, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
  }
}
