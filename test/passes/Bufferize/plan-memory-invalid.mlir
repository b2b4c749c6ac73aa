// RUN: not yupana-opt %s --yupana-plan-memory=max-batch=0 2>&1 | FileCheck %s
// RUN: yupana-opt %s --yupana-plan-memory --verify-diagnostics

// CHECK: error: maxima are 2048 tokens, 0 sequences and 2048 rows, expected at least one of each

// Two programs share a buffer by name; it has one size.
kernel.program @step function step max_tokens 16 {
  %a = kernel.buffer "a" : !kernel.view<["T", 64], f32>
}
kernel.program @sample function sample max_tokens 16 {
  // expected-error @below {{has 262208 bytes, under the same name another has 524352}}
  %a = kernel.buffer "a" : !kernel.view<["T", 32], f32>
}
