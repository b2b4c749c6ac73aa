// RUN: yupana-opt %s --yupana-verify-weight-layout | FileCheck %s

// Views that read a weight as it is packed pass; tables are always row-major, and parts of an interleaved weight have no form.
// CHECK: kernel.weight @w
// CHECK: kernel.weight @t
// CHECK: kernel.weight @pairs
// Numerics are asked of ops that add up alone.
// CHECK: kernel.gemm
// CHECK: kernel.map
lm.weight @w from ["w"] : tensor<64x64xf32> through [#lm.pack<"panel32">] : tensor<64x64xf32>
lm.table @t from #lm.temperature_table<scale = 1.0e-1 : f64, count = 8> as tensor<8xf32>
lm.weight @part from ["p"] : tensor<32x64xbf16> through [] : tensor<32x64xbf16>
lm.interleaved @pairs of @part, @part by 16 layout "panel32x2" : tensor<64x64xbf16>
kernel.program @step function step max_tokens 16 {
  %w = kernel.weight @w : !kernel.view<[64, 64], f32, "panel32">
  %t = kernel.weight @t : !kernel.view<[8], f32>
  %p = kernel.weight @pairs : !kernel.view<[64, 64], bf16, "panel32x2">
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  %y = kernel.buffer "y" : !kernel.view<["T", 64], f32>
  kernel.gemm rows "T" attributes {numerics = #kernel.numerics<range = 256, order = ascending, partials = 32>}
    product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[64, 64], f32, "panel32"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %x[%row, %lane] : !kernel.view<["T", 64], f32>
    kernel.store %0, %y[%row, %lane] : !kernel.view<["T", 64], f32>
  }
}
