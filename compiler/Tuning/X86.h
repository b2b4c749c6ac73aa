// SPDX-License-Identifier: Apache-2.0
//
// How x86 kernels are cut: pure functions from a shape to the numbers of `#kernel.x86`. Only the pass that configures
// kernels asks them; whatever they answer, a kernel computes the same bits.
#ifndef YUPANA_COMPILER_TUNING_X86_H
#define YUPANA_COMPILER_TUNING_X86_H

#include "compiler/Target/Target.h"

#include <cstdint>

namespace yupana::tuning {

/// The numbers of `#kernel.x86<isa, tile = tileRows x tileColumns, rows = rows>`.
struct X86Choice {
  int64_t tileRows;    ///< Token rows of a GEMM's register tile.
  int64_t tileColumns; ///< Outputs of a GEMM's register tile: 16 or 32.
  int64_t rows;        ///< Rows of a cell of the grid.
};

/// A GEMM. Where rows are grouped by expert a cell has all the rows of one expert, and `rows` says nothing.
X86Choice chooseGemm(const CpuTarget &target);

/// A map over rows of `groups` times `width` elements.
X86Choice chooseMap(const CpuTarget &target, int64_t groups, int64_t width);

/// A router that takes `products` multiplications a row.
X86Choice chooseRoute(const CpuTarget &target, int64_t products);

/// Kernels whose cells are fixed by their definition: attention, sample.
X86Choice chooseFixed(const CpuTarget &target);

} // namespace yupana::tuning

#endif // YUPANA_COMPILER_TUNING_X86_H
