// SPDX-License-Identifier: Apache-2.0
//
// ldmatrix and mma.sync as ops of nvvm, whose results are structures of registers. Sums are registers of their own, so
// that a chain of products keeps them where they are.
#include "compiler/Codegen/GPU/Matrices.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::codegen;
using namespace yupana::codegen::cuda;

OpEmitter::Values cuda::loadMatrices(KernelEmitter &e, Value address, bool isTransposed) {
  constexpr int64_t count = 4;
  MLIRContext *context = e.b.getContext();
  Type type = LLVM::LLVMStructType::getLiteral(context, SmallVector<Type>(count, e.i32));
  NVVM::MMALayout layout = isTransposed ? NVVM::MMALayout::col : NVVM::MMALayout::row;
  Value loaded =
      e.make<NVVM::LdMatrixOp>(type, address, e.b.getI32IntegerAttr(count), NVVM::MMALayoutAttr::get(context, layout),
                               NVVM::LdStMatrixShapeAttr::get(context, 8, 8),
                               NVVM::LdStMatrixEltTypeAttr::get(context, NVVM::LdStMatrixEltType::B16));
  OpEmitter::Values matrices;
  for (int64_t i = 0; i < count; ++i)
    matrices.push_back(e.make<LLVM::ExtractValueOp>(loaded, i));
  return matrices;
}

void cuda::multiplyMatrices(KernelEmitter &e, ArrayRef<Value> a, ArrayRef<Value> b, MutableArrayRef<Value> sums) {
  Type type = LLVM::LLVMStructType::getLiteral(e.b.getContext(), SmallVector<Type>(sums.size(), e.f32));
  Value product = e.make<NVVM::MmaOp>(type, a, b, sums, ArrayRef<int64_t>{16, 8, 16}, std::nullopt, std::nullopt,
                                      std::array<NVVM::MMATypes, 2>{NVVM::MMATypes::bf16, NVVM::MMATypes::bf16},
                                      std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
  for (auto [i, sum] : llvm::enumerate(sums))
    sum = e.make<LLVM::ExtractValueOp>(product, static_cast<int64_t>(i));
}
