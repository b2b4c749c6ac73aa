// SPDX-License-Identifier: Apache-2.0
//
// A weight is a batch of matrices [N, K]. A piece is a tile of one matrix: it is read in runs along the axis whose
// neighbours lie side by side in the checkpoint, whichever of the two that is, and packed from memory.

#include "compiler/Export/WeightStream.h"

#include "compiler/Support/CheckedMath.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cstring>

using namespace mlir;
using namespace yupana;

namespace {

/// Rows of a panel of the form "panel32".
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

class StreamedWeight : public PieceMaker {
public:
  StreamedWeight(WeightMap map, std::vector<SourceTensor> tensors, const TensorSource &source, bool panels,
                 uint64_t window);

  uint64_t bytes() const override { return batches * llvm::alignTo(n.extent, lanes) * k.extent * sizeof(float); }
  uint64_t pieces() const override { return batches * nTiles * kTiles; }
  Result<void> make(uint64_t index, PieceMemory &memory, PieceSink sink) const override;

private:
  /// Rows [n0, n0 + ns) and columns [k0, k0 + ks) of matrix `batch`.
  struct Tile {
    uint64_t batch, n0, ns, k0, ks;
  };

  void chooseTiles(uint64_t window);
  Tile tileAt(uint64_t index) const;
  Result<void> readTile(const Tile &tile, std::vector<uint8_t> &bytes) const;
  template <float (*decode)(const uint8_t *)>
  void packTile(const Tile &tile, const std::vector<uint8_t> &bytes, std::vector<float> &packed) const;
  Result<void> writeTile(const Tile &tile, const std::vector<float> &packed, PieceSink sink) const;

  WeightMap map;
  std::vector<SourceTensor> tensors;
  const TensorSource &source;
  SourceElement element;
  WeightMap::Axis n{1, 0, 0}, k{1, 0, 0};
  uint64_t batches = 1;
  uint64_t lanes;  ///< Rows that the packed form interleaves; 1 when it is row-major.
  bool runsAlongK; ///< Else along N.
  uint64_t nTile, kTile, nTiles, kTiles;
};

StreamedWeight::StreamedWeight(WeightMap given, std::vector<SourceTensor> tensors, const TensorSource &source,
                               bool panels, uint64_t window)
    : map(std::move(given)), tensors(std::move(tensors)), source(source), element(this->tensors.front().element),
      lanes(panels ? panelRows : 1) {
  if (!map.axes.empty()) {
    k = map.axes.back();
    map.axes.pop_back();
  }
  if (!map.axes.empty()) {
    n = map.axes.back();
    map.axes.pop_back();
  }
  for (const WeightMap::Axis &axis : map.axes)
    batches *= axis.extent;
  runsAlongK = k.isContiguous() || !n.isContiguous();
  chooseTiles(window);
}

void StreamedWeight::chooseTiles(uint64_t window) {
  window = std::max(window, lanes);
  if (runsAlongK) {
    kTile = std::min(k.extent, window / lanes);
    nTile = std::min(llvm::alignTo(n.extent, lanes), llvm::alignDown(window / kTile, lanes));
  } else {
    nTile = std::min(llvm::alignTo(n.extent, lanes), llvm::alignDown(std::min(window, transposedRun), lanes));
    kTile = std::min(k.extent, std::max<uint64_t>(1, window / nTile));
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
Result<void> StreamedWeight::readTile(const Tile &tile, std::vector<uint8_t> &bytes) const {
  uint64_t first = map.firstElement + tile.n0 * n.elementStride + tile.k0 * k.elementStride;
  uint64_t firstSource = map.firstSource + tile.n0 * n.sourceStride + tile.k0 * k.sourceStride;
  uint64_t batch = tile.batch;
  for (const WeightMap::Axis &axis : llvm::reverse(map.axes)) {
    first += batch % axis.extent * axis.elementStride;
    firstSource += batch % axis.extent * axis.sourceStride;
    batch /= axis.extent;
  }
  const WeightMap::Axis &inner = runsAlongK ? k : n, &outer = runsAlongK ? n : k;
  uint64_t inners = runsAlongK ? tile.ks : tile.ns, outers = runsAlongK ? tile.ns : tile.ks;
  uint64_t size = sourceElementBytes(element);
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
      YUPANA_RETURN_IF_ERROR(source.read(tensors[from], at * size, bytes.data() + (o * inners + i) * size, run * size));
    }
  return {};
}

/// Converts the tile and lays it out as the packed form does: panels of [K][lanes], the last filled up with zeros.
template <float (*decode)(const uint8_t *)>
void StreamedWeight::packTile(const Tile &tile, const std::vector<uint8_t> &bytes, std::vector<float> &packed) const {
  uint64_t size = sourceElementBytes(element);
  uint64_t nStep = (runsAlongK ? tile.ks : 1) * size, kStep = (runsAlongK ? 1 : tile.ns) * size;
  uint64_t panels = llvm::divideCeil(tile.ns, lanes);
  packed.resize(panels * lanes * tile.ks);
  for (uint64_t panel = 0; panel < panels; ++panel) {
    uint64_t used = std::min(lanes, tile.ns - panel * lanes);
    float *to = packed.data() + panel * tile.ks * lanes;
    for (uint64_t column = 0; column < tile.ks; ++column, to += lanes) {
      const uint8_t *from = bytes.data() + panel * lanes * nStep + column * kStep;
      for (uint64_t lane = 0; lane < used; ++lane)
        to[lane] = decode(from + lane * nStep);
      std::fill(to + used, to + lanes, 0.0f);
    }
  }
}

Result<void> StreamedWeight::writeTile(const Tile &tile, const std::vector<float> &packed, PieceSink sink) const {
  uint64_t panelBytes = k.extent * lanes * sizeof(float);
  uint64_t tilePanels = llvm::divideCeil(tile.ns, lanes);
  uint64_t firstPanel = tile.batch * llvm::divideCeil(n.extent, lanes) + tile.n0 / lanes;
  uint64_t pieceBytes = tile.ks * lanes * sizeof(float);
  if (pieceBytes == panelBytes)
    return sink(firstPanel * panelBytes, packed.data(), tilePanels * panelBytes);
  for (uint64_t panel = 0; panel < tilePanels; ++panel)
    YUPANA_RETURN_IF_ERROR(sink((firstPanel + panel) * panelBytes + tile.k0 * lanes * sizeof(float),
                                packed.data() + panel * tile.ks * lanes, pieceBytes));
  return {};
}

Result<void> StreamedWeight::make(uint64_t index, PieceMemory &memory, PieceSink sink) const {
  Tile tile = tileAt(index);
  YUPANA_RETURN_IF_ERROR(readTile(tile, memory.source));
  switch (element) {
  case SourceElement::F32:
    packTile<decodeF32>(tile, memory.source, memory.packed);
    break;
  case SourceElement::F16:
    packTile<decodeF16>(tile, memory.source, memory.packed);
    break;
  case SourceElement::BF16:
    packTile<decodeBF16>(tile, memory.source, memory.packed);
    break;
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

} // namespace

Result<std::unique_ptr<PieceMaker>> yupana::streamWeight(lm::WeightOp weight, const TensorSource &source,
                                                         uint64_t windowElements) {
  YUPANA_ASSIGN_OR_RETURN(WeightMap map, resolveChain(weight));
  YUPANA_ASSIGN_OR_RETURN(std::vector<SourceTensor> tensors, findTensors(weight, source));
  // The form multiplies the bytes of a tensor of one row by 64 at most.
  std::optional<uint64_t> bytes = 2 * sizeof(float) * panelRows;
  for (const WeightMap::Axis &axis : map.axes) {
    if (axis.extent == 0)
      return makeError(ExitCode::InvalidInput, "weight {} has no elements", inQuotes(weight.getSymName().str()));
    bytes = checkedMul(bytes, axis.extent);
  }
  if (!bytes)
    return makeError(ExitCode::InvalidInput, "weight {} needs more than 2^64 bytes",
                     inQuotes(weight.getSymName().str()));
  bool panels = weight.getLayout() == "panel32";
  return std::make_unique<StreamedWeight>(std::move(map), std::move(tensors), source, panels, windowElements);
}
