// RUN: yupana-opt %s --yupana-verify-no-unplanned-memory | FileCheck %s

// A buffer that two programs share has the same place in both.
// CHECK-COUNT-2: kernel.buffer "a" arena 0 offset 64
module attributes {kernel.arena_bytes = 8192 : i64} {
  kernel.program @step function step max_tokens 16 {
    %a = kernel.buffer "a" arena 0 offset 64 : !kernel.view<["T", 64], f32>
  }
  kernel.program @sample function sample max_tokens 16 {
    %a = kernel.buffer "a" arena 0 offset 64 : !kernel.view<["T", 64], f32>
  }
}
