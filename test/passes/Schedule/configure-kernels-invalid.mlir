// RUN: not yupana-opt %s --yupana-configure-kernels=target=pdp-11 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: yupana-opt %s --yupana-configure-kernels=target=x86-64-v3 --verify-diagnostics

// A target that nobody has heard of is refused by name.
// TARGET: error: {{.*}}pdp-11

// A config for another family of machines cannot be kept.
kernel.program @step function step max_tokens 16 {
  // expected-error @below {{expected #kernel.x86 for x86-64-v3}}
  kernel.map rows "T" groups 1 width 64 attributes {
    config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 64, blocks = 1, rows = 1>} {
  ^bb0(%row: index, %group: index, %lane: index):
  }
}
