// Where rows are in their places, or no product reads them there, the module stays as it is.
//
// RUN: yupana-opt %s --split-input-file > %t.before
// RUN: yupana-opt %s --yupana-place-inputs=target=sm_90a --split-input-file > %t.after
// RUN: diff %t.before %t.after
// RUN: not yupana-opt %s --yupana-place-inputs=target=pdp-11 --split-input-file 2>&1 | FileCheck %s --check-prefix=UNKNOWN
//
// CPUs read rows where they are.
// RUN: yupana-opt %S/place-inputs.mlir --split-input-file > %t.before
// RUN: yupana-opt %S/place-inputs.mlir --yupana-place-inputs=target=x86-64-v3 --split-input-file > %t.after
// RUN: diff %t.before %t.after

// UNKNOWN: error: target "pdp-11": no back end, expected one of

// A panel is read as it is; an expert's kernel finds its rows itself.
lm.weight @w from ["w"] : tensor<64x64xbf16> through [#lm.pack<"tile64x128">] : tensor<64x64xbf16>
lm.weight @e from ["e"] : tensor<4x64x64xbf16> through [#lm.pack<"tile64x128">] : tensor<4x64x64xbf16>
kernel.program @step function step max_tokens 64 {
  %x = kernel.buffer "x" : !kernel.view<["T", 64], bf16, "rows128">
  %y = kernel.buffer "y" : !kernel.view<["T", 64], bf16>
  %experts = kernel.buffer "experts" : !kernel.view<["T", 1], i32>
  %w = kernel.weight @w : !kernel.view<[64, 64], bf16, "tile64x128">
  %e = kernel.weight @e : !kernel.view<[4, 64, 64], bf16, "tile64x128">
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], bf16, "rows128">
      times %w : !kernel.view<[64, 64], bf16, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  kernel.gemm rows "T" by %experts : !kernel.view<["T", 1], i32> product %y : !kernel.view<["T", 64], bf16>
      times %e : !kernel.view<[4, 64, 64], bf16, "tile64x128"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}
