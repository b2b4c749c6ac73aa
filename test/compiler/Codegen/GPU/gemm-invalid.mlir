// RUN: yupana-opt %s --yupana-kernel-to-nvvm --split-input-file --verify-diagnostics

#config = #kernel.gpu<"sm_80", form = mma, tile = 64 x 8 x 32, stages = 4, threads = 128, blocks = 1, rows = 1>
kernel.library @library target "sm_80" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 32], f32>, %w: !kernel.view<[64, 32], f32, "panel32">, %y: !kernel.view<["T", 64], f32>):
    // expected-error @below {{multiplies by '!kernel.view<[64, 32], f32, "panel32">', a GPU kernel takes a tile64x128 weight}}
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 32], f32> times %w : !kernel.view<[64, 32], f32, "panel32"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
    }
  }
}

// -----

#config = #kernel.gpu<"sm_80", form = mma, tile = 64 x 8 x 64, stages = 4, threads = 128, blocks = 1, rows = 1>
kernel.library @library target "sm_80" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 32], f32>, %w: !kernel.view<[64, 32], f32, "tile64x128">, %y: !kernel.view<["T", 64], f32>):
    // expected-error @below {{expected form mma with a tile of 64 x rows x 32 and 128 threads}}
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 32], f32> times %w : !kernel.view<[64, 32], f32, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
    }
  }
}

// -----

#config = #kernel.gpu<"sm_89", form = mma, tile = 64 x 64 x 64, stages = 8, threads = 128, blocks = 1, rows = 1>
kernel.library @library target "sm_89" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 64], bf16>, %w: !kernel.view<[64, 64], bf16, "tile64x128">, %y: !kernel.view<["T", 64], f32>):
    // expected-error @below {{needs 148480 bytes of shared memory for a tile of 64 rows in 8 stages, a block of sm_89 has 101376}}
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[64, 64], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
    }
  }
}

// -----

#config = #kernel.gpu<"sm_80", form = mma, tile = 64 x 8 x 32, stages = 4, threads = 128, blocks = 1, rows = 1>
kernel.library @library target "sm_80" {
  kernel.func @gemm {
  ^bb0(%s: !kernel.view<["T", 32], f32>, %w: !kernel.view<[64, 32], f32, "tile64x128">, %y: !kernel.view<["T", 64], f32>):
    kernel.gemm rows "T" attributes {config = #config} product {
    ^bb0(%row: index, %k: index):
      // expected-error @below {{adds another row for every k, which is not supported on a GPU}}
      %sum = kernel.row_sum %s[%k] : !kernel.view<["T", 32], f32>
      kernel.yield %sum : f32
    } times %w : !kernel.view<[64, 32], f32, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
    }
  }
}

// -----

// No instruction of a warpgroup multiplies float32 unrounded.
#config = #kernel.gpu<"sm_90a", form = wgmma, tile = 64 x 16 x 64, stages = 4, threads = 256, blocks = 1, rows = 1>
kernel.library @library target "sm_90a" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 32], f32>, %w: !kernel.view<[64, 32], f32, "tile64x128">, %y: !kernel.view<["T", 64], f32>):
    // expected-error @below {{or in bfloat16 form wgmma with 256}}
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 32], f32> times %w : !kernel.view<[64, 32], f32, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
    }
  }
}

// -----

#config = #kernel.gpu<"sm_90a", form = decode, tile = 64 x 8 x 256, stages = 4, threads = 160, blocks = 2, rows = 1>
kernel.library @library target "sm_90a" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 64], bf16>, %w: !kernel.view<[64, 64], bf16, "tile64x128">, %y: !kernel.view<["T", 64], f32>):
    // expected-error @below {{has form decode, expected workspaces '!kernel.view<[1, 512], f32>' and '!kernel.view<[1], i32>'}}
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[64, 64], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
    }
  }
}

// -----

#config = #kernel.gpu<"sm_90a", form = decode, tile = 64 x 8 x 256, stages = 4, threads = 160, blocks = 2, rows = 1>
kernel.library @library target "sm_90a" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 64], f32>, %w: !kernel.view<[64, 64], f32, "tile64x128">, %y: !kernel.view<["T", 64], f32>):
    // expected-error @below {{has form decode, which multiplies one bfloat16 weight in form tile64x128 by rows that are not sorted}}
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[64, 64], f32, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
    }
  }
}

// -----

#config = #kernel.gpu<"sm_90a", form = decode, tile = 64 x 8 x 256, stages = 4, threads = 128, blocks = 2, rows = 1>
kernel.library @library target "sm_90a" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 64], bf16>, %w: !kernel.view<[64, 64], bf16, "tile64x128">, %y: !kernel.view<["T", 64], f32>):
    // expected-error @below {{expected form decode with a tile of 64 features, rows that are a power of two, 160 threads and the stages of its launch}}
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[64, 64], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
    }
  }
}

// -----

#config = #kernel.gpu<"sm_90a", form = decode, tile = 64 x 8 x 256, stages = 28, threads = 160, blocks = 1, rows = 1>
kernel.library @library target "sm_90a" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 64], bf16>, %w: !kernel.view<[64, 64], bf16, "tile64x128">, %y: !kernel.view<["T", 64], f32>):
    // expected-error @below {{needs 240200 bytes of shared memory, a block of sm_90a has 232448}}
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[64, 64], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
    }
  }
}

// -----

#config = #kernel.gpu<"sm_90a", form = wgmma, tile = 128 x 256 x 64, stages = 4, threads = 384, blocks = 1, rows = 1>
kernel.library @library target "sm_90a" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 64], bf16>, %w: !kernel.view<[64, 64], bf16, "tile64x128">, %y: !kernel.view<["T", 64], f32>):
    // expected-error @below {{has a tile of 128 features, which takes one bfloat16 weight in form tile64x128 and token rows in form rows128, all or sorted by expert, and groups of at most as many features}}
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[64, 64], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
    }
  }
}

// -----

#config = #kernel.gpu<"sm_90a", form = wgmma, tile = 128 x 256 x 64, stages = 4, threads = 256, blocks = 1, rows = 1>
kernel.library @library target "sm_90a" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 64], bf16, "rows128">, %w: !kernel.view<[64, 64], bf16, "tile64x128">, %y: !kernel.view<["T", 64], f32>):
    // expected-error @below {{expected a depth of 64 and 384 threads for a tile of 128 features}}
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 64], bf16, "rows128"> times %w : !kernel.view<[64, 64], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
    }
  }
}

// -----

#config = #kernel.gpu<"sm_90a", form = wgmma, tile = 128 x 256 x 64, stages = 5, threads = 384, blocks = 1, rows = 1>
kernel.library @library target "sm_90a" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 64], bf16, "rows128">, %w: !kernel.view<[64, 64], bf16, "tile64x128">, %y: !kernel.view<["T", 64], f32>):
    // expected-error @below {{needs 279632 bytes of shared memory for a tile of 256 rows in 5 stages, a block of sm_90a has 232448}}
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 64], bf16, "rows128"> times %w : !kernel.view<[64, 64], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 64], f32>
    }
  }
}

// -----

#config = #kernel.gpu<"sm_90a", form = wgmma, tile = 128 x 256 x 64, stages = 4, threads = 384, blocks = 1, rows = 1, cluster = 2>
kernel.library @library target "sm_90a" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 64], bf16, "rows128">, %w: !kernel.view<[320, 64], bf16, "tile64x128">, %y: !kernel.view<["T", 320], f32>):
    // expected-error @below {{has 3 cells of 128 features and clusters of 2 blocks, expected 1, or 2 for an even number of cells}}
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 64], bf16, "rows128"> times %w : !kernel.view<[320, 64], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 320], f32>
    }
  }
}

// -----

#config = #kernel.gpu<"sm_90a", form = wgmma, tile = 64 x 128 x 64, stages = 4, threads = 256, blocks = 1, rows = 1, cluster = 2>
kernel.library @library target "sm_90a" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 64], bf16>, %w: !kernel.view<[128, 64], bf16, "tile64x128">, %y: !kernel.view<["T", 128], f32>):
    // expected-error @below {{has clusters of 2 blocks, expected 1 for a tile of 64 features}}
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 64], bf16> times %w : !kernel.view<[128, 64], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 128], f32>
    }
  }
}

// -----

#config = #kernel.gpu<"sm_90a", form = pingpong, tile = 128 x 256 x 64, stages = 2, threads = 384, blocks = 1, rows = 1>
kernel.library @library target "sm_90a" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 64], bf16, "rows128">, %w: !kernel.view<[128, 64], bf16, "tile64x128">, %y: !kernel.view<["T", 128], f32>):
    // expected-error @below {{expected a tile of 128 features and at most 128 rows for form pingpong}}
    kernel.gemm rows "T" attributes {config = #config}
        product %x : !kernel.view<["T", 64], bf16, "rows128"> times %w : !kernel.view<[128, 64], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 128], f32>
    }
  }
}

// -----

#alone = #kernel.gpu<"sm_90a", form = wgmma, tile = 128 x 64 x 64, stages = 4, threads = 384, blocks = 1, rows = 1>
#pair = #kernel.gpu<"sm_90a", form = wgmma, tile = 128 x 64 x 64, stages = 4, threads = 384, blocks = 1, rows = 1, cluster = 2>
kernel.library @library target "sm_90a" {
  kernel.func @gemms {
  ^bb0(%x: !kernel.view<["T", 64], bf16, "rows128">, %w: !kernel.view<[256, 64], bf16, "tile64x128">,
       %y: !kernel.view<["T", 256], f32>, %z: !kernel.view<["T", 256], f32>):
    kernel.parallel {
      kernel.gemm rows "T" attributes {config = #alone}
          product %x : !kernel.view<["T", 64], bf16, "rows128"> times %w : !kernel.view<[256, 64], bf16, "tile64x128"> {
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 256], f32>
      }
      // expected-error @below {{has clusters of 2 blocks, other members of the launch of 1}}
      kernel.gemm rows "T" attributes {config = #pair}
          product %x : !kernel.view<["T", 64], bf16, "rows128"> times %w : !kernel.view<[256, 64], bf16, "tile64x128"> {
      ^bb0(%acc: f32, %row: index, %feature: index):
        kernel.store %acc, %z[%row, %feature] : !kernel.view<["T", 256], f32>
      }
    }
  }
}
