// SPDX-License-Identifier: Apache-2.0
//
// The draw: what each part of a row has to give, which ids filters leave, and the id at which the sum of masses passes
// the drawn number.
#ifndef YUPANA_COMPILER_CODEGEN_GPU_SAMPLEDRAW_H
#define YUPANA_COMPILER_CODEGEN_GPU_SAMPLEDRAW_H

#include "compiler/Codegen/GPU/SampleBorders.h"

namespace yupana::codegen::cuda {

class SampleDraw {
public:
  SampleDraw(KernelEmitter &e, SampleBlock &block, SampleRow &row, const SampleLayout &layout);

  /// Once all bins are counted: loads where filters cut.
  void readBorders();
  SampleBorders borders;

  /// Adds the masses of a part that are certain to be kept, and lists the ids that may be.
  void collect(const SampleRow::Ids &ids, mlir::Value part);
  /// Of one block, when all parts are collected, or none where the ids are too many to be listed: cuts, draws and
  /// stores the id.
  void run();
  /// Makes the row's state 0 again.
  void clear();

private:
  using Values = OpEmitter::Values;

  mlir::Value cutListed(mlir::Value least);
  mlir::Value cutWhole(mlir::Value least);
  void drawFrom(mlir::Value cut, mlir::Value least);
  void addTo(mlir::Value part, mlir::Value mass);
  mlir::Value reaches(mlir::Value x, mlir::Value y) { return e.compare(mlir::arith::CmpIPredicate::uge, x, y); }
  mlir::Value wide(int64_t value) { return e.integer(value, e.i64); }

  KernelEmitter &e;
  SampleBlock &block;
  SampleRow &row;
  SampleLayout layout;
  mlir::Value orders, masses; ///< In shared memory: i64 of each id that is listed.
  mlir::Value partMasses;     ///< In shared memory: i64 of each part.
};

} // namespace yupana::codegen::cuda

#endif // YUPANA_COMPILER_CODEGEN_GPU_SAMPLEDRAW_H
