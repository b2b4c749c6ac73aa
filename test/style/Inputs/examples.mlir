// SPDX-License-Identifier: Apache-2.0
// What the examples of .td files refer to and do not declare themselves; see examples.py.
lm.cache @layers.0 layer 0 heads 2 width 16 chunk 48 : f32
lm.weight @embed from ["embed"] : tensor<256x64xf32> through [] : tensor<256x64xf32>
lm.weight @layers.0.input_norm from ["input_norm"] : tensor<64xf32> through [] : tensor<64xf32>
lm.weight @layers.0.q from ["q"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @gate from ["gate"] : tensor<16x32x64xf32> through [] : tensor<16x32x64xf32>
lm.weight @up from ["up"] : tensor<16x32x64xf32> through [] : tensor<16x32x64xf32>
lm.weight @down from ["down"] : tensor<16x64x32xf32> through [] : tensor<16x64x32xf32>
lm.weight @shared.gate from ["gate"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.weight @shared.up from ["up"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.weight @shared.down from ["down"] : tensor<64x32xf32> through [] : tensor<64x32xf32>
kernel.cache_group @full layers [0] chunk 0 page_tokens 64 page_bytes 65536
kernel.library @kernels target "x86-64-v3" {
  kernel.func @map_0 {
  ^bb0(%a: !kernel.view<["T", 64], f32>, %b: !kernel.view<["T", 64], f32>):
    kernel.map rows "T" groups 1 width 64 {
    ^bb0(%row: index, %group: index, %lane: index):
      %v = kernel.load %a[%row, %lane] : !kernel.view<["T", 64], f32>
      kernel.store %v, %b[%row, %lane] : !kernel.view<["T", 64], f32>
    }
  }
}
kernel.library @x86_64_v3 target "x86-64-v3" {
  kernel.func @gemm_0 weights [1] {
  ^bb0(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[128, 64], f32, "panel32">,
       %y: !kernel.view<["T", 128], f32>):
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[128, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 128], f32>
    }
  }
}
kernel.library @sm_80 target "sm_80" {
  kernel.func @gemm_0 weights [1] {
  ^bb0(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[128, 64], f32, "tile64x128">,
       %y: !kernel.view<["T", 128], f32>):
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32>
      times %w : !kernel.view<[128, 64], f32, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 128], f32>
    }
  }
}
