// RUN: yupana-opt %s --yupana-group-caches=target=x86-64-v3 --split-input-file | FileCheck %s

// Layers 0 and 2 share a chunk and so their pages; layer 1 keeps everything. A page holds layer after layer, keys before
// values: 2 heads x 16 features x 64 positions x 4 bytes = 8192 bytes a part.
// CHECK-DAG: kernel.cache_group @chunk48 layers [0, 2] chunk 48 page_tokens 64 page_bytes 32768
// CHECK-DAG: kernel.cache_group @full layers [1] chunk 0 page_tokens 64 page_bytes 16384
// CHECK: kernel.cache @a in @chunk48 offset 0 : !kernel.cache<key, {{.*}} page_bytes = 32768>
// CHECK: kernel.cache @a in @chunk48 offset 8192 : !kernel.cache<value, {{.*}} page_bytes = 32768>
// CHECK: kernel.cache @b in @full offset 0
// CHECK: kernel.cache @c in @chunk48 offset 16384
// CHECK: kernel.page_table @b in @full
// CHECK: kernel.page_table @c in @chunk48
lm.cache @a layer 0 heads 2 width 16 chunk 48 : f32
lm.cache @b layer 1 heads 2 width 16 : f32
lm.cache @c layer 2 heads 2 width 16 chunk 48 : f32
kernel.program @step function step max_tokens 16 {
  %ak = kernel.cache @a : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
  %av = kernel.cache @a : !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
  %bk = kernel.cache @b : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
  %ck = kernel.cache @c : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
  %bp = kernel.page_table @b : !kernel.view<["S", 16], i32>
  %cp = kernel.page_table @c : !kernel.view<["S", 16], i32>
}

// -----

// How keys and values lie is the target's choice, for all views of a cache and so for all that append to it.
// CHECK: kernel.cache @a in @full offset 0 : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 16384>
// CHECK: kernel.append {{.*}} : f32, !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 16384>,
lm.cache @a layer 0 heads 2 width 16 : f32
kernel.program @step function step max_tokens 16 {
  %k = kernel.cache @a : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, layout = "row-major">
  %p = kernel.page_table @a : !kernel.view<["S", 16], i32>
  kernel.map rows "T" groups 2 width 16 {
  ^bb0(%row: index, %head: index, %lane: index):
    %x = arith.constant 1.0 : f32
    kernel.append %x, %k[%head, %lane] at %row of %row through %p
      : f32, !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, layout = "row-major">, !kernel.view<["S", 16], i32>
  }
}

// -----

// In bfloat16 a part takes half the bytes.
// CHECK: kernel.cache_group @full layers [0, 1] chunk 0 page_tokens 64 page_bytes 16384
// CHECK: kernel.cache @a in @full offset 4096 : !kernel.cache<value, {{.*}} page_bytes = 16384, bf16>
// CHECK: kernel.cache @b in @full offset 8192 : !kernel.cache<key, {{.*}} page_bytes = 16384, bf16>
lm.cache @a layer 0 heads 2 width 16 : bf16
lm.cache @b layer 1 heads 2 width 16 : bf16
kernel.program @step function step max_tokens 16 {
  %av = kernel.cache @a : !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, bf16>
  %bk = kernel.cache @b : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, bf16>
}
