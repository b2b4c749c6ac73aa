// RUN: yupana-opt %s --yupana-verify-model-form | FileCheck %s

// A complete model passes unchanged.
// CHECK: lm.weight @head
// CHECK: lm.linear %arg0, @head
lm.weight @head from ["head"] : tensor<16x64xf32> through [] : tensor<16x64xf32>
func.func @step(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) -> tensor<?x16xf32, #lm.dims<"T", 16>> {
  %0 = lm.linear %x, @head : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x16xf32, #lm.dims<"T", 16>>
  return %0 : tensor<?x16xf32, #lm.dims<"T", 16>>
}
