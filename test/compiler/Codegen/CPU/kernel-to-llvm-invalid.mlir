// RUN: yupana-opt %s --yupana-kernel-to-llvm --split-input-file --verify-diagnostics

// A library is for a target that code can be generated for.
// expected-error @below {{is for "pdp-11", expected a CPU target}}
kernel.library @library target "pdp-11" {
}

// -----

// A kernel without choices cannot be cut into cells.
kernel.library @library target "x86-64-v3" {
  kernel.func @copy {
  ^bb0(%x: !kernel.view<["T", 16], f32>):
    // expected-error @below {{config}}
    kernel.map rows "T" groups 1 width 16 {
    ^bb0(%row: index, %group: index, %lane: index):
      %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 16], f32>
    }
  }
}

// -----

// A member of a parallel finds its cells by its grid.
kernel.library @library target "x86-64-v3" {
  kernel.func @members {
  ^bb0(%x: !kernel.view<["T", 16], f32>):
    kernel.parallel {
      // expected-error @below {{has no grid, which its place among others needs}}
      kernel.map rows "T" groups 1 width 16 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 8>} {
      ^bb0(%row: index, %group: index, %lane: index):
      }
    }
  }
}

// -----

// A kernel on a CPU is told the sizes of the step, not how many workers there are.
kernel.library @library target "x86-64-v3" {
  kernel.func @workers {
  ^bb0(%x: !kernel.view<["T", 16], f32>):
    kernel.parallel {
      // expected-error @below {{has grid #kernel.grid<"sms">, but a kernel is told no more than T, S and R}}
      kernel.map rows "T" groups 1 width 16 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 8>,
                                                        grid = #kernel.grid<"sms">} {
      ^bb0(%row: index, %group: index, %lane: index):
      }
    }
  }
}
