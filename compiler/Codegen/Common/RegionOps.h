// SPDX-License-Identifier: Apache-2.0
//
// What the walkers of scalar regions ask of an op whatever its values are held in: whether it may stand there, and
// which element of memory it names.
#ifndef YUPANA_COMPILER_CODEGEN_COMMON_REGIONOPS_H
#define YUPANA_COMPILER_CODEGEN_COMMON_REGIONOPS_H

#include "dialects/Kernel/IR/Kernel.h"

namespace yupana::codegen {

/// Reports an error at an arith.extf or arith.truncf that is not between float32 and bfloat16, the two types a region
/// may compute with. `device` is named in it, "a CPU" or "a GPU".
mlir::LogicalResult checkConversion(mlir::Operation *op, const char *device);

/// Reports an error at an op that is not one of `arith` or `math` with one result, computed lane by lane and not in
/// bfloat16.
mlir::LogicalResult checkElementwise(mlir::Operation *op, const char *device);

/// Reports an error at an append to pages that no cache group has given a size.
mlir::LogicalResult checkAppend(kernel::AppendOp op);

/// The attributes of an elementwise op but for `fastmath`: every op rounds once, whatever a producer of the region
/// would have allowed.
llvm::SmallVector<mlir::NamedAttribute> strictAttributes(mlir::Operation *op);

/// Which element of its memory `indices` name in a view or weight of any form, by the arithmetic of `math` on what the
/// walker holds an index in. `rows` is the view's first dimension as the step has it; asked of forms of token rows.
template <typename Math, typename Index>
Index elementIndex(Math &math, kernel::ViewType view, llvm::ArrayRef<Index> indices, const Index &zero,
                   llvm::function_ref<Index()> rows) {
  const schema::PackedForm &form = view.getForm();
  if (!form.is_weight_form())
    return schema::token_element_index(math, form, view.getElementBytes(), rows(), indices[0], indices[1]);
  int64_t rank = view.getRank();
  Index batch = rank > 2 ? indices[0] : zero;
  for (int64_t i = 1; i < rank - 2; ++i)
    batch = math.add(math.mul(batch, view.getDimSize(i)), indices[i]);
  return schema::element_index(math, form, view.getPackedShape(), batch, rank > 1 ? indices[rank - 2] : zero,
                               indices[rank - 1]);
}

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_COMMON_REGIONOPS_H
