// RUN: yupana-opt %s --yupana-kernel-to-nvvm --split-input-file --verify-diagnostics

// expected-error @below {{is for "x86-64-v3", expected a GPU target}}
kernel.library @library target "x86-64-v3" {
}

// -----

kernel.library @library target "sm_80" {
  kernel.func @map {
  ^bb0(%y: !kernel.view<["T"], f32>):
    // expected-error @below {{has no #kernel.gpu config, which code for a GPU needs}}
    kernel.map rows "T" groups 1 width 1 {
    ^bb0(%row: index, %group: index, %lane: index):
      %c = arith.constant 1.0 : f32
      kernel.store %c, %y[%row] : !kernel.view<["T"], f32>
    }
  }
}

// -----

#other = #kernel.gpu<"sm_89", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 1>
kernel.library @library target "sm_80" {
  kernel.func @map {
  ^bb0(%y: !kernel.view<["T"], f32>):
    // expected-error @below {{is configured for sm_89, but its library is for sm_80}}
    kernel.map rows "T" groups 1 width 1 attributes {config = #other} {
    ^bb0(%row: index, %group: index, %lane: index):
      %c = arith.constant 1.0 : f32
      kernel.store %c, %y[%row] : !kernel.view<["T"], f32>
    }
  }
}

// -----

#config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 1>
kernel.library @library target "sm_80" {
  kernel.func @map {
  ^bb0(%y: !kernel.view<["T"], f32>):
    // expected-error @below {{has numerics #kernel.numerics<partials = 16>, kernels of GPUs add by #kernel.numerics<partials = 32>}}
    kernel.map rows "T" groups 1 width 1 attributes {config = #config, numerics = #kernel.numerics<partials = 16>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %c = arith.constant 1.0 : f32
      kernel.store %c, %y[%row] : !kernel.view<["T"], f32>
    }
  }
}

// -----

#config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 1>
kernel.library @library target "sm_80" {
  kernel.func @both {
  ^bb0(%y: !kernel.view<["T"], f32>, %z: !kernel.view<["T"], f32>):
    kernel.parallel {
      // expected-error @below {{has no grid, which its place among others needs}}
      kernel.map rows "T" groups 1 width 1 attributes {config = #config} {
      ^bb0(%row: index, %group: index, %lane: index):
        %c = arith.constant 1.0 : f32
        kernel.store %c, %y[%row] : !kernel.view<["T"], f32>
      }
      kernel.map rows "T" groups 1 width 1 attributes {config = #config} {
      ^bb0(%row: index, %group: index, %lane: index):
        %c = arith.constant 1.0 : f32
        kernel.store %c, %z[%row] : !kernel.view<["T"], f32>
      }
    }
  }
}

// -----

#config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 1>
kernel.library @library target "sm_80" {
  kernel.func @map {
  ^bb0(%x: !kernel.view<["T", 8], f32>, %y: !kernel.view<["T", 4], f32>):
    kernel.map rows "T" groups 1 width 4 attributes {config = #config} {
    ^bb0(%row: index, %group: index, %lane: index):
      // expected-error @below {{adds another row in every lane, which is not supported on a GPU}}
      %s = kernel.row_sum %x[%lane] : !kernel.view<["T", 8], f32>
      kernel.store %s, %y[%row, %lane] : !kernel.view<["T", 4], f32>
    }
  }
}

// -----

#config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 1>
kernel.library @library target "sm_80" {
  kernel.func @map {
  ^bb0(%x: !kernel.view<["T"], bf16>, %y: !kernel.view<["T"], bf16>):
    kernel.map rows "T" groups 1 width 1 attributes {config = #config} {
    ^bb0(%row: index, %group: index, %lane: index):
      %v = kernel.load %x[%row] : !kernel.view<["T"], bf16>
      // expected-error @below {{'arith.addf' is not supported in a scalar region on a GPU}}
      %d = arith.addf %v, %v : bf16
      kernel.store %d, %y[%row] : !kernel.view<["T"], bf16>
    }
  }
}

// -----

#config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 1>
kernel.library @library target "sm_80" {
  kernel.func @route {
  ^bb0(%x: !kernel.view<["T", 65536], f32>, %w: !kernel.view<[4, 65536], bf16>, %e: !kernel.view<["T", 1], i32>,
       %s: !kernel.view<["T", 1], f32>):
    // expected-error @below {{needs 262196 bytes of shared memory, a block of sm_80 has 166912}}
    kernel.route rows "T" product %x : !kernel.view<["T", 65536], f32> times %w : !kernel.view<[4, 65536], bf16>
      into %e, %s top 1 score sigmoid {config = #config} : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  }
}

// -----

#config = #kernel.gpu<"sm_80", form = decode, tile = 0 x 0 x 0, stages = 0, threads = 32, blocks = 1, rows = 1>
kernel.library @library target "sm_80" {
  kernel.func @route {
  ^bb0(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[4, 64], bf16>, %e: !kernel.view<["T", 1], i32>,
       %s: !kernel.view<["T", 1], f32>):
    // expected-error @below {{has 0 workspaces, expected 2 for routing by #kernel.gpu<"sm_80", form = decode, tile = 0 x 0 x 0, stages = 0, threads = 32, blocks = 1, rows = 1>}}
    kernel.route rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[4, 64], bf16>
      into %e, %s top 1 score sigmoid {config = #config} : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  }
}

// -----

#config = #kernel.gpu<"sm_80", form = decode, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 1>
kernel.library @library target "sm_80" {
  kernel.func @route {
  ^bb0(%l: !kernel.view<["T", 4], f32>, %e: !kernel.view<["T", 1], i32>, %s: !kernel.view<["T", 1], f32>):
    // expected-error @below {{expected form simt for given logits}}
    kernel.route rows "T" logits %l : !kernel.view<["T", 4], f32> into %e, %s top 1 score sigmoid {config = #config}
      : !kernel.view<["T", 1], i32>, !kernel.view<["T", 1], f32>
  }
}

// -----

#config = #kernel.gpu<"sm_80", form = decode, tile = 0 x 0 x 0, stages = 0, threads = 160, blocks = 1, rows = 1>
kernel.library @library target "sm_80" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 64], bf16>, %w: !kernel.view<[64, 64], bf16, "tile64x128">, %y: !kernel.view<["T", 64], f32>):
    // expected-error @below {{expected a tile}}
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[64, 64], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
    }
  }
}
