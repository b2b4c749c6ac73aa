// SPDX-License-Identifier: Apache-2.0
//
// Attention of several tokens at once by the vectors of any level. Attention.cpp has what one token takes alone.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_VECTORATTENTION_H
#define YUPANA_COMPILER_CODEGEN_CPU_VECTORATTENTION_H

#include "compiler/Codegen/CPU/Emitter.h"

namespace yupana::codegen {

/// Writes the code of an op whose heads GroupAttentionEmitter::fits(). A token that no other goes with is left to
/// `emitAlone`, which has to add in the same order: pairs of features and of positions in bfloat16, the odd one first.
void emitVectorAttention(KernelEmitter &e, kernel::AttentionOp op,
                         llvm::function_ref<void(mlir::Value token, mlir::Value head)> emitAlone);

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_VECTORATTENTION_H
