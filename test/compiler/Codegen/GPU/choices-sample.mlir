// RUN: yupana-opt %s --yupana-configure-kernels=target=sm_90a | FileCheck %s -DTARGET=sm_90a
// RUN: yupana-opt %s --yupana-configure-kernels=target=sm_80 | FileCheck %s -DTARGET=sm_80
// RUN: yupana-opt %s --yupana-configure-kernels=target=x86-64-v3 | FileCheck %s --check-prefix=CPU

// Blocks share a row of logits in parts of 2,048 ids, three times: 99 parts of the vocabulary of Llama 4. A row's state
// is a sum for each part, 2,048 bins and 1,024 ids; one number says how many blocks have begun.
lm.cache @layer layer 0 heads 8 width 128 : bf16
kernel.program @draw function sample max_tokens 8 {
  %l = kernel.buffer "l" : !kernel.view<["R", 202048], f32>
  %n = kernel.buffer "n" : !kernel.view<["R"], f32>
  %k = kernel.buffer "k" : !kernel.view<["R"], i32>
  %s = kernel.buffer "s" : !kernel.view<["R"], i64>
  %h = kernel.history : !kernel.view<["N", 1024], i32>
  %i = kernel.buffer "i" : !kernel.view<["R"], i32>
  // CHECK: %[[ROWS:.*]] = kernel.buffer "draw.workspace.0" workspace : !kernel.view<["R", 4206], i64>
  // CHECK: %[[BLOCKS:.*]] = kernel.buffer "draw.workspace.1" workspace : !kernel.view<[1], i32>
  // CHECK: kernel.sample {{.*}} workspace %[[ROWS]], %[[BLOCKS]]
  // CHECK-SAME: config = #kernel.gpu<"[[TARGET]]", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 256, blocks = 2, rows = 1>
  // CHECK-SAME: grid = #kernel.grid<"R", 297, "*">
  // CPU-NOT: workspace
  // CPU: kernel.sample {{.*}} grid = #kernel.grid<"R">
  kernel.sample %l temperatures %n top_k %k top_p %n min_p %n penalties %n seeds %s sequences %s positions %k
    slots %k of %h into %i
    : !kernel.view<["R", 202048], f32>, !kernel.view<["R"], f32>, !kernel.view<["R"], i32>, !kernel.view<["R"], f32>,
      !kernel.view<["R"], f32>, !kernel.view<["R"], f32>, !kernel.view<["R"], i64>, !kernel.view<["R"], i64>,
      !kernel.view<["R"], i32>, !kernel.view<["R"], i32>, !kernel.view<["N", 1024], i32>, !kernel.view<["R"], i32>
}
