// SPDX-License-Identifier: Apache-2.0
//
// Attention of bfloat16 by the tile registers of AMX: what Attention.cpp does where there are none.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_MATRIXATTENTION_H
#define YUPANA_COMPILER_CODEGEN_CPU_MATRIXATTENTION_H

#include "compiler/Codegen/CPU/Emitter.h"

namespace yupana::codegen {

/// True if the target has tile registers and they multiply the op's queries, keys and values: bfloat16 in heads of
/// whole tiles, with no more query heads to a key head than a tile has rows.
bool usesTileRegisters(kernel::AttentionOp op, const Target &target);

/// Writes the code of an op that usesTileRegisters(). Its products are in order `even_odd_blocks` of kernel.numerics.
void emitMatrixAttention(KernelEmitter &e, kernel::AttentionOp op);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_MATRIXATTENTION_H
