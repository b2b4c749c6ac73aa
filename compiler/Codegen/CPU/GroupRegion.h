// SPDX-License-Identifier: Apache-2.0
//
// Writes a scalar region for all lanes of one group: first the sums over the group, then everything with an effect.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_GROUPREGION_H
#define YUPANA_COMPILER_CODEGEN_CPU_GROUPREGION_H

#include "compiler/Codegen/CPU/ScalarRegion.h"

namespace yupana::codegen {

class GroupRegion {
public:
  /// Binds what differs between lanes for the lanes [begin, begin + active.count) of the group.
  using BindLanes = llvm::function_ref<void(ScalarRegion &piece, mlir::Value begin, ActiveLanes active)>;

  /// `region` has everything bound that is the same in all lanes; the group has `width` of them.
  GroupRegion(KernelEmitter &emitter, mlir::Region &body, ScalarRegion region, int64_t width, BindLanes bindLanes)
      : e(emitter), body(body), region(std::move(region)), width(width), bindLanes(bindLanes) {}

  mlir::LogicalResult emit();

private:
  mlir::LogicalResult emitSums(llvm::ArrayRef<kernel::SumOp> ready);
  mlir::LogicalResult emitEffects();
  mlir::LogicalResult overLanes(llvm::ArrayRef<mlir::Operation *> ops, Emitter::Values &carried,
                                llvm::function_ref<void(const ScalarRegion &, ActiveLanes, Emitter::Values &)> then);

  KernelEmitter &e;
  mlir::Region &body;
  ScalarRegion region;
  int64_t width;
  BindLanes bindLanes;
};

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_GROUPREGION_H
