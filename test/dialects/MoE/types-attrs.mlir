// RUN: yupana-opt %s -split-input-file | FileCheck %s

// Every score function, by name.
// CHECK-LABEL: func.func @score_functions
func.func @score_functions(%l: tensor<?x4xf32, #lm.dims<"T", 4>>) {
  // CHECK: score sigmoid :
  %e0, %s0 = moe.route %l top 1 score sigmoid
    : tensor<?x4xf32, #lm.dims<"T", 4>> -> tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x1xf32, #lm.dims<"T", 1>>
  // CHECK: score softmax :
  %e1, %s1 = moe.route %l top 1 score softmax
    : tensor<?x4xf32, #lm.dims<"T", 4>> -> tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x1xf32, #lm.dims<"T", 1>>
  return
}

// -----

// The dialect's float tensors may be bfloat16; scores stay float32.
// CHECK-LABEL: func.func @bf16
func.func @bf16(%l: tensor<?x4xbf16, #lm.dims<"T", 4>>) {
  // CHECK: moe.route {{.*}} : tensor<?x4xbf16, #lm.dims<"T", 4>> -> {{.*}}, tensor<?x1xf32, #lm.dims<"T", 1>>
  %e, %s = moe.route %l top 1 score sigmoid
    : tensor<?x4xbf16, #lm.dims<"T", 4>> -> tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x1xf32, #lm.dims<"T", 1>>
  return
}
