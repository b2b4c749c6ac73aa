// RUN: yupana-opt %s --cse | FileCheck %s

// Equal loads of a region give equal values, whatever is stored between them: no launched op reads what it writes. The
// stores stay, both of them.
// CHECK-LABEL: kernel.program @loads
// CHECK: kernel.map
// CHECK: %[[X:.*]] = kernel.load
// CHECK-NEXT: %[[SUM:.*]] = kernel.row_sum
// CHECK-NEXT: %[[Y:.*]] = arith.mulf %[[X]], %[[SUM]] : f32
// CHECK-NEXT: kernel.store %[[Y]], %[[B:.*]][
// CHECK-NEXT: kernel.store %[[Y]], %[[B]][
// CHECK-NEXT: }
kernel.program @loads function step max_tokens 16 {
  %a = kernel.buffer "a" : !kernel.view<["T", 64], f32>
  %b = kernel.buffer "b" : !kernel.view<["T", 64], f32>
  %squares = kernel.buffer "squares" : !kernel.view<["T", 2], f32>
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %a[%row, %lane] : !kernel.view<["T", 64], f32>
    %sum = kernel.row_sum %squares[%row] : !kernel.view<["T", 2], f32>
    %y = arith.mulf %x, %sum : f32
    kernel.store %y, %b[%row, %lane] : !kernel.view<["T", 64], f32>
    %again = kernel.load %a[%row, %lane] : !kernel.view<["T", 64], f32>
    %same = kernel.row_sum %squares[%row] : !kernel.view<["T", 2], f32>
    %z = arith.mulf %again, %same : f32
    kernel.store %z, %b[%row, %lane] : !kernel.view<["T", 64], f32>
  }
}

// A weight named twice is one weight; buffers of two names are two buffers, however alike.
// CHECK-LABEL: kernel.program @views
// CHECK-NEXT: %[[W:.*]] = kernel.weight @w
// CHECK-NEXT: %[[A:.*]] = kernel.buffer "a"
// CHECK-NEXT: %[[B:.*]] = kernel.buffer "b"
// CHECK-NEXT: kernel.map
// CHECK: %[[X:.*]] = kernel.load %[[W]]
// CHECK-NEXT: kernel.store %[[X]], %[[A]]
// CHECK-NEXT: kernel.store %[[X]], %[[B]]
kernel.program @views function step max_tokens 16 {
  %first = kernel.weight @w : !kernel.view<[32, 64], f32>
  %second = kernel.weight @w : !kernel.view<[32, 64], f32>
  %a = kernel.buffer "a" : !kernel.view<["T", 64], f32>
  %b = kernel.buffer "b" : !kernel.view<["T", 64], f32>
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %first[%group, %lane] : !kernel.view<[32, 64], f32>
    %y = kernel.load %second[%group, %lane] : !kernel.view<[32, 64], f32>
    kernel.store %x, %a[%row, %lane] : !kernel.view<["T", 64], f32>
    kernel.store %y, %b[%row, %lane] : !kernel.view<["T", 64], f32>
  }
}
lm.weight @w from ["w"] : tensor<32x64xf32> through [] : tensor<32x64xf32>

// Two launches share nothing: each loads what it needs.
// CHECK-LABEL: kernel.program @launches
// CHECK-COUNT-2: kernel.load
kernel.program @launches function step max_tokens 16 {
  %a = kernel.buffer "a" : !kernel.view<[1], f32>
  %b = kernel.buffer "b" : !kernel.view<["T"], f32>
  %c = kernel.buffer "c" : !kernel.view<["T"], f32>
  kernel.map rows "T" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %zero = arith.constant 0 : index
    %x = kernel.load %a[%zero] : !kernel.view<[1], f32>
    kernel.store %x, %b[%row] : !kernel.view<["T"], f32>
  }
  kernel.map rows "T" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %zero = arith.constant 0 : index
    %x = kernel.load %a[%zero] : !kernel.view<[1], f32>
    kernel.store %x, %c[%row] : !kernel.view<["T"], f32>
  }
}
