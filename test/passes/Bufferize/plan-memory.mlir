// RUN: yupana-opt %s --yupana-plan-memory="max-step-tokens=16 max-batch=2 max-logit-rows=4" | FileCheck %s

// 16 rows of 64 floats are 4096 bytes and 64 that may be read behind them. %a is dead once %b has been written, so %c takes its place; %b lives on
// beside it. The result keeps its place to the end.
// CHECK: module attributes {kernel.arena_bytes = 8448 : i64}
// CHECK: kernel.buffer "a" arena 0 offset 0
// CHECK: kernel.buffer "b" arena 0 offset 4160
// CHECK: kernel.buffer "c" arena 0 offset 0
// CHECK: kernel.buffer "sampled" arena 0 offset 8320 : !kernel.view<["R"], i32>
kernel.program @step function step max_tokens 16 {
  %ids = kernel.input token_ids : !kernel.view<["T"], i32>
  %a = kernel.buffer "a" : !kernel.view<["T", 64], f32>
  %b = kernel.buffer "b" : !kernel.view<["T", 64], f32>
  %c = kernel.buffer "c" : !kernel.view<["T", 64], f32>
  %sampled = kernel.buffer "sampled" : !kernel.view<["R"], i32>
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %zero = arith.constant 0.0 : f32
    kernel.store %zero, %a[%row, %lane] : !kernel.view<["T", 64], f32>
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %a[%row, %lane] : !kernel.view<["T", 64], f32>
    kernel.store %x, %b[%row, %lane] : !kernel.view<["T", 64], f32>
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %b[%row, %lane] : !kernel.view<["T", 64], f32>
    kernel.store %x, %c[%row, %lane] : !kernel.view<["T", 64], f32>
  }
  kernel.map rows "R" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %ids[%row] : !kernel.view<["T"], i32>
    kernel.store %x, %sampled[%row] : !kernel.view<["R"], i32>
  }
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %b[%row, %lane] : !kernel.view<["T", 64], f32>
    %y = kernel.load %c[%row, %lane] : !kernel.view<["T", 64], f32>
  }
  kernel.result sampled %sampled : !kernel.view<["R"], i32>
}
