// SPDX-License-Identifier: Apache-2.0
//
// Verifiers of mixtures. k is stated once, by the shape [tokens, k] of the routing result, and the rows of dispatch are
// k times the tokens by name ("2*T"), so that a wrong k is found here and not as a wrong sum. Weights of experts are
// compared with one another through the gate, whose shape [experts, inner, hidden] fixes the two others.

#include "dialects/MoE/IR/MoE.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::moe;

#define GET_OP_CLASSES
#include "dialects/MoE/IR/MoEOps.cpp.inc"

//===----------------------------------------------------------------------===//
// Shared checks
//===----------------------------------------------------------------------===//

static SmallVector<lm::DimAttr> dimsOf(Value value) { return lm::getDims(cast<RankedTensorType>(value.getType())); }

static int64_t sizeOf(Value value, unsigned dim) { return cast<RankedTensorType>(value.getType()).getDimSize(dim); }

static int64_t rankOf(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }

/// Checks that a value has two dimensions: the rows of `like` and `columns` features.
static LogicalResult checkMatrix(Operation *op, StringRef name, Value value, lm::DimAttr rows, int64_t columns) {
  if (rankOf(value) == 2 && dimsOf(value)[0] == rows && sizeOf(value, 1) == columns)
    return success();
  return op->emitOpError() << name << " is " << value.getType() << ", expected [" << (rows ? rows.str() : "?") << ", "
                           << columns << "]";
}

/// True if `pairs` names k times the rows of `tokens`.
static bool namesPairs(lm::DimAttr pairs, lm::DimAttr tokens, int64_t k) {
  return k >= 1 && pairs && tokens && pairs == tokens.times(k);
}

/// Checks a parameter's shape against a gated MLP's.
static LogicalResult checkParameter(Operation *op, FlatSymbolRefAttr symbol, StringRef what, ArrayRef<int64_t> shape,
                                    SymbolTableCollection &symbols) {
  Operation *parameter = lm::lookupParameter(op, symbol, symbols);
  if (!parameter)
    return failure();
  RankedTensorType type = lm::getParameterType(parameter);
  if (type.getShape() == shape)
    return success();
  InFlightDiagnostic diag = op->emitOpError()
                            << what << " " << symbol << " is " << type << ", expected [" << shape << "]";
  diag.attachNote(parameter->getLoc()) << symbol << " is declared here";
  return diag;
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

LogicalResult RouteOp::verify() {
  int64_t k = getTopK();
  if (rankOf(getLogits()) != 2 || k < 1 || k > sizeOf(getLogits(), 1))
    return emitOpError() << "chooses " << k << " experts by logits " << getLogits().getType();
  lm::DimAttr rows = dimsOf(getLogits())[0];
  if (failed(checkMatrix(*this, "experts", getExperts(), rows, k)))
    return failure();
  return checkMatrix(*this, "scores", getScores(), rows, k);
}

LogicalResult DispatchOp::verify() {
  if (rankOf(getInput()) != 2 || rankOf(getExperts()) != 2)
    return emitOpError() << "dispatches " << getInput().getType() << " to " << getExperts().getType()
                         << ", expected [tokens, features] to [tokens, k]";
  lm::DimAttr tokens = dimsOf(getInput())[0];
  int64_t k = sizeOf(getExperts(), 1);
  if (failed(checkMatrix(*this, "experts", getExperts(), tokens, k)) ||
      (getScores() && failed(checkMatrix(*this, "scores", getScores(), tokens, k))))
    return failure();
  if (rankOf(getRows()) != 2 || !namesPairs(dimsOf(getRows())[0], tokens, k) ||
      sizeOf(getRows(), 1) != sizeOf(getInput(), 1))
    return emitOpError() << "rows are " << getRows().getType() << ", expected one row of " << getInput().getType()
                         << " per pair of " << getExperts().getType();
  return success();
}

LogicalResult ExpertsOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (rankOf(getRows()) != 2 || getResult().getType() != getRows().getType())
    return emitOpError() << "turns " << getRows().getType() << " into " << getResult().getType()
                         << ", expected the same [pairs, features]";
  if (rankOf(getExperts()) != 2 || !namesPairs(dimsOf(getRows())[0], dimsOf(getExperts())[0], sizeOf(getExperts(), 1)))
    return emitOpError() << "experts are " << getExperts().getType() << ", expected one per row of "
                         << getRows().getType();
  Operation *gate = lm::lookupParameter(*this, getGateAttr(), symbols);
  if (!gate)
    return failure();
  RankedTensorType type = lm::getParameterType(gate);
  int64_t experts = type.getRank() == 3 ? type.getDimSize(0) : 0, inner = type.getRank() == 3 ? type.getDimSize(1) : 0;
  int64_t hidden = sizeOf(getRows(), 1);
  if (failed(checkParameter(*this, getGateAttr(), "gate", {experts, inner, hidden}, symbols)) ||
      failed(checkParameter(*this, getUpAttr(), "up", {experts, inner, hidden}, symbols)))
    return failure();
  return checkParameter(*this, getDownAttr(), "down", {experts, hidden, inner}, symbols);
}

LogicalResult SharedExpertOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (rankOf(getInput()) != 2 || getResult().getType() != getInput().getType())
    return emitOpError() << "turns " << getInput().getType() << " into " << getResult().getType()
                         << ", expected the same [tokens, features]";
  Operation *gate = lm::lookupParameter(*this, getGateAttr(), symbols);
  if (!gate)
    return failure();
  RankedTensorType type = lm::getParameterType(gate);
  int64_t hidden = sizeOf(getInput(), 1), inner = type.getRank() == 2 ? type.getDimSize(0) : 0;
  if (failed(checkParameter(*this, getGateAttr(), "gate", {inner, hidden}, symbols)) ||
      failed(checkParameter(*this, getUpAttr(), "up", {inner, hidden}, symbols)))
    return failure();
  return checkParameter(*this, getDownAttr(), "down", {hidden, inner}, symbols);
}

int64_t CombineOp::getTopK() {
  lm::DimAttr pairs = dimsOf(getRows())[0], tokens = dimsOf(getResult())[0];
  bool isMultiple = pairs && tokens && pairs.getSymbol() == tokens.getSymbol() && tokens.getFactor() > 0 &&
                    tokens.getAddend() == 0 && pairs.getAddend() == 0 && pairs.getFactor() % tokens.getFactor() == 0;
  return isMultiple ? pairs.getFactor() / tokens.getFactor() : 0;
}

LogicalResult CombineOp::verify() {
  if (rankOf(getRows()) != 2 || rankOf(getResult()) != 2 || getTopK() < 1)
    return emitOpError() << "combines " << getRows().getType() << " to " << getResult().getType()
                         << ", expected k rows of features per token";
  lm::DimAttr tokens = dimsOf(getResult())[0];
  int64_t k = getTopK(), hidden = sizeOf(getRows(), 1);
  if ((getScores() && failed(checkMatrix(*this, "scores", getScores(), tokens, k))) ||
      (getShared() && failed(checkMatrix(*this, "shared", getShared(), tokens, hidden))))
    return failure();
  return checkMatrix(*this, "result", getResult(), tokens, hidden);
}
