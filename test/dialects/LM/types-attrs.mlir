// RUN: yupana-opt %s | yupana-opt | FileCheck %s
// RUN: yupana-opt %s -emit-bytecode | yupana-opt | FileCheck %s

// Names of dynamic dimensions: plain, and a multiple for the (token, expert) pairs of a top-2 router.
// CHECK-LABEL: func.func private @dims
// CHECK-SAME: tensor<?x5120xf32, #lm.dims<"T", 5120>>
// CHECK-SAME: tensor<?xi32, #lm.dims<"S">>
// CHECK-SAME: tensor<?x64xbf16, #lm.dims<"2*T", 64>>
// CHECK-SAME: tensor<4x64xf32, #lm.dims<4, 64>>
// CHECK-SAME: tensor<?x8xi32, #lm.dims<"N", 8>>
func.func private @dims(tensor<?x5120xf32, #lm.dims<"T", 5120>>, tensor<?xi32, #lm.dims<"S">>,
                        tensor<?x64xbf16, #lm.dims<"2*T", 64>>, tensor<4x64xf32, #lm.dims<4, 64>>,
                        tensor<?x8xi32, #lm.dims<"N", 8>>)

// Every attribute of the dialect, by its full name.
// CHECK-LABEL: func.func private @attributes
func.func private @attributes() attributes {
  // CHECK-SAME: test.convert = #lm.convert<bf16>
  test.convert = #lm.convert<bf16>,
  // CHECK-SAME: test.dim = #lm.dim<"2*T">
  test.dim = #lm.dim<"2*T">,
  // CHECK-SAME: test.dim_more = #lm.dim<"2*T+112">
  test.dim_more = #lm.dim<"2*T+112">,
  // CHECK-SAME: test.generation = #lm.generation<do_sample = false, temperature = {{.*}}, top_k = 0, top_p = {{.*}}, min_p = {{.*}}, repetition_penalty = 1.0{{[^,]*}}>
  test.generation = #lm.generation<do_sample = false, temperature = 1.0, top_k = 0, top_p = 1.0, min_p = 0.0,
                                   repetition_penalty = 1.0>,
  // CHECK-SAME: test.pack = #lm.pack<"panel32">
  test.pack = #lm.pack<"panel32">,
  // CHECK-SAME: test.pairs = #lm.pack<"panel32x2">
  test.pairs = #lm.pack<"panel32x2">,
  // CHECK-SAME: test.rope = #lm.rope<theta = {{.*}}, scaling = {{.*}}factor = {{.*}}, low = {{.*}}, high = {{.*}}, original = 8192>>
  test.rope = #lm.rope<theta = 5.0e5,
                       scaling = #lm.rope_scaling<factor = 8.0, low = 1.0, high = 4.0, original = 8192>>,
  // CHECK-SAME: test.row_major = #lm.pack<"row-major">
  test.row_major = #lm.pack<"row-major">,
  // CHECK-SAME: test.scaling = #lm.rope_scaling<factor = {{.*}}, low = {{.*}}, high = {{.*}}, original = 8192>
  test.scaling = #lm.rope_scaling<factor = 8.0, low = 1.0, high = 4.0, original = 8192>,
  // CHECK-SAME: test.slice = #lm.slice<axis = 1, offset = 0, size = 32>
  test.slice = #lm.slice<axis = 1, offset = 0, size = 32>,
  // CHECK-SAME: test.stack = #lm.stack<16>
  test.stack = #lm.stack<16>,
  // CHECK-SAME: test.step = #lm.slice<axis = 1, offset = 1, size = 32, step = 2>
  test.step = #lm.slice<axis = 1, offset = 1, size = 32, step = 2>,
  // CHECK-SAME: test.table = #lm.rope_table<{{.*}}, dim = 16, count = 48, step = 1>
  test.table = #lm.rope_table<#lm.rope<theta = 1.0e4>, dim = 16, count = 48, step = 1>,
  // CHECK-SAME: test.temperature = #lm.temperature_table<scale = {{.*}}, count = 4>
  test.temperature = #lm.temperature_table<scale = 1.0e-1, count = 4>,
  // CHECK-SAME: test.transpose = #lm.transpose<0, 2, 1>
  test.transpose = #lm.transpose<0, 2, 1>
}

// A weight may start from any float of a checkpoint and keeps its named dimensions static.
// CHECK: lm.weight @half from ["w"] : tensor<4x8xf16> through [#lm.convert<f32>] : tensor<4x8xf32>
lm.weight @half from ["w"] : tensor<4x8xf16> through [#lm.convert<f32>] : tensor<4x8xf32>
