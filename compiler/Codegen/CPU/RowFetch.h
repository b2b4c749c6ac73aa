// SPDX-License-Identifier: Apache-2.0
//
// Fetches ahead what a scalar region reads and writes of rows to come. Rows of a wide buffer are pages apart, and rows
// of an expert lie anywhere, so no prefetcher of a processor foresees them.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_ROWFETCH_H
#define YUPANA_COMPILER_CODEGEN_CPU_ROWFETCH_H

#include "compiler/Codegen/CPU/Emitter.h"

namespace yupana::codegen {

class RowFetch {
public:
  /// Of the row-major views that `region` reads or writes at [row, column], two of its arguments.
  RowFetch(KernelEmitter &e, mlir::Region &region, mlir::Value row, mlir::Value column);

  /// Fetches columns [column, column + count) of `row`, or as many of the first as no prefetcher would foresee, into
  /// the first level of cache. Row and column are i64.
  void emit(mlir::Value row, mlir::Value column, int64_t count);

private:
  KernelEmitter &e;
  llvm::SmallVector<mlir::Value, 2> views;
};

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_ROWFETCH_H
