// RUN: yupana-opt %s | yupana-opt | FileCheck %s
// RUN: yupana-opt %s -mlir-print-op-generic | yupana-opt | FileCheck %s
// RUN: yupana-opt %s -emit-bytecode | yupana-opt | FileCheck %s

lm.weight @layers.0.q from ["q"] : tensor<64x64xf32> through [#lm.pack<"panel32">] : tensor<64x64xf32>
lm.weight @layers.0.up from ["up"] : tensor<16x32x64xf32> through [#lm.pack<"panel32">] : tensor<16x32x64xf32>
lm.table @rope.48 from #lm.rope_table<#lm.rope<theta = 5.0e5>, dim = 16, count = 48, step = 1> as tensor<48x8x2xf32>
lm.weight @layers.0.gate from ["gate"] : tensor<16x24x64xf32> through [] : tensor<16x24x64xf32>
lm.weight @layers.0.gate_other from ["up"] : tensor<16x24x64xf32> through [] : tensor<16x24x64xf32>
lm.interleaved @layers.0.gate_up of @layers.0.gate, @layers.0.gate_other by 16 layout "panel32" : tensor<16x64x64xf32>
lm.weight @part from ["part"] : tensor<24x64xbf16> through [] : tensor<24x64xbf16>
lm.interleaved @tiled of @part, @part by 8 layout "tile64x128" : tensor<48x64xbf16>
lm.weight @half from ["half"] : tensor<64x63xbf16> through [#lm.pack<"panel32x2">] : tensor<64x63xbf16>
lm.weight @router from ["router"] : tensor<16x64xbf16> through [#lm.pack<"row-major">] : tensor<16x64xbf16>
lm.weight @shared from ["shared"] : tensor<32x64xf32> through [#lm.pack<"panel32">] : tensor<32x64xf32>
lm.cache @layers.0 layer 0 heads 2 width 16 chunk 48 : f32
lm.cache @layers.2 layer 2 heads 2 width 16 chunk 48 : f32
lm.cache @layers.1 layer 1 heads 2 width 16 : bf16

// CHECK: kernel.cache_group @chunk48 layers [0, 1, 2] chunk 48 page_tokens 64 page_bytes 49152
kernel.cache_group @chunk48 layers [0, 1, 2] chunk 48 page_tokens 64 page_bytes 49152
// A group that keeps everything has chunk 0.
// CHECK: kernel.cache_group @full layers [3] chunk 0 page_tokens 64 page_bytes 16384
kernel.cache_group @full layers [3] chunk 0 page_tokens 64 page_bytes 16384

// CHECK: kernel.program @step function step max_tokens 2048 {
kernel.program @step function step max_tokens 2048 {
  // What the runtime writes before a step.
  // CHECK: %[[IDS:.*]] = kernel.input token_ids : !kernel.view<["T"], i32>
  %ids = kernel.input token_ids : !kernel.view<["T"], i32>
  // CHECK: %[[POSITIONS:.*]] = kernel.input token_positions : !kernel.view<["T"], i32>
  %positions = kernel.input token_positions : !kernel.view<["T"], i32>
  // CHECK: %[[SEQUENCES:.*]] = kernel.input token_sequences : !kernel.view<["T"], i32>
  %sequences = kernel.input token_sequences : !kernel.view<["T"], i32>

  // What the plan holds.
  // CHECK: %[[Q:.*]] = kernel.weight @layers.0.q : !kernel.view<[64, 64], f32, "panel32">
  %q = kernel.weight @layers.0.q : !kernel.view<[64, 64], f32, "panel32">
  // CHECK: %[[UP:.*]] = kernel.weight @layers.0.up : !kernel.view<[16, 32, 64], f32, "panel32">
  %up = kernel.weight @layers.0.up : !kernel.view<[16, 32, 64], f32, "panel32">
  // CHECK: %[[GATE_UP:.*]] = kernel.weight @layers.0.gate_up : !kernel.view<[16, 64, 64], f32, "panel32">
  %gate_up = kernel.weight @layers.0.gate_up : !kernel.view<[16, 64, 64], f32, "panel32">
  // CHECK: %[[HALF:.*]] = kernel.weight @half : !kernel.view<[64, 63], bf16, "panel32x2">
  %half = kernel.weight @half : !kernel.view<[64, 63], bf16, "panel32x2">
  // CHECK: %[[ROUTER:.*]] = kernel.weight @router : !kernel.view<[16, 64], bf16>
  %router = kernel.weight @router : !kernel.view<[16, 64], bf16>
  // CHECK: %[[ROPE:.*]] = kernel.weight @rope.48 : !kernel.view<[48, 8, 2], f32>
  %rope = kernel.weight @rope.48 : !kernel.view<[48, 8, 2], f32>

  // CHECK: kernel.input sequence_slots : !kernel.view<["S"], i32>
  %sequence_slots = kernel.input sequence_slots : !kernel.view<["S"], i32>
  // What launches write and read: before and after the memory planner.
  // CHECK: %[[X:.*]] = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  // CHECK: %[[Y:.*]] = kernel.buffer "y" arena 0 offset 4096 : !kernel.view<["T", 64], f32>
  %y = kernel.buffer "y" arena 0 offset 4096 : !kernel.view<["T", 64], f32>
  %hidden = kernel.buffer "hidden" : !kernel.view<["T", 32], f32>
  %inner = kernel.buffer "inner" : !kernel.view<["T", 24], f32>
  %short = kernel.buffer "short" : !kernel.view<["T", 63], bf16>
  %rounded_rows = kernel.buffer "rounded_rows" : !kernel.view<["T", 63], bf16>
  %squares = kernel.buffer "squares" : !kernel.view<["T", 4], f32>
  %routed = kernel.buffer "routed" : !kernel.view<["T", 16], f32>
  %experts = kernel.buffer "experts" : !kernel.view<["T", 1], i32>
  %scores = kernel.buffer "scores" : !kernel.view<["T", 1], f32>
  %logits = kernel.buffer "logits" : !kernel.view<["R", 256], f32>

  // A layer's cache: before and after it has a group.
  // CHECK: %[[KEYS:.*]] = kernel.cache @layers.0 : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
  %keys = kernel.cache @layers.0 : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
  // CHECK: %[[VALUES:.*]] = kernel.cache @layers.0 : !kernel.cache<value,
  %values = kernel.cache @layers.0 : !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
  // CHECK: kernel.cache @layers.2 in @chunk48 offset 8192
  // CHECK-SAME: !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 49152>
  %grouped = kernel.cache @layers.2 in @chunk48 offset 8192
    : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 49152>
  // CHECK: %[[HALF_KEYS:.*]] = kernel.cache @layers.1
  // CHECK-SAME: !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, bf16>
  %half_keys = kernel.cache @layers.1 : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, bf16>
  // CHECK: %[[PAGES:.*]] = kernel.page_table @layers.0 : !kernel.view<["S", 16], i32>
  %pages = kernel.page_table @layers.0 : !kernel.view<["S", 16], i32>
  // CHECK: kernel.page_table @layers.0 in @chunk48 : !kernel.view<["S", 16], i32>
  %grouped_pages = kernel.page_table @layers.0 in @chunk48 : !kernel.view<["S", 16], i32>

  // A map: a row's norm by a sum over its lanes, a value appended to the cache.
  // CHECK: kernel.map rows "T" groups 4 width 16 {
  // CHECK-NEXT: ^bb0(%[[ROW:.*]]: index, %[[GROUP:.*]]: index, %[[LANE:.*]]: index):
  kernel.map rows "T" groups 4 width 16 {
  ^bb0(%row: index, %group: index, %lane: index):
    %c16 = arith.constant 16 : index
    %head = arith.muli %group, %c16 : index
    %feature = arith.addi %head, %lane : index
    // CHECK: %[[V:.*]] = kernel.load %[[X]][%[[ROW]], %{{.*}}] : !kernel.view<["T", 64], f32>
    %v = kernel.load %x[%row, %feature] : !kernel.view<["T", 64], f32>
    %vv = arith.mulf %v, %v : f32
    // CHECK: kernel.sum %{{.*}} : f32
    %sum = kernel.sum %vv : f32
    %r = math.rsqrt %sum : f32
    %n = arith.mulf %v, %r : f32
    // CHECK: kernel.store %{{.*}}, %[[Y]][%[[ROW]], %{{.*}}] : !kernel.view<["T", 64], f32>
    kernel.store %n, %y[%row, %feature] : !kernel.view<["T", 64], f32>
    // CHECK: kernel.load %[[POSITIONS]][%[[ROW]]] : !kernel.view<["T"], i32>
    %p32 = kernel.load %positions[%row] : !kernel.view<["T"], i32>
    %s32 = kernel.load %sequences[%row] : !kernel.view<["T"], i32>
    %p = arith.index_cast %p32 : i32 to index
    %s = arith.index_cast %s32 : i32 to index
    // CHECK: kernel.append %{{.*}}, %[[KEYS]][%[[GROUP]], %[[LANE]]] at %{{.*}} of %{{.*}} through %[[PAGES]]
    // CHECK-SAME: : f32, !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>, !kernel.view<["S", 16], i32>
    kernel.append %n, %keys[%group, %lane] at %p of %s through %pages
      : f32, !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>, !kernel.view<["S", 16], i32>
  }

  // The same with its target's choices.
  // CHECK: kernel.map rows "T" groups 1 width 64 attributes
  // CHECK-SAME: config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 4>
  // CHECK-SAME: grid = #kernel.grid<"T", 4, "ceildiv">
  kernel.map rows "T" groups 1 width 64
      attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 4>, grid = #kernel.grid<"T", 4, "ceildiv">} {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 64], f32>
    kernel.store %v, %y[%row, %lane] : !kernel.view<["T", 64], f32>
  }

  // A map over a number of rows that no step changes; its terminator written out.
  // CHECK: kernel.map rows 48 groups 1 width 8 {
  kernel.map rows 48 groups 1 width 8 {
  ^bb0(%row: index, %group: index, %lane: index):
    kernel.end
  }

  // One weight for all tokens; an input that is read as it is.
  // CHECK: kernel.gemm rows "T" product %[[Y]] : !kernel.view<["T", 64], f32> times %[[Q]] : !kernel.view<[64, 64], f32, "panel32"> {
  // CHECK-NEXT: ^bb0(%[[ACC:.*]]: f32, %{{.*}}: index, %{{.*}}: index):
  // CHECK-NEXT: kernel.store %[[ACC]], %[[X]]
  // CHECK-NEXT: }
  kernel.gemm rows "T" product %y : !kernel.view<["T", 64], f32> times %q : !kernel.view<[64, 64], f32, "panel32"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %x[%row, %feature] : !kernel.view<["T", 64], f32>
  }

  // The same input written as a region is printed as the view.
  // CHECK: kernel.gemm rows "T" product %[[Y]] : !kernel.view<["T", 64], f32> times %[[Q]]
  kernel.gemm rows "T" product {
  ^bb0(%row: index, %k: index):
    %v = kernel.load %y[%row, %k] : !kernel.view<["T", 64], f32>
    kernel.yield %v : f32
  } times %q : !kernel.view<[64, 64], f32, "panel32"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }

  // A weight per expert, with its target's choices.
  // CHECK: kernel.gemm rows "T" by %[[EXPERTS:.*]] : !kernel.view<["T", 1], i32>
  // CHECK-SAME: attributes {config = #kernel.x86<"x86-64-v4", tile = 14 x 32, rows = 256>, grid = #kernel.grid<16>}
  // CHECK-SAME: product %[[Y]] : !kernel.view<["T", 64], f32> times %[[UP]] : !kernel.view<[16, 32, 64], f32, "panel32"> {
  kernel.gemm rows "T" by %experts : !kernel.view<["T", 1], i32>
      attributes {config = #kernel.x86<"x86-64-v4", tile = 14 x 32, rows = 256>, grid = #kernel.grid<16>}
      product %y : !kernel.view<["T", 64], f32> times %up : !kernel.view<[16, 32, 64], f32, "panel32"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %hidden[%row, %feature] : !kernel.view<["T", 32], f32>
  }

  // Pairs of accumulators, a sum over groups of features, an input that is computed from a norm.
  // CHECK: kernel.gemm rows "T" by %[[EXPERTS]] : !kernel.view<["T", 1], i32> pairs 24 by 16 group 8 product {
  // CHECK-NEXT: ^bb0(%[[ROW:.*]]: index, %[[K:.*]]: index):
  // CHECK-NEXT: %[[V:.*]] = kernel.load %[[Y]][%[[ROW]], %[[K]]]
  // CHECK-NEXT: %[[SUM:.*]] = kernel.row_sum %{{.*}}[%[[ROW]]] : !kernel.view<["T", 4], f32>
  // CHECK: kernel.yield %{{.*}} : f32
  // CHECK-NEXT: } times %[[GATE_UP]] : !kernel.view<[16, 64, 64], f32, "panel32"> {
  // CHECK-NEXT: ^bb0(%[[GATE:.*]]: f32, %[[UP_SUM:.*]]: f32, %{{.*}}: index, %{{.*}}: index):
  // CHECK: kernel.sum
  kernel.gemm rows "T" by %experts : !kernel.view<["T", 1], i32> pairs 24 by 16 group 8 product {
  ^bb0(%row: index, %k: index):
    %v = kernel.load %y[%row, %k] : !kernel.view<["T", 64], f32>
    %sum = kernel.row_sum %squares[%row] : !kernel.view<["T", 4], f32>
    %scaled = arith.mulf %v, %sum : f32
    kernel.yield %scaled : f32
  } times %gate_up : !kernel.view<[16, 64, 64], f32, "panel32"> {
  ^bb0(%gate: f32, %second: f32, %row: index, %feature: index):
    %m = arith.mulf %gate, %second : f32
    %s = kernel.sum %m : f32
    kernel.store %s, %inner[%row, %feature] : !kernel.view<["T", 24], f32>
  }

  // Two products whose accumulators belong together, one by expert; bf16 in pairs of k, of an odd depth.
  // CHECK: kernel.gemm rows "T" by %[[EXPERTS]] : !kernel.view<["T", 1], i32>
  // CHECK-SAME: product %[[Y]] : !kernel.view<["T", 64], f32> times %[[UP]] : !kernel.view<[16, 32, 64], f32, "panel32">
  // CHECK-SAME: product %[[Y]] : !kernel.view<["T", 64], f32> times %{{.*}} : !kernel.view<[32, 64], f32, "panel32"> {
  // CHECK-NEXT: ^bb0(%{{.*}}: f32, %{{.*}}: f32, %{{.*}}: index, %{{.*}}: index):
  %shared = kernel.weight @shared : !kernel.view<[32, 64], f32, "panel32">
  kernel.gemm rows "T" by %experts : !kernel.view<["T", 1], i32>
      product %y : !kernel.view<["T", 64], f32> times %up : !kernel.view<[16, 32, 64], f32, "panel32">
      product %y : !kernel.view<["T", 64], f32> times %shared : !kernel.view<[32, 64], f32, "panel32"> {
  ^bb0(%a: f32, %b: f32, %row: index, %feature: index):
    %c = arith.addf %a, %b : f32
    kernel.store %c, %hidden[%row, %feature] : !kernel.view<["T", 32], f32>
  }
  // CHECK: kernel.gemm rows "T" product %[[SHORT:.*]] : !kernel.view<["T", 63], bf16> times %[[HALF]] : !kernel.view<[64, 63], bf16, "panel32x2"> {
  // CHECK: %[[ROUNDED:.*]] = arith.truncf %{{.*}} : f32 to bf16
  // CHECK: kernel.store %[[ROUNDED]], %{{.*}}[%{{.*}}, %{{.*}}] : !kernel.view<["T", 63], bf16>
  // CHECK: kernel.append %[[ROUNDED]], %[[HALF_KEYS]]
  // CHECK-SAME: : bf16, !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, bf16>, !kernel.view<["S", 16], i32>
  kernel.gemm rows "T" product %short : !kernel.view<["T", 63], bf16> times %half : !kernel.view<[64, 63], bf16, "panel32x2"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
    %rounded = arith.truncf %acc : f32 to bf16
    kernel.store %rounded, %rounded_rows[%row, %feature] : !kernel.view<["T", 63], bf16>
    kernel.append %rounded, %half_keys[%feature, %feature] at %row of %row through %pages
      : bf16, !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, bf16>, !kernel.view<["S", 16], i32>
  }

  // Token panels are written by element and multiplied as they are; pairs alternate as tiles of a GPU have them.
  // CHECK: %[[PANELS:.*]] = kernel.buffer "panels" : !kernel.view<["T", 64], bf16, "rows128">
  // CHECK: kernel.store %{{.*}}, %[[PANELS]][%{{.*}}, %{{.*}}] : !kernel.view<["T", 64], bf16, "rows128">
  // CHECK: kernel.gemm rows "T" pairs 24 by 8 product %[[PANELS]] : !kernel.view<["T", 64], bf16, "rows128">
  // CHECK-SAME: times %{{.*}} : !kernel.view<[48, 64], bf16, "tile64x128"> {
  %panels = kernel.buffer "panels" : !kernel.view<["T", 64], bf16, "rows128">
  %tiled = kernel.weight @tiled : !kernel.view<[48, 64], bf16, "tile64x128">
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %y[%row, %lane] : !kernel.view<["T", 64], f32>
    %rounded = arith.truncf %v : f32 to bf16
    kernel.store %rounded, %panels[%row, %lane] : !kernel.view<["T", 64], bf16, "rows128">
  }
  kernel.gemm rows "T" pairs 24 by 8
      product %panels : !kernel.view<["T", 64], bf16, "rows128"> times %tiled : !kernel.view<[48, 64], bf16, "tile64x128"> {
  ^bb0(%a: f32, %b: f32, %row: index, %feature: index):
  }

  // What blocks leave for one another.
  // CHECK: kernel.gemm rows "T" group 8 workspace %[[SUMS:.*]], %[[COUNTS:.*]] : !kernel.view<[3, 16], f32>, !kernel.view<[3], i32> product
  // CHECK: kernel.parallel workspace %[[SUMS]], %[[COUNTS]] : !kernel.view<[3, 16], f32>, !kernel.view<[3], i32> {
  // CHECK: kernel.attention {{.*}} scale 2.500000e-01 workspace %[[SUMS]] : !kernel.view<[3, 16], f32> :
  %sums = kernel.buffer "sums" workspace : !kernel.view<[3, 16], f32>
  %counts = kernel.buffer "counts" workspace : !kernel.view<[3], i32>
  kernel.gemm rows "T" group 8 workspace %sums, %counts : !kernel.view<[3, 16], f32>, !kernel.view<[3], i32>
      product %y : !kernel.view<["T", 64], f32> times %q : !kernel.view<[64, 64], f32, "panel32"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
  kernel.parallel workspace %sums, %counts : !kernel.view<[3, 16], f32>, !kernel.view<[3], i32> {
    kernel.gemm rows "T" product %y : !kernel.view<["T", 64], f32> times %q : !kernel.view<[64, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
  }
  kernel.attention %x, %keys, %values at %positions of %sequences through %pages into %y chunk 48 scale 2.5e-1
    workspace %sums : !kernel.view<[3, 16], f32>
    : !kernel.view<["T", 64], f32>, !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>,
      !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>, !kernel.view<["T"], i32>,
      !kernel.view<["T"], i32>, !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>

  // Ops that run side by side, with their own choices.
  // CHECK: kernel.parallel attributes {grid = #kernel.grid<"T", "T", "+">} {
  // CHECK-NEXT: kernel.map rows "T"
  // CHECK: kernel.gemm rows "T"
  // CHECK: kernel.store
  // CHECK-NEXT: }
  // CHECK-NEXT: }
  kernel.parallel attributes {grid = #kernel.grid<"T", "T", "+">} {
    kernel.map rows "T" groups 1 width 64 attributes {grid = #kernel.grid<"T">} {
    ^bb0(%row: index, %group: index, %lane: index):
      %v = kernel.load %y[%row, %lane] : !kernel.view<["T", 64], f32>
      kernel.store %v, %x[%row, %lane] : !kernel.view<["T", 64], f32>
    }
    kernel.gemm rows "T" attributes {grid = #kernel.grid<"T">}
        product %y : !kernel.view<["T", 64], f32> times %q : !kernel.view<[64, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %x[%row, %feature] : !kernel.view<["T", 64], f32>
    }
  }

  // CHECK: kernel.attention %{{.*}}, %[[KEYS]], %[[VALUES]] at %[[POSITIONS]] of %[[SEQUENCES]] through %[[PAGES]] into %{{.*}} chunk 48 scale 2.500000e-01
  kernel.attention %x, %keys, %values at %positions of %sequences through %pages into %y chunk 48 scale 2.5e-1
    : !kernel.view<["T", 64], f32>, !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>,
      !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>, !kernel.view<["T"], i32>,
      !kernel.view<["T"], i32>, !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>

  // CHECK: kernel.route rows "T" logits %{{.*}} : !kernel.view<["T", 16], f32> into %{{.*}}, %{{.*}} top 1 score sigmoid :
  // CHECK-SAME: !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  kernel.route rows "T" logits %routed : !kernel.view<["T", 16], f32> into %experts, %scores top 1 score sigmoid
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  // CHECK: kernel.route rows "T" logits {{.*}} top 1 score softmax normalize :
  kernel.route rows "T" logits %routed : !kernel.view<["T", 16], f32> into %experts, %scores top 1 score softmax normalize
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>

  // Logits that are computed on the way: from a view, and from a region.
  // CHECK: kernel.route rows "T" product %[[Y]] : !kernel.view<["T", 64], f32> times %[[ROUTER]] : !kernel.view<[16, 64], bf16>
  // CHECK-SAME: into %{{.*}}, %{{.*}} top 1 score sigmoid {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 4>} :
  kernel.route rows "T" product %y : !kernel.view<["T", 64], f32> times %router : !kernel.view<[16, 64], bf16>
    into %experts, %scores top 1 score sigmoid {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 4>}
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  // CHECK: kernel.route rows "T" product {
  // CHECK-NEXT: ^bb0(%{{.*}}: index, %{{.*}}: index):
  // CHECK: kernel.yield %{{.*}} : f32
  // CHECK-NEXT: } times %[[ROUTER]] : !kernel.view<[16, 64], bf16> into %{{.*}}, %{{.*}} top 1 score sigmoid :
  kernel.route rows "T" product {
  ^bb0(%row: index, %k: index):
    %v = kernel.load %y[%row, %k] : !kernel.view<["T", 64], f32>
    %n = arith.negf %v : f32
    kernel.yield %n : f32
  } times %router : !kernel.view<[16, 64], bf16> into %experts, %scores top 1 score sigmoid
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>

  // Rows sorted by expert: where each expert's begin, and the pair at each place.
  %offsets = kernel.buffer "offsets" : !kernel.view<[17], i32>
  %order = kernel.buffer "order" : !kernel.view<["T+112"], i32>
  %placed = kernel.buffer "placed" : !kernel.view<["T+112", 64], f32>
  %sorted_up = kernel.buffer "sorted_up" : !kernel.view<["T+112", 32], f32>
  // CHECK: kernel.group %{{.*}} into %[[OFFSETS:.*]], %[[ORDER:.*]] alignment 8 :
  // CHECK-SAME: !kernel.view<["T", 1], i32>, !kernel.view<[17], i32>, !kernel.view<["T+112"], i32>
  kernel.group %experts into %offsets, %order alignment 8
    : !kernel.view<["T", 1], i32>, !kernel.view<[17], i32>, !kernel.view<["T+112"], i32>
  // CHECK: kernel.gemm rows "T+112" by %[[OFFSETS]] : !kernel.view<[17], i32> sorted %[[ORDER]] : !kernel.view<["T+112"], i32>
  // CHECK-SAME: product %{{.*}} : !kernel.view<["T+112", 64], f32> times %{{.*}} {
  kernel.gemm rows "T+112" by %offsets : !kernel.view<[17], i32> sorted %order : !kernel.view<["T+112"], i32>
      product %placed : !kernel.view<["T+112", 64], f32> times %up : !kernel.view<[16, 32, 64], f32, "panel32"> {
  ^bb0(%acc: f32, %row: index, %feature: index):
    kernel.store %acc, %sorted_up[%row, %feature] : !kernel.view<["T+112", 32], f32>
  }

  // CHECK: kernel.result logits %{{.*}} : !kernel.view<["R", 256], f32>
  kernel.result logits %logits : !kernel.view<["R", 256], f32>
}

// CHECK: kernel.program @sample function sample max_tokens 8 {
kernel.program @sample function sample max_tokens 8 {
  %logits = kernel.buffer "logits" : !kernel.view<["R", 256], f32>
  %ids = kernel.buffer "ids" : !kernel.view<["R"], i32>
  // CHECK: kernel.input row_temperatures : !kernel.view<["R"], f32>
  %t = kernel.input row_temperatures : !kernel.view<["R"], f32>
  // CHECK: kernel.input row_seeds : !kernel.view<["R"], i64>
  %s = kernel.input row_seeds : !kernel.view<["R"], i64>
  // CHECK: kernel.input row_sequences : !kernel.view<["R"], i64>
  %n = kernel.input row_sequences : !kernel.view<["R"], i64>
  // CHECK: kernel.input row_positions : !kernel.view<["R"], i32>
  %x = kernel.input row_positions : !kernel.view<["R"], i32>
  // CHECK: kernel.input row_slots : !kernel.view<["R"], i32>
  %h = kernel.input row_slots : !kernel.view<["R"], i32>
  // CHECK: kernel.input row_top_k : !kernel.view<["R"], i32>
  %k = kernel.input row_top_k : !kernel.view<["R"], i32>
  // CHECK: kernel.input row_top_p : !kernel.view<["R"], f32>
  %p = kernel.input row_top_p : !kernel.view<["R"], f32>
  // CHECK: kernel.input row_min_p : !kernel.view<["R"], f32>
  %m = kernel.input row_min_p : !kernel.view<["R"], f32>
  // CHECK: kernel.input row_penalties : !kernel.view<["R"], f32>
  %r = kernel.input row_penalties : !kernel.view<["R"], f32>
  // CHECK: %[[HISTORY:.*]] = kernel.history : !kernel.view<["N", 1024], i32>
  %history = kernel.history : !kernel.view<["N", 1024], i32>
  // CHECK: kernel.sample %{{.*}} temperatures %{{.*}} top_k %{{.*}} top_p %{{.*}} min_p %{{.*}} penalties %{{.*}} seeds
  // CHECK-SAME: %{{.*}} sequences %{{.*}} positions %{{.*}} slots %{{.*}} of %[[HISTORY]] into %{{.*}} :
  // CHECK-SAME: !kernel.view<["R", 256], f32>, {{.*}}, !kernel.view<["N", 1024], i32>, !kernel.view<["R"], i32>
  kernel.sample %logits temperatures %t top_k %k top_p %p min_p %m penalties %r seeds %s sequences %n positions %x
    slots %h of %history into %ids
    : !kernel.view<["R", 256], f32>, !kernel.view<["R"], f32>, !kernel.view<["R"], i32>, !kernel.view<["R"], f32>,
      !kernel.view<["R"], f32>, !kernel.view<["R"], f32>, !kernel.view<["R"], i64>, !kernel.view<["R"], i64>,
      !kernel.view<["R"], i32>, !kernel.view<["R"], i32>, !kernel.view<["N", 1024], i32>, !kernel.view<["R"], i32>
  // CHECK: kernel.sample {{.*}} into %{{.*}} workspace %[[STATES:.*]] : {{.*}}, !kernel.view<["R", 8], i64>
  %states = kernel.buffer "states" workspace : !kernel.view<["R", 8], i64>
  kernel.sample %logits temperatures %t top_k %k top_p %p min_p %m penalties %r seeds %s sequences %n positions %x
    slots %h of %history into %ids workspace %states
    : !kernel.view<["R", 256], f32>, !kernel.view<["R"], f32>, !kernel.view<["R"], i32>, !kernel.view<["R"], f32>,
      !kernel.view<["R"], f32>, !kernel.view<["R"], f32>, !kernel.view<["R"], i64>, !kernel.view<["R"], i64>,
      !kernel.view<["R"], i32>, !kernel.view<["R"], i32>, !kernel.view<["N", 1024], i32>, !kernel.view<["R"], i32>,
      !kernel.view<["R", 8], i64>
  // CHECK: kernel.result sampled %{{.*}} : !kernel.view<["R"], i32>
  kernel.result sampled %ids : !kernel.view<["R"], i32>
}

// Kernels taken out of their programs, and the launch of one.
// CHECK: kernel.library @x86_64_v3 target "x86-64-v3" {
kernel.library @x86_64_v3 target "x86-64-v3" {
  // CHECK: kernel.func @gemm_0 {
  // CHECK-NEXT: ^bb0(%[[A0:.*]]: !kernel.view<["T", 64], f32>, %[[A1:.*]]: !kernel.view<[128, 64], f32, "panel32">, %[[A2:.*]]: !kernel.view<["T", 128], f32>):
  // CHECK-NEXT: kernel.gemm rows "T" product %[[A0]] : !kernel.view<["T", 64], f32> times %[[A1]] :
  kernel.func @gemm_0 {
  ^bb0(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[128, 64], f32, "panel32">,
       %y: !kernel.view<["T", 128], f32>):
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[128, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 128], f32>
    }
  }
}

// A library of a target without kernels.
// CHECK: kernel.library @empty target "x86-64-v4" {
kernel.library @empty target "x86-64-v4" {
}

lm.weight @head from ["head"] : tensor<128x64xf32> through [#lm.pack<"panel32">] : tensor<128x64xf32>
// CHECK: kernel.program @launches function step max_tokens 1 {
kernel.program @launches function step max_tokens 1 {
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  %w = kernel.weight @head : !kernel.view<[128, 64], f32, "panel32">
  %y = kernel.buffer "y" : !kernel.view<["T", 128], f32>
  // CHECK: kernel.launch @x86_64_v3::@gemm_0 #kernel.grid<4> (%{{.*}}, %{{.*}}, %{{.*}}) :
  // CHECK-SAME: !kernel.view<["T", 64], f32>, !kernel.view<[128, 64], f32, "panel32">, !kernel.view<["T", 128], f32>
  kernel.launch @x86_64_v3::@gemm_0 #kernel.grid<4> (%x, %w, %y)
    : !kernel.view<["T", 64], f32>, !kernel.view<[128, 64], f32, "panel32">, !kernel.view<["T", 128], f32>
}
