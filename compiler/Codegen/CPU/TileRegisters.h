// SPDX-License-Identifier: Apache-2.0
//
// The tile registers of AMX (Intel SDM, "Intel AMX Instruction Set Reference"): eight of 16 rows by 64 bytes, used here
// in one way: four of sums, two by two, two of inputs, one for each row of sums, and two of weights, one for each
// column.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_TILEREGISTERS_H
#define YUPANA_COMPILER_CODEGEN_CPU_TILEREGISTERS_H

#include "compiler/Codegen/CPU/Emitter.h"

namespace yupana::codegen {

class TileRegisters {
public:
  explicit TileRegisters(KernelEmitter &e) : e(e) {}

  /// Rows of a register; of one of weights these are pairs of k. A row is 16 float32, or 16 pairs of bfloat16.
  static constexpr int64_t rows = 16, columns = 16, rowBytes = 64;
  /// Bytes of a configuration.
  static constexpr int64_t configBytes = 64;

  static constexpr int64_t sums(int64_t row, int64_t column) { return 2 * row + column; }
  static constexpr int64_t inputs(int64_t row) { return 4 + row; }
  static constexpr int64_t weights(int64_t column) { return 6 + column; }

  /// Registers of the upper and the lower row of sums get so many rows, 1 to 16, and products go over `pairs` pairs of
  /// k, 1 to 16. Written to `memory` and loaded from there. All registers are zero then.
  void configure(mlir::Value memory, mlir::Value upper, mlir::Value lower, int64_t pairs);
  /// Puts the registers out of use: a core that has them in use has more to save when it changes threads.
  void release();

  void clear(int64_t tile);
  /// Rows lie `stride` bytes apart.
  void load(int64_t tile, mlir::Value address, int64_t stride);
  void store(int64_t tile, mlir::Value address, int64_t stride);
  /// sums(row, column) += inputs(row) · weights(column), in order `even_odd_blocks` of kernel.numerics.
  void multiply(int64_t row, int64_t column);

private:
  void call(llvm::StringRef name, llvm::ArrayRef<int64_t> tiles, mlir::ValueRange operands = {});

  KernelEmitter &e;
};

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_TILEREGISTERS_H
