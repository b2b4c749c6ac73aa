// RUN: yupana-opt %s -split-input-file -verify-diagnostics

// Attributes

// As many names as dimensions.
// expected-error@+1 {{#lm.dims names 1 dimensions, the tensor has 2}}
func.func private @f(tensor<?x64xf32, #lm.dims<"T">>)

// -----

// Only the sizes of a step are names.
// expected-error@+1 {{"Q" names no dimension, expected "T", "S", "R", "N" or a multiple such as "2*T" or "2*T+112"}}
func.func private @f(tensor<?x64xf32, #lm.dims<"Q", 64>>)

// -----

// A factor is a positive integer.
// expected-error@+1 {{"0*T" names no dimension, expected "T", "S", "R", "N" or a multiple such as "2*T" or "2*T+112"}}
func.func private @f(tensor<?x64xf32, #lm.dims<"0*T", 64>>)

// -----

// So is what it has more.
// expected-error@+1 {{"T+0" names no dimension, expected "T", "S", "R", "N" or a multiple such as "2*T" or "2*T+112"}}
func.func private @f(tensor<?x64xf32, #lm.dims<"T+0", 64>>)

// -----

// A static dimension has its own size as its entry.
// expected-error@+1 {{dimension 1 of the tensor and 32 of #lm.dims differ}}
func.func private @f(tensor<?x64xf32, #lm.dims<"T", 32>>)

// -----

// A name belongs to a dynamic dimension.
// expected-error@+1 {{dimension 0 of the tensor and "T" of #lm.dims differ}}
func.func private @f(tensor<8x64xf32, #lm.dims<"T", 64>>)

// -----

// A packed form is one the code generators read.
// expected-error@+1 {{unknown layout 'tiles', expected row-major, panel32, panel32x2 or tile64x128}}
lm.weight @w from ["w"] : tensor<4x8xf32> through [#lm.pack<"tiles">] : tensor<4x8xf32>

// -----

// Token rows are no weight.
// expected-error@+1 {{layout rows128 is for token rows, expected row-major, panel32, panel32x2 or tile64x128}}
lm.weight @w from ["w"] : tensor<4x8xf32> through [#lm.pack<"rows128">] : tensor<4x8xf32>

// -----

// Weights

// A weight comes from somewhere.
// expected-error@+1 {{'lm.weight' op has no source tensor}}
lm.weight @w from [] : tensor<4x8xf32> through [] : tensor<4x8xf32>

// -----

// Checkpoint tensors have sizes.
// expected-error@+1 {{reads sources of type 'tensor<?x8xf32>', expected a static shape}}
lm.weight @w from ["w"] : tensor<?x8xf32> through [] : tensor<?x8xf32>

// -----

// A chain holds transformations alone.
// expected-error@+1 {{link 0 of the chain is "transpose", expected a transformation}}
lm.weight @w from ["w"] : tensor<4x8xf32> through ["transpose"] : tensor<4x8xf32>

// -----

// Several sources are stacked before anything else.
// expected-error@+1 {{has 2 sources and link 0 is #lm.convert<f32>; several sources are stacked by the first link}}
lm.weight @w from ["a", "b"] : tensor<4x8xbf16> through [#lm.convert<f32>, #lm.stack<2>] : tensor<2x4x8xf32>

// -----

// Stacking counts the sources.
// expected-error@+1 {{has 2 sources and link 0 is #lm.stack<3>; several sources are stacked by the first link}}
lm.weight @w from ["a", "b"] : tensor<4x8xf32> through [#lm.stack<3>] : tensor<3x4x8xf32>

// -----

// Stacking comes first even for one source.
// expected-error@+1 {{has 1 sources and link 1 is #lm.stack<1>; several sources are stacked by the first link}}
lm.weight @w from ["a"] : tensor<4x8xbf16> through [#lm.convert<f32>, #lm.stack<1>] : tensor<1x4x8xf32>

// -----

// Without a chain there is one source.
// expected-error@+1 {{has 2 sources and no chain; several sources are stacked}}
lm.weight @w from ["a", "b"] : tensor<4x8xf32> through [] : tensor<4x8xf32>

// -----

// Nothing follows packing: its bytes have no shape to transform.
// expected-error@+1 {{link 0 packs, expected it to be the last of 2}}
lm.weight @w from ["w"] : tensor<32x8xbf16> through [#lm.pack<"panel32">, #lm.convert<f32>] : tensor<32x8xf32>

// -----

// The declared type is where the chain leads.
// expected-error@+1 {{has type 'tensor<4x8xf32>', its chain ends in 'tensor<8x4xf32>'}}
lm.weight @w from ["w"] : tensor<4x8xf32> through [#lm.transpose<1, 0>] : tensor<4x8xf32>

// -----

// A slice names an axis of its input.
// expected-error@+1 {{slice along axis 2 of a tensor of rank 2}}
lm.weight @w from ["w"] : tensor<4x8xf32> through [#lm.slice<axis = 2, offset = 0, size = 1>] : tensor<4x8xf32>

// -----

// A slice stays inside its axis.
// expected-error@+1 {{slice of 8 from 4 by 1 of axis 1, which has 8 elements}}
lm.weight @w from ["w"] : tensor<4x8xf32> through [#lm.slice<axis = 1, offset = 4, size = 8>] : tensor<4x8xf32>

// -----

// A transposition uses every axis once.
// expected-error@+1 {{[0, 0] is no permutation of the axes of a tensor of rank 2}}
lm.weight @w from ["w"] : tensor<4x8xf32> through [#lm.transpose<0, 0>] : tensor<4x8xf32>

// -----

// Conversions are between floats.
// expected-error@+1 {{no conversion from 'i32' to 'f32'}}
lm.weight @w from ["w"] : tensor<4x8xi32> through [#lm.convert<f32>] : tensor<4x8xf32>

// -----

// Panels of rows need rows and depth.
// expected-error@+1 {{layout panel32 needs at least two dimensions, the tensor has 1}}
lm.weight @w from ["w"] : tensor<8xf32> through [#lm.pack<"panel32">] : tensor<8xf32>

// -----

// So do panels in pairs.
// expected-error@+1 {{layout tile64x128 needs at least two dimensions, the tensor has 1}}
lm.weight @w from ["w"] : tensor<4xbf16> through [#lm.pack<"tile64x128">] : tensor<4xbf16>

// -----

// expected-error@+1 {{layout panel32x2 needs at least two dimensions, the tensor has 1}}
lm.weight @w from ["w"] : tensor<8xbf16> through [#lm.pack<"panel32x2">] : tensor<8xbf16>

// -----

// Steps count too: 1, 4 and 7 are there, 10 is not.
// expected-error@+1 {{slice of 4 from 1 by 3 of axis 1, which has 8 elements}}
lm.weight @w from ["w"] : tensor<4x8xf32> through [#lm.slice<axis = 1, offset = 1, size = 4, step = 3>] : tensor<4x4xf32>

// -----

// A step goes ahead.
// expected-error@+1 {{slice of 2 from 1 by 0 of axis 1, which has 8 elements}}
lm.weight @w from ["w"] : tensor<4x8xf32> through [#lm.slice<axis = 1, offset = 1, size = 2, step = 0>] : tensor<4x2xf32>

// -----

// A slice begins inside its axis.
// expected-error@+1 {{slice of 1 from 8 by 1 of axis 1, which has 8 elements}}
lm.weight @w from ["w"] : tensor<4x8xf32> through [#lm.slice<axis = 1, offset = 8, size = 1>] : tensor<4x1xf32>

// -----

// Not before it.
// expected-error@+1 {{slice of 1 from -1 by 1 of axis 1, which has 8 elements}}
lm.weight @w from ["w"] : tensor<4x8xf32> through [#lm.slice<axis = 1, offset = -1, size = 1>] : tensor<4x1xf32>

// -----

// And has elements.
// expected-error@+1 {{slice of 0 from 0 by 1 of axis 1, which has 8 elements}}
lm.weight @w from ["w"] : tensor<4x8xf32> through [#lm.slice<axis = 1, offset = 0, size = 0>] : tensor<4x1xf32>

// -----

// The last element of a long stride.
lm.weight @w from ["w"] : tensor<4x8xf32>
  through [#lm.slice<axis = 1, offset = 1, size = 2, step = 6>] : tensor<4x2xf32>

// -----

// Interleaved weights

// Rows alternate.
lm.weight @a from ["a"] : tensor<32x8xf32> through [] : tensor<32x8xf32>
// expected-error@+1 {{'lm.interleaved' op alternates by 0 rows, expected at least 1}}
lm.interleaved @w of @a, @a by 0 : tensor<64x8xf32>

// -----

// A packed form is one that kernels read.
lm.weight @a from ["a"] : tensor<32x8xf32> through [] : tensor<32x8xf32>
// expected-error@+1 {{unknown layout 'tiles', expected row-major, panel32, panel32x2 or tile64x128}}
lm.interleaved @w of @a, @a by 16 layout "tiles" : tensor<64x8xf32>

// -----

// Both rows of a pair lie in one tile of the form: a row alone is none.
lm.weight @a from ["a"] : tensor<32x8xf32> through [] : tensor<32x8xf32>
// expected-error@+1 {{'lm.interleaved' op alternates by 16 rows in layout row-major, where runs of both parts do not fill whole tiles}}
lm.interleaved @w of @a, @a by 16 layout "row-major" : tensor<64x8xf32>

// -----

// 32 rows are no whole number of runs of 12 and 12.
lm.weight @a from ["a"] : tensor<36x8xf32> through [] : tensor<36x8xf32>
// expected-error@+1 {{'lm.interleaved' op alternates by 12 rows in layout panel32, where runs of both parts do not fill whole tiles}}
lm.interleaved @w of @a, @a by 12 layout "panel32" : tensor<72x8xf32>

// -----

// Parts are weights.
lm.weight @a from ["a"] : tensor<32x8xf32> through [] : tensor<32x8xf32>
lm.table @t from #lm.temperature_table<scale = 1.0e-1, count = 8> as tensor<8xf32>
// expected-error@+1 {{'lm.interleaved' op has part @t, expected the name of an lm.weight}}
lm.interleaved @w of @a, @t by 16 : tensor<64x8xf32>

// -----

// That are there.
// expected-error@+1 {{has part @a, expected the name of an lm.weight}}
lm.interleaved @w of @a, @a by 16 : tensor<64x8xf32>

// -----

// They are packed together, not before.
lm.weight @a from ["a"] : tensor<32x8xf32> through [] : tensor<32x8xf32>
// expected-note@+1 {{@b is declared here}}
lm.weight @b from ["b"] : tensor<32x8xf32> through [#lm.pack<"panel32">] : tensor<32x8xf32>
// expected-error@+1 {{has part @b, which is packed as panel32}}
lm.interleaved @w of @a, @b by 16 : tensor<64x8xf32>

// -----

// They have one shape,
lm.weight @a from ["a"] : tensor<32x8xf32> through [] : tensor<32x8xf32>
// expected-note@+1 {{@b is declared here}}
lm.weight @b from ["b"] : tensor<48x8xf32> through [] : tensor<48x8xf32>
// expected-error@+1 {{has parts of 'tensor<32x8xf32>' and 'tensor<48x8xf32>', expected two of one type and at least two dimensions}}
lm.interleaved @w of @a, @b by 16 : tensor<80x8xf32>

// -----

// of rows.
// expected-note@+1 {{@a is declared here}}
lm.weight @a from ["a"] : tensor<32xf32> through [] : tensor<32xf32>
// expected-error@+1 {{has parts of 'tensor<32xf32>' and 'tensor<32xf32>', expected two of one type and at least two dimensions}}
lm.interleaved @w of @a, @a by 16 : tensor<64xf32>

// -----

// Both are filled up to whole runs.
lm.weight @a from ["a"] : tensor<24x8xf32> through [] : tensor<24x8xf32>
// expected-error@+1 {{has type 'tensor<48x8xf32>', its parts make 'tensor<64x8xf32>'}}
lm.interleaved @w of @a, @a by 16 : tensor<48x8xf32>

// -----

// Tables and caches

// A table has a generator that this compiler evaluates.
// expected-error@+1 {{attribute 'generator' failed to satisfy constraint: a generator, #lm.rope_table or #lm.temperature_table}}
lm.table @t from 3 as tensor<3xf32>

// -----

// A table has the shape of its generator.
// expected-error@+1 {{has type 'tensor<48x16x2xf32>', its generator gives 'tensor<48x8x2xf32>'}}
lm.table @t from #lm.rope_table<#lm.rope<theta = 5.0e5>, dim = 16, count = 48, step = 1> as tensor<48x16x2xf32>

// -----

// A table is float32.
// expected-error@+1 {{has type 'tensor<8xbf16>', its generator gives 'tensor<8xf32>'}}
lm.table @t from #lm.temperature_table<scale = 1.0e-1, count = 8> as tensor<8xbf16>

// -----

// A cache remembers something.
// expected-error@+1 {{has 0 heads of 16 features; expected positive sizes and chunk}}
lm.cache @c layer 0 heads 0 width 16 : f32

// -----

// A chunk is a number of positions.
// expected-error@+1 {{has 2 heads of 16 features; expected positive sizes and chunk}}
lm.cache @c layer 0 heads 2 width 16 chunk 0 : f32

// -----

// Embedding

// One row of result per id.
lm.weight @w from ["w"] : tensor<256x64xf32> through [] : tensor<256x64xf32>
func.func @f(%ids: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{'lm.embed' op ids is 'tensor<?xi32, #lm.dims<"T">>' and result 'tensor<?x64xf32, #lm.dims<"R", 64>>': their rows differ}}
  %0 = lm.embed %ids, @w : tensor<?xi32, #lm.dims<"T">> -> tensor<?x64xf32, #lm.dims<"R", 64>>
  return
}

// -----

// A scalar has no rows.
lm.weight @w from ["w"] : tensor<256x64xf32> through [] : tensor<256x64xf32>
func.func @f(%ids: tensor<i32>) {
  // expected-error@+1 {{'lm.embed' op ids is 'tensor<i32>' and result 'tensor<?x64xf32, #lm.dims<"T", 64>>': their rows differ}}
  %0 = lm.embed %ids, @w : tensor<i32> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// The result is rows of features.
lm.weight @w from ["w"] : tensor<256x64xf32> through [] : tensor<256x64xf32>
func.func @f(%ids: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{result is 'tensor<?xf32, #lm.dims<"T">>', expected [rows, features] with static features}}
  %0 = lm.embed %ids, @w : tensor<?xi32, #lm.dims<"T">> -> tensor<?xf32, #lm.dims<"T">>
  return
}

// -----

// The embedding has the result's features; the note shows where it is declared.
// expected-note@+1 {{@w is declared here}}
lm.weight @w from ["w"] : tensor<256x32xf32> through [] : tensor<256x32xf32>
func.func @f(%ids: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{embedding @w is 'tensor<256x32xf32>', expected [_, 64]}}
  %0 = lm.embed %ids, @w : tensor<?xi32, #lm.dims<"T">> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// A parameter exists.
func.func @f(%ids: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{uses @w, expected the name of an lm.weight or lm.table}}
  %0 = lm.embed %ids, @w : tensor<?xi32, #lm.dims<"T">> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// A parameter is a weight or a table, not just any symbol.
// expected-note@+1 {{@w is declared here}}
lm.cache @w layer 0 heads 2 width 16 : f32
func.func @f(%ids: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{uses @w, expected the name of an lm.weight or lm.table}}
  %0 = lm.embed %ids, @w : tensor<?xi32, #lm.dims<"T">> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// Normalisation

// The input is rows of features.
func.func @f(%x: tensor<?xf32, #lm.dims<"T">>) {
  // expected-error@+1 {{input is 'tensor<?xf32, #lm.dims<"T">>', expected [rows, features] with static features}}
  %0 = lm.rms_norm %x width 1 epsilon 1.0e-5 : tensor<?xf32, #lm.dims<"T">>
  return
}

// -----

// Groups divide the features.
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) {
  // expected-error@+1 {{normalises groups of 24 features, the input has 64}}
  %0 = lm.rms_norm %x width 24 epsilon 1.0e-5 : tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// A group has features.
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) {
  // expected-error@+1 {{normalises groups of 0 features, the input has 64}}
  %0 = lm.rms_norm %x width 0 epsilon 1.0e-5 : tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// A gain per feature.
// expected-note@+1 {{@g is declared here}}
lm.weight @g from ["g"] : tensor<16xf32> through [] : tensor<16xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) {
  // expected-error@+1 {{gain @g is 'tensor<16xf32>', expected [64]}}
  %0 = lm.rms_norm %x, @g width 64 epsilon 1.0e-5 : tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// Linear

// The input is rows of features.
lm.weight @w from ["w"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
func.func @f(%x: tensor<?xf32, #lm.dims<"T">>) {
  // expected-error@+1 {{'lm.linear' op input is}}
  %0 = lm.linear %x, @w : tensor<?xf32, #lm.dims<"T">> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// So is the result.
lm.weight @w from ["w"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) {
  // expected-error@+1 {{'lm.linear' op result is}}
  %0 = lm.linear %x, @w : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?xf32, #lm.dims<"T">>
  return
}

// -----

// Rows stay.
lm.weight @w from ["w"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) {
  // expected-error@+1 {{their rows differ}}
  %0 = lm.linear %x, @w : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x64xf32, #lm.dims<"R", 64>>
  return
}

// -----

// The weight is [outputs, inputs].
// expected-note@+1 {{@w is declared here}}
lm.weight @w from ["w"] : tensor<64x128xf32> through [] : tensor<64x128xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) {
  // expected-error@+1 {{weight @w is 'tensor<64x128xf32>', expected [128, 64]}}
  %0 = lm.linear %x, @w : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x128xf32, #lm.dims<"T", 128>>
  return
}

// -----

// One bias per output.
lm.weight @w from ["w"] : tensor<128x64xf32> through [] : tensor<128x64xf32>
// expected-note@+1 {{@b is declared here}}
lm.weight @b from ["b"] : tensor<64xf32> through [] : tensor<64xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) {
  // expected-error@+1 {{bias @b is 'tensor<64xf32>', expected [128]}}
  %0 = lm.linear %x, @w bias @b : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x128xf32, #lm.dims<"T", 128>>
  return
}

// -----

// Rotary embedding

// Heads divide the features.
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %p: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{splits 64 features into heads of 24, expected an even width that divides them}}
  %0 = lm.rope %x, %p width 24 <theta = 5.0e5>
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  return
}

// -----

// Pairs need an even width.
func.func @f(%x: tensor<?x60xf32, #lm.dims<"T", 60>>, %p: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{splits 60 features into heads of 15, expected an even width that divides them}}
  %0 = lm.rope %x, %p width 15 <theta = 5.0e5>
    : tensor<?x60xf32, #lm.dims<"T", 60>>, tensor<?xi32, #lm.dims<"T">>
  return
}

// -----

// The input is rows of features.
func.func @f(%x: tensor<?xf32, #lm.dims<"T">>, %p: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{'lm.rope' op input is}}
  %0 = lm.rope %x, %p width 16 <theta = 5.0e5> : tensor<?xf32, #lm.dims<"T">>, tensor<?xi32, #lm.dims<"T">>
  return
}

// -----

// One position per row.
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %p: tensor<?xi32, #lm.dims<"S">>) {
  // expected-error@+1 {{'lm.rope' op positions is 'tensor<?xi32, #lm.dims<"S">>' and input 'tensor<?x64xf32, #lm.dims<"T", 64>>': their rows differ}}
  %0 = lm.rope %x, %p width 16 <theta = 5.0e5>
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"S">>
  return
}

// -----

// Without a period the angle is the product of two tables.
lm.table @t from #lm.rope_table<#lm.rope<theta = 5.0e5>, dim = 16, count = 48, step = 1> as tensor<48x8x2xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %p: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{has 1 tables, expected one with a period and two without}}
  %0 = lm.rope %x, %p width 16 <theta = 5.0e5> tables [@t]
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  return
}

// -----

// A table holds one angle per pair of a head.
// expected-note@+1 {{@t is declared here}}
lm.table @t from #lm.rope_table<#lm.rope<theta = 5.0e5>, dim = 32, count = 48, step = 1> as tensor<48x16x2xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %p: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{table @t is 'tensor<48x16x2xf32>', expected [_, 8, 2]}}
  %0 = lm.rope %x, %p width 16 <theta = 5.0e5> period 48 tables [@t]
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  return
}

// -----

// Attention temperature

// The input is rows of features.
func.func @f(%x: tensor<?xf32, #lm.dims<"T">>, %p: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{'lm.attention_temperature' op input is}}
  %0 = lm.attention_temperature %x, %p scale 1.0e-1 floor_scale 8192
    : tensor<?xf32, #lm.dims<"T">>, tensor<?xi32, #lm.dims<"T">>
  return
}

// -----

// One position per row.
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %p: tensor<?xi32, #lm.dims<"R">>) {
  // expected-error@+1 {{'lm.attention_temperature' op positions is}}
  %0 = lm.attention_temperature %x, %p scale 1.0e-1 floor_scale 8192
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"R">>
  return
}

// -----

// Positions are divided by floor_scale.
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %p: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{floor_scale is 0, expected at least 1}}
  %0 = lm.attention_temperature %x, %p scale 1.0e-1 floor_scale 0
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  return
}

// -----

// The table is one factor per step of the floor.
// expected-note@+1 {{@t is declared here}}
lm.weight @t from ["t"] : tensor<8x2xf32> through [] : tensor<8x2xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %p: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{table @t is 'tensor<8x2xf32>', expected [_]}}
  %0 = lm.attention_temperature %x, %p scale 1.0e-1 floor_scale 8192 table @t
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  return
}

// -----

// Attention

// Queries are rows of features.
lm.cache @c layer 0 heads 2 width 16 : f32
func.func @f(%q: tensor<?xf32, #lm.dims<"T">>, %k: tensor<?x32xf32, #lm.dims<"T", 32>>,
             %p: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{'lm.attention' op query is}}
  %0 = lm.attention %q, %k, %k at %p of %p cache @c scale 2.5e-1
    : tensor<?xf32, #lm.dims<"T">>, tensor<?x32xf32, #lm.dims<"T", 32>>, tensor<?xi32, #lm.dims<"T">>
  return
}

// -----

// One key per position.
lm.cache @c layer 0 heads 2 width 16 : f32
func.func @f(%q: tensor<?x64xf32, #lm.dims<"T", 64>>, %k: tensor<?x32xf32, #lm.dims<"R", 32>>,
             %p: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{key is 'tensor<?x32xf32, #lm.dims<"R", 32>>' and positions 'tensor<?xi32, #lm.dims<"T">>': their rows differ}}
  %0 = lm.attention %q, %k, %k at %p of %p cache @c scale 2.5e-1
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x32xf32, #lm.dims<"R", 32>>, tensor<?xi32, #lm.dims<"T">>
  return
}

// -----

// The cache is declared.
func.func @f(%q: tensor<?x64xf32, #lm.dims<"T", 64>>, %k: tensor<?x32xf32, #lm.dims<"T", 32>>,
             %p: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{uses @c, expected the name of an lm.cache}}
  %0 = lm.attention %q, %k, %k at %p of %p cache @c scale 2.5e-1
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x32xf32, #lm.dims<"T", 32>>, tensor<?xi32, #lm.dims<"T">>
  return
}

// -----

// Keys and values fill the cache's heads.
// expected-note@+1 {{@c is declared here}}
lm.cache @c layer 0 heads 4 width 16 : f32
func.func @f(%q: tensor<?x64xf32, #lm.dims<"T", 64>>, %k: tensor<?x32xf32, #lm.dims<"T", 32>>,
             %p: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{do not fit @c of 4 heads of 16}}
  %0 = lm.attention %q, %k, %k at %p of %p cache @c scale 2.5e-1
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x32xf32, #lm.dims<"T", 32>>, tensor<?xi32, #lm.dims<"T">>
  return
}

// -----

// Every key head serves the same number of query heads.
// expected-note@+1 {{@c is declared here}}
lm.cache @c layer 0 heads 2 width 16 : f32
func.func @f(%q: tensor<?x48xf32, #lm.dims<"T", 48>>, %k: tensor<?x32xf32, #lm.dims<"T", 32>>,
             %p: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{do not fit @c of 2 heads of 16}}
  %0 = lm.attention %q, %k, %k at %p of %p cache @c scale 2.5e-1
    : tensor<?x48xf32, #lm.dims<"T", 48>>, tensor<?x32xf32, #lm.dims<"T", 32>>, tensor<?xi32, #lm.dims<"T">>
  return
}

// -----

// Elementwise

// A gated unit works on rows of features.
func.func @f(%x: tensor<?xf32, #lm.dims<"T">>) {
  // expected-error@+1 {{'lm.gated' op gate is 'tensor<?xf32, #lm.dims<"T">>', expected [rows, features] with static features}}
  %0 = lm.gated %x, %x activation silu : tensor<?xf32, #lm.dims<"T">>
  return
}

// -----

// So does the residual stream.
func.func @f(%x: tensor<?xf32, #lm.dims<"T">>) {
  // expected-error@+1 {{'lm.add' op lhs is 'tensor<?xf32, #lm.dims<"T">>', expected [rows, features] with static features}}
  %0 = lm.add %x, %x : tensor<?xf32, #lm.dims<"T">>
  return
}

// -----

// Rows

// Rows are taken from rows of features.
func.func @f(%x: tensor<?xf32, #lm.dims<"T">>, %r: tensor<?xi32, #lm.dims<"R">>) {
  // expected-error@+1 {{'lm.take_rows' op input is}}
  %0 = lm.take_rows %x, %r
    : tensor<?xf32, #lm.dims<"T">>, tensor<?xi32, #lm.dims<"R">> -> tensor<?x64xf32, #lm.dims<"R", 64>>
  return
}

// -----

// And stay rows of features.
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %r: tensor<?xi32, #lm.dims<"R">>) {
  // expected-error@+1 {{'lm.take_rows' op result is}}
  %0 = lm.take_rows %x, %r
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"R">> -> tensor<?xf32, #lm.dims<"R">>
  return
}

// -----

// One row of result per index.
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %r: tensor<?xi32, #lm.dims<"R">>) {
  // expected-error@+1 {{rows is 'tensor<?xi32, #lm.dims<"R">>' and result 'tensor<?x64xf32, #lm.dims<"T", 64>>': their rows differ}}
  %0 = lm.take_rows %x, %r
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"R">> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// A row keeps its features.
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %r: tensor<?xi32, #lm.dims<"R">>) {
  // expected-error@+1 {{input has 64 features and the result 32}}
  %0 = lm.take_rows %x, %r
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"R">> -> tensor<?x32xf32, #lm.dims<"R", 32>>
  return
}

// -----

// Sampling

// Every token has one place in the history.
func.func @f(%ids: tensor<?x2xi32, #lm.dims<"T", 2>>) {
  // expected-error@+1 {{'lm.record' op ids are 'tensor<?x2xi32, #lm.dims<"T", 2>>', expected one for every token}}
  lm.record %ids at %ids of %ids : tensor<?x2xi32, #lm.dims<"T", 2>>
  return
}

// -----

// Logits are rows over the vocabulary.
func.func @f(%l: tensor<?xf32, #lm.dims<"R">>, %t: tensor<?xf32, #lm.dims<"R">>, %s: tensor<?xi64, #lm.dims<"R">>,
             %p: tensor<?xi32, #lm.dims<"R">>) {
  // expected-error@+1 {{'lm.sample' op logits is}}
  %0 = lm.sample %l temperatures %t top_k %p top_p %t min_p %t penalties %t seeds %s sequences %s positions %p slots %p
    : tensor<?xf32, #lm.dims<"R">>, tensor<?xf32, #lm.dims<"R">>, tensor<?xi64, #lm.dims<"R">>,
      tensor<?xi32, #lm.dims<"R">> -> tensor<?xi32, #lm.dims<"R">>
  return
}

// -----

// Every row has its own parameters.
func.func @f(%l: tensor<?x256xf32, #lm.dims<"R", 256>>, %t: tensor<?xf32, #lm.dims<"S">>,
             %s: tensor<?xi64, #lm.dims<"R">>, %p: tensor<?xi32, #lm.dims<"R">>) {
  // expected-error@+1 {{temperatures is 'tensor<?xf32, #lm.dims<"S">>' and logits 'tensor<?x256xf32, #lm.dims<"R", 256>>': their rows differ}}
  %0 = lm.sample %l temperatures %t top_k %p top_p %t min_p %t penalties %t seeds %s sequences %s positions %p slots %p
    : tensor<?x256xf32, #lm.dims<"R", 256>>, tensor<?xf32, #lm.dims<"S">>, tensor<?xi64, #lm.dims<"R">>,
      tensor<?xi32, #lm.dims<"R">> -> tensor<?xi32, #lm.dims<"R">>
  return
}

// -----

// And gives one id.
func.func @f(%l: tensor<?x256xf32, #lm.dims<"R", 256>>, %t: tensor<?xf32, #lm.dims<"R">>,
             %s: tensor<?xi64, #lm.dims<"R">>, %p: tensor<?xi32, #lm.dims<"R">>) {
  // expected-error@+1 {{ids is 'tensor<?xi32, #lm.dims<"T">>' and logits}}
  %0 = lm.sample %l temperatures %t top_k %p top_p %t min_p %t penalties %t seeds %s sequences %s positions %p slots %p
    : tensor<?x256xf32, #lm.dims<"R", 256>>, tensor<?xf32, #lm.dims<"R">>, tensor<?xi64, #lm.dims<"R">>,
      tensor<?xi32, #lm.dims<"R">> -> tensor<?xi32, #lm.dims<"T">>
  return
}

// -----

// Probabilities end at 1.
// expected-error@+2 {{top_p is 2.000000e+00 : f64, expected}}
lm.model "m" architecture "a" vocabulary 256 hidden 64 layers 1 parameters 1 begin 1 stop []
  generation <do_sample = true, temperature = 0.6, top_k = 50, top_p = 2.0, min_p = 0.0, repetition_penalty = 1.0>

// -----

// A penalty divides.
// expected-error@+2 {{repetition_penalty is 0.000000e+00 : f64, expected}}
lm.model "m" architecture "a" vocabulary 256 hidden 64 layers 1 parameters 1 begin 1 stop []
  generation <do_sample = true, temperature = 0.6, top_k = 50, top_p = 1.0, min_p = 0.0, repetition_penalty = 0.0>

// -----

// 0 keeps all.
// expected-error@+2 {{top_k is -1, expected 0 to 2^32 - 1}}
lm.model "m" architecture "a" vocabulary 256 hidden 64 layers 1 parameters 1 begin 1 stop []
  generation <do_sample = true, temperature = 0.6, top_k = -1, top_p = 1.0, min_p = 0.0, repetition_penalty = 1.0>
