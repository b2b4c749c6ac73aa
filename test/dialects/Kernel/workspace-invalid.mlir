// RUN: yupana-opt %s --split-input-file --verify-diagnostics
// What a kernel.func says of its arguments: which are workspaces, and which are weights. What a launched op is given as a
// workspace is one.

kernel.program @step function step max_tokens 16 {
  %sums = kernel.buffer "sums" : !kernel.view<[3, 16], f32>
  // expected-error @below {{is given a '!kernel.view<[3, 16], f32>' as a workspace, expected memory that is one}}
  kernel.parallel workspace %sums : !kernel.view<[3, 16], f32> {
  }
}

// -----

// A kernel reads and writes the workspaces it lists, and no other view.
kernel.library @l target "x86-64-v3" {
  kernel.func @count workspace [0] {
  ^bb0(%y: !kernel.view<["T", 16], i32>, %w: !kernel.view<[16], i32>):
    // expected-error @below {{reads a '!kernel.view<[16], i32>' that it also writes}}
    kernel.map rows "T" groups 1 width 16 {
    ^bb0(%row: index, %group: index, %lane: index):
      %0 = kernel.load %w[%lane] : !kernel.view<[16], i32>
      // expected-note @below {{written here}}
      kernel.store %0, %w[%lane] : !kernel.view<[16], i32>
    }
  }
}

// -----

kernel.library @l target "x86-64-v3" {
  // expected-error @below {{has workspace 1, expected ascending numbers of its 1 arguments}}
  kernel.func @count workspace [1] {
  ^bb0(%w: !kernel.view<[16], i32>):
    kernel.map rows "T" groups 1 width 16 {
    ^bb0(%row: index, %group: index, %lane: index):
    }
  }
}

// -----

kernel.library @l target "x86-64-v3" {
  // expected-error @below {{has workspace 0, expected ascending numbers of its 1 arguments}}
  kernel.func @count workspace [0, 0] {
  ^bb0(%w: !kernel.view<[16], i32>):
    kernel.map rows "T" groups 1 width 16 {
    ^bb0(%row: index, %group: index, %lane: index):
    }
  }
}

// -----

kernel.library @l target "x86-64-v3" {
  // expected-error @below {{has weight 2, expected ascending numbers of its 1 arguments}}
  kernel.func @count weights [2] {
  ^bb0(%w: !kernel.view<[16], i32>):
    kernel.map rows "T" groups 1 width 16 {
    ^bb0(%row: index, %group: index, %lane: index):
    }
  }
}

// -----

kernel.library @l target "x86-64-v3" {
  // expected-error @below {{has argument 0 as a weight and as a workspace, expected one of the two}}
  kernel.func @count weights [0] workspace [0] {
  ^bb0(%w: !kernel.view<[16], i32>):
    kernel.map rows "T" groups 1 width 16 {
    ^bb0(%row: index, %group: index, %lane: index):
    }
  }
}

// -----

kernel.library @l target "x86-64-v3" {
  // expected-error @below {{writes argument 0, which is a weight}}
  kernel.func @count weights [0] {
  ^bb0(%w: !kernel.view<["T", 16], i32>):
    kernel.map rows "T" groups 1 width 16 {
    ^bb0(%row: index, %group: index, %lane: index):
      %0 = arith.constant 0 : i32
      kernel.store %0, %w[%row, %lane] : !kernel.view<["T", 16], i32>
    }
  }
}
