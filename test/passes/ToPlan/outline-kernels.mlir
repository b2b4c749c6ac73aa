// RUN: yupana-opt %s --yupana-outline-kernels=target=x86-64-v4 | FileCheck %s

// Two maps that differ in their views alone are one kernel; a third computes something else.
// CHECK: kernel.launch @kernels::@map_0 #kernel.grid<"T"> (%[[A:.*]], %[[B:.*]]) :
// CHECK: kernel.launch @kernels::@map_0 #kernel.grid<"T"> (%[[B]], %[[C:.*]]) :
// CHECK: kernel.launch @kernels::@map_1 #kernel.grid<"T", 2, "ceildiv"> (%[[C]], %{{.*}}) :
// CHECK: kernel.launch @kernels::@parallel_2 #kernel.grid<"T", "T", "+"> (%[[A]], %{{.*}}, %{{.*}}) :
// CHECK: kernel.library @kernels target "x86-64-v4"
// CHECK: kernel.func @map_0
// CHECK: ^bb0(%[[IN:.*]]: !kernel.view<["T", 64], f32>, %[[OUT:.*]]: !kernel.view<["T", 64], f32>):
// CHECK-NOT: grid
// CHECK: kernel.load %[[IN]]
// CHECK: kernel.store %{{.*}}, %[[OUT]]
// CHECK: kernel.func @map_1
// Members stay with each other, and keep their grids, by which a range of cells is theirs.
// CHECK: kernel.func @parallel_2
// CHECK: ^bb0(%[[IN:.*]]: !kernel.view<["T", 64], f32>, %[[OUT:.*]]: !kernel.view<["T", 64], f32>, %[[OTHER:.*]]: !kernel.view<["T", 64], f32>):
// CHECK: kernel.parallel {
// CHECK: kernel.map {{.*}}{grid = #kernel.grid<"T">}
// CHECK: kernel.store %{{.*}}, %[[OUT]]
// CHECK: kernel.map {{.*}}{grid = #kernel.grid<"T">}
// CHECK: kernel.store %{{.*}}, %[[OTHER]]
// CHECK-NOT: kernel.func
kernel.program @step function step max_tokens 16 {
  %a = kernel.buffer "a" : !kernel.view<["T", 64], f32>
  %b = kernel.buffer "b" : !kernel.view<["T", 64], f32>
  %c = kernel.buffer "c" : !kernel.view<["T", 64], f32>
  %d = kernel.buffer "d" : !kernel.view<["T", 64], f32>
  kernel.map rows "T" groups 1 width 64 attributes {grid = #kernel.grid<"T">} {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %a[%row, %lane] : !kernel.view<["T", 64], f32>
    kernel.store %x, %b[%row, %lane] : !kernel.view<["T", 64], f32>
  }
  kernel.map rows "T" groups 1 width 64 attributes {grid = #kernel.grid<"T">} {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %b[%row, %lane] : !kernel.view<["T", 64], f32>
    kernel.store %x, %c[%row, %lane] : !kernel.view<["T", 64], f32>
  }
  kernel.map rows "T" groups 1 width 64 attributes {grid = #kernel.grid<"T", 2, "ceildiv">} {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %c[%row, %lane] : !kernel.view<["T", 64], f32>
    %y = arith.addf %x, %x : f32
    kernel.store %y, %d[%row, %lane] : !kernel.view<["T", 64], f32>
  }
  %e = kernel.buffer "e" : !kernel.view<["T", 64], f32>
  %f = kernel.buffer "f" : !kernel.view<["T", 64], f32>
  kernel.parallel attributes {grid = #kernel.grid<"T", "T", "+">} {
    kernel.map rows "T" groups 1 width 64 attributes {grid = #kernel.grid<"T">} {
    ^bb0(%row: index, %group: index, %lane: index):
      %x = kernel.load %a[%row, %lane] : !kernel.view<["T", 64], f32>
      kernel.store %x, %e[%row, %lane] : !kernel.view<["T", 64], f32>
    }
    kernel.map rows "T" groups 1 width 64 attributes {grid = #kernel.grid<"T">} {
    ^bb0(%row: index, %group: index, %lane: index):
      %x = kernel.load %a[%row, %lane] : !kernel.view<["T", 64], f32>
      kernel.store %x, %f[%row, %lane] : !kernel.view<["T", 64], f32>
    }
  }
}
