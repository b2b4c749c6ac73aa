// RUN: yupana-opt %s --yupana-place-inputs=target=sm_90a --split-input-file | FileCheck %s
// RUN: yupana-opt %s --yupana-place-inputs=target=sm_80 --split-input-file | FileCheck %s --check-prefix=PLAIN

// Rows that two products compute alike are computed by one map, in front of the launch of the first. A target whose
// products do not read panels is left alone, and so is a program for few tokens.
// CHECK-LABEL: kernel.program @few
// CHECK:         kernel.gemm rows "T" product {
// CHECK-LABEL: kernel.program @many
// CHECK:         %[[PLACED:.*]] = kernel.buffer "many.input.0" : !kernel.view<["T", 64], bf16, "rows128">
// CHECK:         kernel.map rows "T" groups 1 width 64 attributes {numerics = #kernel.numerics<partials = 32>} {
// CHECK:         ^bb0(%[[ROW:.*]]: index, %{{.*}}: index, %[[LANE:.*]]: index):
// CHECK:           kernel.row_sum
// CHECK:           %[[Y:.*]] = arith.truncf
// CHECK:           kernel.store %[[Y]], %[[PLACED]][%[[ROW]], %[[LANE]]]
// CHECK:         kernel.parallel
// CHECK:           kernel.gemm rows "T" {{.*}}product %[[PLACED]] : !kernel.view<["T", 64], bf16, "rows128">
// CHECK:           kernel.gemm rows "T" {{.*}}product %[[PLACED]] : !kernel.view<["T", 64], bf16, "rows128">
// PLAIN-LABEL: kernel.program @many
// PLAIN-NOT:     kernel.map
// PLAIN-COUNT-2: product {
!h = !kernel.view<["T", 64], bf16>
!s = !kernel.view<["T", 4], f32>
!w = !kernel.view<[64, 64], bf16, "tile64x128">
lm.weight @w from ["w"] : tensor<64x64xbf16> through [#lm.pack<"tile64x128">] : tensor<64x64xbf16>
kernel.program @few function step max_tokens 8 {
  %h = kernel.buffer "few.h" : !h
  %w = kernel.weight @w : !w
  kernel.gemm rows "T" product {
  ^bb0(%row: index, %k: index):
    %x = kernel.load %h[%row, %k] : !h
    %y = arith.mulf %x, %x : bf16
    kernel.yield %y : bf16
  } times %w : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}
kernel.program @many function step max_tokens 64 {
  %h = kernel.buffer "h" : !h
  %s = kernel.buffer "s" : !s
  %w = kernel.weight @w : !w
  kernel.parallel {
    kernel.gemm rows "T" attributes {numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 32>} product {
    ^bb0(%row: index, %k: index):
      %x = kernel.load %h[%row, %k] : !h
      %xf = arith.extf %x : bf16 to f32
      %sum = kernel.row_sum %s[%row] : !s
      %y = arith.mulf %xf, %sum : f32
      %r = arith.truncf %y : f32 to bf16
      kernel.yield %r : bf16
    } times %w : !w {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
    kernel.gemm rows "T" attributes {numerics = #kernel.numerics<range = all, order = matrix_blocks, partials = 32>} product {
    ^bb0(%row: index, %k: index):
      %x = kernel.load %h[%row, %k] : !h
      %xf = arith.extf %x : bf16 to f32
      %sum = kernel.row_sum %s[%row] : !s
      %y = arith.mulf %xf, %sum : f32
      %r = arith.truncf %y : f32 to bf16
      kernel.yield %r : bf16
    } times %w : !w {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
  }
}

// -----

// A buffer between products takes the form where it is. One that others read, too, and one whose row has been written
// anew in between, are copied.
// CHECK-LABEL: kernel.program @step
// CHECK:         kernel.buffer "inner" : !kernel.view<["T", 64], bf16, "rows128">
// CHECK:         kernel.buffer "seen" : !kernel.view<["T", 64], bf16>
// CHECK:         kernel.map rows "T" groups 1 width 64 {
// CHECK:         kernel.gemm rows "T" product %[[FIRST:.*]] : !kernel.view<["T", 64], bf16, "rows128">
// CHECK:         kernel.gemm rows "T" product %{{.*}} : !kernel.view<["T", 64], bf16, "rows128">
// CHECK:         kernel.map rows "T" groups 1 width 64 {
// CHECK:         kernel.map rows "T" groups 1 width 64 {
// CHECK:         kernel.gemm rows "T" product %{{.*}} : !kernel.view<["T", 64], bf16, "rows128">
!h = !kernel.view<["T", 64], bf16>
!w = !kernel.view<[64, 64], bf16, "tile64x128">
lm.weight @w from ["w"] : tensor<64x64xbf16> through [#lm.pack<"tile64x128">] : tensor<64x64xbf16>
kernel.program @step function step max_tokens 64 {
  %inner = kernel.buffer "inner" : !h
  %seen = kernel.buffer "seen" : !h
  %out = kernel.buffer "out" : !h
  %w = kernel.weight @w : !w
  kernel.gemm rows "T" product %seen : !h times %w : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %r = arith.truncf %acc : f32 to bf16
    kernel.store %r, %inner[%row, %feature] : !h
  }
  kernel.gemm rows "T" product %inner : !h times %w : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %x = kernel.load %seen[%row, %feature] : !h
    %xf = arith.extf %x : bf16 to f32
    %y = arith.addf %acc, %xf : f32
    %r = arith.truncf %y : f32 to bf16
    kernel.store %r, %out[%row, %feature] : !h
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %out[%row, %lane] : !h
    kernel.store %x, %seen[%row, %lane] : !h
  }
  kernel.gemm rows "T" product %seen : !h times %w : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}
