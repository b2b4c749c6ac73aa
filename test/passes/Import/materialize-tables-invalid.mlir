// RUN: not yupana-opt %s --yupana-materialize-tables=max-context=0 2>&1 | FileCheck %s

// A context without positions has no table.
// CHECK: error: max-context is 0, expected at least 1
func.func @step(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) -> tensor<?x64xf32, #lm.dims<"T", 64>> {
  return %x : tensor<?x64xf32, #lm.dims<"T", 64>>
}
