// RUN: yupana-opt %s --yupana-outline-kernels=target=x86-64-v3 --split-input-file --verify-diagnostics
// RUN: not yupana-opt %s --yupana-outline-kernels --split-input-file 2>&1 | FileCheck %s

// CHECK: error: the pass was given no target, expected target=NAME

kernel.program @step function step max_tokens 16 {
  // expected-error @below {{'kernel.map' op has no grid, expected configure-kernels to have run}}
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
  }
}

// -----

// The library's name is taken.
// expected-error @below {{module has a symbol @kernels already}}
module {
  kernel.library @kernels target "x86-64-v3" {
  }
}
