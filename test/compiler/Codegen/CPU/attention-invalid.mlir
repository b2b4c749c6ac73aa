// RUN: yupana-opt %s --yupana-kernel-to-llvm --split-input-file --verify-diagnostics

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 16384, layout = "row-major">
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 16384, layout = "row-major">
// Scores are computed for 32 positions at once, which lie side by side in one layout alone.
kernel.library @library target "x86-64-v3" {
  kernel.func @attention {
  ^bb0(%q: !kernel.view<["T", 64], f32>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
       %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 64], f32>):
    // expected-error @below {{reads a cache in layout row-major, a CPU kernel takes keys32}}
    kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale 2.5e-1
      {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 1>}
      : !kernel.view<["T", 64], f32>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
        !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>
  }
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
// A page is found by its size.
kernel.library @library target "x86-64-v3" {
  kernel.func @attention {
  ^bb0(%q: !kernel.view<["T", 64], f32>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
       %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 64], f32>):
    // expected-error @below {{reads pages of 0 bytes, expected the positive multiple of 4 that a cache group gives}}
    kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale 2.5e-1
      {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 1>}
      : !kernel.view<["T", 64], f32>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
        !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>
  }
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 16384>
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 16384>
// The largest score is that of the largest product only where the scale is positive.
kernel.library @library target "x86-64-v3" {
  kernel.func @attention {
  ^bb0(%q: !kernel.view<["T", 64], f32>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
       %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 64], f32>):
    // expected-error @below {{has scale -2.500000e-01, expected a positive one}}
    kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale -2.5e-1
      {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 1>}
      : !kernel.view<["T", 64], f32>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
        !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>
  }
}
