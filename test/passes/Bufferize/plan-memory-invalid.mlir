// RUN: not yupana-opt %s --yupana-plan-memory=max-batch=0 2>&1 | FileCheck %s
// RUN: yupana-opt %s --yupana-plan-memory --verify-diagnostics

// CHECK: error: maxima are 2048 tokens, 0 sequences and 2048 rows, expected at least one of each

// 16 rows of 2^58 bytes are 2^62 bytes, 64 rows too many.
kernel.program @step.1 function step max_tokens 16 {
  %a = kernel.buffer "step.1.a" : !kernel.view<["T", 72057594037927936], f32>
}
kernel.program @step function step max_tokens 64 {
  // expected-error @below {{takes more than 2^64 bytes at the maxima}}
  %a = kernel.buffer "a" : !kernel.view<["T", 72057594037927936], f32>
}
