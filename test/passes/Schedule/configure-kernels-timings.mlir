// RUN: yupana-opt %s "--yupana-configure-kernels=target=x86-64-v3 candidate=0" > %t.mlir
// RUN: sed -n 's/.*signature<"\([0-9a-f]*\)", tokens = 16.*/{"format":"yupana timings","version":1,"entries":[{"target":"x86-64-v3","tokens":16,"on":"x","signature":"\1","configs":["#kernel.x86<\\"x86-64-v3\\", tile = 6 x 16, rows = ROWS>"],"measured":[],"candidates":1,"device":"d","date":"2026-11-28"}]}/p' %t.mlir > %t.json
// RUN: sed 's/ROWS/64/' %t.json > %t.right.json
// RUN: sed 's/ROWS/63/' %t.json > %t.stale.json
// RUN: sed 's/ROWS/0/' %t.json > %t.wrong.json
// RUN: yupana-opt %s "--yupana-configure-kernels=target=x86-64-v3 timings=%t.right.json" 2>&1 | FileCheck %s --check-prefix=RIGHT
// RUN: yupana-opt %s "--yupana-configure-kernels=target=x86-64-v3 timings=%t.stale.json" 2>&1 | FileCheck %s --check-prefix=STALE
// RUN: yupana-opt %s "--yupana-configure-kernels=target=x86-64-v4 timings=%t.right.json" 2>&1 | FileCheck %s --check-prefix=OTHER
// RUN: not yupana-opt %s "--yupana-configure-kernels=target=x86-64-v3 timings=%t.wrong.json" 2>&1 | FileCheck %s --check-prefix=WRONG
// RUN: not yupana-opt %s "--yupana-configure-kernels=target=x86-64-v3 timings=%t.missing.json" 2>&1 | FileCheck %s --check-prefix=MISSING

// The kernel that the file has takes the config found there, the other one the usual one; nothing but configs and grids
// differs from what is made without a file.
// RIGHT: remark: timings: 1 of 2 kernels of x86-64-v3 configured from {{.*}}right.json
// RIGHT-NOT: no kernel
// RIGHT: kernel.map {{.*}} rows = 256>
// RIGHT: kernel.map {{.*}} rows = 64>
// RIGHT-NOT: kernel.signature
// STALE: remark: timings: 0 of 2 kernels of x86-64-v3 configured from {{.*}}stale.json; 1 has configs that this compiler does not time any more
// STALE: kernel.map {{.*}} rows = 256>
// STALE: kernel.map {{.*}} rows = 256>
// OTHER: remark: timings: 0 of 2 kernels of x86-64-v4 configured from {{.*}}right.json
// WRONG: error: {{.*}}wrong.json: entries[0].configs: found {{.*}} which is no config: rows is 0, expected at least 1
// MISSING: error: {{.*}}missing.json
kernel.program @decode function step max_tokens 1 {
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 64], f32>
  }
}
kernel.program @step function step max_tokens 16 {
  %x = kernel.buffer "x" : !kernel.view<["T", 64], f32>
  kernel.map rows "T" groups 1 width 64 {
  ^bb0(%row: index, %group: index, %lane: index):
    %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 64], f32>
  }
}
