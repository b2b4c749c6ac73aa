// RUN: yupana-opt %s --split-input-file --verify-diagnostics

// expected-error @below {{unknown order 'sideways'}}
func.func private @f() attributes {a = #kernel.numerics<range = all, order = sideways, partials = 16>}

// -----

// expected-error @below {{states a range or an order, expected both or neither}}
func.func private @f() attributes {a = #kernel.numerics<range = all, partials = 16>}

// -----

// expected-error @below {{states a range or an order, expected both or neither}}
func.func private @f() attributes {a = #kernel.numerics<order = ascending, partials = 16>}

// -----

// expected-error @below {{unexpected 'partials', expected each of range, order, partials, block and segment at most once}}
func.func private @f() attributes {a = #kernel.numerics<partials = 16, partials = 16>}

// -----

// expected-error @below {{unexpected 'depth', expected each of range, order, partials, block and segment at most once}}
func.func private @f() attributes {a = #kernel.numerics<depth = 16>}

// -----

// expected-error @below {{range is 0, expected `all` or a number of elements}}
func.func private @f() attributes {a = #kernel.numerics<range = 0, order = ascending, partials = 16>}

// -----

// expected-error @below {{range is 255, expected whole pairs in order odd_first_pairs}}
func.func private @f() attributes {a = #kernel.numerics<range = 255, order = odd_first_pairs, partials = 16>}

// -----

// expected-error @below {{partials is 12, expected a power of two}}
func.func private @f() attributes {a = #kernel.numerics<partials = 12>}

// -----

// expected-error @below {{partials is 0, expected a power of two}}
func.func private @f() attributes {a = #kernel.numerics<block = 32>}

// -----

// expected-error @below {{block is -1, expected a number of positions}}
func.func private @f() attributes {a = #kernel.numerics<range = all, order = ascending, partials = 16, block = -1>}

// -----

// expected-error @below {{segment is 48, expected a multiple of the block of 32 positions}}
func.func private @f() attributes {a = #kernel.numerics<range = all, order = ascending, partials = 16, block = 32, segment = 48>}

// -----

// expected-error @below {{segment is -64, expected a multiple of the block of 32 positions}}
func.func private @f() attributes {a = #kernel.numerics<range = all, order = ascending, partials = 16, block = 32, segment = -64>}

// -----

// expected-error @below {{segment is 256, expected a multiple of the block of 0 positions}}
func.func private @f() attributes {a = #kernel.numerics<range = all, order = ascending, partials = 16, segment = 256>}

// -----

// expected-error @below {{unexpected 'segment', expected each of range, order, partials, block and segment at most once}}
func.func private @f() attributes {a = #kernel.numerics<partials = 16, block = 32, segment = 64, segment = 64>}

// -----

// An op states what it does, and that alone.
kernel.program @step function step max_tokens 16 {
  // expected-error @below {{has numerics #kernel.numerics<range = all, order = ascending, partials = 16>, expected no range and no block}}
  kernel.map rows "T" groups 1 width 16 attributes {numerics = #kernel.numerics<range = all, order = ascending, partials = 16>} {
  ^bb0(%row: index, %group: index, %lane: index):
  }
}

// -----

kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  %w = kernel.buffer "w" : !kernel.view<[64, 64], f32>
  // expected-error @below {{has numerics #kernel.numerics<partials = 16>, expected a range and an order and no block}}
  kernel.gemm rows "T" attributes {numerics = #kernel.numerics<partials = 16>}
    product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[64, 64], f32> {
  ^bb0(%acc: f32, %row: index, %feature: index):
  }
}

// -----

kernel.program @step function step max_tokens 16 {
  %logits = kernel.buffer "logits" : !kernel.view<["T", 16], f32>
  %e = kernel.buffer "e" : !kernel.view<["T", 1], i32>
  %s = kernel.buffer "s" : !kernel.view<["T", 1], f32>
  // expected-error @below {{expected no range and no block}}
  kernel.route rows "T" logits %logits : !kernel.view<["T", 16], f32> into %e, %s top 1 score sigmoid
    {numerics = #kernel.numerics<range = 2, order = ascending, partials = 16>}
    : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
}

// -----

lm.cache @layer layer 0 heads 2 width 16 : f32
kernel.program @step function step max_tokens 16 {
  %q = kernel.buffer "q" : !kernel.view<["T", 64], f32>
  %o = kernel.buffer "o" : !kernel.view<["T", 64], f32>
  %positions = kernel.input token_positions : !kernel.view<["T"], i32>
  %sequences = kernel.input token_sequences : !kernel.view<["T"], i32>
  %pages = kernel.page_table @layer : !kernel.view<["S", 16], i32>
  %k = kernel.cache @layer : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
  %v = kernel.cache @layer : !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>
  // expected-error @below {{expected a range and an order and a block}}
  kernel.attention %q, %k, %v at %positions of %sequences through %pages into %o chunk 0 scale 2.5e-1
    {numerics = #kernel.numerics<range = all, order = ascending, partials = 16>}
    : !kernel.view<["T", 64], f32>, !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>,
      !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 0>, !kernel.view<["T"], i32>,
      !kernel.view<["T"], i32>, !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>
}

// -----

// expected-error @below {{range is 24, expected whole blocks of 16 in order matrix_blocks}}
func.func private @f() attributes {a = #kernel.numerics<range = 24, order = matrix_blocks, partials = 32>}

// -----

// expected-error @below {{range is 48, expected whole blocks of 32 in order even_odd_blocks}}
func.func private @f() attributes {a = #kernel.numerics<range = 48, order = even_odd_blocks, partials = 16>}
