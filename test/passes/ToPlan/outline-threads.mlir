// RUN: yupana-opt %s --yupana-outline-kernels=target=sm_80 | FileCheck %s

// A launch has the threads that the config says, one of several members those of the largest; a kernel lists the
// arguments that are weights.
// CHECK: kernel.launch @kernels::@map_0 #kernel.grid<"T"> threads 64 (%{{.*}}, %{{.*}}) :
// CHECK: kernel.launch @kernels::@parallel_1 #kernel.grid<"T", "T", "+"> threads 128 (%{{.*}}, %{{.*}}, %{{.*}}) :
// CHECK: kernel.func @map_0 weights [0] {
// CHECK: kernel.func @parallel_1 weights [0] {
lm.weight @w from ["w"] : tensor<16xf32> through [] : tensor<16xf32>
kernel.program @step function step max_tokens 16 {
  %w = kernel.weight @w : !kernel.view<[16], f32>
  %x = kernel.buffer "x" : !kernel.view<["T", 16], f32>
  %y = kernel.buffer "y" : !kernel.view<["T", 16], f32>
  kernel.map rows "T" groups 1 width 16 attributes {grid = #kernel.grid<"T">, config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 64, blocks = 1, rows = 1>} {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %w[%lane] : !kernel.view<[16], f32>
    kernel.store %0, %x[%row, %lane] : !kernel.view<["T", 16], f32>
  }
  kernel.parallel attributes {grid = #kernel.grid<"T", "T", "+">} {
    kernel.map rows "T" groups 1 width 16 attributes {grid = #kernel.grid<"T">, config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 64, blocks = 1, rows = 1>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %0 = kernel.load %w[%lane] : !kernel.view<[16], f32>
      kernel.store %0, %x[%row, %lane] : !kernel.view<["T", 16], f32>
    }
    kernel.map rows "T" groups 1 width 16 attributes {grid = #kernel.grid<"T">, config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 1>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %0 = kernel.load %w[%lane] : !kernel.view<[16], f32>
      kernel.store %0, %y[%row, %lane] : !kernel.view<["T", 16], f32>
    }
  }
}
