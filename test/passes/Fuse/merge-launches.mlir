// Gemms that do not depend on one another are launched side by side.
//
// RUN: yupana-opt %s --yupana-merge-launches --split-input-file | FileCheck %s

// Weights and buffers are named before the launch; a map between the gemms stays behind them.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[W_Q:.*]] = kernel.weight @q
// CHECK: %[[Q:.*]] = kernel.buffer "q"
// CHECK: %[[W_K:.*]] = kernel.weight @k
// CHECK: %[[K:.*]] = kernel.buffer "k"
// CHECK: %[[W_V:.*]] = kernel.weight @v
// CHECK: %[[V:.*]] = kernel.buffer "v"
// CHECK: kernel.parallel {
// CHECK: kernel.gemm rows "T" product %[[X]]{{.*}} times %[[W_Q]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[ACC:[^ ]*]]: f32, %[[ROW:[^ ]*]]: index, %[[FEATURE:[^ ]*]]: index):
// CHECK-NEXT: kernel.store %[[ACC]], %[[Q]][%[[ROW]], %[[FEATURE]]]
// CHECK-NEXT: }
// CHECK-NEXT: kernel.gemm rows "T" product %[[X]]{{.*}} times %[[W_K]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[ACC2:[^ ]*]]: f32, %[[ROW2:[^ ]*]]: index, %[[FEATURE2:[^ ]*]]: index):
// CHECK-NEXT: kernel.store %[[ACC2]], %[[K]][%[[ROW2]], %[[FEATURE2]]]
// CHECK-NEXT: }
// CHECK-NEXT: kernel.gemm rows "T" product %[[X]]{{.*}} times %[[W_V]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[ACC3:[^ ]*]]: f32, %[[ROW3:[^ ]*]]: index, %[[FEATURE3:[^ ]*]]: index):
// CHECK-NEXT: kernel.store %[[ACC3]], %[[V]][%[[ROW3]], %[[FEATURE3]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
// CHECK: %[[Z:.*]] = kernel.buffer "z"
// CHECK: kernel.map rows "T" groups 1 width 64 {
// CHECK-NEXT: ^bb0(%[[ROW4:[^ ]*]]: index, %[[GROUP:[^ ]*]]: index, %[[LANE:[^ ]*]]: index):
// CHECK-NEXT: %[[LOAD:.*]] = kernel.load %[[Q]][%[[ROW4]], %[[LANE]]]
// CHECK-NEXT: kernel.store %[[LOAD]], %[[Z]][%[[ROW4]], %[[LANE]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @q from ["q"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @k from ["k"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @v from ["v"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %wq = kernel.weight @q : !w
  %q = kernel.buffer "q" : !x
  kernel.gemm rows "T" product %x : !x times %wq : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %q[%row, %feature] : !x
  }
  %wk = kernel.weight @k : !w
  %k = kernel.buffer "k" : !x
  kernel.gemm rows "T" product %x : !x times %wk : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %k[%row, %feature] : !x
  }
  %z = kernel.buffer "z" : !x
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %q[%row, %lane] : !x
    kernel.store %v, %z[%row, %lane] : !x
  }
  %wv = kernel.weight @v : !w
  %v = kernel.buffer "v" : !x
  kernel.gemm rows "T" product %x : !x times %wv : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %v[%row, %feature] : !x
  }
}

// -----

// Each joins the first that it can run beside: the last passes the second pair, which it has nothing to do with.
// CHECK-LABEL: kernel.program @step
// CHECK: %[[X:.*]] = kernel.buffer "x"
// CHECK: %[[W_A:.*]] = kernel.weight @a
// CHECK: %[[W_B:.*]] = kernel.weight @b
// CHECK: %[[W_C:.*]] = kernel.weight @c
// CHECK: %[[W_D:.*]] = kernel.weight @d
// CHECK: %[[A:.*]] = kernel.buffer "a"
// CHECK: %[[B:.*]] = kernel.buffer "b"
// CHECK: %[[C:.*]] = kernel.buffer "c"
// CHECK: %[[D:.*]] = kernel.buffer "d"
// CHECK: kernel.parallel {
// CHECK: kernel.gemm rows "T" product %[[X]]{{.*}} times %[[W_A]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[ACC:[^ ]*]]: f32, %[[ROW:[^ ]*]]: index, %[[FEATURE:[^ ]*]]: index):
// CHECK-NEXT: kernel.store %[[ACC]], %[[A]][%[[ROW]], %[[FEATURE]]]
// CHECK-NEXT: }
// CHECK-NEXT: kernel.gemm rows "T" product %[[X]]{{.*}} times %[[W_D]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[ACC2:[^ ]*]]: f32, %[[ROW2:[^ ]*]]: index, %[[FEATURE2:[^ ]*]]: index):
// CHECK-NEXT: kernel.store %[[ACC2]], %[[D]][%[[ROW2]], %[[FEATURE2]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
// CHECK-NEXT: kernel.parallel {
// CHECK-NEXT: kernel.gemm rows "T" product %[[A]]{{.*}} times %[[W_B]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[ACC3:[^ ]*]]: f32, %[[ROW3:[^ ]*]]: index, %[[FEATURE3:[^ ]*]]: index):
// CHECK-NEXT: kernel.store %[[ACC3]], %[[B]][%[[ROW3]], %[[FEATURE3]]]
// CHECK-NEXT: }
// CHECK-NEXT: kernel.gemm rows "T" product %[[A]]{{.*}} times %[[W_C]]{{.*}} {
// CHECK-NEXT: ^bb0(%[[ACC4:[^ ]*]]: f32, %[[ROW4:[^ ]*]]: index, %[[FEATURE4:[^ ]*]]: index):
// CHECK-NEXT: kernel.store %[[ACC4]], %[[C]][%[[ROW4]], %[[FEATURE4]]]
// CHECK-NEXT: }
// CHECK-NEXT: }
// CHECK-NEXT: }
!x = !kernel.view<["T", 64], f32>
!w = !kernel.view<[64, 64], f32>
lm.weight @a from ["a"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @b from ["b"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @c from ["c"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @d from ["d"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !x
  %wa = kernel.weight @a : !w
  %wb = kernel.weight @b : !w
  %wc = kernel.weight @c : !w
  %wd = kernel.weight @d : !w
  %a = kernel.buffer "a" : !x
  %b = kernel.buffer "b" : !x
  %c = kernel.buffer "c" : !x
  %d = kernel.buffer "d" : !x
  kernel.gemm rows "T" product %x : !x times %wa : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %a[%row, %feature] : !x
  }
  kernel.gemm rows "T" product %a : !x times %wb : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %b[%row, %feature] : !x
  }
  kernel.gemm rows "T" product %a : !x times %wc : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %c[%row, %feature] : !x
  }
  kernel.gemm rows "T" product %x : !x times %wd : !w {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %d[%row, %feature] : !x
  }
}
