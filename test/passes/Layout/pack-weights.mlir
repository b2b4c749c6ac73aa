// RUN: yupana-opt %s --yupana-pack-weights | FileCheck %s

// What a product reads is packed in panels, what is only gathered stays row-major.
// CHECK: lm.weight @gathered {{.*}} through [#lm.pack<"row-major">]
// CHECK: lm.weight @multiplied {{.*}} through [#lm.pack<"panel32">]
// A tied embedding is both: one form, and the gather reads it.
// CHECK: lm.weight @tied {{.*}} through [#lm.convert<f32>, #lm.pack<"panel32">]
// CHECK: kernel.weight @gathered : !kernel.view<[16, 64], f32>
// CHECK: kernel.weight @multiplied : !kernel.view<[64, 64], f32, "panel32">
// CHECK: %[[TIED:.*]] = kernel.weight @tied : !kernel.view<[16, 64], f32, "panel32">
// CHECK: kernel.load %[[TIED]][%{{.*}}, %{{.*}}] : !kernel.view<[16, 64], f32, "panel32">
lm.weight @gathered from ["g"] : tensor<16x64xf32> through [] : tensor<16x64xf32>
lm.weight @multiplied from ["m"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @tied from ["t"] : tensor<16x64xbf16> through [#lm.convert<f32>] : tensor<16x64xf32>
kernel.program @step function step max_tokens 16 {
  %g = kernel.weight @gathered : !kernel.view<[16, 64], f32>
  %m = kernel.weight @multiplied : !kernel.view<[64, 64], f32>
  %t = kernel.weight @tied : !kernel.view<[16, 64], f32>
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  %y = kernel.buffer "y" : !kernel.view<["T", 64], f32>
  %z = kernel.buffer "z" : !kernel.view<["T", 16], f32>
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %g[%group, %lane] : !kernel.view<[16, 64], f32>
    %1 = kernel.load %t[%group, %lane] : !kernel.view<[16, 64], f32>
    %2 = arith.addf %0, %1 : f32
    kernel.store %2, %x[%row, %lane] : !kernel.view<["T", 64], f32>
  }
  kernel.gemm %x, %m : !kernel.view<["T", 64], f32>, !kernel.view<[64, 64], f32> {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
  }
  kernel.gemm %y, %t : !kernel.view<["T", 64], f32>, !kernel.view<[16, 64], f32> {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %z[%row, %feature] : !kernel.view<["T", 16], f32>
  }
}
