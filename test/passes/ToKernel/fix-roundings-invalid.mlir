// What stays bfloat16: memory in every program.
//
// RUN: yupana-opt %s --yupana-fix-roundings --split-input-file | FileCheck %s --implicit-check-not='kernel.buffer {{.*}}f32>'

// Two maps read the residual: nobody can keep it.
// CHECK-LABEL: kernel.program @step
// CHECK: kernel.buffer "h" : !kernel.view<["T", 64], bf16>
!x = !kernel.view<["T", 64], bf16>
!w = !kernel.view<[64, 64], bf16>
lm.weight @o from ["o"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %o = kernel.weight @o : !w
  %h = kernel.buffer "h" : !x
  %y = kernel.buffer "y" : !x
  %z = kernel.buffer "z" : !x
  kernel.gemm rows "T" product %x : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %h[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %h[%row, %lane] : !x
    kernel.store %v, %y[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %h[%row, %lane] : !x
    kernel.store %v, %z[%row, %lane] : !x
  }
}

// -----

// Only a product reads the rows: it would round them anyway, and half the bytes are read.
// CHECK-LABEL: kernel.program @step
// CHECK: kernel.buffer "n" : !kernel.view<["T", 64], bf16>
// CHECK: kernel.gemm rows "T" product %
!x = !kernel.view<["T", 64], bf16>
!w = !kernel.view<[64, 64], bf16>
lm.weight @o from ["o"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %o = kernel.weight @o : !w
  %n = kernel.buffer "n" : !x
  %y = kernel.buffer "y" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %x[%row, %lane] : !x
    %v = arith.extf %v0 : bf16 to f32
    %s = arith.mulf %v, %v : f32
    %r = arith.truncf %s : f32 to bf16
    kernel.store %r, %n[%row, %lane] : !x
  }
  kernel.gemm rows "T" product %n : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %y[%row, %feature] : !x
  }
}

// -----

// A map gathers the rows, which have to be somewhere; a norm sums a whole row that a product stores feature by feature.
// CHECK-LABEL: kernel.program @step
// CHECK: kernel.buffer "a" : !kernel.view<["T", 64], bf16>
// CHECK: kernel.buffer "b" : !kernel.view<["T", 64], bf16>
!x = !kernel.view<["T", 64], bf16>
!w = !kernel.view<[64, 64], bf16>
lm.weight @o from ["o"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %o = kernel.weight @o : !w
  %ids = kernel.input token_ids : !kernel.view<["T"], i32>
  %a = kernel.buffer "a" : !x
  %b = kernel.buffer "b" : !x
  %y = kernel.buffer "y" : !x
  %z = kernel.buffer "z" : !x
  kernel.gemm rows "T" product %x : !x times %o : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %v = arith.truncf %acc : f32 to bf16
    kernel.store %v, %a[%row, %feature] : !x
    kernel.store %v, %b[%row, %feature] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %id0 = kernel.load %ids[%row] : !kernel.view<["T"], i32>
    %id = arith.index_castui %id0 : i32 to index
    %v = kernel.load %a[%id, %lane] : !x
    kernel.store %v, %y[%row, %lane] : !x
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v0 = kernel.load %b[%row, %lane] : !x
    %v = arith.extf %v0 : bf16 to f32
    %s = arith.mulf %v, %v : f32
    %t = kernel.sum %s : f32
    %r = arith.truncf %t : f32 to bf16
    kernel.store %r, %z[%row, %lane] : !x
  }
}
