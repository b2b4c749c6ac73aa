// SPDX-License-Identifier: Apache-2.0
//
// How x86 kernels are cut: pure functions from a target, and a shape where it matters, to the numbers of `#kernel.x86`.
// Whatever they answer, a kernel computes the same bits.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_CHOICES_H
#define YUPANA_COMPILER_CODEGEN_CPU_CHOICES_H

#include "compiler/Target/Target.h"

#include <cstdint>

namespace yupana::codegen {

/// The numbers of `#kernel.x86<target, tile = tileRows x tileColumns, rows = rows>`.
struct X86Choice {
  int64_t tileRows;    ///< Token rows of a GEMM's register tile.
  int64_t tileColumns; ///< Outputs of a GEMM's register tile: 16 or 32.
  int64_t rows;        ///< Rows of a cell of the grid.
};

/// A GEMM by weights of bfloat16 or of float32, whatever its shape. Where rows are chosen by expert a cell has all the
/// rows of one expert, and `rows` of the answer says nothing.
X86Choice chooseGemm(const CpuFacts &cpu, bool isBF16);

/// A map over rows of `groups` times `width` elements.
X86Choice chooseMap(const CpuFacts &cpu, int64_t groups, int64_t width);

/// A router that takes `products` multiplications a row.
X86Choice chooseRoute(const CpuFacts &cpu, int64_t products);

/// Kernels whose cells are fixed by their definition: attention, sample.
X86Choice chooseFixed(const CpuFacts &cpu);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_CHOICES_H
