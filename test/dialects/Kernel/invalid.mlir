// RUN: yupana-opt %s -split-input-file -verify-diagnostics

// Types

// A view has a shape.
// expected-error@+1 {{dimension 0 of the view is 0, expected at least 1}}
func.func private @f(!kernel.view<[0], f32>)

// -----

// Only the sizes of a step are names.
// expected-error@+1 {{"Q" names no dimension, expected "T", "S", "R", "N" or a multiple such as "2*T" or "2*T+112"}}
func.func private @f(!kernel.view<["Q", 64], f32>)

// -----

// Features are static.
// expected-error@+1 {{only the first dimension of a view may be dynamic, dimension 1 is "T"}}
func.func private @f(!kernel.view<[64, "T"], f32>)

// -----

// Elements are what generators load and store.
// expected-error@+1 {{a view holds f32, bf16, i32 or i64, not 'f64'}}
func.func private @f(!kernel.view<["T", 64], f64>)

// -----

// A layout is one that generators know.
// expected-error@+1 {{unknown layout 'tiles', expected row-major, panel32, panel32x2, tile64x128 or rows128}}
func.func private @f(!kernel.view<[64, 64], f32, "tiles">)

// -----

// Weights alone are packed.
// expected-error@+1 {{layout panel32 is for static views of at least two dimensions}}
func.func private @f(!kernel.view<["T", 64], f32, "panel32">)

// -----

// So are weights in pairs.
// expected-error@+1 {{layout panel32x2 is for static views of at least two dimensions}}
func.func private @f(!kernel.view<[64], bf16, "panel32x2">)

// -----

// And tiles of a GPU.
// expected-error@+1 {{layout tile64x128 is for static views of at least two dimensions}}
func.func private @f(!kernel.view<["T", 64], bf16, "tile64x128">)

// -----

// Token panels have rows and columns.
// expected-error@+1 {{layout rows128 is for views of two dimensions, this one has 3}}
func.func private @f(!kernel.view<["T", 2, 64], bf16, "rows128">)

// -----

// A cache has heads.
// expected-error@+1 {{a cache has at least one head and one feature, not 0 and 16}}
func.func private @f(!kernel.cache<key, heads = 0, width = 16, page_tokens = 64, page_bytes = 0>)

// -----

// A cache holds what is multiplied.
// expected-error@+1 {{a cache holds f32 or bf16, not 'f16'}}
func.func private @f(!kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, f16>)

// -----

// A dot product takes two features of a key.
// expected-error@+1 {{width is 15, expected a multiple of 2 for 'bf16' in layout keys32}}
func.func private @f(!kernel.cache<key, heads = 2, width = 15, page_tokens = 64, page_bytes = 0, bf16>)

// -----

// Attention reads keys in blocks of 32 positions.
// expected-error@+1 {{page_tokens is 48, expected a multiple of 32}}
func.func private @f(!kernel.cache<key, heads = 2, width = 16, page_tokens = 48, page_bytes = 0>)

// -----

// A cache lies in one of the layouts that there are.
// expected-error@+1 {{unknown cache layout 'tiles', expected keys32 or row-major}}
func.func private @f(!kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, layout = "tiles">)

// -----

// Pages of any layout hold a position.
// expected-error@+1 {{page_tokens is 0, expected a multiple of 1}}
func.func private @f(!kernel.cache<key, heads = 2, width = 16, page_tokens = 0, page_bytes = 0, layout = "row-major">)

// -----

// Its size is a number.
// expected-error@+1 {{a page of 4611686018427387904 tokens with 2 heads of 16 features has more than 2^63 bytes}}
func.func private @f(!kernel.cache<key, heads = 2, width = 16, page_tokens = 4611686018427387904, page_bytes = 4096>)

// -----

// A page holds the part.
// expected-error@+1 {{page_bytes is 4096, one part alone takes 8192}}
func.func private @f(!kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 4096>)

// -----

// Attributes

// A register tile is one or two vectors of 16 outputs wide.
// expected-error@+1 {{tile is 6 x 24, expected at least one row and 16 or 32 columns}}
func.func private @f() attributes {test.config = #kernel.x86<"x86-64-v3", tile = 6 x 24, rows = 256>}

// -----

// A tile has rows.
// expected-error@+1 {{tile is 0 x 16, expected at least one row and 16 or 32 columns}}
func.func private @f() attributes {test.config = #kernel.x86<"x86-64-v3", tile = 0 x 16, rows = 256>}

// -----

// A cell has rows.
// expected-error@+1 {{rows is 0, expected at least 1}}
func.func private @f() attributes {test.config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 0>}

// -----

// A grid speaks of the sizes of a step alone.
// expected-error@+1 {{unknown grid term "N"}}
func.func private @f() attributes {test.grid = #kernel.grid<"N">}

// -----

// An operator takes two operands.
// expected-error@+1 {{grid operator "*" finds 1 operands, expected 2}}
func.func private @f() attributes {test.grid = #kernel.grid<"T", "*">}

// -----

// One value remains.
// expected-error@+1 {{a grid expression leaves one value, this one leaves 2}}
func.func private @f() attributes {test.grid = #kernel.grid<"T", 4>}

// -----

// Memory

// A step input has one form.
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{'kernel.input' op token_ids is '!kernel.view<["T"], f32>', expected ["T"] of 'i32'}}
  %0 = kernel.input token_ids : !kernel.view<["T"], f32>
}

// -----

// Seeds are 64 bits, one per row of logits.
kernel.program @p function sample max_tokens 1 {
  // expected-error@+1 {{row_seeds is '!kernel.view<["T"], i64>', expected ["R"] of 'i64'}}
  %0 = kernel.input row_seeds : !kernel.view<["T"], i64>
}

// -----

// A weight is declared.
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{'kernel.weight' op uses @w, expected the name of an lm.weight or lm.table}}
  %0 = kernel.weight @w : !kernel.view<[64, 64], f32>
}

// -----

// A view has its weight's shape.
// expected-note@+1 {{@w is declared here}}
lm.weight @w from ["w"] : tensor<64x32xf32> through [] : tensor<64x32xf32>
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{view '!kernel.view<[64, 64], f32>' of @w, which is 'tensor<64x32xf32>'}}
  %0 = kernel.weight @w : !kernel.view<[64, 64], f32>
}

// -----

// And its element type.
// expected-note@+1 {{@w is declared here}}
lm.weight @w from ["w"] : tensor<64x64xbf16> through [] : tensor<64x64xbf16>
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{view '!kernel.view<[64, 64], f32>' of @w, which is 'tensor<64x64xbf16>'}}
  %0 = kernel.weight @w : !kernel.view<[64, 64], f32>
}

// -----

// A place is an arena and an offset.
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{'kernel.buffer' op has an arena or an offset, expected both or neither}}
  %0 = "kernel.buffer"() {name = "x", arena = 0 : i64} : () -> !kernel.view<["T", 64], f32>
}

// -----

// Buffers start on a cache line.
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{lies at offset 32 of arena 0, expected a multiple of 64 in an arena that exists}}
  %0 = kernel.buffer "x" arena 0 offset 32 : !kernel.view<["T", 64], f32>
}

// -----

// Offsets count from the start of an arena.
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{lies at offset -64 of arena 0, expected a multiple of 64 in an arena that exists}}
  %0 = kernel.buffer "x" arena 0 offset -64 : !kernel.view<["T", 64], f32>
}

// -----

// Arenas are numbered from zero.
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{lies at offset 0 of arena -1, expected a multiple of 64 in an arena that exists}}
  %0 = kernel.buffer "x" arena -1 offset 0 : !kernel.view<["T", 64], f32>
}

// -----

// A cache is declared.
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{'kernel.cache' op uses @c, expected the name of an lm.cache}}
  %0 = kernel.cache @c : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
}

// -----

// A group is declared.
lm.cache @c layer 0 heads 2 width 16 : f32
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{lies in @g, expected the name of a kernel.cache_group}}
  %0 = kernel.cache @c in @g offset 0
    : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 65536>
}

// -----

// A cache has its declaration's heads.
// expected-note@+1 {{@c is declared here}}
lm.cache @c layer 0 heads 4 width 16 : f32
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{has 2 heads of 16 features, @c has 4 of 16}}
  %0 = kernel.cache @c : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
}

// -----

// In a group the size of its pages is known.
lm.cache @c layer 0 heads 2 width 16 : f32
kernel.cache_group @g layers [0] chunk 0 page_tokens 64 page_bytes 65536
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{lies in a group, expected an offset and page_bytes}}
  %0 = kernel.cache @c in @g offset 0
    : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
}

// -----

// A page table is of a cache.
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{'kernel.page_table' op uses @c, expected the name of an lm.cache}}
  %0 = kernel.page_table @c : !kernel.view<["S", 16], i32>
}

// -----

// A page table's group is declared.
lm.cache @c layer 0 heads 2 width 16 : f32
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{'kernel.page_table' op lies in @g, expected the name of a kernel.cache_group}}
  %0 = kernel.page_table @c in @g : !kernel.view<["S", 16], i32>
}

// -----

// A page table has a row per sequence.
lm.cache @c layer 0 heads 2 width 16 : f32
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{page table is '!kernel.view<["T", 16], i32>', expected ["S", _] of 'i32'}}
  %0 = kernel.page_table @c : !kernel.view<["T", 16], i32>
}

// -----

// The history has a row per sequence that can be alive.
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{'kernel.history' op history is '!kernel.view<["S", 16], i32>', expected ["N", _] of 'i32'}}
  %0 = kernel.history : !kernel.view<["S", 16], i32>
}

// -----

// Which is more than a buffer can have.
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{'kernel.buffer' op is '!kernel.view<["N", 16], i32>', but how many sequences can be alive no plan knows}}
  %0 = kernel.buffer "x" : !kernel.view<["N", 16], i32>
}

// -----

// A group has layers.
// expected-error@+1 {{'kernel.cache_group' op has no layers}}
kernel.cache_group @g layers [] chunk 0 page_tokens 64 page_bytes 65536

// -----

// And pages.
// expected-error@+1 {{has chunk 0, page_tokens 0, page_bytes 65536; expected positive pages}}
kernel.cache_group @g layers [0] chunk 0 page_tokens 0 page_bytes 65536

// -----

// Logits are float32 rows.
kernel.program @p function step max_tokens 1 {
  // expected-note@+1 {{logits is defined here}}
  %0 = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  // expected-error@+1 {{'kernel.result' op logits is '!kernel.view<["T", 64], f32>', expected ["R", _] of 'f32'}}
  kernel.result logits %0 : !kernel.view<["T", 64], f32>
}

// -----

// A sampled id per row of logits.
kernel.program @p function sample max_tokens 1 {
  // expected-note@+1 {{sampled is defined here}}
  %0 = kernel.buffer "x" : !kernel.view<["R"], f32>
  // expected-error@+1 {{sampled is '!kernel.view<["R"], f32>', expected ["R"] of 'i32'}}
  kernel.result sampled %0 : !kernel.view<["R"], f32>
}

// -----

// A program names a buffer once: under a second name its writer would not be known.
// expected-error@+1 {{'kernel.program' op names the memory of one kernel.buffer twice}}
kernel.program @p function step max_tokens 1 {
  // expected-note@+1 {{first named here}}
  %0 = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  // expected-note@+1 {{and named again here}}
  %1 = kernel.buffer "x" : !kernel.view<["T", 64], f32>
}

// -----

// The keys and the values of a layer are named once each.
lm.cache @c layer 0 heads 2 width 16 : f32
// expected-error@+1 {{'kernel.program' op names the memory of one kernel.cache twice}}
kernel.program @p function step max_tokens 1 {
  // expected-note@+1 {{first named here}}
  %0 = kernel.cache @c : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
  %1 = kernel.cache @c : !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
  // expected-note@+1 {{and named again here}}
  %2 = kernel.cache @c : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
}

// -----

// There is one history.
// expected-error@+1 {{'kernel.program' op names the memory of one kernel.history twice}}
kernel.program @p function step max_tokens 1 {
  // expected-note@+1 {{first named here}}
  %0 = kernel.history : !kernel.view<["N", 64], i32>
  // expected-note@+1 {{and named again here}}
  %1 = kernel.history : !kernel.view<["N", 64], i32>
}

// -----

// A launched op reads nothing that it writes: its loads could not be moved.
kernel.program @p function step max_tokens 1 {
  %0 = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  // expected-error@+1 {{'kernel.map' op reads a '!kernel.view<["T", 64], f32>' that it also writes}}
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%r: index, %g: index, %l: index):
    %x = kernel.load %0[%r, %l] : !kernel.view<["T", 64], f32>
    // expected-note@+1 {{written here}}
    kernel.store %x, %0[%r, %l] : !kernel.view<["T", 64], f32>
  }
}

// -----

// Whether it reads by an operand or by a load.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[4, 64], f32>, %e: !kernel.view<["T", 1], i32>,
             %s: !kernel.view<["T", 1], f32>) {
  // expected-error@+1 {{'kernel.route' op reads a '!kernel.view<["T", 1], f32>' that it also writes}}
  kernel.route rows "T" product {
  ^bb0(%r: index, %k: index):
    %0 = arith.constant 0 : index
    %1 = kernel.load %s[%r, %0] : !kernel.view<["T", 1], f32>
    kernel.yield %1 : f32
  } times %w : !kernel.view<[4, 64], f32> into %e, %s top 1 score sigmoid
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  return
}

// -----

// Map

// One number of rows.
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{expected 'groups'}}
  kernel.map rows "T", 4 groups 1 width 1 {
  ^bb0(%r: index, %g: index, %l: index):
  }
}

// -----

// Nothing that is launched has a row per slot of the history.
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{'kernel.map' attribute 'rows' failed to satisfy constraint: a number of rows that a step gives}}
  kernel.map rows "N" groups 1 width 1 {
  ^bb0(%r: index, %g: index, %l: index):
  }
}

// -----

// A config is one target's.
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{'kernel.map' attribute 'config' failed to satisfy constraint: a config such as #kernel.x86}}
  kernel.map rows "T" groups 1 width 1 attributes {config = "fast"} {
  ^bb0(%r: index, %g: index, %l: index):
  }
}

// -----

// A grid is a #kernel.grid, and is not dropped when it is none.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[32, 64], f32>) {
  // expected-error@+1 {{'kernel.gemm' attribute 'grid' failed to satisfy constraint}}
  kernel.gemm rows "T" attributes {grid = 4} product %x : !kernel.view<["T", 64], f32> times %w
    : !kernel.view<[32, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// Rows are a size of the step.
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{"Q" names no dimension, expected "T", "S", "R", "N" or a multiple such as "2*T" or "2*T+112"}}
  kernel.map rows "Q" groups 1 width 1 {
  ^bb0(%r: index, %g: index, %l: index):
  }
}

// -----

// Lanes are at least one.
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{has 1 groups of 0 lanes, expected at least one}}
  kernel.map rows "T" groups 1 width 0 {
  ^bb0(%r: index, %g: index, %l: index):
  }
}

// -----

// The region takes the row, the group and the lane.
kernel.program @p function step max_tokens 1 {
  // expected-error@+1 {{region takes ('index', 'index'), expected ('index', 'index', 'index')}}
  kernel.map rows "T" groups 1 width 1 {
  ^bb0(%r: index, %g: index):
  }
}

// -----

// Gemm

// There is a product.
func.func @f() {
  // expected-error@+1 {{'kernel.gemm' op has 0 weights and 0 inputs, expected at least one of each and as many}}
  kernel.gemm rows "T" {
  ^bb0(%r: index, %n: index):
  }
  return
}

// -----

// One input for each weight.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[32, 64], f32>) {
  // expected-error@+1 {{has 1 weights and 0 inputs, expected at least one of each and as many}}
  "kernel.gemm"(%w) <{operandSegmentSizes = array<i32: 1, 0, 0, 0>, rows = #lm.dim<"T">}> ({
  ^bb0(%a: f32, %r: index, %n: index):
    kernel.end
  }) : (!kernel.view<[32, 64], f32>) -> ()
  return
}

// -----

// Rows are a size of the step.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[32, 64], f32>) {
  // expected-error@+1 {{"Q" names no dimension, expected "T", "S", "R", "N" or a multiple such as "2*T" or "2*T+112"}}
  kernel.gemm rows "Q" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[32, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// A weight has two dimensions, or three with experts.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[64], f32>) {
  // expected-error@+1 {{'kernel.gemm' op weight is '!kernel.view<[64], f32>', expected two or three static dimensions}}
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// A weight does not change with the step.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<["S", 64], f32>) {
  // expected-error@+1 {{weight is '!kernel.view<["S", 64], f32>', expected two or three static dimensions}}
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<["S", 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// Experts are chosen by something.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[4, 32, 64], f32>) {
  // expected-error@+1 {{weight '!kernel.view<[4, 32, 64], f32>' has experts, expected `by` to choose among them}}
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[4, 32, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// Who chooses has something to choose from.
func.func @f(%x: !kernel.view<["T", 64], f32>, %e: !kernel.view<["T", 1], i32>, %w: !kernel.view<[32, 64], f32>) {
  // expected-error@+1 {{chooses experts, expected a weight of three dimensions}}
  kernel.gemm rows "T" by %e : !kernel.view<["T", 1], i32>
      product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[32, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// Products are of numbers that have an instruction.
func.func @f(%x: !kernel.view<["T", 64], i32>, %w: !kernel.view<[32, 64], i32>) {
  // expected-error@+1 {{multiplies by 'i32', expected f32 or bf16}}
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], i32> times %w : !kernel.view<[32, 64], i32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// Products of one op have as many outputs.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[32, 64], f32>, %v: !kernel.view<[48, 64], f32>) {
  // expected-error@+1 {{weights '!kernel.view<[32, 64], f32>' and '!kernel.view<[48, 64], f32>' differ in type or rows, their accumulators do not belong together}}
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[32, 64], f32>
      product %x : !kernel.view<["T", 64], f32> times %v : !kernel.view<[48, 64], f32> {
  ^bb0(%a: f32, %b: f32, %r: index, %n: index):
  }
  return
}

// -----

// And one type.
func.func @f(%x: !kernel.view<["T", 64], f32>, %y: !kernel.view<["T", 64], bf16>, %w: !kernel.view<[32, 64], f32>,
             %v: !kernel.view<[32, 64], bf16>) {
  // expected-error@+1 {{weights '!kernel.view<[32, 64], f32>' and '!kernel.view<[32, 64], bf16>' differ in type or rows}}
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[32, 64], f32>
      product %y : !kernel.view<["T", 64], bf16> times %v : !kernel.view<[32, 64], bf16> {
  ^bb0(%a: f32, %b: f32, %r: index, %n: index):
  }
  return
}

// -----

// One choice is of as many experts in every product.
func.func @f(%x: !kernel.view<["T", 64], f32>, %e: !kernel.view<["T", 1], i32>, %w: !kernel.view<[4, 32, 64], f32>,
             %v: !kernel.view<[5, 32, 64], f32>) {
  // expected-error@+1 {{weight '!kernel.view<[5, 32, 64], f32>' has 5 experts, another 4}}
  kernel.gemm rows "T" by %e : !kernel.view<["T", 1], i32>
      product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[4, 32, 64], f32> product %x : !kernel.view<["T", 64], f32> times %v : !kernel.view<[5, 32, 64], f32> {
  ^bb0(%a: f32, %b: f32, %r: index, %n: index):
  }
  return
}

// -----

// Rows of a packed form have no gap behind them, but zeros.
func.func @f(%x: !kernel.view<["T", 128], f32, "rows128">, %w: !kernel.view<[64, 64], f32>) {
  // expected-error@+1 {{input is '!kernel.view<["T", 128], f32, "rows128">' and the weight '!kernel.view<[64, 64], f32>': rows of 128 elements, expected 64}}
  kernel.gemm rows "T" product %x : !kernel.view<["T", 128], f32, "rows128"> times %w : !kernel.view<[64, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// Rows are at least as long as the weight is deep.
func.func @f(%x: !kernel.view<["T", 32], f32>, %w: !kernel.view<[64, 64], f32>) {
  // expected-error@+1 {{input is '!kernel.view<["T", 32], f32>' and the weight '!kernel.view<[64, 64], f32>': rows of 32 elements, expected at least 64}}
  kernel.gemm rows "T" product %x : !kernel.view<["T", 32], f32> times %w : !kernel.view<[64, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// So do rows.
func.func @f(%x: !kernel.view<["R", 64], f32>, %w: !kernel.view<[64, 64], f32>) {
  // expected-error@+1 {{input is '!kernel.view<["R", 64], f32>', expected rows "T"}}
  kernel.gemm rows "T" product %x : !kernel.view<["R", 64], f32> times %w : !kernel.view<[64, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// Inputs have the type of the weight.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[64, 64], bf16>) {
  // expected-error@+1 {{has an input region that does not yield 'bf16', which the product needs}}
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[64, 64], bf16> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// An input is found by row and k.
func.func @f(%w: !kernel.view<[64, 64], f32>) {
  // expected-error@+1 {{region takes ('index'), expected ('index', 'index')}}
  kernel.gemm rows "T" product {
  ^bb0(%k: index):
    %x = arith.constant 1.0 : f32
    kernel.yield %x : f32
  } times %w : !kernel.view<[64, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// A region of an input has an element to give.
func.func @f(%w: !kernel.view<[64, 64], f32>) {
  // expected-error@+1 {{has an input region that does not yield 'f32', which the product needs}}
  kernel.gemm rows "T" product {
  ^bb0(%r: index, %k: index):
    kernel.end
  } times %w : !kernel.view<[64, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// And does nothing else: how often it runs is nobody's promise.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[64, 64], f32>) {
  // expected-error@+1 {{has an input region that does more than compute an element}}
  kernel.gemm rows "T" product {
  ^bb0(%r: index, %k: index):
    %v = arith.constant 1.0 : f32
    // expected-note@+1 {{here}}
    kernel.store %v, %x[%r, %k] : !kernel.view<["T", 64], f32>
    kernel.yield %v : f32
  } times %w : !kernel.view<[64, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// Groups are of outputs, not of inputs.
func.func @f(%w: !kernel.view<[64, 64], f32>) {
  // expected-error@+1 {{has an input region that does more than compute an element}}
  kernel.gemm rows "T" group 8 product {
  ^bb0(%r: index, %k: index):
    %v = arith.constant 1.0 : f32
    // expected-note@+1 {{here}}
    %s = kernel.sum %v : f32
    kernel.yield %s : f32
  } times %w : !kernel.view<[64, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// A choice for every row.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[4, 32, 64], f32>, %e: !kernel.view<["T", 2], i32>) {
  // expected-error@+1 {{chooses by '!kernel.view<["T", 2], i32>', expected one i32 per row of "T"}}
  kernel.gemm rows "T" by %e : !kernel.view<["T", 2], i32>
      product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[4, 32, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// Of the rows there are.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[4, 32, 64], f32>, %e: !kernel.view<["R", 1], i32>) {
  // expected-error@+1 {{chooses by '!kernel.view<["R", 1], i32>', expected one i32 per row of "T"}}
  kernel.gemm rows "T" by %e : !kernel.view<["R", 1], i32>
      product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[4, 32, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// As a token and a rank.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[4, 32, 64], f32>, %e: !kernel.view<["T"], i32>) {
  // expected-error@+1 {{chooses by '!kernel.view<["T"], i32>', expected one i32 per row of "T"}}
  kernel.gemm rows "T" by %e : !kernel.view<["T"], i32>
      product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[4, 32, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// By number.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[4, 32, 64], f32>, %e: !kernel.view<["T", 1], f32>) {
  // expected-error@+1 {{chooses by '!kernel.view<["T", 1], f32>', expected one i32 per row of "T"}}
  kernel.gemm rows "T" by %e : !kernel.view<["T", 1], f32>
      product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[4, 32, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// Halves are whole runs.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[48, 64], f32>) {
  // expected-error@+1 {{has 24 pairs by 16 and weights of 48 rows, expected 64}}
  kernel.gemm rows "T" pairs 24 by 16 product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[48, 64], f32> {
  ^bb0(%a: f32, %b: f32, %r: index, %n: index):
  }
  return
}

// -----

// A run has a row.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[48, 64], f32>) {
  // expected-error@+1 {{has 24 pairs by 0, expected at least one by at least one}}
  kernel.gemm rows "T" pairs 24 by 0 product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[48, 64], f32> {
  ^bb0(%a: f32, %b: f32, %r: index, %n: index):
  }
  return
}

// -----

// Both rows of a pair lie in one tile.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[64, 64], f32, "panel32">) {
  // expected-error@+1 {{has pairs by 32 in '!kernel.view<[64, 64], f32, "panel32">', where runs of both halves do not fill whole tiles}}
  kernel.gemm rows "T" pairs 24 by 32 product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[64, 64], f32, "panel32"> {
  ^bb0(%a: f32, %b: f32, %r: index, %n: index):
  }
  return
}

// -----

// A run says how pairs lie.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[48, 64], f32>) {
  // expected-error@+1 {{has pairs or a run, expected both or neither}}
  kernel.gemm rows "T" attributes {run = 16 : i64} product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[48, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// A group has features.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[48, 64], f32>) {
  // expected-error@+1 {{has groups of 0, expected at least 1}}
  kernel.gemm rows "T" group 0 product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[48, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// A body gives nothing back.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[48, 64], f32>) {
  // expected-error@+1 {{body does not end in kernel.end}}
  "kernel.gemm"(%w) <{operandSegmentSizes = array<i32: 1, 0, 0, 0>, rows = #lm.dim<"T">}> ({
  ^bb0(%a: f32, %r: index, %n: index):
    kernel.yield %a : f32
  }, {
  ^bb0(%r: index, %k: index):
    %v = kernel.load %x[%r, %k] : !kernel.view<["T", 64], f32>
    kernel.yield %v : f32
  }) : (!kernel.view<[48, 64], f32>) -> ()
  return
}

// -----

// The body takes the accumulator, the row and the feature.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[48, 64], f32>) {
  // expected-error@+1 {{region takes ('f32', 'index'), expected ('f32', 'index', 'index')}}
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[48, 64], f32> {
  ^bb0(%a: f32, %r: index):
  }
  return
}

// -----

// An accumulator for each product and half.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[64, 64], f32>) {
  // expected-error@+1 {{region takes ('f32', 'index', 'index'), expected ('f32', 'f32', 'index', 'index')}}
  kernel.gemm rows "T" pairs 24 by 16 product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[64, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
  }
  return
}

// -----

// Attention

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
// Keys come from keys.
func.func @f(%q: !kernel.view<["T", 64], f32>, %k: !keys, %p: !kernel.view<["T"], i32>, %t: !kernel.view<["S", 16], i32>) {
  // expected-error@+1 {{'kernel.attention' op reads keys from}}
  kernel.attention %q, %k, %k at %p of %p through %t into %q chunk 0 scale 2.5e-1
    : !kernel.view<["T", 64], f32>, !keys, !keys, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>
  return
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 32, page_bytes = 0>
// Keys and values share pages.
func.func @f(%q: !kernel.view<["T", 64], f32>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
             %t: !kernel.view<["S", 16], i32>) {
  // expected-error@+1 {{differ in more than their part}}
  kernel.attention %q, %k, %v at %p of %p through %t into %q chunk 0 scale 2.5e-1
    : !kernel.view<["T", 64], f32>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>
  return
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
// And the way they lie in them.
func.func @f(%q: !kernel.view<["T", 64], f32>, %k: !keys, %v: !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, layout = "row-major">,
             %p: !kernel.view<["T"], i32>, %t: !kernel.view<["S", 16], i32>) {
  // expected-error@+1 {{differ in more than their part}}
  kernel.attention %q, %k, %v at %p of %p through %t into %q chunk 0 scale 2.5e-1
    : !kernel.view<["T", 64], f32>, !keys, !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, layout = "row-major">,
      !kernel.view<["T"], i32>, !kernel.view<["T"], i32>, !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>
  return
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
// What is no product reads rows as they come.
func.func @f(%q: !kernel.view<["T", 64], f32, "rows128">, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
             %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 64], f32>) {
  // expected-error@+1 {{query is '!kernel.view<["T", 64], f32, "rows128">', expected ["T", 64] of 'f32', row-major}}
  kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale 2.5e-1
    : !kernel.view<["T", 64], f32, "rows128">, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>
  return
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
// Every key head serves the same number of query heads.
func.func @f(%q: !kernel.view<["T", 48], f32>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
             %t: !kernel.view<["S", 16], i32>) {
  // expected-error@+1 {{queries '!kernel.view<["T", 48], f32>' are no multiple of 2 key heads of 16 features}}
  kernel.attention %q, %k, %v at %p of %p through %t into %q chunk 0 scale 2.5e-1
    : !kernel.view<["T", 48], f32>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 16], i32>, !kernel.view<["T", 48], f32>
  return
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
// A chunk is a number of positions, 0 for none.
func.func @f(%q: !kernel.view<["T", 64], f32>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
             %t: !kernel.view<["S", 16], i32>) {
  // expected-error@+1 {{chunk is -1, expected 0 or a size}}
  kernel.attention %q, %k, %v at %p of %p through %t into %q chunk -1 scale 2.5e-1
    : !kernel.view<["T", 64], f32>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>
  return
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
// The output has room for all heads.
func.func @f(%q: !kernel.view<["T", 64], f32>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
             %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 32], f32>) {
  // expected-error@+1 {{out is '!kernel.view<["T", 32], f32>', expected rows of at least 64 elements, as the query has}}
  kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale 2.5e-1
    : !kernel.view<["T", 64], f32>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 16], i32>, !kernel.view<["T", 32], f32>
  return
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
// Queries are float32.
func.func @f(%q: !kernel.view<["T", 64], bf16>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
             %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 64], f32>) {
  // expected-error@+1 {{query is '!kernel.view<["T", 64], bf16>', expected ["T", 64] of 'f32'}}
  kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale 2.5e-1
    : !kernel.view<["T", 64], bf16>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>
  return
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
// A position per query.
func.func @f(%q: !kernel.view<["T", 64], f32>, %k: !keys, %v: !values, %p: !kernel.view<["S"], i32>,
             %s: !kernel.view<["T"], i32>, %t: !kernel.view<["S", 16], i32>) {
  // expected-error@+1 {{positions is '!kernel.view<["S"], i32>', expected ["T"] of 'i32'}}
  kernel.attention %q, %k, %v at %p of %s through %t into %q chunk 0 scale 2.5e-1
    : !kernel.view<["T", 64], f32>, !keys, !values, !kernel.view<["S"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>
  return
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
// A sequence per query.
func.func @f(%q: !kernel.view<["T", 64], f32>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
             %s: !kernel.view<["S"], i32>, %t: !kernel.view<["S", 16], i32>) {
  // expected-error@+1 {{sequences is '!kernel.view<["S"], i32>', expected ["T"] of 'i32'}}
  kernel.attention %q, %k, %v at %p of %s through %t into %q chunk 0 scale 2.5e-1
    : !kernel.view<["T", 64], f32>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["S"], i32>,
      !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>
  return
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
// Pages per sequence.
func.func @f(%q: !kernel.view<["T", 64], f32>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
             %t: !kernel.view<["T", 16], i32>) {
  // expected-error@+1 {{pages is '!kernel.view<["T", 16], i32>', expected ["S", _] of 'i32'}}
  kernel.attention %q, %k, %v at %p of %p through %t into %q chunk 0 scale 2.5e-1
    : !kernel.view<["T", 64], f32>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
      !kernel.view<["T", 16], i32>, !kernel.view<["T", 64], f32>
  return
}

// -----

// Route

// No more experts than there are.
func.func @f(%l: !kernel.view<["T", 4], f32>, %e: !kernel.view<["T", 5], i32>, %s: !kernel.view<["T", 5], f32>) {
  // expected-error@+1 {{'kernel.route' op chooses 5 experts by logits '!kernel.view<["T", 4], f32>'}}
  kernel.route rows "T" logits %l : !kernel.view<["T", 4], f32> into %e, %s top 5 score sigmoid
    : !kernel.view<["T", 5], i32>, !kernel.view<["T", 5], f32>
  return
}

// -----

// And at least one.
func.func @f(%l: !kernel.view<["T", 4], f32>, %e: !kernel.view<["T", 1], i32>, %s: !kernel.view<["T", 1], f32>) {
  // expected-error@+1 {{chooses 0 experts by logits '!kernel.view<["T", 4], f32>'}}
  kernel.route rows "T" logits %l : !kernel.view<["T", 4], f32> into %e, %s top 0 score sigmoid
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  return
}

// -----

// A router has experts too.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[64], f32>, %e: !kernel.view<["T", 1], i32>,
             %s: !kernel.view<["T", 1], f32>) {
  // expected-error@+1 {{chooses 1 experts by router '!kernel.view<[64], f32>'}}
  kernel.route rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[64], f32>
    into %e, %s top 1 score sigmoid
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  return
}

// -----

// Logits are given, or computed.
func.func @f(%e: !kernel.view<["T", 1], i32>, %s: !kernel.view<["T", 1], f32>) {
  // expected-error@+1 {{takes logits, or an input and a router to compute them by}}
  kernel.route rows "T" into %e, %s top 1 score sigmoid
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  return
}

// -----

// Not both.
func.func @f(%l: !kernel.view<["T", 4], f32>, %x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[4, 64], f32>,
             %e: !kernel.view<["T", 1], i32>, %s: !kernel.view<["T", 1], f32>) {
  // expected-error@+1 {{takes logits, or an input and a router to compute them by}}
  kernel.route rows "T" logits %l : !kernel.view<["T", 4], f32>
    product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[4, 64], f32> into %e, %s top 1 score sigmoid
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  return
}

// -----

// A router multiplies something.
func.func @f(%w: !kernel.view<[4, 64], f32>, %e: !kernel.view<["T", 1], i32>, %s: !kernel.view<["T", 1], f32>) {
  // expected-error@+1 {{takes logits, or an input and a router to compute them by}}
  "kernel.route"(%w, %e, %s) <{operandSegmentSizes = array<i32: 0, 1, 1, 1, 0>, rows = #lm.dim<"T">, top_k = 1 : i64,
                               score = 0 : i32}> ({
  }) : (!kernel.view<[4, 64], f32>, !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>) -> ()
  return
}

// -----

// Router logits are never rounded.
func.func @f(%l: !kernel.view<["T", 4], bf16>, %e: !kernel.view<["T", 1], i32>, %s: !kernel.view<["T", 1], f32>) {
  // expected-error@+1 {{logits is '!kernel.view<["T", 4], bf16>', expected ["T", _] of 'f32'}}
  kernel.route rows "T" logits %l : !kernel.view<["T", 4], bf16> into %e, %s top 1 score sigmoid
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  return
}

// -----

// A row of logits for each row.
func.func @f(%l: !kernel.view<["R", 4], f32>, %e: !kernel.view<["T", 1], i32>, %s: !kernel.view<["T", 1], f32>) {
  // expected-error@+1 {{logits is '!kernel.view<["R", 4], f32>', expected ["T", _] of 'f32'}}
  kernel.route rows "T" logits %l : !kernel.view<["R", 4], f32> into %e, %s top 1 score sigmoid
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  return
}

// -----

// A router is small, so it is not packed.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[32, 64], f32, "panel32">,
             %e: !kernel.view<["T", 1], i32>, %s: !kernel.view<["T", 1], f32>) {
  // expected-error@+1 {{router is '!kernel.view<[32, 64], f32, "panel32">', expected static, row-major and of f32 or bf16}}
  kernel.route rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[32, 64], f32, "panel32">
    into %e, %s top 1 score sigmoid
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  return
}

// -----

// It does not change with the step.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<["S", 64], f32>, %e: !kernel.view<["T", 1], i32>,
             %s: !kernel.view<["T", 1], f32>) {
  // expected-error@+1 {{chooses 1 experts by router '!kernel.view<["S", 64], f32>'}}
  kernel.route rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<["S", 64], f32>
    into %e, %s top 1 score sigmoid
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  return
}

// -----

// It holds numbers to multiply by.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[4, 64], i32>, %e: !kernel.view<["T", 1], i32>,
             %s: !kernel.view<["T", 1], f32>) {
  // expected-error@+1 {{router is '!kernel.view<[4, 64], i32>', expected static, row-major and of f32 or bf16}}
  kernel.route rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[4, 64], i32>
    into %e, %s top 1 score sigmoid
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  return
}

// -----

// Inputs of a router are never rounded.
func.func @f(%x: !kernel.view<["T", 64], bf16>, %w: !kernel.view<[4, 64], bf16>, %e: !kernel.view<["T", 1], i32>,
             %s: !kernel.view<["T", 1], f32>) {
  // expected-error@+1 {{has an input region that does not yield 'f32', which the product needs}}
  kernel.route rows "T" product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[4, 64], bf16>
    into %e, %s top 1 score sigmoid
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  return
}

// -----

// Rows are at least as long as the weight is deep.
func.func @f(%x: !kernel.view<["T", 32], f32>, %w: !kernel.view<[4, 64], f32>, %e: !kernel.view<["T", 1], i32>,
             %s: !kernel.view<["T", 1], f32>) {
  // expected-error@+1 {{input is '!kernel.view<["T", 32], f32>' and the weight '!kernel.view<[4, 64], f32>': rows of 32 elements, expected at least 64}}
  kernel.route rows "T" product %x : !kernel.view<["T", 32], f32> times %w : !kernel.view<[4, 64], f32>
    into %e, %s top 1 score sigmoid
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  return
}

// -----

// k experts per token.
func.func @f(%l: !kernel.view<["T", 4], f32>, %e: !kernel.view<["T", 1], i32>, %s: !kernel.view<["T", 2], f32>) {
  // expected-error@+1 {{experts is '!kernel.view<["T", 1], i32>', expected ["T", 2] of 'i32'}}
  kernel.route rows "T" logits %l : !kernel.view<["T", 4], f32> into %e, %s top 2 score sigmoid
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 2], f32>
  return
}

// -----

// k scores per token.
func.func @f(%l: !kernel.view<["T", 4], f32>, %e: !kernel.view<["T", 2], i32>, %s: !kernel.view<["T", 1], f32>) {
  // expected-error@+1 {{scores is '!kernel.view<["T", 1], f32>', expected ["T", 2] of 'f32'}}
  kernel.route rows "T" logits %l : !kernel.view<["T", 4], f32> into %e, %s top 2 score sigmoid
    : !kernel.view<["T", 2], i32>, !kernel.view<["T", 1], f32>
  return
}

// -----

// One number of rows.
func.func @f(%l: !kernel.view<["T", 4], f32>, %e: !kernel.view<["T", 1], i32>, %s: !kernel.view<["T", 1], f32>) {
  // expected-error@+1 {{expected 'into'}}
  kernel.route rows "T", 2 logits %l : !kernel.view<["T", 4], f32> into %e, %s top 1 score sigmoid
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  return
}

// -----

// Parallel

// Only what can be launched runs side by side.
func.func @f() {
  kernel.parallel {
    // expected-error@+1 {{'arith.constant' op is a member of a kernel.parallel, expected a launched op}}
    %0 = arith.constant 0 : index
  }
  return
}

// -----

// One level deep.
func.func @f() {
  kernel.parallel {
    // expected-error@+1 {{'kernel.parallel' op is a member of a kernel.parallel, expected a launched op}}
    kernel.parallel {
      kernel.map rows "T" groups 1 width 1 {
      ^bb0(%r: index, %g: index, %i: index):
      }
    }
  }
  return
}

// -----

// Members may run in any order.
func.func @f(%x: !kernel.view<["T", 64], f32>, %y: !kernel.view<["T", 64], f32>, %z: !kernel.view<["T", 64], f32>) {
  kernel.parallel {
    // expected-note@+1 {{written here}}
    kernel.map rows "T" groups 1 width 64 {
    ^bb0(%r: index, %g: index, %i: index):
      %0 = kernel.load %x[%r, %i] : !kernel.view<["T", 64], f32>
      kernel.store %0, %y[%r, %i] : !kernel.view<["T", 64], f32>
    }
    // expected-error@+1 {{'kernel.map' op reads what another member writes}}
    kernel.map rows "T" groups 1 width 64 {
    ^bb0(%r: index, %g: index, %i: index):
      %0 = kernel.load %y[%r, %i] : !kernel.view<["T", 64], f32>
      kernel.store %0, %z[%r, %i] : !kernel.view<["T", 64], f32>
    }
  }
  return
}

// -----

// Even a member before the writer.
func.func @f(%x: !kernel.view<["T", 64], f32>, %l: !kernel.view<["T", 4], f32>, %e: !kernel.view<["T", 1], i32>,
             %s: !kernel.view<["T", 1], f32>, %w: !kernel.view<[4, 64, 64], f32>) {
  kernel.parallel {
    // expected-error@+1 {{'kernel.gemm' op reads what another member writes}}
    kernel.gemm rows "T" by %e : !kernel.view<["T", 1], i32>
        product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[4, 64, 64], f32> {
    ^bb0(%a: f32, %r: index, %n: index):
    }
    // expected-note@+1 {{written here}}
    kernel.route rows "T" logits %l : !kernel.view<["T", 4], f32> into %e, %s top 1 score sigmoid
      : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  }
  return
}

// -----

// Sampling

!logits = !kernel.view<["R", 256], bf16>
!f32s = !kernel.view<["R"], f32>
!i64s = !kernel.view<["R"], i64>
!i32s = !kernel.view<["R"], i32>
!history = !kernel.view<["N", 1024], i32>
// Logits are never rounded.
func.func @f(%l: !logits, %t: !f32s, %s: !i64s, %p: !i32s, %h: !history) {
  // expected-error@+1 {{'kernel.sample' op logits is '!kernel.view<["R", 256], bf16>', expected ["R", _] of 'f32'}}
  kernel.sample %l temperatures %t top_k %p top_p %t min_p %t penalties %t seeds %s sequences %s positions %p
    slots %p of %h into %p
    : !logits, !f32s, !i32s, !f32s, !f32s, !f32s, !i64s, !i64s, !i32s, !i32s, !history, !i32s
  return
}

// -----

!logits = !kernel.view<["R", 256], f32>
!f32s = !kernel.view<["R"], f32>
!i64s = !kernel.view<["R"], i64>
!i32s = !kernel.view<["R"], i32>
!history = !kernel.view<["N", 1024], i32>
// Temperatures are float32.
func.func @f(%l: !logits, %t: !f32s, %s: !i64s, %p: !i32s, %h: !history) {
  // expected-error@+1 {{temperatures is '!kernel.view<["R"], i32>', expected ["R"] of 'f32'}}
  kernel.sample %l temperatures %p top_k %p top_p %t min_p %t penalties %t seeds %s sequences %s positions %p
    slots %p of %h into %p
    : !logits, !i32s, !i32s, !f32s, !f32s, !f32s, !i64s, !i64s, !i32s, !i32s, !history, !i32s
  return
}

// -----

!logits = !kernel.view<["R", 256], f32>
!f32s = !kernel.view<["R"], f32>
!i64s = !kernel.view<["R"], i64>
!i32s = !kernel.view<["R"], i32>
!history = !kernel.view<["N", 1024], i32>
// How many tokens stay is a number of 32 bits.
func.func @f(%l: !logits, %t: !f32s, %s: !i64s, %p: !i32s, %h: !history) {
  // expected-error@+1 {{top_k is '!kernel.view<["R"], f32>', expected ["R"] of 'i32'}}
  kernel.sample %l temperatures %t top_k %t top_p %t min_p %t penalties %t seeds %s sequences %s positions %p
    slots %p of %h into %p
    : !logits, !f32s, !f32s, !f32s, !f32s, !f32s, !i64s, !i64s, !i32s, !i32s, !history, !i32s
  return
}

// -----

!logits = !kernel.view<["R", 256], f32>
!f32s = !kernel.view<["R"], f32>
!i64s = !kernel.view<["R"], i64>
!i32s = !kernel.view<["R"], i32>
!history = !kernel.view<["N", 1024], i32>
// A mass is float32.
func.func @f(%l: !logits, %t: !f32s, %s: !i64s, %p: !i32s, %h: !history) {
  // expected-error@+1 {{top_p is '!kernel.view<["R"], i32>', expected ["R"] of 'f32'}}
  kernel.sample %l temperatures %t top_k %p top_p %p min_p %t penalties %t seeds %s sequences %s positions %p
    slots %p of %h into %p
    : !logits, !f32s, !i32s, !i32s, !f32s, !f32s, !i64s, !i64s, !i32s, !i32s, !history, !i32s
  return
}

// -----

!logits = !kernel.view<["R", 256], f32>
!f32s = !kernel.view<["R"], f32>
!i64s = !kernel.view<["R"], i64>
!i32s = !kernel.view<["R"], i32>
!history = !kernel.view<["N", 1024], i32>
// So is a share of the best.
func.func @f(%l: !logits, %t: !f32s, %s: !i64s, %p: !i32s, %h: !history) {
  // expected-error@+1 {{min_p is '!kernel.view<["R"], i32>', expected ["R"] of 'f32'}}
  kernel.sample %l temperatures %t top_k %p top_p %t min_p %p penalties %t seeds %s sequences %s positions %p
    slots %p of %h into %p
    : !logits, !f32s, !i32s, !f32s, !i32s, !f32s, !i64s, !i64s, !i32s, !i32s, !history, !i32s
  return
}

// -----

!logits = !kernel.view<["R", 256], f32>
!f32s = !kernel.view<["R"], f32>
!i64s = !kernel.view<["R"], i64>
!i32s = !kernel.view<["R"], i32>
!history = !kernel.view<["N", 1024], i32>
// And a penalty.
func.func @f(%l: !logits, %t: !f32s, %s: !i64s, %p: !i32s, %h: !history) {
  // expected-error@+1 {{penalties is '!kernel.view<["R"], i32>', expected ["R"] of 'f32'}}
  kernel.sample %l temperatures %t top_k %p top_p %t min_p %t penalties %p seeds %s sequences %s positions %p
    slots %p of %h into %p
    : !logits, !f32s, !i32s, !f32s, !f32s, !i32s, !i64s, !i64s, !i32s, !i32s, !history, !i32s
  return
}

// -----

!logits = !kernel.view<["R", 256], f32>
!f32s = !kernel.view<["R"], f32>
!i64s = !kernel.view<["R"], i64>
!i32s = !kernel.view<["R"], i32>
!history = !kernel.view<["N", 1024], i32>
// Seeds have 64 bits.
func.func @f(%l: !logits, %t: !f32s, %s: !i64s, %p: !i32s, %h: !history) {
  // expected-error@+1 {{seeds is '!kernel.view<["R"], i32>', expected ["R"] of 'i64'}}
  kernel.sample %l temperatures %t top_k %p top_p %t min_p %t penalties %t seeds %p sequences %s positions %p
    slots %p of %h into %p
    : !logits, !f32s, !i32s, !f32s, !f32s, !f32s, !i32s, !i64s, !i32s, !i32s, !history, !i32s
  return
}

// -----

!logits = !kernel.view<["R", 256], f32>
!f32s = !kernel.view<["R"], f32>
!i64s = !kernel.view<["R"], i64>
!i32s = !kernel.view<["R"], i32>
!history = !kernel.view<["N", 1024], i32>
// So have the names of sequences.
func.func @f(%l: !logits, %t: !f32s, %s: !i64s, %p: !i32s, %h: !history) {
  // expected-error@+1 {{sequences is '!kernel.view<["R"], i32>', expected ["R"] of 'i64'}}
  kernel.sample %l temperatures %t top_k %p top_p %t min_p %t penalties %t seeds %s sequences %p positions %p
    slots %p of %h into %p
    : !logits, !f32s, !i32s, !f32s, !f32s, !f32s, !i64s, !i32s, !i32s, !i32s, !history, !i32s
  return
}

// -----

!logits = !kernel.view<["R", 256], f32>
!f32s = !kernel.view<["R"], f32>
!i64s = !kernel.view<["R"], i64>
!i32s = !kernel.view<["R"], i32>
!history = !kernel.view<["N", 1024], i32>
// Positions have 32.
func.func @f(%l: !logits, %t: !f32s, %s: !i64s, %p: !i32s, %h: !history) {
  // expected-error@+1 {{positions is '!kernel.view<["R"], i64>', expected ["R"] of 'i32'}}
  kernel.sample %l temperatures %t top_k %p top_p %t min_p %t penalties %t seeds %s sequences %s positions %s
    slots %p of %h into %p
    : !logits, !f32s, !i32s, !f32s, !f32s, !f32s, !i64s, !i64s, !i64s, !i32s, !history, !i32s
  return
}

// -----

!logits = !kernel.view<["R", 256], f32>
!f32s = !kernel.view<["R"], f32>
!i64s = !kernel.view<["R"], i64>
!i32s = !kernel.view<["R"], i32>
!history = !kernel.view<["N", 1024], i32>
// So have slots.
func.func @f(%l: !logits, %t: !f32s, %s: !i64s, %p: !i32s, %h: !history) {
  // expected-error@+1 {{slots is '!kernel.view<["R"], i64>', expected ["R"] of 'i32'}}
  kernel.sample %l temperatures %t top_k %p top_p %t min_p %t penalties %t seeds %s sequences %s positions %p
    slots %s of %h into %p
    : !logits, !f32s, !i32s, !f32s, !f32s, !f32s, !i64s, !i64s, !i32s, !i64s, !history, !i32s
  return
}

// -----

!logits = !kernel.view<["R", 256], f32>
!f32s = !kernel.view<["R"], f32>
!i64s = !kernel.view<["R"], i64>
!i32s = !kernel.view<["R"], i32>
!history = !kernel.view<["N", 1024], i32>
// So have token ids.
func.func @f(%l: !logits, %t: !f32s, %s: !i64s, %p: !i32s, %h: !history) {
  // expected-error@+1 {{ids is '!kernel.view<["R"], i64>', expected ["R"] of 'i32'}}
  kernel.sample %l temperatures %t top_k %p top_p %t min_p %t penalties %t seeds %s sequences %s positions %p
    slots %p of %h into %s
    : !logits, !f32s, !i32s, !f32s, !f32s, !f32s, !i64s, !i64s, !i32s, !i32s, !history, !i64s
  return
}

// -----

!logits = !kernel.view<["R", 256], f32>
!f32s = !kernel.view<["R"], f32>
!i64s = !kernel.view<["R"], i64>
!i32s = !kernel.view<["R"], i32>
!history = !kernel.view<["N", 1024], i32>
// The history has a row per sequence that can be alive.
func.func @f(%l: !logits, %t: !f32s, %s: !i64s, %p: !i32s, %h: !history) {
  // expected-error@+1 {{history is '!kernel.view<["R"], i32>', expected ["N", _] of 'i32'}}
  kernel.sample %l temperatures %t top_k %p top_p %t min_p %t penalties %t seeds %s sequences %s positions %p
    slots %p of %p into %p
    : !logits, !f32s, !i32s, !f32s, !f32s, !f32s, !i64s, !i64s, !i32s, !i32s, !i32s, !i32s
  return
}

// -----

// Scalar regions

// An index per dimension.
func.func @f(%v: !kernel.view<["T", 64], f32>, %i: index) {
  // expected-error@+1 {{'kernel.load' op has 1 indices into '!kernel.view<["T", 64], f32>', expected 2}}
  %0 = kernel.load %v[%i] : !kernel.view<["T", 64], f32>
  return
}

// -----

// A load gives an element of the view.
func.func @f(%v: !kernel.view<["T"], i32>, %i: index) {
  // expected-error@+1 {{moves 'f32' to or from '!kernel.view<["T"], i32>'}}
  %0 = "kernel.load"(%v, %i) : (!kernel.view<["T"], i32>, index) -> f32
  return
}

// -----

// Stores have an index per dimension too.
func.func @f(%v: !kernel.view<["T"], f32>, %i: index, %x: f32) {
  // expected-error@+1 {{'kernel.store' op has 2 indices into '!kernel.view<["T"], f32>', expected 1}}
  kernel.store %x, %v[%i, %i] : !kernel.view<["T"], f32>
  return
}

// -----

// A store takes an element of the view.
func.func @f(%v: !kernel.view<["T"], i32>, %i: index, %x: f32) {
  // expected-error@+1 {{moves 'f32' to or from '!kernel.view<["T"], i32>'}}
  "kernel.store"(%x, %v, %i) : (f32, !kernel.view<["T"], i32>, index) -> ()
  return
}

// -----

// Packed weights are written by the exporter alone.
func.func @f(%v: !kernel.view<[64, 64], f32, "panel32">, %i: index, %x: f32) {
  // expected-error@+1 {{writes to '!kernel.view<[64, 64], f32, "panel32">', expected a row-major view or one of token rows}}
  kernel.store %x, %v[%i, %i] : !kernel.view<[64, 64], f32, "panel32">
  return
}

// -----

// A sum has lanes to run over.
func.func @f(%x: f32) {
  // expected-error@+1 {{'kernel.sum' op expects parent op to be one of 'kernel.map, kernel.gemm'}}
  %0 = kernel.sum %x : f32
  return
}

// -----

// In a product they are features of a group.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[64, 64], f32>) {
  // expected-note@+1 {{this kernel.gemm has none}}
  kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[64, 64], f32> {
  ^bb0(%a: f32, %r: index, %n: index):
    // expected-error@+1 {{'kernel.sum' op needs a group to add over}}
    %0 = kernel.sum %a : f32
  }
  return
}

// -----

// A row is one of a matrix.
func.func @f(%v: !kernel.view<["T"], f32>, %i: index) {
  // expected-error@+1 {{'kernel.row_sum' op adds a row of '!kernel.view<["T"], f32>', expected a row-major matrix of f32}}
  %0 = kernel.row_sum %v[%i] : !kernel.view<["T"], f32>
  return
}

// -----

// What is added is never rounded.
func.func @f(%v: !kernel.view<["T", 4], bf16>, %i: index) {
  // expected-error@+1 {{adds a row of '!kernel.view<["T", 4], bf16>', expected a row-major matrix of f32}}
  %0 = kernel.row_sum %v[%i] : !kernel.view<["T", 4], bf16>
  return
}

// -----

// Nor is a packed weight added by rows.
func.func @f(%v: !kernel.view<[32, 4], f32, "panel32">, %i: index) {
  // expected-error@+1 {{adds a row of '!kernel.view<[32, 4], f32, "panel32">', expected a row-major matrix of f32}}
  %0 = kernel.row_sum %v[%i] : !kernel.view<[32, 4], f32, "panel32">
  return
}

// -----

// Inputs are of products.
func.func @f(%x: f32) {
  // expected-error@+1 {{'kernel.yield' op expects parent op to be one of 'kernel.gemm, kernel.route'}}
  kernel.yield %x : f32
}

// -----

// A region ends inside a launched op.
func.func @f() {
  // expected-error@+1 {{'kernel.end' op expects parent op to be one of 'kernel.map, kernel.gemm'}}
  kernel.end
}

// -----

// Libraries

// A kernel is one launched op.
kernel.library @l target "x86-64-v3" {
  // expected-error@+1 {{'kernel.func' op holds 0 ops, expected exactly one launched op}}
  kernel.func @k {
  ^bb0(%x: !kernel.view<["T", 64], f32>):
  }
}

// -----

// Not just any op.
kernel.library @l target "x86-64-v3" {
  // expected-error@+1 {{'kernel.func' op holds 1 ops, expected exactly one launched op}}
  kernel.func @k {
    %0 = arith.constant 0 : index
  }
}

// -----

// A kernel is given memory.
kernel.library @l target "x86-64-v3" {
  // expected-error@+1 {{argument 0 is 'index', expected a view or a cache}}
  kernel.func @k {
  ^bb0(%x: index):
    kernel.map rows "T" groups 1 width 1 {
    ^bb0(%r: index, %g: index, %i: index):
    }
  }
}

// -----

// A launch names a kernel.
kernel.program @p function step max_tokens 1 {
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  // expected-error@+1 {{'kernel.launch' op launches @l::@k, expected a kernel.func of a kernel.library}}
  kernel.launch @l::@k #kernel.grid<1> (%x) : !kernel.view<["T", 64], f32>
}

// -----

// And passes what it takes.
kernel.library @l target "x86-64-v3" {
  // expected-note@+1 {{@l::@k is declared here}}
  kernel.func @k {
  ^bb0(%x: !kernel.view<["T", 32], f32>):
    kernel.map rows "T" groups 1 width 32 {
    ^bb0(%r: index, %g: index, %i: index):
      %0 = kernel.load %x[%r, %i] : !kernel.view<["T", 32], f32>
    }
  }
}
kernel.program @p function step max_tokens 1 {
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  // expected-error@+1 {{passes ('!kernel.view<["T", 64], f32>') to a kernel that takes ('!kernel.view<["T", 32], f32>')}}
  kernel.launch @l::@k #kernel.grid<1> (%x) : !kernel.view<["T", 64], f32>
}

// -----

// Pages are found through a page table, not through any view of integers.
kernel.program @step function step max_tokens 16 {
  %p = kernel.input token_positions : !kernel.view<["T"], i32>
  %k = kernel.cache @layer : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
  kernel.map rows "T" groups 2 width 16 {
  ^bb0(%row: index, %head: index, %lane: index):
    %x = arith.constant 1.0 : f32
    // expected-error@+1 {{'kernel.append' op finds pages through '!kernel.view<["T"], i32>', expected a page table ["S", _] of i32}}
    kernel.append %x, %k[%head, %lane] at %row of %row through %p
      : f32, !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>, !kernel.view<["T"], i32>
  }
}
lm.cache @layer layer 0 heads 2 width 16 : f32

// -----

// What is appended has been rounded as the cache holds it.
kernel.program @step function step max_tokens 16 {
  %k = kernel.cache @layer : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, bf16>
  %p = kernel.page_table @layer : !kernel.view<["S", 16], i32>
  kernel.map rows "T" groups 2 width 16 {
  ^bb0(%row: index, %head: index, %lane: index):
    %x = arith.constant 1.0 : f32
    // expected-error@+1 {{'kernel.append' op appends 'f32' to '!kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, bf16>'}}
    kernel.append %x, %k[%head, %lane] at %row of %row through %p
      : f32, !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, bf16>, !kernel.view<["S", 16], i32>
  }
}
lm.cache @layer layer 0 heads 2 width 16 : bf16

// -----

// Sorted rows have as many offsets as experts, and one more.
func.func @f(%x: !kernel.view<["T+28", 64], f32>, %w: !kernel.view<[4, 32, 64], f32>, %o: !kernel.view<[4], i32>,
             %r: !kernel.view<["T+28"], i32>) {
  // expected-error@+1 {{offsets is '!kernel.view<[4], i32>', expected [5] of 'i32'}}
  kernel.gemm rows "T+28" by %o : !kernel.view<[4], i32> sorted %r : !kernel.view<["T+28"], i32>
      product %x : !kernel.view<["T+28", 64], f32> times %w : !kernel.view<[4, 32, 64], f32> {
  ^bb0(%a: f32, %row: index, %n: index):
  }
  return
}

// -----

// An order of all of them.
func.func @f(%x: !kernel.view<["T+28", 64], f32>, %w: !kernel.view<[4, 32, 64], f32>, %o: !kernel.view<[5], i32>,
             %r: !kernel.view<["T"], i32>) {
  // expected-error@+1 {{order is '!kernel.view<["T"], i32>', expected ["T+28"] of 'i32'}}
  kernel.gemm rows "T+28" by %o : !kernel.view<[5], i32> sorted %r : !kernel.view<["T"], i32>
      product %x : !kernel.view<["T+28", 64], f32> times %w : !kernel.view<[4, 32, 64], f32> {
  ^bb0(%a: f32, %row: index, %n: index):
  }
  return
}

// -----

// And are sorted by something.
func.func @f(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[32, 64], f32>, %r: !kernel.view<["T"], i32>) {
  // expected-error@+1 {{has an order of rows, expected `by` with the offsets of the experts}}
  kernel.gemm rows "T" sorted %r : !kernel.view<["T"], i32>
      product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[32, 64], f32> {
  ^bb0(%a: f32, %row: index, %n: index):
  }
  return
}

// -----

// An alignment is a number of rows.
func.func @f(%e: !kernel.view<["T", 2], i32>, %o: !kernel.view<[5], i32>, %r: !kernel.view<["2*T"], i32>) {
  // expected-error@+1 {{aligns rows to 0, expected at least 1}}
  kernel.group %e into %o, %r alignment 0
    : !kernel.view<["T", 2], i32>, !kernel.view<[5], i32>, !kernel.view<["2*T"], i32>
  return
}

// -----

// Choices are k numbers a row.
func.func @f(%e: !kernel.view<["T"], i32>, %o: !kernel.view<[5], i32>, %r: !kernel.view<["T"], i32>) {
  // expected-error@+1 {{groups by '!kernel.view<["T"], i32>', expected k choices of i32 a row}}
  kernel.group %e into %o, %r alignment 1 : !kernel.view<["T"], i32>, !kernel.view<[5], i32>, !kernel.view<["T"], i32>
  return
}

// -----

func.func @f(%e: !kernel.view<["T", 1], f32>, %o: !kernel.view<[5], i32>, %r: !kernel.view<["T"], i32>) {
  // expected-error@+1 {{groups by '!kernel.view<["T", 1], f32>', expected k choices of i32 a row}}
  kernel.group %e into %o, %r alignment 1 : !kernel.view<["T", 1], f32>, !kernel.view<[5], i32>, !kernel.view<["T"], i32>
  return
}

// -----

// Offsets are of at least one expert.
func.func @f(%e: !kernel.view<["T", 1], i32>, %o: !kernel.view<[1], i32>, %r: !kernel.view<["T"], i32>) {
  // expected-error@+1 {{offsets is '!kernel.view<[1], i32>', expected one for each expert and one more}}
  kernel.group %e into %o, %r alignment 1 : !kernel.view<["T", 1], i32>, !kernel.view<[1], i32>, !kernel.view<["T"], i32>
  return
}

// -----

func.func @f(%e: !kernel.view<["T", 1], i32>, %o: !kernel.view<["T"], i32>, %r: !kernel.view<["T"], i32>) {
  // expected-error@+1 {{offsets is '!kernel.view<["T"], i32>', expected one for each expert and one more}}
  kernel.group %e into %o, %r alignment 1 : !kernel.view<["T", 1], i32>, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>
  return
}

// -----

func.func @f(%e: !kernel.view<["T", 1], i32>, %o: !kernel.view<[5], f32>, %r: !kernel.view<["T"], i32>) {
  // expected-error@+1 {{offsets is '!kernel.view<[5], f32>', expected [_] of 'i32'}}
  kernel.group %e into %o, %r alignment 1 : !kernel.view<["T", 1], i32>, !kernel.view<[5], f32>, !kernel.view<["T"], i32>
  return
}

// -----

// The order has room for what alignment leaves empty: 7 places for each of 4 experts.
func.func @f(%e: !kernel.view<["T", 2], i32>, %o: !kernel.view<[5], i32>, %r: !kernel.view<["2*T+27"], i32>) {
  // expected-error@+1 {{order is '!kernel.view<["2*T+27"], i32>', expected ["2*T+28"] of 'i32'}}
  kernel.group %e into %o, %r alignment 8
    : !kernel.view<["T", 2], i32>, !kernel.view<[5], i32>, !kernel.view<["2*T+27"], i32>
  return
}
