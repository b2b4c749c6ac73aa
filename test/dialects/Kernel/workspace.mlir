// RUN: yupana-opt %s | yupana-opt | FileCheck %s
// RUN: yupana-opt %s --cse --canonicalize | FileCheck %s --check-prefix=CLEAN

// What one launch both reads and writes, in a program and in an outlined kernel, which lists it. A load behind a store is
// another value than the one before it; where nothing is stored in between, loads are still one.
// CHECK: kernel.buffer "w" workspace : !kernel.view<[16], i32>
// CHECK: kernel.map
// CHECK: kernel.func @count workspace [1] {
// CLEAN: kernel.map
// CLEAN: %[[FIRST:.*]] = kernel.load %[[W:.*]][%[[LANE:.*]]]
// CLEAN-NOT: kernel.load
// CLEAN: %[[SUM:.*]] = arith.addi %[[FIRST]], %[[FIRST]]
// CLEAN: kernel.store %[[SUM]], %[[W]]
// CLEAN: %[[SECOND:.*]] = kernel.load %[[W]][%[[LANE]]]
// CLEAN: kernel.store %[[SECOND]], %{{.*}}
// CLEAN: kernel.func @count
// CLEAN: kernel.load
// CLEAN: kernel.store
// CLEAN: kernel.load
// CLEAN: kernel.store
kernel.program @step function step max_tokens 16 {
  %w = kernel.buffer "w" workspace : !kernel.view<[16], i32>
  %y = kernel.buffer "y" : !kernel.view<["T", 16], i32>
  kernel.map rows "T" groups 1 width 16 {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %w[%lane] : !kernel.view<[16], i32>
    %1 = kernel.load %w[%lane] : !kernel.view<[16], i32>
    %2 = arith.addi %0, %1 : i32
    kernel.store %2, %w[%lane] : !kernel.view<[16], i32>
    %3 = kernel.load %w[%lane] : !kernel.view<[16], i32>
    kernel.store %3, %y[%row, %lane] : !kernel.view<["T", 16], i32>
  }
}
kernel.library @l target "x86-64-v3" {
  kernel.func @count workspace [1] {
  ^bb0(%y: !kernel.view<["T", 16], i32>, %w: !kernel.view<[16], i32>):
    kernel.map rows "T" groups 1 width 16 {
    ^bb0(%row: index, %group: index, %lane: index):
      %0 = kernel.load %w[%lane] : !kernel.view<[16], i32>
      kernel.store %0, %w[%lane] : !kernel.view<[16], i32>
      %1 = kernel.load %w[%lane] : !kernel.view<[16], i32>
      kernel.store %1, %y[%row, %lane] : !kernel.view<["T", 16], i32>
    }
  }
}
