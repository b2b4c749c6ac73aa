// RUN: yupana-opt %s --yupana-model-to-kernel=target=x86-64-v3 --split-input-file --verify-diagnostics
// RUN: not yupana-opt %S/model-to-kernel.mlir --yupana-model-to-kernel --split-input-file 2>&1 | FileCheck %s

// The size of pages is the target's.
// CHECK: error: the pass was given no target, expected target=NAME with one of {{.*}}x86-64-v3

// Only the functions that the runtime calls may be there.
// expected-error @below {{function @other, expected @step or @sample}}
func.func @other(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) -> tensor<?x64xf32, #lm.dims<"T", 64>> {
  return %x : tensor<?x64xf32, #lm.dims<"T", 64>>
}

// -----

// expected-error @below {{@step has 1 arguments and 1 results, expected 4 and 1}}
func.func @step(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) -> tensor<?x64xf32, #lm.dims<"T", 64>> {
  return %x : tensor<?x64xf32, #lm.dims<"T", 64>>
}

// -----

// An op of another dialect has no kernel.
func.func @step(%ids: tensor<?xi32, #lm.dims<"T">>, %p: tensor<?xi32, #lm.dims<"T">>, %s: tensor<?xi32, #lm.dims<"T">>,
                %r: tensor<?xi32, #lm.dims<"R">>) -> tensor<?xi32, #lm.dims<"R">> {
  // expected-error @below {{'arith.addi' op has no kernel}}
  %0 = arith.addi %r, %r : tensor<?xi32, #lm.dims<"R">>
  return %0 : tensor<?xi32, #lm.dims<"R">>
}

// -----

// Which size of a step a dynamic dimension has, its name says.
func.func @step(%ids: tensor<?xi32, #lm.dims<"T">>, %p: tensor<?xi32, #lm.dims<"T">>, %s: tensor<?xi32, #lm.dims<"T">>,
                // expected-error @below {{value is 'tensor<?xi32>', expected its dynamic dimensions to be named by #lm.dims}}
                %r: tensor<?xi32>) -> tensor<?xi32> {
  return %r : tensor<?xi32>
}
