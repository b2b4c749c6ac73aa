// RUN: yupana-opt %s --yupana-plan-memory="max-step-tokens=16 max-batch=2 max-logit-rows=4" --split-input-file | FileCheck %s

// 16 rows of 64 floats are 4096 bytes and 64 that may be read behind them. %a is dead once %b has been written, so %c takes its place; %b lives on
// beside it. The result keeps its place to the end of each program, and through the one that reads it. Programs of which a
// step runs one share memory, each sized at its own largest step: the result is as large as the largest needs it.
// CHECK: module attributes {kernel.arena_bytes = 8448 : i64}
// CHECK: kernel.buffer "step.1.a" arena 0 offset 0 size 256 live 0 to 0
// CHECK: kernel.buffer "sampled" arena 0 offset 8320 size 16 live 1 to 1 : !kernel.view<["R"], i32>
// CHECK: kernel.buffer "a" arena 0 offset 0 size 4096 live 2 to 3
// CHECK: kernel.buffer "b" arena 0 offset 4160 size 4096 live 3 to 6
// CHECK: kernel.buffer "c" arena 0 offset 0 size 4096 live 4 to 6
// CHECK: kernel.buffer "sampled" arena 0 offset 8320 size 16 live 5 to 6 : !kernel.view<["R"], i32>
// CHECK: kernel.buffer "sampled" arena 0 offset 8320 size 16 live 7 to 7 : !kernel.view<["R"], i32>
kernel.program @step.1 function step max_tokens 1 {
  %ids = kernel.input token_ids : !kernel.view<["T"], i32>
  %a = kernel.buffer "step.1.a" : !kernel.view<["T", 64], f32>
  %sampled = kernel.buffer "sampled" : !kernel.view<["R"], i32>
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %zero = arith.constant 0.0 : f32
    kernel.store %zero, %a[%row, %lane] : !kernel.view<["T", 64], f32>
  }
  kernel.map rows "R" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %ids[%row] : !kernel.view<["T"], i32>
    kernel.store %x, %sampled[%row] : !kernel.view<["R"], i32>
  }
  kernel.result sampled %sampled : !kernel.view<["R"], i32>
}
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
kernel.program @sample function sample max_tokens 16 {
  %sampled = kernel.buffer "sampled" : !kernel.view<["R"], i32>
  kernel.map rows "R" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %sampled[%row] : !kernel.view<["R"], i32>
  }
}

// -----

// Token panels have their rows rounded up to 8 and their columns to 128 bytes: 2 rows of 40 take 8 x 128 bytes.
// CHECK: kernel.buffer "panels" arena 0 offset 0
// CHECK: kernel.buffer "sampled" arena 0 offset 1088
kernel.program @step function step max_tokens 16 {
  %panels = kernel.buffer "panels" : !kernel.view<["S", 40], bf16, "rows128">
  %sampled = kernel.buffer "sampled" : !kernel.view<["R"], i32>
  kernel.map rows "S" groups 1 width 40 {
  ^bb0(%row: index, %group: index, %lane: index):
    %zero = arith.constant 0.0 : bf16
    kernel.store %zero, %panels[%row, %lane] : !kernel.view<["S", 40], bf16, "rows128">
  }
  kernel.map rows "R" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %panels[%row, %lane] : !kernel.view<["S", 40], bf16, "rows128">
    %one = arith.constant 1 : i32
    kernel.store %one, %sampled[%row] : !kernel.view<["R"], i32>
  }
  kernel.result sampled %sampled : !kernel.view<["R"], i32>
}

// -----

// A dimension may have room for more than T gives: (2 * 16 + 28) * 4 bytes.
kernel.program @step function step max_tokens 16 {
  // CHECK: kernel.buffer "order" arena 0 offset 0 size 240
  %order = kernel.buffer "order" : !kernel.view<["2*T+28"], i32>
  kernel.map rows "2*T+28" groups 1 width 1 {
  ^bb0(%place: index, %group: index, %lane: index):
    %zero = arith.constant 0 : i32
    kernel.store %zero, %order[%place] : !kernel.view<["2*T+28"], i32>
  }
}

// -----

// Workspaces have an arena of their own. They are left zero, so that one takes the place of another when it is dead.
// CHECK: module attributes {kernel.arena_bytes = 1088 : i64, kernel.workspace_bytes = 128 : i64}
// CHECK: kernel.buffer "y" arena 0 offset 0 size 1024 live 0 to 1 : !kernel.view<["T", 16], i32>
// CHECK: kernel.buffer "w" workspace arena 1 offset 0 size 64 live 0 to 0 : !kernel.view<[16], i32>
// CHECK: kernel.buffer "v" workspace arena 1 offset 0 size 64 live 1 to 1 : !kernel.view<[16], i32>
kernel.program @step function step max_tokens 16 {
  %y = kernel.buffer "y" : !kernel.view<["T", 16], i32>
  %w = kernel.buffer "w" workspace : !kernel.view<[16], i32>
  %v = kernel.buffer "v" workspace : !kernel.view<[16], i32>
  kernel.map rows "T" groups 1 width 16 {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %w[%lane] : !kernel.view<[16], i32>
    kernel.store %0, %w[%lane] : !kernel.view<[16], i32>
    kernel.store %0, %y[%row, %lane] : !kernel.view<["T", 16], i32>
  }
  kernel.map rows "T" groups 1 width 16 {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %y[%row, %lane] : !kernel.view<["T", 16], i32>
    %1 = kernel.load %v[%lane] : !kernel.view<[16], i32>
    %2 = arith.addi %0, %1 : i32
    kernel.store %2, %v[%lane] : !kernel.view<[16], i32>
  }
}
