// RUN: yupana-opt %s --yupana-verify-weight-layout | FileCheck %s

// Views that read a weight as it is packed pass; tables are always row-major.
// CHECK: kernel.weight @w
// CHECK: kernel.weight @t
lm.weight @w from ["w"] : tensor<64x64xf32> through [#lm.pack<"panel32">] : tensor<64x64xf32>
lm.table @t from #lm.temperature_table<scale = 1.0e-1 : f64, count = 8> as tensor<8xf32>
kernel.program @step function step max_tokens 16 {
  %w = kernel.weight @w : !kernel.view<[64, 64], f32, "panel32">
  %t = kernel.weight @t : !kernel.view<[8], f32>
}
