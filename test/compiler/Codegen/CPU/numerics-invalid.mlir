// RUN: yupana-opt %s --yupana-kernel-to-llvm --split-input-file --verify-diagnostics

// A kernel of x86 adds in one way, and takes no op that states another: a range of K.
kernel.library @library target "x86-64-v3" {
  kernel.func @range {
  ^bb0(%x: !kernel.view<["T", 512], f32>, %w: !kernel.view<[96, 512], f32, "panel32">, %y: !kernel.view<["T", 96], f32>):
    // expected-error @+1 {{has numerics #kernel.numerics<range = 256, order = ascending, partials = 16>, kernels of x86 add by #kernel.numerics<range = all, order = ascending, partials = 16>}}
    kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 264>, numerics = #kernel.numerics<range = 256, order = ascending, partials = 16>}
        product %x : !kernel.view<["T", 512], f32> times %w : !kernel.view<[96, 512], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 96], f32>
    }
  }
}

// -----

// The order of another type.
kernel.library @library target "x86-64-v4-bf16" {
  kernel.func @order {
  ^bb0(%x: !kernel.view<["T", 64], bf16>, %w: !kernel.view<[96, 64], bf16, "panel32x2">, %y: !kernel.view<["T", 96], f32>):
    // expected-error @+1 {{order = ascending, partials = 16>, kernels of x86 add by #kernel.numerics<range = all, order = odd_first_pairs, partials = 16>}}
    kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v4-bf16", tile = 8 x 32, rows = 264>, numerics = #kernel.numerics<range = all, order = ascending, partials = 16>}
        product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[96, 64], bf16, "panel32x2"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 96], f32>
    }
  }
}

// -----

// Other partial sums, in a member of a parallel.
kernel.library @library target "x86-64-v3" {
  kernel.func @partials {
  ^bb0(%x: !kernel.view<["T", 16], f32>, %y: !kernel.view<["T", 16], f32>):
    kernel.parallel {
      // expected-error @below {{has numerics #kernel.numerics<partials = 32>, kernels of x86 add by #kernel.numerics<partials = 16>}}
      kernel.map rows "T" groups 1 width 16 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 8>, grid = #kernel.grid<"T">, numerics = #kernel.numerics<partials = 32>} {
      ^bb0(%row: index, %group: index, %lane: index):
        %0 = kernel.load %x[%row, %lane] : !kernel.view<["T", 16], f32>
        %1 = kernel.sum %0 : f32
        kernel.store %1, %y[%row, %lane] : !kernel.view<["T", 16], f32>
      }
    }
  }
}

// -----

!keys = !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 16384>
!values = !kernel.cache<value, heads = 2, width = 16, page_tokens = 64, page_bytes = 16384>
// Other blocks of positions.
kernel.library @library target "x86-64-v3" {
  kernel.func @block {
  ^bb0(%q: !kernel.view<["T", 64], f32>, %k: !keys, %v: !values, %p: !kernel.view<["T"], i32>,
       %t: !kernel.view<["S", 16], i32>, %o: !kernel.view<["T", 64], f32>):
    // expected-error @below {{block = 32>, kernels of x86 add by #kernel.numerics<range = all, order = ascending, partials = 16, block = 64>}}
    kernel.attention %q, %k, %v at %p of %p through %t into %o chunk 0 scale 2.5e-1
      {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 1>,
       numerics = #kernel.numerics<range = all, order = ascending, partials = 16, block = 32>}
      : !kernel.view<["T", 64], f32>, !keys, !values, !kernel.view<["T"], i32>, !kernel.view<["T"], i32>,
        !kernel.view<["S", 16], i32>, !kernel.view<["T", 64], f32>
  }
}

// -----

// Tile registers add by blocks, dot products by pairs.
kernel.library @library target "x86-64-v4-amx" {
  kernel.func @blocks {
  ^bb0(%x: !kernel.view<["T", 64], bf16>, %w: !kernel.view<[96, 64], bf16, "panel32x2">, %y: !kernel.view<["T", 96], f32>):
    // expected-error @+1 {{order = odd_first_pairs, partials = 16>, kernels of x86 add by #kernel.numerics<range = all, order = even_odd_blocks, partials = 16>}}
    kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v4-amx", tile = 32 x 32, rows = 256>, numerics = #kernel.numerics<range = all, order = odd_first_pairs, partials = 16>}
        product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[96, 64], bf16, "panel32x2"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 96], f32>
    }
  }
}
