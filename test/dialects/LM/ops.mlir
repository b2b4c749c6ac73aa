// RUN: yupana-opt %s | yupana-opt | FileCheck %s
// RUN: yupana-opt %s -mlir-print-op-generic | yupana-opt | FileCheck %s
// RUN: yupana-opt %s -emit-bytecode | yupana-opt | FileCheck %s

// What the module was imported from.
// CHECK: lm.model "nano" architecture "Llama4ForConditionalGeneration" vocabulary 1536 hidden 128 layers 4
// CHECK-SAME: parameters 2300000 active 900000 begin 1472 stop [1473, 1479, 1480]
lm.model "nano" architecture "Llama4ForConditionalGeneration" vocabulary 1536 hidden 128 layers 4
  parameters 2300000 active 900000 begin 1472 stop [1473, 1479, 1480]

// With what its generation_config.json says.
// CHECK: lm.model "instruct" {{.*}} stop [2] generation <do_sample = true, temperature = {{.*}}, top_k = 50,
// CHECK-SAME: top_p = {{.*}}, min_p = {{.*}}, repetition_penalty = {{.*}}>
lm.model "instruct" architecture "Llama4ForCausalLM" vocabulary 256 hidden 64 layers 1 parameters 1 begin 1 stop [2]
  generation <do_sample = true, temperature = 0.6, top_k = 50, top_p = 0.9, min_p = 0.0, repetition_penalty = 1.0>

// A weight straight from the checkpoint: no links, the type of its source.
// CHECK: lm.weight @plain from ["model.norm.weight"] : tensor<64xf32> through [] : tensor<64xf32>
lm.weight @plain from ["model.norm.weight"] : tensor<64xf32> through [] : tensor<64xf32>

// Half of a fused, transposed expert tensor.
// CHECK: lm.weight @up from ["model.layers.0.feed_forward.experts.gate_up_proj"] : tensor<16x64x64xbf16>
// CHECK-SAME: through [#lm.slice<axis = 2, offset = 32, size = 32>, #lm.transpose<0, 2, 1>, #lm.convert<f32>]
// CHECK-SAME: : tensor<16x32x64xf32>
lm.weight @up from ["model.layers.0.feed_forward.experts.gate_up_proj"] : tensor<16x64x64xbf16>
  through [#lm.slice<axis = 2, offset = 32, size = 32>, #lm.transpose<0, 2, 1>, #lm.convert<f32>]
  : tensor<16x32x64xf32>

// Experts stored one by one are stacked by the first link; the last link packs.
// CHECK: lm.weight @stacked from ["e.0.up", "e.1.up"] : tensor<32x64xf32>
// CHECK-SAME: through [#lm.stack<2>, #lm.pack<"panel32">] : tensor<2x32x64xf32>
lm.weight @stacked from ["e.0.up", "e.1.up"] : tensor<32x64xf32>
  through [#lm.stack<2>, #lm.pack<"panel32">] : tensor<2x32x64xf32>

// Every other index of an axis, rounded once, in pairs of columns.
// CHECK: lm.weight @even from ["k"] : tensor<64x63xf32>
// CHECK-SAME: through [#lm.slice<axis = 0, offset = 1, size = 32, step = 2>, #lm.convert<bf16>, #lm.pack<"panel32x2">]
// CHECK-SAME: : tensor<32x63xbf16>
lm.weight @even from ["k"] : tensor<64x63xf32>
  through [#lm.slice<axis = 0, offset = 1, size = 32, step = 2>, #lm.convert<bf16>, #lm.pack<"panel32x2">]
  : tensor<32x63xbf16>

// A weight that alternates between two others, before and after it has a packed form; halves are filled up.
// CHECK: lm.interleaved @gate_up of @half.gate, @half.up by 16 : tensor<16x64x64xbf16>
lm.interleaved @gate_up of @half.gate, @half.up by 16 : tensor<16x64x64xbf16>
// CHECK: lm.interleaved @tiled of @half.gate, @half.up by 8 layout "tile64x128" : tensor<16x48x64xbf16>
lm.interleaved @tiled of @half.gate, @half.up by 8 layout "tile64x128" : tensor<16x48x64xbf16>
// CHECK: lm.interleaved @packed of @half.gate, @half.up by 16 layout "panel32x2" : tensor<16x64x64xbf16>
lm.interleaved @packed of @half.gate, @half.up by 16 layout "panel32x2" : tensor<16x64x64xbf16>
lm.weight @half.gate from ["gate"] : tensor<16x24x64xbf16> through [] : tensor<16x24x64xbf16>
lm.weight @half.up from ["up"] : tensor<16x24x64xbf16> through [] : tensor<16x24x64xbf16>

// CHECK: lm.weight @embed
lm.weight @embed from ["model.embed_tokens.weight"] : tensor<256x64xf32> through [] : tensor<256x64xf32>
// CHECK: lm.weight @q
lm.weight @q from ["q"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
// CHECK: lm.weight @bias
lm.weight @bias from ["q.bias"] : tensor<64xf32> through [] : tensor<64xf32>

// One table of a chunk's positions.
// CHECK: lm.table @rope.48 from #lm.rope_table<{{.*}}theta = 5.0{{.*}}, dim = 16, count = 48, step = 1> as tensor<48x8x2xf32>
lm.table @rope.48 from #lm.rope_table<#lm.rope<theta = 5.0e5>, dim = 16, count = 48, step = 1>
  as tensor<48x8x2xf32>

// Two tables for any position: 256·a and b.
// CHECK: lm.table @rope.high from {{.*}}step = 256> as tensor<4x8x2xf32>
lm.table @rope.high from #lm.rope_table<#lm.rope<theta = 5.0e5>, dim = 16, count = 4, step = 256>
  as tensor<4x8x2xf32>
// CHECK: lm.table @rope.low
lm.table @rope.low from #lm.rope_table<#lm.rope<theta = 5.0e5>, dim = 16, count = 256, step = 1>
  as tensor<256x8x2xf32>

// CHECK: lm.table @temperature from #lm.temperature_table<scale = 1.0{{.*}}, count = 8> as tensor<8xf32>
lm.table @temperature from #lm.temperature_table<scale = 1.0e-1, count = 8> as tensor<8xf32>

// A layer that remembers its chunk, and one that remembers everything.
// CHECK: lm.cache @layers.0 layer 0 heads 2 width 16 chunk 48 : f32
lm.cache @layers.0 layer 0 heads 2 width 16 chunk 48 : f32
// CHECK: lm.cache @layers.1 layer 1 heads 2 width 16 : f32
lm.cache @layers.1 layer 1 heads 2 width 16 : f32
// CHECK: lm.cache @layers.2 layer 2 heads 2 width 16 : bf16
lm.cache @layers.2 layer 2 heads 2 width 16 : bf16

// CHECK-LABEL: func.func @step
func.func @step(%ids: tensor<?xi32, #lm.dims<"T">>, %positions: tensor<?xi32, #lm.dims<"T">>,
                %sequences: tensor<?xi32, #lm.dims<"T">>, %rows: tensor<?xi32, #lm.dims<"R">>,
                %k: tensor<?x32xf32, #lm.dims<"T", 32>>) -> tensor<?x64xf32, #lm.dims<"R", 64>> {
  // CHECK: lm.record %{{.*}} at %{{.*}} of %{{.*}} : tensor<?xi32, #lm.dims<"T">>
  lm.record %ids at %positions of %sequences : tensor<?xi32, #lm.dims<"T">>
  // CHECK: lm.embed %{{.*}}, @embed : tensor<?xi32, #lm.dims<"T">> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  %h = lm.embed %ids, @embed : tensor<?xi32, #lm.dims<"T">> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  // The whole row with a gain.
  // CHECK: lm.rms_norm %{{.*}}, @plain width 64 epsilon 1.000000e-05 : tensor<?x64xf32, #lm.dims<"T", 64>>
  %x = lm.rms_norm %h, @plain width 64 epsilon 1.0e-5 : tensor<?x64xf32, #lm.dims<"T", 64>>
  // One head at a time, without a gain: QK-norm.
  // CHECK: lm.rms_norm %{{[0-9]+}} width 16 epsilon
  %n = lm.rms_norm %x width 16 epsilon 1.0e-5 : tensor<?x64xf32, #lm.dims<"T", 64>>
  // CHECK: lm.linear %{{.*}}, @q : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  %q = lm.linear %n, @q : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  // CHECK: lm.linear %{{.*}}, @q bias @bias :
  %b = lm.linear %q, @q bias @bias : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  // Angles in closed form, then by one table of a chunk, then by two tables.
  // CHECK: lm.rope %{{.*}}, %{{.*}} width 16 <theta = 5.0{{.*}}> period 48 : tensor<?x64xf32
  %r0 = lm.rope %b, %positions width 16 <theta = 5.0e5> period 48
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  // CHECK: lm.rope {{.*}} period 48 tables [@rope.48] :
  %r1 = lm.rope %r0, %positions width 16 <theta = 5.0e5> period 48 tables [@rope.48]
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  // CHECK: lm.rope {{.*}}> tables [@rope.high, @rope.low] :
  %r2 = lm.rope %r1, %positions width 16 <theta = 5.0e5> tables [@rope.high, @rope.low]
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  // CHECK: lm.attention_temperature %{{.*}}, %{{.*}} scale 1.000000e-01 floor_scale 8192 : tensor<?x64xf32
  %s0 = lm.attention_temperature %r2, %positions scale 1.0e-1 floor_scale 8192
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  // CHECK: lm.attention_temperature {{.*}} floor_scale 8192 table @temperature :
  %s1 = lm.attention_temperature %s0, %positions scale 1.0e-1 floor_scale 8192 table @temperature
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  // CHECK: lm.attention %{{.*}}, %{{.*}}, %{{.*}} at %{{.*}} of %{{.*}} cache @layers.0 scale 2.500000e-01
  %o = lm.attention %s1, %k, %k at %positions of %sequences cache @layers.0 scale 2.5e-1
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x32xf32, #lm.dims<"T", 32>>, tensor<?xi32, #lm.dims<"T">>
  // CHECK: lm.gated %{{.*}}, %{{.*}} activation silu : tensor<?x64xf32, #lm.dims<"T", 64>>
  %g = lm.gated %o, %h activation silu : tensor<?x64xf32, #lm.dims<"T", 64>>
  // CHECK: lm.gated %{{.*}}, %{{.*}} activation gelu :
  %g2 = lm.gated %g, %h activation gelu : tensor<?x64xf32, #lm.dims<"T", 64>>
  // CHECK: lm.add %{{.*}}, %{{.*}} : tensor<?x64xf32, #lm.dims<"T", 64>>
  %y = lm.add %h, %g2 : tensor<?x64xf32, #lm.dims<"T", 64>>
  // CHECK: lm.take_rows %{{.*}}, %{{.*}} : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"R">>
  // CHECK-SAME: -> tensor<?x64xf32, #lm.dims<"R", 64>>
  %t = lm.take_rows %y, %rows
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"R">> -> tensor<?x64xf32, #lm.dims<"R", 64>>
  return %t : tensor<?x64xf32, #lm.dims<"R", 64>>
}

// CHECK-LABEL: func.func @sample
func.func @sample(%logits: tensor<?x256xf32, #lm.dims<"R", 256>>, %t: tensor<?xf32, #lm.dims<"R">>,
                  %k: tensor<?xi32, #lm.dims<"R">>, %p: tensor<?xf32, #lm.dims<"R">>,
                  %m: tensor<?xf32, #lm.dims<"R">>, %r: tensor<?xf32, #lm.dims<"R">>,
                  %s: tensor<?xi64, #lm.dims<"R">>, %n: tensor<?xi64, #lm.dims<"R">>,
                  %x: tensor<?xi32, #lm.dims<"R">>, %h: tensor<?xi32, #lm.dims<"R">>) -> tensor<?xi32, #lm.dims<"R">> {
  // CHECK: lm.sample %{{.*}} temperatures %{{.*}} top_k %{{.*}} top_p %{{.*}} min_p %{{.*}} penalties %{{.*}} seeds
  // CHECK-SAME: %{{.*}} sequences %{{.*}} positions %{{.*}} slots %{{.*}} :
  // CHECK-SAME: tensor<?x256xf32, #lm.dims<"R", 256>>, tensor<?xf32, #lm.dims<"R">>, tensor<?xi64, #lm.dims<"R">>
  // CHECK-SAME: tensor<?xi32, #lm.dims<"R">> -> tensor<?xi32, #lm.dims<"R">>
  %ids = lm.sample %logits temperatures %t top_k %k top_p %p min_p %m penalties %r seeds %s sequences %n positions %x
    slots %h : tensor<?x256xf32, #lm.dims<"R", 256>>, tensor<?xf32, #lm.dims<"R">>, tensor<?xi64, #lm.dims<"R">>,
      tensor<?xi32, #lm.dims<"R">> -> tensor<?xi32, #lm.dims<"R">>
  return %ids : tensor<?xi32, #lm.dims<"R">>
}
