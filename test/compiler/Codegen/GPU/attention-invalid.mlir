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

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 16384, layout = "row-major">
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 16384, layout = "row-major">
// Rows of the output follow one another.
kernel.library @library target "sm_80" {
  kernel.func @attention {
  ^bb0(%q: !kernel.view<["T", 64], f32>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
       %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 80], f32>):
    // expected-error @below {{writes '!kernel.view<["T", 80], f32>', a GPU kernel takes the query's '!kernel.view<["T", 64], f32>'}}
    kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale 2.5e-1
      {config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 1>}
      : !kernel.view<["T", 64], f32>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
        !kernel.view<["S", 16], i32>, !kernel.view<["T", 80], f32>
  }
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 8192, bf16, layout = "row-major">
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 8192, bf16, layout = "row-major">
// Whole steps of matrix instructions are multiplied by them: the order of additions is another.
kernel.library @library target "sm_80" {
  kernel.func @attention {
  ^bb0(%q: !kernel.view<["T", 64], bf16>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
       %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 64], bf16>):
    // expected-error @below {{has form simt, expected mma or decode for '!kernel.cache<key,}}
    kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale 2.5e-1
      {config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 1>}
      : !kernel.view<["T", 64], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
        !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], bf16>
  }
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 8192, bf16, layout = "row-major">
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 8192, bf16, layout = "row-major">
// Two query heads fill one tile of eight.
kernel.library @library target "sm_80" {
  kernel.func @attention {
  ^bb0(%q: !kernel.view<["T", 64], bf16>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
       %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 64], bf16>):
    // expected-error @below {{expected a tile of 64 x 8 x 16 and 128 threads}}
    kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale 2.5e-1
      {config = #kernel.gpu<"sm_80", form = mma, tile = 64 x 16 x 16, stages = 2, threads = 128, blocks = 1, rows = 1>}
      : !kernel.view<["T", 64], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
        !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], bf16>
  }
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 8192, bf16, layout = "row-major">
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 8192, bf16, layout = "row-major">
// Blocks leave states for one another.
kernel.library @library target "sm_80" {
  kernel.func @attention {
  ^bb0(%q: !kernel.view<["T", 64], bf16>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
       %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 64], bf16>):
    // expected-error @below {{has 0 workspaces, expected those of its states and arrivals}}
    kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale 2.5e-1
      {config = #kernel.gpu<"sm_80", form = decode, tile = 64 x 8 x 256, stages = 2, threads = 128, blocks = 1, rows = 1>}
      : !kernel.view<["T", 64], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
        !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], bf16>
  }
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 8192, bf16, layout = "row-major">
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 8192, bf16, layout = "row-major">
// A segment is whole blocks of four warps.
kernel.library @library target "sm_80" {
  kernel.func @attention {
  ^bb0(%q: !kernel.view<["T", 64], bf16>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
       %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 64], bf16>):
    // expected-error @below {{has numerics #kernel.numerics<range = all, order = matrix_blocks, partials = 64, block = 32, segment = 96>, kernels of GPUs add by #kernel.numerics<range = all, order = matrix_blocks, partials = 64, block = 64, segment = 256>}}
    kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale 2.5e-1
      {config = #kernel.gpu<"sm_80", form = mma, tile = 64 x 8 x 16, stages = 2, threads = 128, blocks = 1, rows = 1>,
       numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 64, block = 32, segment = 96>}
      : !kernel.view<["T", 64], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
        !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], bf16>
  }
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 8192, bf16, layout = "row-major">
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 8192, bf16, layout = "row-major">
// Rows are multiplied by matrix instructions.
kernel.library @library target "sm_80" {
  kernel.func @attention {
  ^bb0(%q: !kernel.view<["T", 64], bf16>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
       %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 64], bf16>):
    // expected-error @below {{has form decode, expected mma for tiles of tokens}}
    kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale 2.5e-1
      {config = #kernel.gpu<"sm_80", form = decode, tile = 64 x 64 x 64, stages = 2, threads = 128, blocks = 1, rows = 1>,
       numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 8, block = 64>}
      : !kernel.view<["T", 64], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
        !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], bf16>
  }
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 8192, bf16, layout = "row-major">
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 8192, bf16, layout = "row-major">
// A warp has 16 rows.
kernel.library @library target "sm_80" {
  kernel.func @attention {
  ^bb0(%q: !kernel.view<["T", 64], bf16>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
       %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 64], bf16>):
    // expected-error @below {{expected a tile of 64 x 64 x 16 and 128 threads}}
    kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale 2.5e-1
      {config = #kernel.gpu<"sm_80", form = mma, tile = 64 x 64 x 16, stages = 2, threads = 256, blocks = 1, rows = 1>,
       numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 8, block = 64>}
      : !kernel.view<["T", 64], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
        !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], bf16>
  }
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 8192, bf16, layout = "row-major">
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 8192, bf16, layout = "row-major">
// What is largest is found before scores are scaled.
kernel.library @library target "sm_80" {
  kernel.func @attention {
  ^bb0(%q: !kernel.view<["T", 64], bf16>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
       %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 64], bf16>):
    // expected-error @below {{has scale -2.500000e-01, expected a positive one}}
    kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale -2.5e-1
      {config = #kernel.gpu<"sm_80", form = mma, tile = 64 x 64 x 16, stages = 2, threads = 128, blocks = 1, rows = 1>,
       numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 8, block = 64>}
      : !kernel.view<["T", 64], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
        !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], bf16>
  }
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 32, page_tokens = 64, page_bytes = 16384, bf16, layout = "row-major">
!values = !kernel.cache<value, heads = 2, width = 32, page_tokens = 64, page_bytes = 16384, bf16, layout = "row-major">
// Keys that fill no whole rows of shared memory are multiplied by warps.
kernel.library @library target "sm_90a" {
  kernel.func @attention {
  ^bb0(%q: !kernel.view<["T", 128], bf16>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
       %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 128], bf16>):
    // expected-error @below {{has form wgmma, expected mma for tiles of tokens}}
    kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale 2.5e-1
      {config = #kernel.gpu<"sm_90a", form = wgmma, tile = 64 x 128 x 64, stages = 2, threads = 288, blocks = 1, rows = 1>,
       numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 8, block = 64>}
      : !kernel.view<["T", 128], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
        !kernel.view<["S", 16], i32>, !kernel.view<["T", 128], bf16>
  }
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 64, page_tokens = 64, page_bytes = 32768, bf16, layout = "row-major">
!values = !kernel.cache<value, heads = 2, width = 64, page_tokens = 64, page_bytes = 32768, bf16, layout = "row-major">
// Two warpgroups have 64 rows each.
kernel.library @library target "sm_90a" {
  kernel.func @attention {
  ^bb0(%q: !kernel.view<["T", 256], bf16>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
       %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 256], bf16>):
    // expected-error @below {{expected a tile of 64 x 128 x 64 and 288 threads}}
    kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale 2.5e-1
      {config = #kernel.gpu<"sm_90a", form = wgmma, tile = 64 x 64 x 64, stages = 2, threads = 160, blocks = 1, rows = 1>,
       numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 8, block = 64>}
      : !kernel.view<["T", 256], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
        !kernel.view<["S", 16], i32>, !kernel.view<["T", 256], bf16>
  }
}
