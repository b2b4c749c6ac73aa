// SPDX-License-Identifier: Apache-2.0
//
// The `lm` dialect: a transformer on tensors. See Rationale.md one folder up.

#ifndef YUPANA_DIALECTS_LM_IR_LM_H
#define YUPANA_DIALECTS_LM_IR_LM_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/LM/IR/LMDialect.h.inc"
#include "dialects/LM/IR/LMEnums.h.inc"

#include "dialects/LM/IR/LMAttrInterfaces.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/LM/IR/LMAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/LM/IR/LMOps.h.inc"

namespace yupana::lm {

/// One dimension in its bare form, `"T"` or `64`; the parser names what it cannot read.
mlir::ParseResult parseDim(mlir::AsmParser &parser, DimAttr &dim);

/// A list of dimensions, `"T", 64`. Shared by `#lm.dims` and the types of the kernel level.
mlir::ParseResult parseDims(mlir::AsmParser &parser, llvm::SmallVectorImpl<DimAttr> &dims);
void printDims(llvm::raw_ostream &stream, llvm::ArrayRef<DimAttr> dims);

/// The tensor type with `#lm.dims` of these dimensions.
mlir::RankedTensorType getNamedTensorType(llvm::ArrayRef<DimAttr> dims, mlir::Type elementType);

/// The dimensions of a tensor type by its `#lm.dims`, or by its shape when it has none; null for a dynamic dimension
/// without a name.
llvm::SmallVector<DimAttr> getDims(mlir::RankedTensorType type);

/// The `lm.weight`, `lm.interleaved` or `lm.table` a symbol names, looked up from `op`; emits an error at `op` when
/// there is none.
mlir::Operation *lookupParameter(mlir::Operation *op, mlir::FlatSymbolRefAttr symbol,
                                 mlir::SymbolTableCollection &symbols);

/// The tensor type of what `lookupParameter` finds.
mlir::RankedTensorType getParameterType(mlir::Operation *parameter);

/// Its packed form: row-major for a table, empty for a weight before the layout phase.
llvm::StringRef getParameterLayout(mlir::Operation *parameter);

/// The ids of the packed forms that verifiers accept, as a sentence lists them: those of weights, or all.
std::string listForms(bool ofWeights);

} // namespace yupana::lm

#endif
