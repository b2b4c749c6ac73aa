// SPDX-License-Identifier: Apache-2.0
//
// A weight is a batch of matrices [N, K], or of pairs of them whose rows alternate. A piece is a range of rows and
// columns of one matrix that covers whole tiles of the packed form, so that no two pieces write to the same tile:
// pieces can be made in any order and by any thread, and the window bounds their memory. The source is read in runs
// along the axis whose neighbours lie side by side in the checkpoint, whichever of the two that is; the tiles are then
// filled from memory at the places that runtime/schema/forms.h gives.

#include "compiler/Export/WeightStream.h"

#include "compiler/Export/WeightPacking.h"
#include "runtime/schema/forms.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace mlir;
using namespace yupana;

namespace {

/// Longest run along N. With the window, a piece of transposed weights is then 4096 rows by 128 columns: reads and
/// writes of 8 KiB both, where elements have two bytes.
constexpr uint64_t transposedRun = 4096;

/// Where the rows of a weight come from: the whole of it, or one of the two that an interleaved weight alternates.
struct Part {
  WeightMap map; ///< Of the batch alone; the last two axes are `n` and `k`.
  std::vector<SourceTensor> tensors;
  WeightMap::Axis n{1, 0, 0}, k{1, 0, 0};

  SourceElement element() const { return tensors.front().element; }
};

/// How the elements lie in the file.
struct Packing {
  const schema::PackedForm &form;
  schema::PackedShape shape; ///< With the rows of both parts.
  uint64_t run;              ///< Rows of either part that follow one another; 0 for one part.

  uint64_t elementBytes() const { return shape.element_bytes; }
};

class StreamedWeight : public PieceMaker {
public:
  StreamedWeight(std::vector<Part> parts, const TensorSource &source, const Packing &packing, uint64_t window);

  uint64_t bytes() const override;
  uint64_t pieces() const override { return packing.shape.batches * nPieces * kPieces; }
  Result<void> make(uint64_t index, PieceMemory &memory, PieceSink sink) const override;

private:
  /// Rows [n0, n0 + ns) of every part and columns [k0, k0 + ks) of matrix `batch`; n0 and k0 begin a tile.
  struct Piece {
    uint64_t batch, n0, ns, k0, ks;
  };

  /// Rows that a part has in a tile.
  uint64_t partRows() const { return tileRows / parts.size(); }
  uint64_t rowTiles(const Piece &piece) const { return llvm::divideCeil(piece.ns, partRows()); }
  uint64_t columnTiles(const Piece &piece) const { return llvm::divideCeil(piece.ks, tileColumns); }
  uint64_t tileElements() const { return tileRows * tileColumns; }

  void choosePieces(uint64_t window);
  Piece pieceAt(uint64_t index) const;
  Result<void> read(const Part &part, const Piece &piece, std::vector<uint8_t> &bytes) const;
  void pack(size_t part, const Piece &piece, const std::vector<uint8_t> &bytes, std::vector<uint8_t> &packed) const;
  Result<void> write(const Piece &piece, const std::vector<uint8_t> &packed, PieceSink sink) const;

  std::vector<Part> parts;
  const TensorSource &source;
  Packing packing;
  uint64_t tileRows, tileColumns;
  WeightMap::Axis n, k; ///< Of the first part; the extents are those of all.
  bool runsAlongK;      ///< Else along N.
  uint64_t nPiece, kPiece, nPieces, kPieces;
};

StreamedWeight::StreamedWeight(std::vector<Part> given, const TensorSource &source, const Packing &packing,
                               uint64_t window)
    : parts(std::move(given)), source(source), packing(packing), tileRows(packing.form.tile_rows),
      tileColumns(packing.form.tile_columns(packing.elementBytes())) {
  // A vector is one row, a scalar one row of one column.
  for (Part &part : parts) {
    std::vector<WeightMap::Axis> &axes = part.map.axes;
    if (!axes.empty()) {
      part.k = axes.back();
      axes.pop_back();
    }
    if (!axes.empty()) {
      part.n = axes.back();
      axes.pop_back();
    }
  }
  n = parts.front().n;
  k = parts.front().k;
  // Reads go along the axis that is contiguous in the file. A transposed tensor has N there, and its pieces are cut the
  // other way round.
  runsAlongK = k.isContiguous() || !n.isContiguous();
  choosePieces(window);
}

uint64_t StreamedWeight::bytes() const {
  return packing.shape.batches * schema::row_tiles(packing.form, packing.shape) *
         schema::row_tile_elements(packing.form, packing.shape) * packing.elementBytes();
}

void StreamedWeight::choosePieces(uint64_t window) {
  // Runs along K: whole rows of tiles if the window holds them, since these are contiguous in the file. Runs along N:
  // as many rows as one read should have, then as much of K as the window leaves.
  // At least one tile, however small the window.
  window = std::max(window, tileElements());
  uint64_t allRows = llvm::alignTo(n.extent, partRows());
  auto wholeTiles = [&](uint64_t columns) { return std::max(llvm::alignDown(columns, tileColumns), tileColumns); };
  if (runsAlongK) {
    kPiece = std::min(k.extent, wholeTiles(window / tileRows));
    nPiece = std::min(allRows, llvm::alignDown(window / llvm::alignTo(kPiece, tileColumns) / parts.size(), partRows()));
  } else {
    uint64_t rows = std::min(window / parts.size() / tileColumns, std::max(transposedRun, partRows()));
    nPiece = std::min(allRows, llvm::alignDown(rows, partRows()));
    kPiece = std::min(k.extent, wholeTiles(window / nPiece / parts.size()));
  }
  nPieces = llvm::divideCeil(n.extent, nPiece);
  kPieces = llvm::divideCeil(k.extent, kPiece);
}

StreamedWeight::Piece StreamedWeight::pieceAt(uint64_t index) const {
  // K runs fastest, then rows: consecutive pieces are neighbours in the file where it is row-major.
  Piece piece;
  piece.k0 = index % kPieces * kPiece;
  piece.n0 = index / kPieces % nPieces * nPiece;
  piece.batch = index / kPieces / nPieces;
  piece.ns = std::min(nPiece, n.extent - piece.n0);
  piece.ks = std::min(kPiece, k.extent - piece.k0);
  return piece;
}

/// Reads the piece as [outer][inner], inner the axis along which runs go.
Result<void> StreamedWeight::read(const Part &part, const Piece &piece, std::vector<uint8_t> &bytes) const {
  uint64_t first = part.map.firstElement + piece.n0 * part.n.elementStride + piece.k0 * part.k.elementStride;
  uint64_t firstSource = part.map.firstSource + piece.n0 * part.n.sourceStride + piece.k0 * part.k.sourceStride;
  uint64_t batch = piece.batch;
  // The number of a matrix in the batch, taken apart into its axes, the last of them first.
  for (const WeightMap::Axis &axis : llvm::reverse(part.map.axes)) {
    first += batch % axis.extent * axis.elementStride;
    firstSource += batch % axis.extent * axis.sourceStride;
    batch /= axis.extent;
  }
  const WeightMap::Axis &inner = runsAlongK ? part.k : part.n, &outer = runsAlongK ? part.n : part.k;
  uint64_t inners = runsAlongK ? piece.ks : piece.ns, outers = runsAlongK ? piece.ns : piece.ks;
  uint64_t size = sourceElementBytes(part.element());
  bytes.resize(inners * outers * size);

  // Where neither axis is contiguous, as in slices of both with a step, it goes element by element.
  uint64_t run = inner.isContiguous() ? inners : 1;
  // Whole rows of the tensor follow one another without a gap.
  if (run == inners && outer.elementStride == inners && outer.sourceStride == 0) {
    run *= outers;
    inners = run;
    outers = 1;
  }
  for (uint64_t o = 0; o < outers; ++o)
    for (uint64_t i = 0; i < inners; i += run) {
      uint64_t at = first + o * outer.elementStride + i * inner.elementStride;
      uint64_t from = firstSource + o * outer.sourceStride + i * inner.sourceStride;
      YUPANA_RETURN_IF_ERROR(
          source.read(part.tensors[from], at * size, bytes.data() + (o * inners + i) * size, run * size));
    }
  return {};
}

void StreamedWeight::pack(size_t part, const Piece &piece, const std::vector<uint8_t> &bytes,
                          std::vector<uint8_t> &packed) const {
  packerFor(packing.form, packing.elementBytes(), parts[part].element(),
            runsAlongK)({bytes.data(), packed.data(), piece.ns, piece.ks, columnTiles(piece), packing.run, part});
}

/// A piece of whole tile rows is one write. One that was cut along K has a part of each row of tiles.
Result<void> StreamedWeight::write(const Piece &piece, const std::vector<uint8_t> &packed, PieceSink sink) const {
  schema::NumberMath math;
  uint64_t first = schema::row_tile_index(math, packing.form, packing.shape, piece.batch, piece.n0 / partRows());
  uint64_t rowBytes = schema::row_tile_elements(packing.form, packing.shape) * packing.elementBytes();
  uint64_t pieceBytes = packed.size() / rowTiles(piece);
  if (pieceBytes == rowBytes)
    return sink(first * rowBytes, packed.data(), packed.size());
  uint64_t columnOffset = piece.k0 / tileColumns * tileElements() * packing.elementBytes();
  for (uint64_t tile = 0; tile < rowTiles(piece); ++tile)
    YUPANA_RETURN_IF_ERROR(
        sink((first + tile) * rowBytes + columnOffset, packed.data() + tile * pieceBytes, pieceBytes));
  return {};
}

Result<void> StreamedWeight::make(uint64_t index, PieceMemory &memory, PieceSink sink) const {
  Piece piece = pieceAt(index);
  uint64_t packedBytes = rowTiles(piece) * columnTiles(piece) * tileElements() * packing.elementBytes();
  // Padding is zero. Packing writes every byte of a piece that has none.
  if (piece.ns % partRows() == 0 && piece.ks % tileColumns == 0)
    memory.packed.resize(packedBytes);
  else
    memory.packed.assign(packedBytes, 0);
  for (size_t part = 0; part < parts.size(); ++part) {
    YUPANA_RETURN_IF_ERROR(read(parts[part], piece, memory.source));
    pack(part, piece, memory.source, memory.packed);
  }
  return write(piece, memory.packed, sink);
}

std::string_view elementName(SourceElement element) {
  return element == SourceElement::F32 ? "f32" : element == SourceElement::F16 ? "f16" : "bf16";
}

std::string_view elementName(Type type) {
  return type.isF32() ? "f32" : type.isF16() ? "f16" : type.isBF16() ? "bf16" : "another type";
}

/// Finds every source of the weight and compares it with what the weight says.
Result<std::vector<SourceTensor>> findTensors(lm::WeightOp weight, const TensorSource &source) {
  auto type = cast<RankedTensorType>(weight.getSourceType());
  std::vector<uint64_t> expected(type.getShape().begin(), type.getShape().end());
  std::vector<SourceTensor> tensors;
  for (Attribute name : weight.getSources()) {
    std::string text = cast<StringAttr>(name).str();
    YUPANA_ASSIGN_OR_RETURN(SourceTensor tensor, source.find(text));
    std::string_view element = elementName(type.getElementType());
    // The module may be hand-written, or the file exchanged since it was imported.
    if (tensor.shape != expected || elementName(tensor.element) != element)
      return makeError(ExitCode::InvalidInput, "tensor {} is {} [{}], weight {} expects {} [{}]", inQuotes(text),
                       elementName(tensor.element), fmt::join(tensor.shape, ", "), inQuotes(weight.getSymName().str()),
                       element, fmt::join(expected, ", "));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

/// Checks the chain and the sources of a part.
Result<Part> findPart(lm::WeightOp weight, const TensorSource &source) {
  Part part;
  YUPANA_ASSIGN_OR_RETURN(part.map, resolveChain(weight));
  YUPANA_ASSIGN_OR_RETURN(part.tensors, findTensors(weight, source));
  // Divided by below.
  for (const WeightMap::Axis &axis : part.map.axes)
    if (axis.extent == 0)
      return makeError(ExitCode::InvalidInput, "weight {} has no elements", inQuotes(weight.getSymName().str()));
  return part;
}

/// The packing that a verified weight names.
Result<Packing> packingOf(Operation *parameter) {
  RankedTensorType type = lm::getParameterType(parameter);
  Type element = type.getElementType();
  std::string name = inQuotes(SymbolTable::getSymbolName(parameter).str());
  if (!element.isF32() && !element.isBF16())
    return makeError(ExitCode::Unsupported, "weight {}: its elements are {}, a packed form has f32 or bf16", name,
                     elementName(element));
  llvm::StringRef layout = lm::getParameterLayout(parameter);
  const schema::PackedForm *form = layout.empty() ? &schema::kRowMajor : schema::find_form(layout);
  auto interleaved = dyn_cast<lm::InterleavedOp>(parameter);
  Packing packing{*form, {}, interleaved ? interleaved.getBy() : 0};
  if (interleaved && !schema::holds_pairs(*form, packing.run))
    return makeError(ExitCode::Unsupported, "weight {} alternates by {} and has no form of which runs fill whole tiles",
                     name, packing.run);
  uint64_t bytes;
  if (!schema::packed_shape(type.getShape(), element.getIntOrFloatBitWidth() / 8, &packing.shape) ||
      !schema::packed_bytes(*form, packing.shape, &bytes))
    return makeError(ExitCode::InvalidInput, "weight {} needs more than 2^64 bytes", name);
  return packing;
}

} // namespace

Result<std::unique_ptr<PieceMaker>> yupana::streamWeight(Operation *parameter, const TensorSource &source,
                                                         uint64_t windowElements) {
  YUPANA_ASSIGN_OR_RETURN(Packing packing, packingOf(parameter));
  SmallVector<lm::WeightOp> weights;
  if (auto interleaved = dyn_cast<lm::InterleavedOp>(parameter))
    for (FlatSymbolRefAttr symbol : {interleaved.getFirstAttr(), interleaved.getSecondAttr()})
      weights.push_back(SymbolTable::lookupNearestSymbolFrom<lm::WeightOp>(parameter, symbol));
  else
    weights.push_back(cast<lm::WeightOp>(parameter));
  std::vector<Part> parts;
  for (lm::WeightOp weight : weights) {
    YUPANA_ASSIGN_OR_RETURN(Part part, findPart(weight, source));
    parts.push_back(std::move(part));
  }
  return std::make_unique<StreamedWeight>(std::move(parts), source, packing, windowElements);
}
