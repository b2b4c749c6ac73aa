// RUN: yupana-opt %s --yupana-verify-model-form --split-input-file --verify-diagnostics

// expected-error @below {{module has no function @step}}
module {
}

// -----

// Only ops of the model level may stand in a function.
// expected-note @below {{in this function}}
func.func @step(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) -> tensor<?x64xf32, #lm.dims<"T", 64>> {
  // expected-error @below {{'arith.addf' op is not of the model level, expected lm and moe ops alone}}
  %0 = arith.addf %x, %x : tensor<?x64xf32, #lm.dims<"T", 64>>
  return %0 : tensor<?x64xf32, #lm.dims<"T", 64>>
}

// -----

// A rotation without tables means that materialize-tables has not run.
func.func @step(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %p: tensor<?xi32, #lm.dims<"T">>) -> tensor<?x64xf32, #lm.dims<"T", 64>> {
  // expected-error @below {{'lm.rope' op has no tables, expected materialize-tables to have run}}
  %0 = lm.rope %x, %p width 16 <theta = 5.0e5 : f64> : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  return %0 : tensor<?x64xf32, #lm.dims<"T", 64>>
}

// -----

func.func @step(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %p: tensor<?xi32, #lm.dims<"T">>) -> tensor<?x64xf32, #lm.dims<"T", 64>> {
  // expected-error @below {{'lm.attention_temperature' op has no table, expected materialize-tables to have run}}
  %0 = lm.attention_temperature %x, %p scale 1.0e-1 floor_scale 128 : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  return %0 : tensor<?x64xf32, #lm.dims<"T", 64>>
}

// -----

// A weight that no op reads is a mistake of the frontend.
// expected-error @below {{'lm.weight' op is used by no op}}
lm.weight @head from ["head"] : tensor<16x64xf32> through [] : tensor<16x64xf32>
func.func @step(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) -> tensor<?x64xf32, #lm.dims<"T", 64>> {
  return %x : tensor<?x64xf32, #lm.dims<"T", 64>>
}
