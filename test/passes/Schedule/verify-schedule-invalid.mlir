// RUN: yupana-opt %s --yupana-verify-schedule --split-input-file --verify-diagnostics

kernel.program @step function step max_tokens 16 {
  // expected-error @below {{'kernel.map' op has no grid or no config, expected configure-kernels to have run}}
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
  }
}

// -----

// A library is for one target.
kernel.program @step function step max_tokens 16 {
  // expected-note @below {{first kernel}}
  kernel.map rows "T" groups 1 width 64 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 4>, grid = #kernel.grid<"T">} {
  ^bb0(%row: index, %group: index, %lane: index):
  }
  // expected-error @below {{'kernel.map' op is configured for "x86-64-v4", other kernels for "x86-64-v3"}}
  kernel.map rows "T" groups 1 width 64 attributes {config = #kernel.x86<"x86-64-v4", tile = 8 x 32, rows = 4>, grid = #kernel.grid<"T">} {
  ^bb0(%row: index, %group: index, %lane: index):
  }
}

// -----

// A parallel needs its grid.
kernel.program @step function step max_tokens 16 {
  // expected-error @below {{'kernel.parallel' op has no grid or no config, expected configure-kernels to have run}}
  kernel.parallel {
    kernel.map rows "T" groups 1 width 64 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 4>, grid = #kernel.grid<"T">} {
    ^bb0(%row: index, %group: index, %lane: index):
    }
  }
}

// -----

// And so do its members.
kernel.program @step function step max_tokens 16 {
  kernel.parallel attributes {grid = #kernel.grid<"T">} {
    // expected-error @below {{'kernel.map' op has no grid or no config, expected configure-kernels to have run}}
    kernel.map rows "T" groups 1 width 64 {
    ^bb0(%row: index, %group: index, %lane: index):
    }
  }
}
