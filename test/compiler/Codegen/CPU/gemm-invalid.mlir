// RUN: yupana-opt %s --split-input-file --verify-diagnostics --yupana-kernel-to-llvm

kernel.library @library target "x86-64-v3" {
  kernel.func @layout {
  ^bb0(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[96, 64], f32>, %y: !kernel.view<["T", 96], f32>):
    // expected-error @+1 {{multiplies by '!kernel.view<[96, 64], f32>', a CPU kernel takes a panel32 weight}}
    kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 264>}
        product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[96, 64], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 96], f32>
    }
  }
}

// -----

kernel.library @library target "x86-64-v3" {
  kernel.func @pairs {
  ^bb0(%x: !kernel.view<["T", 64], bf16>, %w: !kernel.view<[96, 64], bf16, "panel32">, %y: !kernel.view<["T", 96], f32>):
    // expected-error @+1 {{a CPU kernel takes a panel32x2 weight}}
    kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 264>}
        product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[96, 64], bf16, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 96], f32>
    }
  }
}

// -----

kernel.library @library target "x86-64-v3" {
  kernel.func @tile {
  ^bb0(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[96, 64], f32, "panel32">, %y: !kernel.view<["T", 96], f32>):
    // expected-error @+1 {{has a tile of 8 x 32, which 16 registers of 8 lanes do not hold}}
    kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v3", tile = 8 x 32, rows = 264>}
        product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[96, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 96], f32>
    }
  }
}

// -----

kernel.library @library target "x86-64-v4" {
  kernel.func @target {
  ^bb0(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[96, 64], f32, "panel32">, %y: !kernel.view<["T", 96], f32>):
    // expected-error @+1 {{is configured for x86-64-v3, but its library is for x86-64-v4}}
    kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 264>}
        product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[96, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 96], f32>
    }
  }
}

// -----

// expected-error @+1 {{is for "sm_90a", expected a CPU target}}
kernel.library @library target "sm_90a" {
}

// -----

// What an input region computes with has to have an instruction.
kernel.library @library target "x86-64-v3" {
  kernel.func @input {
  ^bb0(%w: !kernel.view<[96, 64], f32, "panel32">, %y: !kernel.view<["T", 96], f32>):
    kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 264>} product {
    ^bb0(%row: index, %k: index):
      %c = arith.constant 1.0 : f32
      // expected-error @+1 {{'math.sincos' is not supported in a scalar region on a CPU}}
      %s, %t = math.sincos %c : f32
      kernel.yield %s : f32
    } times %w : !kernel.view<[96, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 96], f32>
    }
  }
}

// -----

// One row is added for all lanes.
kernel.library @library target "x86-64-v3" {
  kernel.func @rows {
  ^bb0(%w: !kernel.view<[96, 64], f32, "panel32">, %s: !kernel.view<[64, 4], f32>, %y: !kernel.view<["T", 96], f32>):
    kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 264>} product {
    ^bb0(%row: index, %k: index):
      // expected-error @+1 {{'kernel.row_sum' op adds another row in every lane, which is not supported on a CPU}}
      %x = kernel.row_sum %s[%k] : !kernel.view<[64, 4], f32>
      kernel.yield %x : f32
    } times %w : !kernel.view<[96, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 96], f32>
    }
  }
}

// -----

// Tile registers hold the sums of 32 rows by a panel, no more and no fewer.
kernel.library @library target "x86-64-v4-amx" {
  kernel.func @tile {
  ^bb0(%x: !kernel.view<["T", 64], bf16>, %w: !kernel.view<[96, 64], bf16, "panel32x2">, %y: !kernel.view<["T", 96], f32>):
    // expected-error @+1 {{has a tile of 12 x 32, tile registers hold one of 32 x 32}}
    kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v4-amx", tile = 12 x 32, rows = 144>}
        product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[96, 64], bf16, "panel32x2"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 96], f32>
    }
  }
}
