// RUN: yupana-opt %s --yupana-fuse-epilogues=target=sm_80 | FileCheck %s --check-prefix=FITS
// RUN: yupana-opt %s --yupana-fuse-epilogues=target=sm_89 | FileCheck %s --check-prefix=STAYS

// Whole heads of 98 features and whole tiles of 64 meet after 49 tiles, whose accumulators a block of sm_80 can hold and
// one of sm_89 cannot: there the norm of the heads is a kernel of its own.
// FITS:  kernel.gemm rows "T" group 98
// FITS:    kernel.sum
// FITS-NOT: kernel.map
// STAYS:  kernel.gemm rows "T" product
// STAYS:  kernel.map rows "T" groups 2 width 98
// STAYS:    kernel.sum
!x = !kernel.view<["T", 64], bf16>
!y = !kernel.view<["T", 196], f32>
!w = !kernel.view<[196, 64], bf16, "tile64x128">
lm.weight @q from ["q"] : tensor<196x64xbf16> through [#lm.pack<"tile64x128">] : tensor<196x64xbf16>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %q = kernel.weight @q : !w
  %a = kernel.buffer "a" : !y
  %c = kernel.buffer "c" : !y
  kernel.gemm rows "T" product %x : !x times %q : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !y
  }
  kernel.map rows "T" groups 2 width 98 {
  ^bb0(%row: index, %group: index, %lane: index):
    %width = arith.constant 98 : index
    %base = arith.muli %group, %width : index
    %place = arith.addi %base, %lane : index
    %v = kernel.load %a[%row, %place] : !y
    %square = arith.mulf %v, %v : f32
    %sum = kernel.sum %square : f32
    %r = arith.divf %v, %sum : f32
    kernel.store %r, %c[%row, %place] : !y
  }
}
