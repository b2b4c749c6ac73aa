// SPDX-License-Identifier: Apache-2.0
//
// Writes a scalar region for all lanes of one group: first the sums over the group, then everything with an effect.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_GROUPREGION_H
#define YUPANA_COMPILER_CODEGEN_GPU_GROUPREGION_H

#include "compiler/Codegen/GPU/ScalarRegion.h"

namespace yupana::codegen::cuda {

class GroupRegion {
public:
  /// Binds what differs between lanes for lane `lane`, an i32, of the group.
  using BindLane = llvm::function_ref<void(ScalarRegion &turn, mlir::Value lane)>;

  /// The threads that run a group together: `count` of them, of which this is number `index`. With sums they are the 32
  /// lanes of a warp, with row sums whole warps.
  struct Team {
    mlir::Value index;
    int64_t count;
  };

  /// `region` has everything bound that is the same in all lanes; the group has `width` of them, which the team takes
  /// in turns: lane l is done by thread l mod count.
  GroupRegion(KernelEmitter &emitter, mlir::Region &body, ScalarRegion region, int64_t width, Team team, BindLane bind)
      : e(emitter), body(body), region(std::move(region)), width(width), team(team), bind(bind) {}

  mlir::LogicalResult emit();

private:
  mlir::LogicalResult emitSums(llvm::ArrayRef<kernel::SumOp> ready);
  mlir::LogicalResult emitEffects();
  mlir::LogicalResult emitSummands(llvm::ArrayRef<mlir::Operation *> ops, llvm::ArrayRef<kernel::SumOp> sums,
                                   mlir::Value begin, bool isTail, OpEmitter::Values &partial);

  KernelEmitter &e;
  mlir::Region &body;
  ScalarRegion region;
  int64_t width;
  Team team;
  BindLane bind;
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_GROUPREGION_H
