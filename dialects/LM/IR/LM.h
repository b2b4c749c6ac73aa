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

/// A list of dimensions: integers, and quoted names of dynamic ones, `"T", 64`. Shared by `#lm.dims` and the types
/// of the kernel level.
mlir::ParseResult parseDimEntries(mlir::AsmParser &parser, llvm::SmallVectorImpl<mlir::Attribute> &entries);
void printDimEntries(mlir::AsmPrinter &printer, llvm::ArrayRef<mlir::Attribute> entries);

/// A dimension as the sizes of a step give it: `factor` times T, S, R or N, or `factor` alone when `symbol` is empty.
struct DimSize {
  int64_t factor;
  llvm::StringRef symbol;
};

/// Reads an entry of a dimension list; failure for a name that is neither "T", "S", "R", "N" nor "<n>*" one of them.
mlir::FailureOr<DimSize> parseDimSize(mlir::Attribute entry);

/// The tensor type with `#lm.dims` of these entries (integers or names).
mlir::RankedTensorType getNamedTensorType(llvm::ArrayRef<mlir::Attribute> entries, mlir::Type elementType);

/// The entries of a tensor type's `#lm.dims`, or its static shape when it has none.
llvm::SmallVector<mlir::Attribute> getDimEntries(mlir::RankedTensorType type);

/// The `lm.weight`, `lm.interleaved` or `lm.table` a symbol names, looked up from `op`; emits an error at `op` when
/// there is none.
mlir::Operation *lookupParameter(mlir::Operation *op, mlir::FlatSymbolRefAttr symbol,
                                 mlir::SymbolTableCollection &symbols);

/// The tensor type of what `lookupParameter` finds.
mlir::RankedTensorType getParameterType(mlir::Operation *parameter);

/// Its packed form: row-major for a table, empty for a weight before the layout phase.
llvm::StringRef getParameterLayout(mlir::Operation *parameter);

} // namespace yupana::lm

#endif
