// SPDX-License-Identifier: Apache-2.0
//
// Textual forms and verifiers of what is decided about a launched op: its numerics, which are part of its result, and
// its config, which is not. A config may be edited by hand or by a tuner, so verifiers check what generated code relies
// on: tiles that divide panels on x86, and on GPUs multiples of the matrix instructions of each form. Numerics are
// written with names, since they are read and compared by people who look for a difference in bits.

#include "dialects/Kernel/IR/Kernel.h"
#include "dialects/Kernel/IR/KernelChecks.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace yupana;
using namespace yupana::kernel;

//===----------------------------------------------------------------------===//
// Configs
//===----------------------------------------------------------------------===//

LogicalResult X86Attr::verify(function_ref<InFlightDiagnostic()> emitError, StringAttr isa, int64_t tileRows,
                              int64_t tileColumns, int64_t rows) {
  // A cell's tile is a part of a panel of 32 rows, in vectors of 16 lanes: two registers each where they have 8.
  constexpr int64_t panelRows = schema::kPanel32.tile_rows, vectorLanes = 16;
  if (tileRows < 1 || tileColumns < vectorLanes || tileColumns % vectorLanes || panelRows % tileColumns)
    return emitError() << "tile is " << tileRows << " x " << tileColumns
                       << ", expected at least one row and 16 or 32 columns";
  if (rows < 1)
    return emitError() << "rows is " << rows << ", expected at least 1";
  return success();
}

StringRef X86Attr::getTarget() const { return getIsa().getValue(); }

/// Each size of a tile is a multiple of these: those of one mma.sync (16 features, 8 rows, 16 elements of K), or for
/// wgmma and decode of one 64-row tile of the packed weight. At most 256 rows fit the accumulators of one wgmma.
struct TileUnits {
  int64_t features, rows, depth, mostRows;
};

static TileUnits unitsOf(GPUForm form) {
  switch (form) {
  case GPUForm::MMA:
    return {16, 8, 16, 256};
  case GPUForm::WGMMA:
  case GPUForm::PingPong:
  case GPUForm::Decode:
    return {64, 8, 64, 256};
  case GPUForm::SIMT:
    return {0, 0, 0, 0};
  }
  llvm_unreachable("every form has a case");
}

static LogicalResult verifyTile(function_ref<InFlightDiagnostic()> emitError, GPUForm form, int64_t features,
                                int64_t rows, int64_t depth, int64_t stages) {
  auto found = [&] {
    return emitError() << "form " << stringifyGPUForm(form) << " has a tile of " << features << " x " << rows << " x "
                       << depth << " and " << stages << " stages, expected ";
  };
  if (form == GPUForm::SIMT) {
    if (features || rows || depth || stages)
      return found() << "neither";
    return success();
  }
  // Routing has no tile whatever its form.
  if (form == GPUForm::Decode && !features && !rows && !depth && !stages)
    return success();
  TileUnits units = unitsOf(form);
  auto holds = [](int64_t size, int64_t unit) { return size >= unit && size % unit == 0; };
  if (!holds(features, units.features) || !holds(rows, units.rows) || rows > units.mostRows ||
      !holds(depth, units.depth))
    return found() << "multiples of " << units.features << " x " << units.rows << " x " << units.depth
                   << " and at most " << units.mostRows << " rows";
  if (stages < 2)
    return found() << "at least 2 stages, one to fill while another is read";
  return success();
}

LogicalResult GPUAttr::verify(function_ref<InFlightDiagnostic()> emitError, StringAttr chip, GPUForm form,
                              int64_t tileFeatures, int64_t tileRows, int64_t tileDepth, int64_t stages,
                              int64_t threads, int64_t blocks, int64_t rows, int64_t cluster) {
  constexpr int64_t warp = 32, warpgroup = 128, mostThreads = 1024, mostCluster = 8;
  StringRef name = chip.getValue();
  if (!name.starts_with("sm_"))
    return emitError() << "target is \"" << name << "\", expected the name of a GPU such as \"sm_90a\"";
  bool hasWarpgroups = form == GPUForm::WGMMA || form == GPUForm::PingPong;
  if (hasWarpgroups && name != "sm_90a")
    return emitError() << "form " << stringifyGPUForm(form) << " is for \"sm_90a\", the target is \"" << name << "\"";
  if (failed(verifyTile(emitError, form, tileFeatures, tileRows, tileDepth, stages)))
    return failure();
  // wgmma is executed by four warps together; one more may fetch for them.
  int64_t least = hasWarpgroups ? warpgroup : warp;
  if (threads < least || threads > mostThreads || threads % warp)
    return emitError() << "form " << stringifyGPUForm(form) << " has " << threads << " threads, expected a multiple of "
                       << warp << " from " << least << " to " << mostThreads;
  if (blocks < 1)
    return emitError() << "blocks is " << blocks << ", expected at least 1";
  // Rows of a cell are chosen where there is no tile to choose.
  if (rows < 1 || (form != GPUForm::SIMT && rows != 1))
    return emitError() << "form " << stringifyGPUForm(form) << " has cells of " << rows << " rows, expected "
                       << (form == GPUForm::SIMT ? "at least 1" : "1, since the tile says how many");
  int64_t most = hasWarpgroups ? mostCluster : 1;
  if (cluster < 1 || cluster > most)
    return emitError() << "form " << stringifyGPUForm(form) << " has clusters of " << cluster
                       << " blocks, expected from 1 to " << most;
  return success();
}

StringRef GPUAttr::getTarget() const { return getChip().getValue(); }

LogicalResult SignatureAttr::verify(function_ref<InFlightDiagnostic()> emitError, StringAttr digest, int64_t tokens,
                                    int64_t configs) {
  constexpr size_t digits = 64;
  StringRef text = digest.getValue();
  if (text.size() != digits || text.find_first_not_of("0123456789abcdef") != StringRef::npos)
    return emitError() << "digest is " << digest << ", expected " << digits << " lower-case hexadecimal digits";
  if (tokens < 1 || configs < 1)
    return emitError() << "has " << tokens << " tokens and " << configs << " configs, expected at least one of each";
  return success();
}

//===----------------------------------------------------------------------===//
// Numerics
//===----------------------------------------------------------------------===//

namespace {

/// Fields as they are read, in this order; 0 is a field that is not there.
struct NumericsFields {
  int64_t range = NumericsAttr::kNone, partials = 0, block = 0, segment = 0;
  std::optional<SumOrder> order;
};

} // namespace

static ParseResult parseRange(AsmParser &parser, int64_t &range) {
  if (succeeded(parser.parseOptionalKeyword("all"))) {
    range = NumericsAttr::kWhole;
    return success();
  }
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseInteger(range))
    return failure();
  // What stands for the whole K, and for no K at all, has no number.
  return range < 1 ? parser.emitError(loc) << "range is " << range << ", expected `all` or a number of elements"
                   : ParseResult(success());
}

/// Fields come in any order and once each; what the op needs of them, its verifier asks.
static ParseResult parseField(AsmParser &parser, NumericsFields &fields) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef name;
  if (parser.parseKeyword(&name) || parser.parseEqual())
    return failure();
  if (name == "range" && fields.range == NumericsAttr::kNone)
    return parseRange(parser, fields.range);
  if (name == "partials" && !fields.partials)
    return parser.parseInteger(fields.partials);
  if (name == "block" && !fields.block)
    return parser.parseInteger(fields.block);
  if (name == "segment" && !fields.segment)
    return parser.parseInteger(fields.segment);
  if (name != "order" || fields.order)
    return parser.emitError(loc) << "unexpected '" << name << "', expected each of range, order, partials, block and "
                                 << "segment at most once";
  StringRef order;
  if (parser.parseKeyword(&order))
    return failure();
  fields.order = symbolizeSumOrder(order);
  if (!fields.order)
    return parser.emitError(loc) << "unknown order '" << order << "'";
  return success();
}

Attribute NumericsAttr::parse(AsmParser &parser, Type) {
  SMLoc loc = parser.getCurrentLocation();
  NumericsFields fields;
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::LessGreater, [&] { return parseField(parser, fields); }))
    return {};
  if (fields.order.has_value() != (fields.range != kNone)) {
    parser.emitError(loc) << "states a range or an order, expected both or neither";
    return {};
  }
  return getChecked([&] { return parser.emitError(loc); }, parser.getContext(), fields.range,
                    fields.order.value_or(SumOrder::Ascending), fields.partials, fields.block, fields.segment);
}

/// A kernel without products has no range and no order, which are then left out.
void NumericsAttr::print(AsmPrinter &printer) const {
  printer << '<';
  if (hasProducts()) {
    printer << "range = ";
    if (getRange() == kWhole)
      printer << "all";
    else
      printer << getRange();
    printer << ", order = " << stringifySumOrder(getOrder()) << ", ";
  }
  printer << "partials = " << getPartials();
  if (hasBlock())
    printer << ", block = " << getBlock();
  if (hasSegments())
    printer << ", segment = " << getSegment();
  printer << '>';
}

LogicalResult NumericsAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t range, SumOrder order,
                                   int64_t partials, int64_t block, int64_t segment) {
  if (range < kWhole)
    return emitError() << "range is " << range << ", expected `all` or a number of elements";
  // A range is summed in pairs, or in blocks: one that cut them would have sums of another order.
  if (order == SumOrder::OddFirstPairs && range > 0 && range % 2)
    return emitError() << "range is " << range << ", expected whole pairs in order odd_first_pairs";
  if (order == SumOrder::MatrixBlocks && range > 0 && range % 16)
    return emitError() << "range is " << range << ", expected whole blocks of 16 in order matrix_blocks";
  if (order == SumOrder::EvenOddBlocks && range > 0 && range % 32)
    return emitError() << "range is " << range << ", expected whole blocks of 32 in order even_odd_blocks";
  // Partial sums are added in a tree of pairs.
  if (partials < 1 || !llvm::isPowerOf2_64(partials))
    return emitError() << "partials is " << partials << ", expected a power of two";
  if (block < 0)
    return emitError() << "block is " << block << ", expected a number of positions";
  if (segment < 0 || (segment && (!block || segment % block)))
    return emitError() << "segment is " << segment << ", expected a multiple of the block of " << block << " positions";
  return success();
}

/// Numerics are optional until state-numerics has run, and then say just what the op's sums need.
LogicalResult kernel::checkNumerics(Operation *op, NumericsAttr numerics, bool products, bool block) {
  if (!numerics || (numerics.hasProducts() == products && numerics.hasBlock() == block))
    return success();
  return op->emitOpError() << "has numerics " << numerics << ", expected "
                           << (products ? "a range and an order" : "no range") << " and "
                           << (block ? "a block" : "no block");
}

/// True if joining the two keeps the bits of both. What an op has no sums of may differ.
bool kernel::haveSameNumerics(LaunchedOpInterface x, LaunchedOpInterface y) {
  NumericsAttr first = x.getNumericsAttr(), second = y.getNumericsAttr();
  return !first || !second ||
         (first.getPartials() == second.getPartials() &&
          (!first.hasProducts() || !second.hasProducts() || first == second));
}
