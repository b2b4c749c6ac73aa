// RUN: yupana-opt %s --yupana-verify-weight-layout --split-input-file --verify-diagnostics

// expected-error @below {{'lm.weight' op has no layout, expected pack-weights to have run}}
lm.weight @w from ["w"] : tensor<64x64xf32> through [] : tensor<64x64xf32>

// -----

// An interleaved weight has one too; its parts need none.
lm.weight @part from ["w"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
// expected-error @below {{'lm.interleaved' op has no layout, expected pack-weights to have run}}
lm.interleaved @w of @part, @part by 16 : tensor<64x64xf32>

// -----

// Which views of it name.
lm.weight @part from ["w"] : tensor<32x64xbf16> through [] : tensor<32x64xbf16>
// expected-note @below {{packed here}}
lm.interleaved @w of @part, @part by 16 layout "panel32x2" : tensor<64x64xbf16>
kernel.program @step function step max_tokens 16 {
  // expected-error @below {{reads @w as panel32, it is packed as panel32x2}}
  %w = kernel.weight @w : !kernel.view<[64, 64], bf16, "panel32">
}

// -----

// A view in another form would read other numbers.
// expected-note @below {{packed here}}
lm.weight @w from ["w"] : tensor<64x64xf32> through [#lm.pack<"panel32">] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  // expected-error @below {{reads @w as row-major, it is packed as panel32}}
  %w = kernel.weight @w : !kernel.view<[64, 64], f32>
}

// -----

lm.cache @a layer 0 heads 2 width 16 : f32
kernel.program @step function step max_tokens 16 {
  // expected-error @below {{'kernel.cache' op has no group, expected group-caches to have run}}
  %k = kernel.cache @a : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
}

// -----

lm.cache @a layer 0 heads 2 width 16 : f32
kernel.program @step function step max_tokens 16 {
  // expected-error @below {{'kernel.page_table' op has no group, expected group-caches to have run}}
  %p = kernel.page_table @a : !kernel.view<["S", 16], i32>
}

// -----

// A product pairs the rows that alternate in its weight.
lm.weight @part from ["w"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
// expected-note @below {{@w is declared here}}
lm.interleaved @w of @part, @part by 16 layout "panel32" : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %w = kernel.weight @w : !kernel.view<[64, 64], f32, "panel32">
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  // expected-error @below {{has pairs by 8, the rows of @w alternate by 16}}
  kernel.gemm rows "T" pairs 32 by 8 attributes {numerics = #kernel.numerics<range = all, order = ascending, partials = 16>} product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[64, 64], f32, "panel32"> {
  ^bb0(%a: f32, %b: f32, %row: index, %feature: index):
  }
}

// -----

// What adds up says in which order.
lm.weight @w from ["w"] : tensor<64x64xf32> through [#lm.pack<"panel32">] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %w = kernel.weight @w : !kernel.view<[64, 64], f32, "panel32">
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  // expected-error @below {{'kernel.gemm' op has no numerics, expected state-numerics to have run}}
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[64, 64], f32, "panel32"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}
