// RUN: yupana-opt %s --yupana-kernel-to-nvvm --split-input-file --verify-diagnostics

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 16384>
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 16384>
// A lane reads the whole key of its position.
kernel.library @library target "sm_80" {
  kernel.func @attention {
  ^bb0(%q: !kernel.view<["T", 64], f32>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
       %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 64], f32>):
    // expected-error @below {{reads a cache in layout keys32, a GPU kernel takes row-major}}
    kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale 2.5e-1
      {config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 1>}
      : !kernel.view<["T", 64], f32>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
        !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>
  }
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, layout = "row-major">
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, layout = "row-major">
// A page is found by its size.
kernel.library @library target "sm_80" {
  kernel.func @attention {
  ^bb0(%q: !kernel.view<["T", 64], f32>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
       %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 64], f32>):
    // expected-error @below {{reads pages of 0 bytes, expected the positive multiple of 16 that a cache group gives}}
    kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale 2.5e-1
      {config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 1>}
      : !kernel.view<["T", 64], f32>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
        !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>
  }
}
