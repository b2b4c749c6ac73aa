// RUN: yupana-opt %s | yupana-opt | FileCheck %s
// RUN: yupana-opt %s -emit-bytecode | yupana-opt | FileCheck %s

// What an argument addresses: every table, with and without bytes added.
// CHECK-LABEL: func.func private @arguments
func.func private @arguments() attributes {
  // CHECK-SAME: test.buffer = #plan.argument<buffer 7>
  test.buffer = #plan.argument<buffer 7>,
  // CHECK-SAME: test.cache = #plan.argument<cache 1 + 8192>
  test.cache = #plan.argument<cache 1 + 8192>,
  // CHECK-SAME: test.history = #plan.argument<history 0>
  test.history = #plan.argument<history 0>,
  // CHECK-SAME: test.input = #plan.argument<input 8>
  test.input = #plan.argument<input 8>,
  // CHECK-SAME: test.page_table = #plan.argument<page_table 1>
  test.page_table = #plan.argument<page_table 1>,
  // CHECK-SAME: test.weight = #plan.argument<weight 3>
  test.weight = #plan.argument<weight 3 + 0>
}
