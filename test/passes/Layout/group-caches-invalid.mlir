// RUN: yupana-opt %s --yupana-group-caches=target=x86-64-v3 --split-input-file --verify-diagnostics

// One cache has one size of page.
lm.cache @a layer 0 heads 2 width 16 : f32
kernel.program @step function step max_tokens 16 {
  %k = kernel.cache @a : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
  // expected-error @below {{has pages of 32 positions in layout keys32, another view of @a has 64 in keys32}}
  %v = kernel.cache @a : !kernel.cache<value, heads = 2, width = 16, page_tokens = 32, page_bytes = 0>
}

// -----

// And one layout.
lm.cache @a layer 0 heads 2 width 16 : f32
kernel.program @step function step max_tokens 16 {
  %k = kernel.cache @a : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
  // expected-error @below {{has pages of 64 positions in layout row-major, another view of @a has 64 in keys32}}
  %v = kernel.cache @a : !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, layout = "row-major">
}

// -----

// And so has a group.
// expected-note @below {{first of the group}}
lm.cache @a layer 0 heads 2 width 16 : f32
// expected-error @below {{has pages of 32 positions, its group 64}}
lm.cache @b layer 1 heads 2 width 16 : f32
kernel.program @step function step max_tokens 16 {
  %a = kernel.cache @a : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
  %b = kernel.cache @b : !kernel.cache<key, heads = 2, width = 16, page_tokens = 32, page_bytes = 0>
}

// -----

// Pages hold whole blocks of the target's layout.
// expected-error @below {{page_tokens is 48, expected a multiple of 32}}
lm.cache @a layer 0 heads 2 width 16 : f32
kernel.program @step function step max_tokens 16 {
  %k = kernel.cache @a : !kernel.cache<key, heads = 2, width = 16, page_tokens = 48, page_bytes = 0, layout = "row-major">
}

// -----

// And rows whole tiles.
// expected-error @below {{width is 15, expected a multiple of 2 for 'bf16' in layout keys32}}
lm.cache @a layer 0 heads 2 width 15 : bf16
kernel.program @step function step max_tokens 16 {
  %k = kernel.cache @a : !kernel.cache<key, heads = 2, width = 15, page_tokens = 64, page_bytes = 0, bf16, layout = "row-major">
}
