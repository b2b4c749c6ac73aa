// RUN: yupana-opt %s --split-input-file --verify-diagnostics --yupana-kernel-to-llvm

kernel.library @library target "x86-64-v3" {
  kernel.func @layout {
  ^bb0(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[96, 64], f32>, %y: !kernel.view<["T", 96], f32>):
    // expected-error @+1 {{a CPU kernel takes a row-major input and a panel32 weight}}
    kernel.gemm %x, %w {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 264>}
      : !kernel.view<["T", 64], f32>, !kernel.view<[96, 64], f32> {
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
    kernel.gemm %x, %w {config = #kernel.x86<"x86-64-v3", tile = 8 x 32, rows = 264>}
      : !kernel.view<["T", 64], f32>, !kernel.view<[96, 64], f32, "panel32"> {
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
    kernel.gemm %x, %w {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 264>}
      : !kernel.view<["T", 64], f32>, !kernel.view<[96, 64], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 96], f32>
    }
  }
}

// -----

// expected-error @+1 {{target sm_90a: no code generator for it yet}}
kernel.library @library target "sm_90a" {
}
