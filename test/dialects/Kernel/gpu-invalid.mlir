// RUN: yupana-opt %s --split-input-file --verify-diagnostics

// expected-error @below {{target is "x86-64-v3", expected the name of a GPU such as "sm_90a"}}
func.func private @f() attributes {a = #kernel.gpu<"x86-64-v3", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 32, blocks = 1, rows = 1>}

// -----

// expected-error @below {{form wgmma is for "sm_90a", the target is "sm_80"}}
func.func private @f() attributes {a = #kernel.gpu<"sm_80", form = wgmma, tile = 64 x 8 x 64, stages = 2, threads = 256, blocks = 1, rows = 1>}

// -----

// expected-error @below {{form simt has a tile of 16 x 8 x 16 and 2 stages, expected neither}}
func.func private @f() attributes {a = #kernel.gpu<"sm_80", form = simt, tile = 16 x 8 x 16, stages = 2, threads = 32, blocks = 1, rows = 1>}

// -----

// expected-error @below {{form mma has a tile of 16 x 12 x 16 and 2 stages, expected multiples of 16 x 8 x 16 and at most 256 rows}}
func.func private @f() attributes {a = #kernel.gpu<"sm_80", form = mma, tile = 16 x 12 x 16, stages = 2, threads = 32, blocks = 1, rows = 1>}

// -----

// expected-error @below {{form decode has a tile of 32 x 8 x 256 and 8 stages, expected multiples of 64 x 8 x 64 and at most 256 rows}}
func.func private @f() attributes {a = #kernel.gpu<"sm_80", form = decode, tile = 32 x 8 x 256, stages = 8, threads = 160, blocks = 1, rows = 1>}

// -----

// expected-error @below {{form wgmma has a tile of 64 x 264 x 64 and 2 stages, expected multiples of 64 x 8 x 64 and at most 256 rows}}
func.func private @f() attributes {a = #kernel.gpu<"sm_90a", form = wgmma, tile = 64 x 264 x 64, stages = 2, threads = 256, blocks = 1, rows = 1>}

// -----

// expected-error @below {{form mma has a tile of 16 x 8 x 16 and 1 stages, expected at least 2 stages, one to fill while another is read}}
func.func private @f() attributes {a = #kernel.gpu<"sm_80", form = mma, tile = 16 x 8 x 16, stages = 1, threads = 32, blocks = 1, rows = 1>}

// -----

// expected-error @below {{form wgmma has 96 threads, expected a multiple of 32 from 128 to 1024}}
func.func private @f() attributes {a = #kernel.gpu<"sm_90a", form = wgmma, tile = 64 x 8 x 64, stages = 2, threads = 96, blocks = 1, rows = 1>}

// -----

// expected-error @below {{form simt has 1056 threads, expected a multiple of 32 from 32 to 1024}}
func.func private @f() attributes {a = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 1056, blocks = 1, rows = 1>}

// -----

// expected-error @below {{blocks is 0, expected at least 1}}
func.func private @f() attributes {a = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 32, blocks = 0, rows = 1>}

// -----

// expected-error @below {{form simt has cells of 0 rows, expected at least 1}}
func.func private @f() attributes {a = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 32, blocks = 1, rows = 0>}

// -----

// expected-error @below {{form mma has cells of 8 rows, expected 1, since the tile says how many}}
func.func private @f() attributes {a = #kernel.gpu<"sm_80", form = mma, tile = 16 x 8 x 16, stages = 2, threads = 32, blocks = 1, rows = 8>}

// -----

// expected-error @below {{form mma has clusters of 2 blocks, expected from 1 to 1}}
func.func private @f() attributes {a = #kernel.gpu<"sm_90a", form = mma, tile = 16 x 8 x 16, stages = 2, threads = 32, blocks = 1, rows = 1, cluster = 2>}

// -----

// expected-error @below {{form wgmma has clusters of 16 blocks, expected from 1 to 8}}
func.func private @f() attributes {a = #kernel.gpu<"sm_90a", form = wgmma, tile = 64 x 8 x 64, stages = 2, threads = 128, blocks = 1, rows = 1, cluster = 16>}

// -----

// expected-error @below {{form pingpong is for "sm_90a", the target is "sm_100a"}}
func.func private @f() attributes {a = #kernel.gpu<"sm_100a", form = pingpong, tile = 128 x 64 x 64, stages = 2, threads = 384, blocks = 1, rows = 1>}
