// RUN: yupana-opt %s --yupana-pad-rows=target=x86-64-v4-bf16 --split-input-file | FileCheck %s

// Rows of 4 KiB that products read where they lie: one buffer is written by a body and read by another body, too, one by
// attention. Its queries, which no product reads, stay as they are.
// CHECK-LABEL: kernel.program @step
// CHECK:         %[[A:.*]] = kernel.buffer "a" : !kernel.view<["T", 1040], f32>
// CHECK:         %[[O:.*]] = kernel.buffer "o" : !kernel.view<["T", 1040], f32>
// CHECK:         %[[Q:.*]] = kernel.buffer "q" : !kernel.view<["T", 1024], f32>
// CHECK:         kernel.store %{{.*}}, %[[A]][%{{.*}}, %{{.*}}] : !kernel.view<["T", 1040], f32>
// CHECK:         kernel.gemm rows "T" product %[[A]] : !kernel.view<["T", 1040], f32> times %{{.*}} : !kernel.view<[64, 1024], f32, "panel32">
// CHECK:           kernel.load %[[A]]{{.*}} : !kernel.view<["T", 1040], f32>
// CHECK:         kernel.attention %[[Q]], {{.*}} into %[[O]]
// CHECK-SAME:      !kernel.view<["T", 1024], f32>, {{.*}}, !kernel.view<["T", 1040], f32>
// CHECK:         kernel.gemm rows "T" product %[[O]] : !kernel.view<["T", 1040], f32>
!h = !kernel.view<["T", 1024], f32>
!w = !kernel.view<[64, 1024], f32, "panel32">
!i = !kernel.view<["T"], i32>
!keys = !kernel.cache<key, heads = 2, width = 128, page_tokens = 64, page_bytes = 0>
!values = !kernel.cache<value, heads = 2, width = 128, page_tokens = 64, page_bytes = 0>
!pages = !kernel.view<["S", 16], i32>
lm.weight @w from ["w"] : tensor<64x1024xf32> through [#lm.pack<"panel32">] : tensor<64x1024xf32>
lm.cache @layer layer 0 heads 2 width 128 : f32
kernel.program @step function step max_tokens 64 {
  %a = kernel.buffer "a" : !h
  %o = kernel.buffer "o" : !h
  %q = kernel.buffer "q" : !h
  %y = kernel.buffer "y" : !kernel.view<["T", 64], f32>
  %w = kernel.weight @w : !w
  %positions = kernel.input token_positions : !i
  %sequences = kernel.input token_sequences : !i
  %keys = kernel.cache @layer : !keys
  %values = kernel.cache @layer : !values
  %pages = kernel.page_table @layer : !pages
  kernel.map rows "T" groups 1 width 1024 {
  ^bb0(%row: index, %group: index, %lane: index):
    %c = arith.constant 1.0 : f32
    kernel.store %c, %a[%row, %lane] : !h
    kernel.store %c, %q[%row, %lane] : !h
  }
  kernel.gemm rows "T" product %a : !h times %w : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %x = kernel.load %a[%row, %feature] : !h
    %sum = arith.addf %acc, %x : f32
    kernel.store %sum, %y[%row, %feature] : !kernel.view<["T", 64], f32>
  }
  kernel.attention %q, %keys, %values at %positions of %sequences through %pages into %o chunk 0 scale 2.5e-1
    : !h, !keys, !values, !i, !i, !pages, !h
  kernel.gemm rows "T" product %o : !h times %w : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}

// -----

// Elements of two bytes: a line is 32 of them.
// CHECK-LABEL: kernel.program @narrow
// CHECK:         kernel.buffer "a" : !kernel.view<["T", 8224], bf16>
!h = !kernel.view<["T", 8192], bf16>
!w = !kernel.view<[64, 8192], bf16, "panel32x2">
lm.weight @w from ["w"] : tensor<64x8192xbf16> through [#lm.pack<"panel32x2">] : tensor<64x8192xbf16>
kernel.program @narrow function step max_tokens 64 {
  %a = kernel.buffer "a" : !h
  %w = kernel.weight @w : !w
  kernel.gemm rows "T" product %a : !h times %w : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}
