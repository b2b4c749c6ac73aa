// RUN: yupana-opt %s --yupana-pack-weights=target=x86-64-v3 --split-input-file --verify-diagnostics

// A weight that was packed by hand must have the form that its kernels read.
// expected-error @below {{'lm.weight' op is packed as panel32, its kernels read row-major}}
lm.weight @gathered from ["g"] : tensor<16x64xf32> through [#lm.pack<"panel32">] : tensor<16x64xf32>
kernel.program @step function step max_tokens 16 {
  %g = kernel.weight @gathered : !kernel.view<[16, 64], f32>
}

// -----

// So must one that alternates between two.
lm.weight @gate from ["g"] : tensor<32x64xbf16> through [] : tensor<32x64xbf16>
// expected-error @below {{'lm.interleaved' op is packed as panel32, its kernels read panel32x2}}
lm.interleaved @gate_up of @gate, @gate by 16 layout "panel32" : tensor<64x64xbf16>
kernel.program @step function step max_tokens 16 {
  %w = kernel.weight @gate_up : !kernel.view<[64, 64], bf16>
  %x = kernel.buffer "x" : !kernel.view<["T", 64], bf16>
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[64, 64], bf16> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}
