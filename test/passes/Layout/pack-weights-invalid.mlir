// RUN: yupana-opt %s --yupana-pack-weights --verify-diagnostics

// A weight that was packed by hand must have the form that its kernels read.
// expected-error @below {{'lm.weight' op is packed as panel32, its kernels read row-major}}
lm.weight @gathered from ["g"] : tensor<16x64xf32> through [#lm.pack<"panel32">] : tensor<16x64xf32>
kernel.program @step function step max_tokens 16 {
  %g = kernel.weight @gathered : !kernel.view<[16, 64], f32>
}
