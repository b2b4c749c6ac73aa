// RUN: yupana-opt %s --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,DOT
// RUN: sed 's/x86-64-v4-bf16/x86-64-v4/' %s | yupana-opt --yupana-kernel-to-llvm --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,WIDEN

// 63 columns are 32 pairs. With dot products an accumulator takes a pair of an input and of a weight at once; without, both
// are widened, the odd column first. The input is copied beforehand: its last pair has to end in a zero, and what is widened
// has to be so once. Rows that an earlier call of the launch copied are there still.
kernel.library @library target "x86-64-v4-bf16" {
  kernel.func @gemm {
  ^bb0(%x: !kernel.view<["T", 63], bf16>, %w: !kernel.view<[96, 63], bf16, "panel32x2">, %y: !kernel.view<["T", 96], bf16>):
    kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v4-bf16", tile = 8 x 32, rows = 144>}
        product %x : !kernel.view<["T", 63], bf16> times %w : !kernel.view<[96, 63], bf16, "panel32x2"> {
    ^bb0(%acc: f32, %row: index, %feature: index):
      %r = arith.truncf %acc : f32 to bf16
      kernel.store %r, %y[%row, %feature] : !kernel.view<["T", 96], bf16>
    }
  }
}

// CHECK-LABEL: llvm.func @gemm(
// CHECK-SAME:    %[[SCRATCH:[a-z0-9]+]]: !llvm.ptr) attributes
// CHECK:         %[[READY:.*]] = llvm.load %[[SCRATCH]] {{.*}} -> i64
// CHECK:         %[[STALE:.*]] = arith.cmpi ne, %[[READY]], %[[KEY:.*]] : i64
// CHECK:         scf.if %[[STALE]]
// CHECK:         arith.select %{{.*}} : vector<16xi1>, vector<16xi16>
// DOT:           llvm.store %{{.*}} {alignment = 2 : i64} : vector<16xi16>
// WIDEN:         arith.shli %{{.*}} : vector<16xi32>
// WIDEN:         llvm.store %{{.*}} {alignment = 4 : i64} : vector<16xf32>
// CHECK:         llvm.store %[[KEY]], %[[SCRATCH]]
// CHECK:         llvm.call @[[TILES:gemm.tiles_bf16[a-z0-9_]+]](
// Rounded on the way out.
// DOT:           llvm.call_intrinsic "llvm.x86.avx512bf16.cvtneps2bf16.512"
// WIDEN:         arith.cmpf ord
// CHECK:         llvm.store %{{.*}} {alignment = 2 : i64} : vector<16xi16>
// CHECK:       llvm.func internal @[[TILES]](
// CHECK:         scf.for %{{.*}} = %c0_i64 to %c32_i64 step %c2_i64 iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>)
// CHECK:           llvm.load %{{.*}} {alignment = 64 : i64} : !llvm.ptr -> vector<16xi32>
// DOT:             vector.broadcast %{{.*}} : i32 to vector<16xi32>
// DOT:             llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"
// WIDEN:           arith.andi %{{.*}} : vector<16xi32>
// WIDEN:           math.fma %{{.*}} : vector<16xf32>
// WIDEN:           arith.shli %{{.*}} : vector<16xi32>
// WIDEN:           math.fma %{{.*}} : vector<16xf32>
// Of many tiles the first leaves its widened weights in memory, those of odd columns first, and the next ones read them there.
// WIDEN:           arith.muli %{{.*}}, %c256_i64
// WIDEN-NEXT:      %[[KEPT:.*]] = llvm.getelementptr
// WIDEN:           arith.andi %{{.*}} : vector<16xi32>
// WIDEN-NEXT:      %[[ODD:.*]] = arith.bitcast
// WIDEN-NEXT:      llvm.store %[[ODD]], %[[KEPT]] {alignment = 64 : i64} : vector<16xf32>
// WIDEN:           arith.shli %{{.*}} : vector<16xi32>
// WIDEN-NEXT:      %[[EVEN:.*]] = arith.bitcast
// WIDEN-NEXT:      %[[BEHIND:.*]] = llvm.getelementptr %[[KEPT]][128]
// WIDEN-NEXT:      llvm.store %[[EVEN]], %[[BEHIND]] {alignment = 64 : i64} : vector<16xf32>
// WIDEN:         scf.for %{{.*}} = %c1_i64 to %{{.*}} step %c1_i64 iter_args
// WIDEN:           scf.for %{{.*}} = %c0_i64 to %c32_i64 step %c2_i64 iter_args
// WIDEN-NOT:         vector<16xi32>
// WIDEN:             llvm.load %{{.*}} {alignment = 64 : i64} : !llvm.ptr -> vector<16xf32>
// WIDEN-NOT:         vector<16xi32>
// WIDEN:             math.fma %{{.*}} : vector<16xf32>
