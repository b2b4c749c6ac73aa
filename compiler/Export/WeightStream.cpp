// SPDX-License-Identifier: Apache-2.0
//
// A weight is a batch of matrices [N, K]. A piece is a tile of one matrix: it is read in runs along the axis whose
// neighbours lie side by side in the checkpoint, whichever of the two that is, and packed from memory.

#include "compiler/Export/WeightStream.h"

#include "compiler/Support/CheckedMath.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

using namespace mlir;
using namespace yupana;

namespace {

/// Rows of a panel of the forms "panel32" and "panel32x2".
constexpr uint64_t panelRows = 32;

/// Longest run along N. A tile of transposed weights is then long enough in N for the reads and in K for the writes.
constexpr uint64_t transposedRun = 8192;

float decodeF32(const uint8_t *bytes) {
  float value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

float decodeBF16(const uint8_t *bytes) {
  uint16_t half;
  std::memcpy(&half, bytes, sizeof(half));
  uint32_t bits = uint32_t{half} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

float decodeF16(const uint8_t *bytes) {
  uint16_t half;
  std::memcpy(&half, bytes, sizeof(half));
  // Exponent and fraction move to their places in float32; the product moves the exponent's bias from 15 to 127 and is
  // exact for subnormal numbers too. The greatest exponent stands for infinity and not-a-number in both.
  uint32_t magnitude = uint32_t{half} << 13 & 0x0fffe000;
  float scaled;
  std::memcpy(&scaled, &magnitude, sizeof(scaled));
  scaled *= 0x1p112f;
  uint32_t bits;
  std::memcpy(&bits, &scaled, sizeof(bits));
  if ((half & 0x7c00) == 0x7c00)
    bits = 0x7f800000 | (magnitude & 0x007fe000);
  bits |= uint32_t{half} << 16 & 0x80000000;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// Rounds to nearest even; a not-a-number stays one.
uint16_t encodeBF16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if ((bits & 0x7fffffff) > 0x7f800000)
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

template <SourceElement from> float decode(const uint8_t *bytes) {
  return from == SourceElement::F32   ? decodeF32(bytes)
         : from == SourceElement::F16 ? decodeF16(bytes)
                                      : decodeBF16(bytes);
}

template <typename To, SourceElement from> To convert(const uint8_t *bytes) {
  if constexpr (std::is_same_v<To, float>)
    return decode<from>(bytes);
  else
    return encodeBF16(decode<from>(bytes));
}

/// Where the rows of a weight come from: the whole of it, or one of the two that an interleaved weight alternates.
struct Part {
  WeightMap map; ///< Of the batch alone; the last two axes are `n` and `k`.
  std::vector<SourceTensor> tensors;
  WeightMap::Axis n{1, 0, 0}, k{1, 0, 0};

  SourceElement element() const { return tensors.front().element; }
};

/// What the packed form does with the elements.
struct PackedForm {
  uint64_t lanes; ///< Rows side by side; 1 when row-major.
  uint64_t kUnit; ///< Neighbours in k that stay together.
  bool isBF16;    ///< Else float32.

  uint64_t elementBytes() const { return isBF16 ? 2 : 4; }
};

class StreamedWeight : public PieceMaker {
public:
  StreamedWeight(std::vector<Part> parts, const TensorSource &source, PackedForm form, uint64_t window);

  uint64_t bytes() const override { return batches * panels() * panelBytes(); }
  uint64_t pieces() const override { return batches * nTiles * kTiles; }
  Result<void> make(uint64_t index, PieceMemory &memory, PieceSink sink) const override;

private:
  /// Rows [n0, n0 + ns) of every part and columns [k0, k0 + ks) of matrix `batch`.
  struct Tile {
    uint64_t batch, n0, ns, k0, ks;
  };

  /// Rows that a part has in a panel.
  uint64_t partRows() const { return form.lanes / parts.size(); }
  uint64_t panels() const { return llvm::divideCeil(n.extent, partRows()); }
  uint64_t panelBytes() const { return llvm::alignTo(k.extent, form.kUnit) * form.lanes * form.elementBytes(); }

  void chooseTiles(uint64_t window);
  Tile tileAt(uint64_t index) const;
  Result<void> readTile(const Part &part, const Tile &tile, std::vector<uint8_t> &bytes) const;
  void packTile(size_t part, const Tile &tile, const std::vector<uint8_t> &bytes, std::vector<uint8_t> &packed) const;
  template <typename To, SourceElement from>
  void packTileAs(size_t part, const Tile &tile, const std::vector<uint8_t> &bytes, To *packed) const;
  Result<void> writeTile(const Tile &tile, const std::vector<uint8_t> &packed, PieceSink sink) const;

  std::vector<Part> parts;
  const TensorSource &source;
  PackedForm form;
  WeightMap::Axis n, k; ///< Of the first part; the extents are those of all.
  uint64_t batches = 1;
  bool runsAlongK; ///< Else along N.
  uint64_t nTile, kTile, nTiles, kTiles;
};

StreamedWeight::StreamedWeight(std::vector<Part> given, const TensorSource &source, PackedForm form, uint64_t window)
    : parts(std::move(given)), source(source), form(form) {
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
  for (const WeightMap::Axis &axis : parts.front().map.axes)
    batches *= axis.extent;
  runsAlongK = k.isContiguous() || !n.isContiguous();
  chooseTiles(window);
}

void StreamedWeight::chooseTiles(uint64_t window) {
  window = std::max(window, form.lanes * form.kUnit);
  uint64_t allRows = llvm::alignTo(n.extent, partRows());
  auto wholeUnits = [&](uint64_t columns) { return std::max(llvm::alignDown(columns, form.kUnit), form.kUnit); };
  if (runsAlongK) {
    kTile = std::min(k.extent, wholeUnits(window / form.lanes));
    nTile = std::min(allRows, llvm::alignDown(window / llvm::alignTo(kTile, form.kUnit) / parts.size(), partRows()));
  } else {
    nTile = std::min(allRows, llvm::alignDown(std::min(window / parts.size() / form.kUnit, transposedRun), partRows()));
    kTile = std::min(k.extent, wholeUnits(window / nTile / parts.size()));
  }
  nTiles = llvm::divideCeil(n.extent, nTile);
  kTiles = llvm::divideCeil(k.extent, kTile);
}

StreamedWeight::Tile StreamedWeight::tileAt(uint64_t index) const {
  Tile tile;
  tile.k0 = index % kTiles * kTile;
  tile.n0 = index / kTiles % nTiles * nTile;
  tile.batch = index / kTiles / nTiles;
  tile.ns = std::min(nTile, n.extent - tile.n0);
  tile.ks = std::min(kTile, k.extent - tile.k0);
  return tile;
}

/// Reads the tile as [outer][inner], inner the axis along which runs go.
Result<void> StreamedWeight::readTile(const Part &part, const Tile &tile, std::vector<uint8_t> &bytes) const {
  uint64_t first = part.map.firstElement + tile.n0 * part.n.elementStride + tile.k0 * part.k.elementStride;
  uint64_t firstSource = part.map.firstSource + tile.n0 * part.n.sourceStride + tile.k0 * part.k.sourceStride;
  uint64_t batch = tile.batch;
  for (const WeightMap::Axis &axis : llvm::reverse(part.map.axes)) {
    first += batch % axis.extent * axis.elementStride;
    firstSource += batch % axis.extent * axis.sourceStride;
    batch /= axis.extent;
  }
  const WeightMap::Axis &inner = runsAlongK ? part.k : part.n, &outer = runsAlongK ? part.n : part.k;
  uint64_t inners = runsAlongK ? tile.ks : tile.ns, outers = runsAlongK ? tile.ns : tile.ks;
  uint64_t size = sourceElementBytes(part.element());
  bytes.resize(inners * outers * size);

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

/// Converts the tile and lays it out as the packed form does, [panel][K / kUnit][lanes][kUnit]: the lanes of this part.
template <typename To, SourceElement from>
void StreamedWeight::packTileAs(size_t part, const Tile &tile, const std::vector<uint8_t> &bytes, To *packed) const {
  uint64_t size = sourceElementBytes(from);
  uint64_t nStep = (runsAlongK ? tile.ks : 1) * size, kStep = (runsAlongK ? 1 : tile.ns) * size;
  uint64_t unit = form.kUnit, rows = partRows(), panelElements = llvm::alignTo(tile.ks, unit) * form.lanes;
  for (uint64_t panel = 0; panel < llvm::divideCeil(tile.ns, rows); ++panel) {
    uint64_t used = std::min(rows, tile.ns - panel * rows);
    const uint8_t *fromPanel = bytes.data() + panel * rows * nStep;
    To *to = packed + panel * panelElements + part * rows * unit;
    for (uint64_t column = 0; column < tile.ks; ++column) {
      To *lane = to + column / unit * unit * form.lanes + column % unit;
      for (uint64_t row = 0; row < used; ++row)
        lane[row * unit] = convert<To, from>(fromPanel + row * nStep + column * kStep);
    }
  }
}

void StreamedWeight::packTile(size_t part, const Tile &tile, const std::vector<uint8_t> &bytes,
                              std::vector<uint8_t> &packed) const {
  auto packFrom = [&](auto *to) {
    using To = std::remove_pointer_t<decltype(to)>;
    switch (parts[part].element()) {
    case SourceElement::F32:
      return packTileAs<To, SourceElement::F32>(part, tile, bytes, to);
    case SourceElement::F16:
      return packTileAs<To, SourceElement::F16>(part, tile, bytes, to);
    case SourceElement::BF16:
      return packTileAs<To, SourceElement::BF16>(part, tile, bytes, to);
    }
  };
  if (form.isBF16)
    packFrom(reinterpret_cast<uint16_t *>(packed.data()));
  else
    packFrom(reinterpret_cast<float *>(packed.data()));
}

Result<void> StreamedWeight::writeTile(const Tile &tile, const std::vector<uint8_t> &packed, PieceSink sink) const {
  uint64_t firstPanel = tile.batch * panels() + tile.n0 / partRows();
  uint64_t tilePanels = llvm::divideCeil(tile.ns, partRows()), pieceBytes = packed.size() / tilePanels;
  if (pieceBytes == panelBytes())
    return sink(firstPanel * panelBytes(), packed.data(), packed.size());
  for (uint64_t panel = 0; panel < tilePanels; ++panel)
    YUPANA_RETURN_IF_ERROR(sink((firstPanel + panel) * panelBytes() + tile.k0 * form.lanes * form.elementBytes(),
                                packed.data() + panel * pieceBytes, pieceBytes));
  return {};
}

Result<void> StreamedWeight::make(uint64_t index, PieceMemory &memory, PieceSink sink) const {
  Tile tile = tileAt(index);
  uint64_t tilePanels = llvm::divideCeil(tile.ns, partRows());
  // Padding is zero.
  memory.packed.assign(tilePanels * llvm::alignTo(tile.ks, form.kUnit) * form.lanes * form.elementBytes(), 0);
  for (size_t part = 0; part < parts.size(); ++part) {
    YUPANA_RETURN_IF_ERROR(readTile(parts[part], tile, memory.source));
    packTile(part, tile, memory.source, memory.packed);
  }
  return writeTile(tile, memory.packed, sink);
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
  // The form multiplies the bytes of a tensor of one row and one column by 128 at most.
  std::optional<uint64_t> bytes = 4 * sizeof(float) * panelRows;
  for (const WeightMap::Axis &axis : part.map.axes) {
    if (axis.extent == 0)
      return makeError(ExitCode::InvalidInput, "weight {} has no elements", inQuotes(weight.getSymName().str()));
    bytes = checkedMul(bytes, axis.extent);
  }
  if (!bytes)
    return makeError(ExitCode::InvalidInput, "weight {} needs more than 2^64 bytes",
                     inQuotes(weight.getSymName().str()));
  return part;
}

Result<PackedForm> formOf(Operation *parameter) {
  Type element = lm::getParameterType(parameter).getElementType();
  llvm::StringRef layout = lm::getParameterLayout(parameter);
  std::string name = inQuotes(SymbolTable::getSymbolName(parameter).str());
  if (!element.isF32() && !element.isBF16())
    return makeError(ExitCode::Unsupported, "weight {}: its elements are {}, a packed form has f32 or bf16", name,
                     elementName(element));
  bool paired = layout == "panel32x2", panels = paired || layout == "panel32";
  auto interleaved = dyn_cast<lm::InterleavedOp>(parameter);
  if (interleaved && (!panels || interleaved.getBy() * 2 != panelRows))
    return makeError(ExitCode::Unsupported, "weight {}: alternates by {} in the form {}, expected by {} in panels",
                     name, interleaved.getBy(), layout.str(), panelRows / 2);
  return PackedForm{panels ? panelRows : 1, paired ? uint64_t{2} : 1, element.isBF16()};
}

} // namespace

Result<std::unique_ptr<PieceMaker>> yupana::streamWeight(Operation *parameter, const TensorSource &source,
                                                         uint64_t windowElements) {
  YUPANA_ASSIGN_OR_RETURN(PackedForm form, formOf(parameter));
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
  return std::make_unique<StreamedWeight>(std::move(parts), source, form, windowElements);
}
