// SPDX-License-Identifier: Apache-2.0
//
// Verifiers and textual forms of launched ops, of programs and of what programs name; those of gemms are in
// KernelGemm.cpp, those of scalar regions in KernelRegionOps.cpp. A verifier checks what one op can see: shapes, types
// and the ops that its symbols name, since kernel-level files are also written by hand. What takes a whole program,
// such as the order of writes, is checked by the pass that closes a phase.

#include "dialects/Kernel/IR/Kernel.h"
#include "dialects/Kernel/IR/KernelChecks.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::kernel;

ParseResult kernel::parseRows(OpAsmParser &parser, lm::DimAttr &rows) { return lm::parseDim(parser, rows); }

void kernel::printRows(OpAsmPrinter &printer, Operation *, lm::DimAttr rows) { printer << rows.str(); }

/// Logits that are given, or the product that computes them. The verifier says what is missing.
static ParseResult parseLogits(OpAsmParser &parser, std::optional<OpAsmParser::UnresolvedOperand> &logits,
                               Type &logitsType, Region &input, std::optional<OpAsmParser::UnresolvedOperand> &router,
                               Type &routerType) {
  if (succeeded(parser.parseOptionalKeyword("logits"))) {
    logits.emplace();
    if (parser.parseOperand(*logits) || parser.parseColonType(logitsType))
      return failure();
  }
  if (failed(parser.parseOptionalKeyword("product")))
    return success();
  router.emplace();
  return parseProduct(parser, input, *router, routerType);
}

static void printLogits(OpAsmPrinter &printer, Operation *, Value logits, Type, Region &input, Value router, Type) {
  if (logits)
    printer << "logits " << logits << " : " << logits.getType() << (router ? " " : "");
  if (router)
    printProduct(printer, input, router);
}

#include "dialects/Kernel/IR/KernelOpInterfaces.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Kernel/IR/KernelOps.cpp.inc"

//===----------------------------------------------------------------------===//
// Shared checks
//===----------------------------------------------------------------------===//

/// `dims` may have null for a dimension of any size. Kernels without a region read and write row-major memory alone.
LogicalResult kernel::checkView(Operation *op, StringRef name, Value view, ArrayRef<lm::DimAttr> dims,
                                Type elementType) {
  auto type = cast<ViewType>(view.getType());
  bool same = type.getDims().size() == dims.size() && type.getElementType() == elementType && type.isRowMajor();
  for (size_t i = 0; same && i < dims.size(); ++i)
    same = !dims[i] || dims[i] == type.getDims()[i];
  if (same)
    return success();
  InFlightDiagnostic diag = op->emitOpError() << name << " is " << type << ", expected [";
  llvm::interleaveComma(dims, diag, [&](lm::DimAttr dim) { diag << (dim ? dim.str() : "_"); });
  diag << "] of " << elementType << (type.isRowMajor() ? "" : ", row-major");
  if (Operation *def = view.getDefiningOp(); def && def != op)
    diag.attachNote(def->getLoc()) << name << " is defined here";
  return diag;
}

/// The rows of a view, which has at least one dimension.
static lm::DimAttr rowsOf(Value view) { return cast<ViewType>(view.getType()).getDims()[0]; }

/// A dimension that is one size of a step.
static lm::DimAttr dim(Operation *op, lm::DimSymbol symbol) { return lm::DimAttr::get(op->getContext(), symbol); }

LogicalResult kernel::checkArguments(Operation *op, Region &body, ArrayRef<Type> types) {
  if (llvm::equal(body.getArgumentTypes(), types))
    return success();
  InFlightDiagnostic diag = op->emitOpError() << "region takes (" << body.getArgumentTypes() << "), expected (";
  llvm::interleaveComma(types, diag);
  return diag << ")";
}

//===----------------------------------------------------------------------===//
// Programs and the memory they name
//===----------------------------------------------------------------------===//

/// What tells memory that kernels write apart from all other memory of a program; null for anything else. Two values
/// for one memory would hide a writer from all who follow the uses of a value.
static Attribute nameOfMemory(Operation &op) {
  Builder builder(op.getContext());
  if (auto buffer = dyn_cast<BufferOp>(op))
    return buffer.getNameAttr();
  if (auto cache = dyn_cast<kernel::CacheOp>(op))
    return builder.getArrayAttr(
        {cache.getCacheAttr(), builder.getI64IntegerAttr(static_cast<int64_t>(cache.getView().getType().getPart()))});
  return isa<HistoryOp>(op) ? Attribute(builder.getUnitAttr()) : Attribute();
}

LogicalResult ProgramOp::verifyRegions() {
  llvm::DenseMap<Attribute, Operation *> names;
  for (Operation &op : getBody().front()) {
    Attribute name = nameOfMemory(op);
    if (!name)
      continue;
    auto [entry, isNew] = names.try_emplace(name, &op);
    if (isNew)
      continue;
    InFlightDiagnostic diag = emitOpError() << "names the memory of one " << op.getName() << " twice";
    diag.attachNote(entry->second->getLoc()) << "first named here";
    diag.attachNote(op.getLoc()) << "and named again here";
    return diag;
  }
  return success();
}

LogicalResult InputOp::verify() {
  struct Form {
    lm::DimSymbol rows;
    unsigned bits;
    bool isFloat;
  };
  using lm::DimSymbol;
  // By the number of the input: StepInput in KernelEnums.td, which is also that of the plan and of the runtime.
  static const Form forms[] = {{DimSymbol::T, 32, false}, {DimSymbol::T, 32, false}, {DimSymbol::T, 32, false},
                               {DimSymbol::S, 32, false}, {DimSymbol::R, 32, false}, {DimSymbol::R, 32, true},
                               {DimSymbol::R, 64, false}, {DimSymbol::R, 64, false}, {DimSymbol::R, 32, false},
                               {DimSymbol::S, 32, false}, {DimSymbol::R, 32, false}, {DimSymbol::R, 32, false},
                               {DimSymbol::R, 32, true},  {DimSymbol::R, 32, true},  {DimSymbol::R, 32, true}};
  const Form &form = forms[static_cast<unsigned>(getInput())];
  Builder builder(getContext());
  Type element = form.isFloat ? Type(builder.getF32Type()) : builder.getIntegerType(form.bits);
  return checkView(*this, stringifyStepInput(getInput()), getView(), {dim(*this, form.rows)}, element);
}

LogicalResult WeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  Operation *parameter = lm::lookupParameter(*this, getWeightAttr(), symbols);
  if (!parameter)
    return failure();
  RankedTensorType type = lm::getParameterType(parameter);
  auto view = getView().getType();
  if (ArrayRef(lm::getDims(type)) == view.getDims() && type.getElementType() == view.getElementType())
    return success();
  InFlightDiagnostic diag = emitOpError() << "view " << view << " of " << getWeightAttr() << ", which is " << type;
  diag.attachNote(parameter->getLoc()) << getWeightAttr() << " is declared here";
  return diag;
}

/// Arena and offset are there from plan-memory on. Both may be written by hand, which is why they are checked.
LogicalResult BufferOp::verify() {
  for (lm::DimAttr dim : getView().getType().getDims())
    if (dim.getSymbol() == lm::DimSymbol::N)
      return emitOpError() << "is " << getView().getType() << ", but how many sequences can be alive no plan knows";
  if (getArena().has_value() != getOffset().has_value())
    return emitOpError() << "has an arena or an offset, expected both or neither";
  if (!getOffset())
    return success();
  int64_t arena = *getArena(), offset = *getOffset();
  // The alignment of plan-memory, which kernels rely on for aligned vectors.
  if (arena < 0 || offset < 0 || offset % 64)
    return emitOpError() << "lies at offset " << offset << " of arena " << arena
                         << ", expected a multiple of 64 in an arena that exists";
  return success();
}

LogicalResult HistoryOp::verify() {
  Builder builder(getContext());
  return checkView(*this, "history", getView(), {dim(*this, lm::DimSymbol::N), lm::DimAttr()}, builder.getI32Type());
}

static FailureOr<lm::CacheOp> lookupCache(Operation *op, FlatSymbolRefAttr name, SymbolTableCollection &symbols) {
  if (auto cache = symbols.lookupNearestSymbolFrom<lm::CacheOp>(op, name))
    return cache;
  return op->emitOpError() << "uses " << name << ", expected the name of an lm.cache";
}

/// A group is named once group-caches has placed the cache in one.
static LogicalResult checkGroup(Operation *op, FlatSymbolRefAttr group, SymbolTableCollection &symbols) {
  if (!group || symbols.lookupNearestSymbolFrom<CacheGroupOp>(op, group))
    return success();
  return op->emitOpError() << "lies in " << group << ", expected the name of a kernel.cache_group";
}

LogicalResult kernel::CacheOp::verifySymbolUses(SymbolTableCollection &symbols) {
  FailureOr<lm::CacheOp> cache = lookupCache(*this, getCacheAttr(), symbols);
  if (failed(cache) || failed(checkGroup(*this, getGroupAttr(), symbols)))
    return failure();
  auto type = getView().getType();
  if (type.getHeads() != static_cast<int64_t>(cache->getHeads()) ||
      type.getWidth() != static_cast<int64_t>(cache->getWidth())) {
    InFlightDiagnostic diag = emitOpError()
                              << "has " << type.getHeads() << " heads of " << type.getWidth() << " features, "
                              << getCacheAttr() << " has " << cache->getHeads() << " of " << cache->getWidth();
    diag.attachNote(cache->getLoc()) << getCacheAttr() << " is declared here";
    return diag;
  }
  if (getGroup() && (!getOffset() || type.getPageBytes() == 0))
    return emitOpError() << "lies in a group, expected an offset and page_bytes";
  return success();
}

LogicalResult PageTableOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (failed(lookupCache(*this, getCacheAttr(), symbols)) || failed(checkGroup(*this, getGroupAttr(), symbols)))
    return failure();
  Builder builder(getContext());
  return checkView(*this, "page table", getView(), {dim(*this, lm::DimSymbol::S), lm::DimAttr()}, builder.getI32Type());
}

LogicalResult CacheGroupOp::verify() {
  if (getLayers().empty())
    return emitOpError() << "has no layers";
  if (static_cast<int64_t>(getChunk()) < 0 || static_cast<int64_t>(getPageTokens()) < 1 ||
      static_cast<int64_t>(getPageBytes()) < 1)
    return emitOpError() << "has chunk " << getChunk() << ", page_tokens " << getPageTokens() << ", page_bytes "
                         << getPageBytes() << "; expected positive pages";
  return success();
}

LogicalResult ResultOp::verify() {
  Builder builder(getContext());
  lm::DimAttr rows = dim(*this, lm::DimSymbol::R);
  if (getKind() == ResultKind::Logits)
    return checkView(*this, "logits", getView(), {rows, lm::DimAttr()}, builder.getF32Type());
  return checkView(*this, "sampled", getView(), {rows}, builder.getI32Type());
}

//===----------------------------------------------------------------------===//
// Map
//===----------------------------------------------------------------------===//

ParseResult MapOp::parse(OpAsmParser &parser, OperationState &result) {
  Builder builder(parser.getContext());
  lm::DimAttr rows;
  int64_t groups, width;
  if (parser.parseKeyword("rows") || parseRows(parser, rows) || parser.parseKeyword("groups") ||
      parser.parseInteger(groups) || parser.parseKeyword("width") || parser.parseInteger(width))
    return failure();
  result.addAttribute(getRowsAttrName(result.name), rows);
  result.addAttribute(getGroupsAttrName(result.name), builder.getI64IntegerAttr(groups));
  result.addAttribute(getWidthAttrName(result.name), builder.getI64IntegerAttr(width));
  Region *body = result.addRegion();
  if (parseAttributes<MapOp>(parser, result) || parser.parseRegion(*body))
    return failure();
  ensureTerminator(*body, builder, result.location);
  return success();
}

void MapOp::print(OpAsmPrinter &printer) {
  printer << " rows ";
  printRows(printer, *this, getRows());
  printer << " groups " << getGroups() << " width " << getWidth();
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(),
                                           {getRowsAttrName(), getGroupsAttrName(), getWidthAttrName()});
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/true, /*printBlockTerminators=*/false);
}

bool MapOp::addsUp() {
  return llvm::any_of(getBody().front(), [](Operation &op) { return isa<SumOp, RowSumOp>(op); });
}

LogicalResult MapOp::verify() {
  if (static_cast<int64_t>(getGroups()) < 1 || static_cast<int64_t>(getWidth()) < 1)
    return emitOpError() << "has " << getGroups() << " groups of " << getWidth() << " lanes, expected at least one";
  if (failed(checkNumerics(*this, getNumericsAttr(), /*products=*/false, /*block=*/false)))
    return failure();
  Type index = IndexType::get(getContext());
  return checkArguments(*this, getBody(), {index, index, index});
}

//===----------------------------------------------------------------------===//
// Kernels without a region
//===----------------------------------------------------------------------===//

LogicalResult AttentionOp::verify() {
  Builder builder(getContext());
  auto keys = getKeys().getType(), values = getValues().getType();
  if (keys.getPart() != CachePart::Key || values.getPart() != CachePart::Value)
    return emitOpError() << "reads keys from " << keys << " and values from " << values;
  if (keys.getHeads() != values.getHeads() || keys.getWidth() != values.getWidth() ||
      keys.getPageTokens() != values.getPageTokens() || keys.getPageBytes() != values.getPageBytes() ||
      keys.getElementType() != values.getElementType() || keys.getLayout() != values.getLayout())
    return emitOpError() << "keys " << keys << " and values " << values << " differ in more than their part";
  lm::DimAttr rows = rowsOf(getQuery());
  auto query = getQuery().getType();
  // Queries have a whole number of heads for each key head.
  int64_t headRow = keys.getHeads() * keys.getWidth();
  if (query.getRank() != 2 || query.getDimSize(1) % headRow)
    return emitOpError() << "queries " << query << " are no multiple of " << keys.getHeads() << " key heads of "
                         << keys.getWidth() << " features";
  // 0 stands for full attention.
  if (static_cast<int64_t>(getChunk()) < 0)
    return emitOpError() << "chunk is " << static_cast<int64_t>(getChunk()) << ", expected 0 or a size";
  if (failed(checkNumerics(*this, getNumericsAttr(), /*products=*/true, /*block=*/true)) ||
      failed(checkView(*this, "out", getOut(), {rows, lm::DimAttr()}, keys.getElementType())) ||
      failed(checkView(*this, "query", getQuery(), query.getDims(), keys.getElementType())) ||
      failed(checkView(*this, "positions", getPositions(), {rows}, builder.getI32Type())) ||
      failed(checkView(*this, "sequences", getSequences(), {rows}, builder.getI32Type())))
    return failure();
  // Rows of the output may be longer than what is written of them.
  if (getOut().getType().getDimSize(1) < query.getDimSize(1))
    return emitOpError() << "out is " << getOut().getType() << ", expected rows of at least " << query.getDimSize(1)
                         << " elements, as the query has";
  return checkView(*this, "pages", getPages(), {dim(*this, lm::DimSymbol::S), lm::DimAttr()}, builder.getI32Type());
}

int64_t RouteOp::getExpertCount() {
  return getLogits() ? getLogits().getType().getDimSize(1) : getRouter().getType().getDimSize(0);
}

LogicalResult RouteOp::verify() {
  Builder builder(getContext());
  // Two forms: logits from a buffer, or a router's weight and the input region that it multiplies (fuse-router).
  if (bool(getLogits()) == bool(getRouter()) || bool(getRouter()) == getInput().empty())
    return emitOpError() << "takes logits, or an input and a router to compute them by";
  ViewType scored = getLogits() ? getLogits().getType() : getRouter().getType();
  if (scored.getRank() != 2 || static_cast<int64_t>(getTopK()) < 1 ||
      static_cast<int64_t>(getTopK()) > getExpertCount())
    return emitOpError() << "chooses " << getTopK() << " experts by " << (getLogits() ? "logits " : "router ")
                         << scored;
  if (failed(checkNumerics(*this, getNumericsAttr(), /*products=*/false, /*block=*/false)))
    return failure();
  lm::DimAttr k = lm::DimAttr::get(getContext(), static_cast<int64_t>(getTopK()));
  if (getLogits() && failed(checkView(*this, "logits", getLogits(), {getRows(), lm::DimAttr()}, builder.getF32Type())))
    return failure();
  if (getRouter()) {
    if (!scored.isRowMajor() || !scored.getDims()[0].isStatic() ||
        (!scored.getElementType().isF32() && !scored.getElementType().isBF16()))
      return emitOpError() << "router is " << scored << ", expected static, row-major and of f32 or bf16";
    if (failed(checkInput(*this, getInput(), getRows(), scored, builder.getF32Type())))
      return failure();
  }
  if (failed(checkView(*this, "experts", getExperts(), {getRows(), k}, builder.getI32Type())))
    return failure();
  return checkView(*this, "scores", getScores(), {getRows(), k}, builder.getF32Type());
}

/// The order has room for every pair and for what fills up each expert's rows to a multiple of the alignment.
LogicalResult GroupOp::verify() {
  Builder builder(getContext());
  Type i32 = builder.getI32Type();
  auto alignment = static_cast<int64_t>(getAlignment());
  if (alignment < 1)
    return emitOpError() << "aligns rows to " << alignment << ", expected at least 1";
  ViewType experts = getExperts().getType(), offsets = getOffsets().getType();
  if (experts.getRank() != 2 || !experts.getElementType().isInteger(32))
    return emitOpError() << "groups by " << experts << ", expected k choices of i32 a row";
  if (offsets.getRank() != 1 || !offsets.getDims()[0].isStatic() || getExpertCount() < 1)
    return emitOpError() << "offsets is " << offsets << ", expected one for each expert and one more";
  if (failed(checkView(*this, "offsets", getOffsets(), {lm::DimAttr()}, i32)))
    return failure();
  return checkView(*this, "order", getOrder(), {getPlaces(experts, getExpertCount(), alignment)}, i32);
}

/// All columns have a row for each row of logits; the history has one for each sequence that is alive, which rows name
/// by their slots.
LogicalResult SampleOp::verify() {
  Builder builder(getContext());
  lm::DimAttr rows = rowsOf(getLogits()), alive = dim(*this, lm::DimSymbol::N);
  Type f32 = builder.getF32Type(), i32 = builder.getI32Type(), i64 = builder.getI64Type();
  if (failed(checkView(*this, "logits", getLogits(), {rows, lm::DimAttr()}, f32)) ||
      failed(checkView(*this, "history", getHistory(), {alive, lm::DimAttr()}, i32)))
    return failure();
  const std::tuple<StringRef, Value, Type> columns[] = {{"temperatures", getTemperatures(), f32},
                                                        {"top_k", getTopK(), i32},
                                                        {"top_p", getTopP(), f32},
                                                        {"min_p", getMinP(), f32},
                                                        {"penalties", getPenalties(), f32},
                                                        {"seeds", getSeeds(), i64},
                                                        {"sequences", getSequences(), i64},
                                                        {"positions", getPositions(), i32},
                                                        {"slots", getSlots(), i32},
                                                        {"ids", getIds(), i32}};
  for (const auto &[name, view, type] : columns)
    if (failed(checkView(*this, name, view, {rows}, type)))
      return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// Parallel
//===----------------------------------------------------------------------===//

/// Two members may read the same, none what another writes. That a view has one writer is for the phase's verifier.
LogicalResult ParallelOp::verifyRegions() {
  // Cells of all members run side by side and in any order.
  llvm::DenseMap<Value, SmallVector<Operation *>> writers;
  Block &block = getBody().front();
  for (Operation &op : block) {
    auto member = dyn_cast<LaunchedOpInterface>(op);
    if (!member || isa<ParallelOp>(op))
      return op.emitOpError() << "is a member of a kernel.parallel, expected a launched op";
    for (Value view : member.getAccesses().writes)
      writers[view].push_back(&op);
  }
  for (auto member : block.getOps<LaunchedOpInterface>())
    for (Value view : member.getAccesses().reads)
      for (Operation *writer : writers.lookup(view)) {
        if (writer == member)
          continue;
        InFlightDiagnostic diag = member->emitOpError() << "reads what another member writes";
        diag.attachNote(writer->getLoc()) << "written here";
        return diag;
      }
  return success();
}

//===----------------------------------------------------------------------===//
// Outlined kernels
//===----------------------------------------------------------------------===//

/// `numbers` are the arguments that are `what`: ascending and each once, one way to say each set.
static LogicalResult checkNumbers(FuncOp func, StringRef what, ArrayRef<int64_t> numbers) {
  int64_t next = 0, count = func.getBody().getNumArguments();
  for (int64_t number : numbers) {
    if (number < next || number >= count)
      return func.emitOpError() << "has " << what << " " << number << ", expected ascending numbers of its " << count
                                << " arguments";
    next = number + 1;
  }
  return success();
}

/// A kernel sees its launched op and arguments alone. Which of them are weights or workspaces stands beside it, since
/// an argument does not say whose memory it is.
LogicalResult FuncOp::verifyRegions() {
  Block &block = getBody().front();
  ArrayRef<int64_t> weights = getWeights().value_or(ArrayRef<int64_t>());
  ArrayRef<int64_t> workspaces = getWorkspaces().value_or(ArrayRef<int64_t>());
  if (failed(checkNumbers(*this, "weight", weights)) || failed(checkNumbers(*this, "workspace", workspaces)))
    return failure();
  for (int64_t number : workspaces)
    if (llvm::is_contained(weights, number))
      return emitOpError() << "has argument " << number << " as a weight and as a workspace, expected one of the two";
  if (!llvm::hasSingleElement(block) || !isa<LaunchedOpInterface>(block.front()))
    return emitOpError() << "holds " << std::distance(block.begin(), block.end())
                         << " ops, expected exactly one launched op";
  Accesses accesses = cast<LaunchedOpInterface>(block.front()).getAccesses();
  for (int64_t number : weights)
    if (accesses.writes.contains(block.getArgument(number)))
      return emitOpError() << "writes argument " << number << ", which is a weight";
  for (BlockArgument argument : block.getArguments())
    if (!isa<ViewType, CacheType>(argument.getType()))
      return emitOpError() << "argument " << argument.getArgNumber() << " is " << argument.getType()
                           << ", expected a view or a cache";
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto func = symbols.lookupNearestSymbolFrom<FuncOp>(*this, getKernelAttr());
  if (!func)
    return emitOpError() << "launches " << getKernelAttr() << ", expected a kernel.func of a kernel.library";
  TypeRange expected = func.getBody().getArgumentTypes();
  if (expected == TypeRange(getOperands()))
    return success();
  InFlightDiagnostic diag = emitOpError()
                            << "passes (" << getOperandTypes() << ") to a kernel that takes (" << expected << ")";
  diag.attachNote(func.getLoc()) << getKernelAttr() << " is declared here";
  return diag;
}
