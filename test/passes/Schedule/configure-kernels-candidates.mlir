// RUN: yupana-opt %s "--yupana-configure-kernels=target=x86-64-v3 candidate=0" | FileCheck %s --check-prefixes=CHECK,FIRST
// RUN: yupana-opt %s "--yupana-configure-kernels=target=x86-64-v3 candidate=1" | FileCheck %s --check-prefixes=CHECK,SECOND
// RUN: yupana-opt %s "--yupana-configure-kernels=target=x86-64-v3 candidate=99" | FileCheck %s --check-prefixes=CHECK,LAST
// RUN: yupana-opt %s "--yupana-configure-kernels=target=x86-64-v3 candidate=1" --yupana-outline-kernels=target=x86-64-v3 | FileCheck %s --check-prefix=OUTLINED
// RUN: not yupana-opt %s "--yupana-configure-kernels=target=x86-64-v3 candidate=-2" 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: not yupana-opt %s "--yupana-configure-kernels=target=x86-64-v3 candidate=1 timings=x" 2>&1 | FileCheck %s --check-prefix=BOTH

// NEGATIVE: error: candidate is -2, expected a number from 0
// BOTH: error: candidate is 1, expected a number from 0, and then no timings

// Each op takes the config of that number, or its last; equal kernels have one signature whatever that is, and a grid is
// no part of it. Programs for steps of other sizes have other kernels.
kernel.program @decode function step max_tokens 1 {
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  // CHECK-LABEL: @decode
  // FIRST: kernel.map {{.*}} rows = 256>
  // SECOND: kernel.map {{.*}} rows = 64>
  // LAST: kernel.map {{.*}} rows = 1024>
  // CHECK-SAME: kernel.signature = #kernel.signature<"[[DECODE:[0-9a-f]+]]", tokens = 1, configs = 3>
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 64], f32>
  }
}
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  %y = kernel.buffer "y" : !kernel.view<["T", 64], f32>
  // CHECK-LABEL: @step
  // CHECK-NOT: #kernel.signature<"[[DECODE]]"
  // CHECK: kernel.map {{.*}}kernel.signature = #kernel.signature<"[[MAP:[0-9a-f]+]]", tokens = 16, configs = 3>
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 64], f32>
  }
  // CHECK: kernel.map {{.*}}kernel.signature = #kernel.signature<"[[MAP]]"
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %y[%row, %lane] : !kernel.view<["T", 64], f32>
  }
  // A launch of several has one signature, and each member a config; one that is there already stays.
  // CHECK: kernel.parallel {{.*}}kernel.signature = #kernel.signature<"{{[0-9a-f]+}}", tokens = 16, configs = 3>
  // CHECK: kernel.map {{.*}} rows = 5>
  // CHECK-NOT: kernel.signature
  // LAST: kernel.map {{.*}} rows = 1024>
  // CHECK-NOT: kernel.signature
  kernel.parallel {
    kernel.map rows "T" groups 1 width 64 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 5>} {
    ^bb0(%row: index, %group: index, %lane: index):
    }
    kernel.map rows "T" groups 1 width 64 {
    ^bb0(%row: index, %group: index, %lane: index):
    }
  }
}

// Signatures stay with the kernels of the library, so that a kernel has one alone.
// OUTLINED-LABEL: @decode
// OUTLINED: kernel.launch @kernels::@map_0
// OUTLINED-LABEL: @step
// OUTLINED: kernel.launch @kernels::@map_1
// OUTLINED: kernel.launch @kernels::@map_1
// OUTLINED: kernel.launch @kernels::@parallel_2
// OUTLINED: kernel.func @map_0
// OUTLINED: kernel.signature<"{{[0-9a-f]+}}", tokens = 1,
// OUTLINED: kernel.func @map_1
// OUTLINED: kernel.signature<"{{[0-9a-f]+}}", tokens = 16,
