// RUN: yupana-opt %s --yupana-pack-weights=target=x86-64-v3 --split-input-file | FileCheck %s

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
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %m : !kernel.view<[64, 64], f32> {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
  }
  kernel.gemm rows "T" product %y : !kernel.view<["T", 64], f32> times %t : !kernel.view<[16, 64], f32> {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %z[%row, %feature] : !kernel.view<["T", 16], f32>
  }
}

// -----

// In bfloat16 panels have columns in pairs. A router is small and read by rows; what only a region reads, too.
// CHECK: lm.weight @multiplied {{.*}} through [#lm.convert<bf16>, #lm.pack<"panel32x2">] : tensor<64x63xbf16>
// CHECK: lm.weight @router {{.*}} through [#lm.pack<"row-major">] : tensor<16x63xbf16>
// CHECK: lm.weight @gain {{.*}} through [#lm.pack<"row-major">] : tensor<63xbf16>
// CHECK: kernel.weight @multiplied : !kernel.view<[64, 63], bf16, "panel32x2">
// CHECK: kernel.weight @router : !kernel.view<[16, 63], bf16>
// CHECK: kernel.weight @gain : !kernel.view<[63], bf16>
// CHECK: times %{{.*}} : !kernel.view<[64, 63], bf16, "panel32x2">
lm.weight @multiplied from ["m"] : tensor<64x63xf32> through [#lm.convert<bf16>] : tensor<64x63xbf16>
lm.weight @router from ["r"] : tensor<16x63xbf16> through [] : tensor<16x63xbf16>
lm.weight @gain from ["g"] : tensor<63xbf16> through [] : tensor<63xbf16>
kernel.program @step function step max_tokens 16 {
  %m = kernel.weight @multiplied : !kernel.view<[64, 63], bf16>
  %r = kernel.weight @router : !kernel.view<[16, 63], bf16>
  %g = kernel.weight @gain : !kernel.view<[63], bf16>
  %x = kernel.buffer "x" : !kernel.view<["T", 63], bf16>
  %y = kernel.buffer "y" : !kernel.view<["T", 64], bf16>
  %e = kernel.buffer "e" : !kernel.view<["T", 1], i32>
  %s = kernel.buffer "s" : !kernel.view<["T", 1], f32>
  kernel.route rows "T" product {
  ^bb0(%row: index, %k: index):
    %0 = kernel.load %x[%row, %k] : !kernel.view<["T", 63], bf16>
    %1 = arith.extf %0 : bf16 to f32
    kernel.yield %1 : f32
  } times %r : !kernel.view<[16, 63], bf16> into %e, %s top 1 score sigmoid
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  kernel.gemm rows "T" product {
  ^bb0(%row: index, %k: index):
    %0 = kernel.load %g[%k] : !kernel.view<[63], bf16>
    kernel.yield %0 : bf16
  } times %m : !kernel.view<[64, 63], bf16> {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %0 = arith.truncf %acc : f32 to bf16
    kernel.store %0, %y[%row, %feature] : !kernel.view<["T", 64], bf16>
  }
}

// -----

// Interleaved weights are packed as one, in panels even where only a region reads them; their parts never are. What is packed as it must be stays. Members of a parallel
// multiply as any product does.
// CHECK: lm.weight @gate {{.*}} through [] :
// CHECK: lm.weight @up {{.*}} through [] :
// CHECK: lm.interleaved @gate_up of @gate, @up by 16 layout "panel32" : tensor<64x64xf32>
// CHECK: lm.interleaved @other of @gate, @up by 16 layout "panel32" : tensor<64x64xf32>
// CHECK: lm.interleaved @read of @gate, @up by 16 layout "panel32" : tensor<64x64xf32>
// CHECK: lm.weight @given {{.*}} through [#lm.pack<"panel32">] :
// CHECK: kernel.weight @gate_up : !kernel.view<[64, 64], f32, "panel32">
// CHECK: kernel.weight @other : !kernel.view<[64, 64], f32, "panel32">
// CHECK: kernel.weight @given : !kernel.view<[32, 64], f32, "panel32">
lm.weight @gate from ["g"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
lm.weight @up from ["u"] : tensor<24x64xf32> through [] : tensor<24x64xf32>
lm.interleaved @gate_up of @gate, @up by 16 : tensor<64x64xf32>
lm.interleaved @other of @gate, @up by 16 layout "panel32" : tensor<64x64xf32>
lm.interleaved @read of @gate, @up by 16 : tensor<64x64xf32>
lm.weight @given from ["w"] : tensor<32x64xf32> through [#lm.pack<"panel32">] : tensor<32x64xf32>
kernel.program @step function step max_tokens 16 {
  %w = kernel.weight @gate_up : !kernel.view<[64, 64], f32>
  %o = kernel.weight @other : !kernel.view<[64, 64], f32>
  %g = kernel.weight @given : !kernel.view<[32, 64], f32>
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  kernel.gemm rows "T" pairs 24 by 16 product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[64, 64], f32>
      product %x : !kernel.view<["T", 64], f32> times %o : !kernel.view<[64, 64], f32> {
  ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %row: index, %feature: index):
  }
  kernel.parallel {
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %g : !kernel.view<[32, 64], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
  }
}
