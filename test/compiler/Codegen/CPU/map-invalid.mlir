// RUN: yupana-opt %s --split-input-file --verify-diagnostics --yupana-kernel-to-llvm

kernel.library @library target "x86-64-v3" {
  kernel.func @unsupported {
  ^bb0(%y: !kernel.view<["T"], f32>):
    kernel.map rows "T" groups 1 width 1 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 8>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %c = arith.constant 1.0 : f32
      // expected-error @+1 {{'math.sincos' is not supported in a scalar region on a CPU}}
      %s, %t = math.sincos %c : f32
      kernel.store %s, %y[%row] : !kernel.view<["T"], f32>
    }
  }
}

// -----

kernel.library @library target "x86-64-v3" {
  kernel.func @unconfigured {
  ^bb0(%y: !kernel.view<["T"], f32>):
    // expected-error @+1 {{has no #kernel.x86 config, which code for x86-64-v3 needs}}
    kernel.map rows "T" groups 1 width 1 {
    ^bb0(%row: index, %group: index, %lane: index):
      %c = arith.constant 1.0 : f32
      kernel.store %c, %y[%row] : !kernel.view<["T"], f32>
    }
  }
}

// -----

!keys = !kernel.cache<key, heads = 1, width = 16, page_tokens = 32, page_bytes = 0>

kernel.library @library target "x86-64-v3" {
  kernel.func @ungrouped {
  ^bb0(%k: !keys, %p: !kernel.view<["S", 4], i32>):
    kernel.map rows "T" groups 1 width 16 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 8>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %c = arith.constant 1.0 : f32
      %c0 = arith.constant 0 : index
      // expected-error @+1 {{writes to pages of 0 bytes}}
      kernel.append %c, %k[%c0, %lane] at %row of %c0 through %p : f32, !keys, !kernel.view<["S", 4], i32>
    }
  }
}

// -----

// Numbers are computed in float32: bfloat16 is a way to store them.
kernel.library @library target "x86-64-v4-bf16" {
  kernel.func @half {
  ^bb0(%x: !kernel.view<["T", 16], bf16>, %y: !kernel.view<["T", 16], bf16>):
    kernel.map rows "T" groups 1 width 16 attributes {config = #kernel.x86<"x86-64-v4-bf16", tile = 8 x 32, rows = 8>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 16], bf16>
      // expected-error @+1 {{'arith.addf' is not supported in a scalar region on a CPU}}
      %w = arith.addf %v, %v : bf16
      kernel.store %w, %y[%row, %lane] : !kernel.view<["T", 16], bf16>
    }
  }
}

// -----

// Between the two alone there are conversions.
kernel.library @library target "x86-64-v3" {
  kernel.func @double {
  ^bb0(%x: !kernel.view<["T", 16], f32>, %y: !kernel.view<["T", 16], f32>):
    kernel.map rows "T" groups 1 width 16 attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 8>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 16], f32>
      // expected-error @+1 {{'arith.extf' from 'f32' to 'f64' is not supported in a scalar region on a CPU}}
      %w = arith.extf %v : f32 to f64
      %n = arith.truncf %w : f64 to f32
      kernel.store %n, %y[%row, %lane] : !kernel.view<["T", 16], f32>
    }
  }
}
