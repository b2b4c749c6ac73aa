// RUN: yupana-opt %s --yupana-materialize-tables=max-context=1000 --split-input-file | FileCheck %s

// A rotation with a period gets one table of that many rows; a second use of the same angles shares it.
// CHECK: lm.table @rope.0 from #lm.rope_table<#lm.rope<theta = 5.000000e+05 : f64>, dim = 16, count = 48, step = 1> as tensor<48x8x2xf32>
// CHECK-NOT: lm.table
// CHECK-LABEL: func.func @step
// CHECK: lm.rope %arg0, %arg1 width 16 <theta = 5.000000e+05 : f64> period 48 tables [@rope.0]
// CHECK: lm.rope {{.*}} tables [@rope.0]
func.func @step(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %p: tensor<?xi32, #lm.dims<"T">>) -> tensor<?x64xf32, #lm.dims<"T", 64>> {
  %0 = lm.rope %x, %p width 16 <theta = 5.0e5 : f64> period 48 : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  %1 = lm.rope %0, %p width 16 <theta = 5.0e5 : f64> period 48 : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  return %1 : tensor<?x64xf32, #lm.dims<"T", 64>>
}

// -----

// Without a period the position is cut in two: rows of 256 positions, and the positions within.
// CHECK: lm.table @rope.0 from #lm.rope_table<{{.*}}, dim = 16, count = 4, step = 256> as tensor<4x8x2xf32>
// CHECK: lm.table @rope.1 from #lm.rope_table<{{.*}}, dim = 16, count = 256, step = 1> as tensor<256x8x2xf32>
// CHECK-LABEL: func.func @step
// CHECK: tables [@rope.0, @rope.1]
func.func @step(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %p: tensor<?xi32, #lm.dims<"T">>) -> tensor<?x64xf32, #lm.dims<"T", 64>> {
  %0 = lm.rope %x, %p width 16 <theta = 5.0e5 : f64> : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  return %0 : tensor<?x64xf32, #lm.dims<"T", 64>>
}

// -----

// A period beyond the longest context needs no more rows than there are positions, and the temperature one factor per
// whole floor_scale in it.
// CHECK: lm.table @rope.0 from {{.*}} count = 1000, step = 1
// CHECK: lm.table @temperature.1 from #lm.temperature_table<scale = 1.000000e-01 : f64, count = 8> as tensor<8xf32>
// CHECK-LABEL: func.func @step
// CHECK: lm.attention_temperature {{.*}} floor_scale 128 table @temperature.1
func.func @step(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %p: tensor<?xi32, #lm.dims<"T">>) -> tensor<?x64xf32, #lm.dims<"T", 64>> {
  %0 = lm.rope %x, %p width 16 <theta = 5.0e5 : f64> period 8192 : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  %1 = lm.attention_temperature %0, %p scale 1.0e-1 floor_scale 128 : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  return %1 : tensor<?x64xf32, #lm.dims<"T", 64>>
}
