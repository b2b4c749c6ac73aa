// SPDX-License-Identifier: Apache-2.0
//
// Sizes, verifier and textual form of `kernel.gemm`. The verifier holds what every code generator relies on and does
// not check again: the accumulators of all products belong to the same rows and features, weights with experts are
// chosen by `by`, runs of pairs fill whole tiles of the packed form, and input regions compute and store nothing. An
// input that is a plain load is printed as the view it reads, since most are and generators treat it apart; the region
// is the same.

#include "dialects/Kernel/IR/Kernel.h"
#include "dialects/Kernel/IR/KernelChecks.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"
#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;
using namespace yupana;
using namespace yupana::kernel;

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

/// Of the first weight; the verifier holds the others to it.
int64_t GemmOp::getWeightRows() { return getWeightType(0).getDimSize(getWeightType(0).getRank() - 2); }
int64_t GemmOp::getFeatures() { return getPairs() ? *getPairs() : getWeightRows(); }
/// Pairs of tokens and experts are k rows of a token, as "2*T" says; rows of logits are of one token each.
int64_t GemmOp::getRowsPerToken() { return getRows().getSymbol() == lm::DimSymbol::T ? getRows().getFactor() : 1; }
int64_t GemmOp::getDepth(unsigned product) {
  return getWeightType(product).getDimSize(getWeightType(product).getRank() - 1);
}

int64_t GemmOp::getExpertCount() {
  for (unsigned product = 0; product < getProductCount(); ++product)
    if (isGrouped(product))
      return getWeightType(product).getDimSize(0);
  return 1;
}

Value kernel::getPlainView(Region &input) {
  Block &block = input.front();
  auto load = dyn_cast<LoadOp>(block.front());
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  bool plain = load && yield && load->getNextNode() == yield && yield.getValue() == load.getValue() &&
               llvm::equal(load.getIndices(), block.getArguments());
  return plain ? load.getView() : Value();
}

Value GemmOp::getPlainInput(unsigned product) { return getPlainView(getInputs()[product]); }

int64_t GemmOp::getTileFeatures() { return std::max<int64_t>(getWeightType(0).getForm().tile_rows / getArity(), 1); }

int64_t GemmOp::getCellTiles() {
  // A cell covers whole tiles of the form and whole groups of sums, hence the least common multiple of both.
  int64_t features = getTileFeatures();
  return std::lcm(features, static_cast<int64_t>(getGroup().value_or(features))) / features;
}

int64_t GemmOp::getCells() { return llvm::divideCeil(getFeatures(), getCellTiles() * getTileFeatures()); }

//===----------------------------------------------------------------------===//
// Verifier
//===----------------------------------------------------------------------===//

/// What inputs of products and of routers have in common: they yield an element and have no effect.
LogicalResult kernel::checkInput(Operation *op, Region &input, lm::DimAttr rows, ViewType weight, Type elementType) {
  Type index = IndexType::get(op->getContext());
  if (failed(checkArguments(op, input, {index, index})))
    return failure();
  auto yield = dyn_cast<YieldOp>(input.front().getTerminator());
  if (!yield || yield.getValue().getType() != elementType)
    return op->emitOpError() << "has an input region that does not yield " << elementType
                             << ", which the product needs";
  for (Operation &inner : input.front())
    // It is evaluated once per weight tile that needs the element, in any order, so that an effect would repeat.
    if (isa<StoreOp, AppendOp, SumOp>(inner)) {
      InFlightDiagnostic diag = op->emitOpError() << "has an input region that does more than compute an element";
      diag.attachNote(inner.getLoc()) << "here";
      return diag;
    }
  Value view = getPlainView(input);
  if (!view)
    return success();
  auto type = cast<ViewType>(view.getType());
  int64_t depth = weight.getDimSize(weight.getRank() - 1);
  // Behind a row of a packed form there are zeros that a product may read.
  if (type.isRowMajor() ? type.getDimSize(1) < depth : type.getDimSize(1) != depth)
    return op->emitOpError() << "input is " << type << " and the weight " << weight << ": rows of "
                             << type.getDimSize(1) << " elements, expected " << (type.isRowMajor() ? "at least " : "")
                             << depth;
  if (type.getDims()[0] != rows)
    return op->emitOpError() << "input is " << type << ", expected rows " << rows.str();
  return success();
}

static LogicalResult verifyProduct(GemmOp op, unsigned product) {
  ViewType weight = op.getWeightType(product);
  if ((weight.getRank() != 2 && weight.getRank() != 3) || !weight.getDims()[0].isStatic())
    return op.emitOpError() << "weight is " << weight << ", expected two or three static dimensions";
  if (op.isGrouped(product) && !op.getExperts())
    return op.emitOpError() << "weight " << weight << " has experts, expected `by` to choose among them";
  if (!weight.getElementType().isF32() && !weight.getElementType().isBF16())
    return op.emitOpError() << "multiplies by " << weight.getElementType() << ", expected f32 or bf16";
  if (weight.getElementType() != op.getWeightType(0).getElementType() ||
      weight.getDimSize(weight.getRank() - 2) != op.getWeightRows())
    return op.emitOpError() << "weights " << op.getWeightType(0) << " and " << weight
                            << " differ in type or rows, their accumulators do not belong together";
  if (op.isGrouped(product) && weight.getDimSize(0) != op.getExpertCount())
    return op.emitOpError() << "weight " << weight << " has " << weight.getDimSize(0) << " experts, another "
                            << op.getExpertCount();
  return checkInput(op, op.getInputs()[product], op.getRows(), weight, weight.getElementType());
}

/// Rows in the order that `kernel.group` wrote.
static LogicalResult verifySorted(GemmOp op) {
  Type i32 = IntegerType::get(op.getContext(), 32);
  lm::DimAttr bounds = lm::DimAttr::get(op.getContext(), op.getExpertCount() + 1);
  if (failed(checkView(op, "offsets", op.getExperts(), {bounds}, i32)))
    return failure();
  return checkView(op, "order", op.getOrder(), {op.getRows()}, i32);
}

static LogicalResult verifyExperts(GemmOp op) {
  if (!op.getExperts())
    return op.getOrder() ? op.emitOpError() << "has an order of rows, expected `by` with the offsets of the experts"
                         : success();
  if (llvm::none_of(llvm::seq(op.getProductCount()), [&](unsigned product) { return op.isGrouped(product); }))
    return op.emitOpError() << "chooses experts, expected a weight of three dimensions";
  if (op.getOrder())
    // With an order the rows are in it and the experts are ranges of them; else each row names its expert.
    return verifySorted(op);
  ViewType experts = op.getExperts().getType();
  if (experts.getRank() == 2 && experts.getElementType().isInteger(32) &&
      experts.getDims()[0].times(experts.getDimSize(1)) == op.getRows())
    return success();
  return op.emitOpError() << "chooses by " << experts << ", expected one i32 per row of " << op.getRows().str();
}

static LogicalResult verifyPairs(GemmOp op) {
  if (op.getPairs().has_value() != op.getRun().has_value())
    return op.emitOpError() << "has pairs or a run, expected both or neither";
  if (!op.getPairs())
    return success();
  int64_t pairs = *op.getPairs(), run = *op.getRun();
  if (pairs < 1 || run < 1)
    return op.emitOpError() << "has " << pairs << " pairs by " << run << ", expected at least one by at least one";
  // An interleaved weight pads both halves to whole runs.
  if (op.getWeightRows() != static_cast<int64_t>(schema::interleaved_rows(pairs, run)))
    return op.emitOpError() << "has " << pairs << " pairs by " << run << " and weights of " << op.getWeightRows()
                            << " rows, expected " << schema::interleaved_rows(pairs, run);
  for (unsigned product = 0; product < op.getProductCount(); ++product)
    if (ViewType weight = op.getWeightType(product);
        !weight.isRowMajor() && !schema::holds_pairs(weight.getForm(), run))
      return op.emitOpError() << "has pairs by " << run << " in " << weight
                              << ", where runs of both halves do not fill whole tiles";
  return success();
}

LogicalResult GemmOp::verify() {
  if (getProductCount() == 0 || getInputs().size() != getProductCount())
    return emitOpError() << "has " << getProductCount() << " weights and " << getInputs().size()
                         << " inputs, expected at least one of each and as many";
  for (unsigned product = 0; product < getProductCount(); ++product)
    if (failed(verifyProduct(*this, product)))
      return failure();
  if (failed(verifyExperts(*this)) ||
      failed(checkNumerics(*this, getNumericsAttr(), /*products=*/true, /*block=*/false)))
    return failure();
  if (failed(verifyPairs(*this)))
    return failure();
  if (getGroup() && static_cast<int64_t>(*getGroup()) < 1)
    return emitOpError() << "has groups of " << static_cast<int64_t>(*getGroup()) << ", expected at least 1";
  if (!isa<EndOp>(getBody().front().getTerminator()))
    return emitOpError() << "body does not end in kernel.end";
  Builder builder(getContext());
  SmallVector<Type> arguments(getProductCount() * getArity(), builder.getF32Type());
  arguments.append(2, builder.getIndexType());
  return checkArguments(*this, getBody(), arguments);
}

/// In a map the group is the map's own.
LogicalResult SumOp::verify() {
  auto gemm = dyn_cast<GemmOp>((*this)->getParentOp());
  if (!gemm || gemm.getGroup())
    return success();
  InFlightDiagnostic diag = emitOpError() << "needs a group to add over";
  diag.attachNote(gemm.getLoc()) << "this kernel.gemm has none";
  return diag;
}

//===----------------------------------------------------------------------===//
// Textual form
//===----------------------------------------------------------------------===//

/// An input that only reads `view` is written as the view.
static ParseResult parsePlainInput(OpAsmParser &parser, OpAsmParser::UnresolvedOperand view, Location loc,
                                   Region &input) {
  ViewType type;
  SmallVector<Value> resolved;
  if (parser.parseColonType(type) || parser.resolveOperand(view, type, resolved))
    return failure();
  OpBuilder builder(parser.getContext());
  Type index = builder.getIndexType();
  Block *block = builder.createBlock(&input, {}, {index, index}, {loc, loc});
  Value loaded = LoadOp::create(builder, loc, type.getElementType(), resolved.front(), block->getArguments());
  YieldOp::create(builder, loc, loaded);
  return success();
}

ParseResult kernel::parseProduct(OpAsmParser &parser, Region &input, OpAsmParser::UnresolvedOperand &weight,
                                 Type &weightType) {
  Location loc = parser.getEncodedSourceLoc(parser.getCurrentLocation());
  OpAsmParser::UnresolvedOperand view;
  OptionalParseResult plain = parser.parseOptionalOperand(view);
  if (plain.has_value() ? (failed(*plain) || parsePlainInput(parser, view, loc, input))
                        : bool(parser.parseRegion(input)))
    return failure();
  return failure(parser.parseKeyword("times") || parser.parseOperand(weight) || parser.parseColonType(weightType));
}

void kernel::printProduct(OpAsmPrinter &printer, Region &input, Value weight) {
  printer << "product ";
  if (Value view = getPlainView(input))
    printer << view << " : " << view.getType();
  else
    printer.printRegion(input);
  printer << " times " << weight << " : " << weight.getType();
}

static ParseResult parseOptionalSize(OpAsmParser &parser, OperationState &result, StringRef keyword, StringAttr name) {
  int64_t size;
  if (failed(parser.parseOptionalKeyword(keyword)))
    return success();
  if (parser.parseInteger(size))
    return failure();
  result.addAttribute(name, parser.getBuilder().getI64IntegerAttr(size));
  return success();
}

/// `pairs F by R`.
static ParseResult parsePairs(OpAsmParser &parser, OperationState &result, StringAttr pairs, StringAttr run) {
  int64_t count, rows;
  if (failed(parser.parseOptionalKeyword("pairs")))
    return success();
  if (parser.parseInteger(count) || parser.parseKeyword("by") || parser.parseInteger(rows))
    return failure();
  result.addAttribute(pairs, parser.getBuilder().getI64IntegerAttr(count));
  result.addAttribute(run, parser.getBuilder().getI64IntegerAttr(rows));
  return success();
}

/// The terminator may be left out of the text.
static ParseResult parseBody(OpAsmParser &parser, OperationState &result, Region &body) {
  if (parser.parseRegion(body))
    return failure();
  if (body.empty())
    body.emplaceBlock();
  if (body.front().empty() || !isa<EndOp>(body.front().back())) {
    OpBuilder builder(result.getContext());
    builder.setInsertionPointToEnd(&body.front());
    EndOp::create(builder, result.location);
  }
  return success();
}

ParseResult GemmOp::parse(OpAsmParser &parser, OperationState &result) {
  lm::DimAttr rows;
  if (parser.parseKeyword("rows") || parseRows(parser, rows))
    return failure();
  result.addAttribute(getRowsAttrName(result.name), rows);
  OpAsmParser::UnresolvedOperand experts, order;
  ViewType expertsType, orderType;
  SmallVector<OpAsmParser::UnresolvedOperand> workspaces;
  SmallVector<Type> workspaceTypes;
  if (succeeded(parser.parseOptionalKeyword("by")) &&
      (parser.parseOperand(experts) || parser.parseColonType(expertsType)))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("sorted")) &&
      (parser.parseOperand(order) || parser.parseColonType(orderType)))
    return failure();
  if (parsePairs(parser, result, getPairsAttrName(result.name), getRunAttrName(result.name)) ||
      parseOptionalSize(parser, result, "group", getGroupAttrName(result.name)))
    return failure();
  SMLoc workspacesLoc = parser.getCurrentLocation();
  if ((succeeded(parser.parseOptionalKeyword("workspace")) &&
       (parser.parseOperandList(workspaces) || parser.parseColonTypeList(workspaceTypes))) ||
      parseAttributes<GemmOp>(parser, result))
    return failure();
  Region *body = result.addRegion();
  int32_t products = 0;
  while (succeeded(parser.parseOptionalKeyword("product"))) {
    OpAsmParser::UnresolvedOperand weight;
    Type type;
    if (parseProduct(parser, *result.addRegion(), weight, type) || parser.resolveOperand(weight, type, result.operands))
      return failure();
    ++products;
  }
  if (parseBody(parser, result, *body) ||
      (expertsType && parser.resolveOperand(experts, expertsType, result.operands)) ||
      (orderType && parser.resolveOperand(order, orderType, result.operands)) ||
      parser.resolveOperands(workspaces, workspaceTypes, workspacesLoc, result.operands))
    return failure();
  result.addAttribute(getOperandSegmentSizeAttr(),
                      parser.getBuilder().getDenseI32ArrayAttr(
                          {products, expertsType ? 1 : 0, orderType ? 1 : 0, static_cast<int32_t>(workspaces.size())}));
  return success();
}

void GemmOp::print(OpAsmPrinter &printer) {
  printer << " rows ";
  printRows(printer, *this, getRows());
  if (getExperts())
    printer << " by " << getExperts() << " : " << getExperts().getType();
  if (getOrder())
    printer << " sorted " << getOrder() << " : " << getOrder().getType();
  if (getPairs())
    printer << " pairs " << *getPairs() << " by " << *getRun();
  if (getGroup())
    printer << " group " << *getGroup();
  if (!getWorkspaces().empty())
    printer << " workspace " << getWorkspaces() << " : " << getWorkspaces().getTypes();
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(),
      {getRowsAttrName(), getPairsAttrName(), getRunAttrName(), getGroupAttrName(), getOperandSegmentSizeAttr()});
  for (auto [input, weight] : llvm::zip_equal(getInputs(), getWeights())) {
    printer << ' ';
    printProduct(printer, input, weight);
  }
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/true, /*printBlockTerminators=*/false);
}
