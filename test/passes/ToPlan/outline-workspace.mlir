// RUN: yupana-opt %s --yupana-outline-kernels=target=x86-64-v4 | FileCheck %s

// A kernel lists the arguments that are workspaces; one that is given other memory there is another kernel.
// CHECK: kernel.launch @kernels::@map_0 #kernel.grid<"T"> (%{{.*}}, %{{.*}}) :
// CHECK: kernel.launch @kernels::@map_1 #kernel.grid<"T"> (%{{.*}}, %{{.*}}) :
// CHECK: kernel.func @map_0 workspace [0] {
// CHECK: kernel.func @map_1 {
kernel.program @step function step max_tokens 16 {
  %w = kernel.buffer "w" workspace : !kernel.view<[16], i32>
  %v = kernel.buffer "v" : !kernel.view<[16], i32>
  %x = kernel.buffer "x" : !kernel.view<["T", 16], i32>
  %y = kernel.buffer "y" : !kernel.view<["T", 16], i32>
  kernel.map rows "T" groups 1 width 16 attributes {grid = #kernel.grid<"T">} {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %w[%lane] : !kernel.view<[16], i32>
    kernel.store %0, %x[%row, %lane] : !kernel.view<["T", 16], i32>
  }
  kernel.map rows "T" groups 1 width 16 attributes {grid = #kernel.grid<"T">} {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %v[%lane] : !kernel.view<[16], i32>
    kernel.store %0, %y[%row, %lane] : !kernel.view<["T", 16], i32>
  }
}
