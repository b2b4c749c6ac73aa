// RUN: yupana-opt %s --yupana-kernel-to-nvvm --canonicalize --cse --split-input-file | FileCheck %s

// A kernel takes pointers to global memory, then T, S and R. A sum is a partial sum per lane of a warp and five shuffles;
// what is beyond the last lane is computed once more and not added, and has no effect.
kernel.library @library target "sm_80" {
  kernel.func @norm {
  ^bb0(%x: !kernel.view<["T", 40], f32>, %y: !kernel.view<["T", 40], f32>):
    kernel.map rows "T" groups 1 width 40 attributes {config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 8>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %v = kernel.load %x[%row, %lane] : !kernel.view<["T", 40], f32>
      %v2 = arith.mulf %v, %v : f32
      %s = kernel.sum %v2 : f32
      %r = math.sqrt %s : f32
      %q = arith.divf %v, %r : f32
      kernel.store %q, %y[%row, %lane] : !kernel.view<["T", 40], f32>
    }
  }
}

// CHECK:       llvm.mlir.global external @dynamic_shared() {addr_space = 3 : i32, alignment = 1024 : i64}
// CHECK-LABEL: llvm.func @norm(
// CHECK-SAME:    %[[X:[^:]*]]: !llvm.ptr<1> {llvm.align = 16 : i64, llvm.noalias}, %[[Y:[^:]*]]: !llvm.ptr<1>
// CHECK-SAME:    %[[T:[^:]*]]: i32, %{{[^:]*}}: i32, %{{[^:]*}}: i32) attributes {kernel.shared_bytes = 0 : i64, nvvm.kernel, nvvm.minctasm = 1 : i32, nvvm.reqntid = array<i32: 128, 1, 1>}
// CHECK:         %[[THREAD:.*]] = nvvm.read.ptx.sreg.tid.x
// CHECK:         %[[LANE:.*]] = arith.remui %[[THREAD]], %c32_i32
// CHECK:         scf.for
// CHECK:           %[[V:.*]] = llvm.load %{{.*}} invariant
// CHECK:           %[[V2:.*]] = arith.mulf %[[V]], %[[V]] : f32
// CHECK:           %[[FIRST:.*]] = arith.addf %[[V2]], %cst
// CHECK:           %[[LAST:.*]] = arith.addi %[[LANE]], %c32_i32
// CHECK:           arith.minsi %[[LAST]], %c39_i32
// CHECK:           %[[EXISTS:.*]] = arith.cmpi slt, %[[LAST]], %c40_i32
// CHECK:           %[[SECOND:.*]] = arith.select %[[EXISTS]], %{{.*}}, %cst
// CHECK:           %[[SUM:.*]] = arith.addf %[[FIRST]], %[[SECOND]]
// CHECK:           nvvm.shfl.sync bfly %{{.*}}, %[[SUM]], %c16_i32
// CHECK-COUNT-4:   nvvm.shfl.sync bfly
// CHECK:           %[[ROOT:.*]] = math.sqrt
// CHECK:           arith.divf %{{.*}}, %[[ROOT]]
// CHECK:           llvm.store
// CHECK:           %[[HAS:.*]] = arith.cmpi slt, %[[LANE]], %c8_i32
// CHECK:           scf.if %[[HAS]] {
// CHECK:             arith.divf %{{.*}}, %[[ROOT]]
// CHECK:             llvm.store

// -----

// Without sums a group has as many threads as lanes, rounded up to a power of two; several groups share the block.
kernel.library @library target "sm_80" {
  kernel.func @scale {
  ^bb0(%x: !kernel.view<["T", 3, 12], bf16>, %y: !kernel.view<["T", 3, 12], bf16>):
    kernel.map rows "T" groups 3 width 12 attributes {config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 8>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %v = kernel.load %x[%row, %group, %lane] : !kernel.view<["T", 3, 12], bf16>
      %w = arith.extf %v : bf16 to f32
      %d = arith.addf %w, %w : f32
      %r = arith.truncf %d : f32 to bf16
      kernel.store %r, %y[%row, %group, %lane] : !kernel.view<["T", 3, 12], bf16>
    }
  }
}

// CHECK-LABEL: llvm.func @scale
// CHECK:         %[[TEAM:.*]] = arith.divui %{{.*}}, %c16_i32
// CHECK:         %[[LANE:.*]] = arith.remui %{{.*}}, %c16_i32
// CHECK:         scf.for %{{.*}} = %[[TEAM]] to %{{.*}} step %c8_i32
// CHECK:           arith.cmpi slt, %[[LANE]], %c12_i32
// CHECK:           scf.if
// CHECK:             arith.extf
// CHECK:             arith.truncf

// -----

// Members of a parallel op have the cells one after the other.
#config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 1>
kernel.library @library target "sm_80" {
  kernel.func @both {
  ^bb0(%x: !kernel.view<["T"], f32>, %y: !kernel.view<["T"], f32>, %z: !kernel.view<["R"], f32>):
    kernel.parallel {
      kernel.map rows "T" groups 1 width 1 attributes {config = #config, grid = #kernel.grid<"T">} {
      ^bb0(%row: index, %group: index, %lane: index):
        %v = kernel.load %x[%row] : !kernel.view<["T"], f32>
        kernel.store %v, %y[%row] : !kernel.view<["T"], f32>
      }
      kernel.map rows "R" groups 1 width 1 attributes {config = #config, grid = #kernel.grid<"R">} {
      ^bb0(%row: index, %group: index, %lane: index):
        %c = arith.constant 1.0 : f32
        kernel.store %c, %z[%row] : !kernel.view<["R"], f32>
      }
    }
  }
}

// CHECK-LABEL: llvm.func @both
// CHECK-SAME:    %[[T:[^:]*]]: i32, %{{[^:]*}}: i32, %[[R:[^:]*]]: i32)
// CHECK:         %[[CELL:.*]] = nvvm.read.ptx.sreg.ctaid.x
// CHECK:         %[[FIRST:.*]] = arith.cmpi slt, %[[CELL]], %[[T]]
// CHECK:         scf.if %[[FIRST]] {
// CHECK:           arith.subi %[[T]], %[[CELL]]
// CHECK:         } else {
// CHECK:           %[[OWN:.*]] = arith.subi %[[CELL]], %[[T]]
// CHECK:           arith.subi %[[R]], %[[OWN]]

// -----

// Elements beyond 2^32 bytes, and beyond 2^32 elements: what numbers them is widened before it is multiplied.
kernel.library @library target "sm_80" {
  kernel.func @large {
  ^bb0(%ids: !kernel.view<["T"], i32>, %w: !kernel.view<[2000000, 5120], bf16, "tile64x128">, %y: !kernel.view<["T", 5120], bf16>):
    kernel.map rows "T" groups 1 width 5120 attributes {config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 1>} {
    ^bb0(%row: index, %group: index, %lane: index):
      %id32 = kernel.load %ids[%row] : !kernel.view<["T"], i32>
      %id = arith.index_castui %id32 : i32 to index
      %v = kernel.load %w[%id, %lane] : !kernel.view<[2000000, 5120], bf16, "tile64x128">
      kernel.store %v, %y[%row, %lane] : !kernel.view<["T", 5120], bf16>
    }
  }
  kernel.func @large_experts {
  ^bb0(%x: !kernel.view<["T", 5120], bf16>, %e: !kernel.view<["T", 1], i32>, %w: !kernel.view<[128, 16384, 5120], bf16, "tile64x128">, %y: !kernel.view<["T", 16384], f32>):
    kernel.gemm rows "T" by %e : !kernel.view<["T", 1], i32> attributes {config = #kernel.gpu<"sm_80", form = mma, tile = 64 x 8 x 64, stages = 2, threads = 128, blocks = 1, rows = 1>}
        product %x : !kernel.view<["T", 5120], bf16> times %w : !kernel.view<[128, 16384, 5120], bf16, "tile64x128"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      kernel.store %acc, %y[%row, %feature] : !kernel.view<["T", 16384], f32>
    }
  }
}

// CHECK-LABEL: llvm.func @large(
// CHECK:         %[[ID:.*]] = llvm.load %{{.*}} : !llvm.ptr<1> -> i32
// An id that could not be drawn stays within the table.
// CHECK:         %[[SAFE:.*]] = arith.minui %[[ID]], %c1999999_i32 : i32
// CHECK:         %[[ROW:.*]] = arith.extui %[[SAFE]] : i32 to i64
// CHECK:         arith.divui %[[ROW]], %c64_i64
// CHECK-NOT:     arith.muli %{{.*}} : i32
// CHECK:         llvm.getelementptr %{{.*}}[%{{.*}}] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, i8
// CHECK-LABEL: llvm.func @large_experts(
// CHECK:         %[[EXPERT:.*]] = arith.divui %{{.*}}, %c256_i32
// CHECK:         %[[WIDE:.*]] = arith.extui %[[EXPERT]] : i32 to i64
// CHECK:         %[[TILES:.*]] = arith.muli %[[WIDE]], %c256_i64
// CHECK:         %[[TILE:.*]] = arith.addi %[[TILES]], %{{.*}} : i64
// CHECK:         arith.muli %[[TILE]], %c655360_i64

// -----

// From compute capability 9.0 on launches overlap: a kernel waits for the one before it, then lets the next one begin.
// Before, it touches no memory. A member of a launch does so itself. What gathers by an id that was loaded stays within
// the table.
#early = #kernel.gpu<"sm_90a", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 128, blocks = 1, rows = 8>
kernel.library @library target "sm_90a" {
  kernel.func @gather {
  ^bb0(%ids: !kernel.view<["T"], i32>, %table: !kernel.view<[97, 32], f32>, %y: !kernel.view<["T", 32], f32>):
    kernel.map rows "T" groups 1 width 32 attributes {config = #early} {
    ^bb0(%row: index, %group: index, %lane: index):
      %id = kernel.load %ids[%row] : !kernel.view<["T"], i32>
      %index = arith.index_castui %id : i32 to index
      %v = kernel.load %table[%index, %lane] : !kernel.view<[97, 32], f32>
      kernel.store %v, %y[%row, %lane] : !kernel.view<["T", 32], f32>
    }
  }
}

// CHECK-LABEL: llvm.func @gather(
// CHECK-NOT:     llvm.load
// CHECK:         nvvm.griddepcontrol wait
// CHECK-NEXT:    nvvm.griddepcontrol launch_dependents
// CHECK:         %[[ID:.*]] = llvm.load
// CHECK:         arith.minui %[[ID]], %c96_i32
