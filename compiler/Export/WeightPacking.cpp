// SPDX-License-Identifier: Apache-2.0
//
// The inner loops of the exporter. They are instances of one template, with form, types and the source's direction as
// constants: strides within a tile are then known, and the compiler makes vector code of most of them. Places in a tile
// come from runtime/schema/forms.h; a form that is added there is packed here without another line.

#include "compiler/Export/WeightPacking.h"

#include "llvm/Support/ErrorHandling.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

using namespace yupana;

namespace {

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
  // exact for subnormal numbers too. The greatest exponent stands for infinity and NaN in both.
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

/// Rounds to nearest even; NaN stays NaN, made quiet so that cutting its fraction cannot make it infinite.
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

/// Elements that stay what they are are copied, whatever their bits.
template <typename To, SourceElement from> To convert(const uint8_t *bytes) {
  if constexpr (std::is_same_v<To, float>) {
    return decode<from>(bytes);
  } else if constexpr (from == SourceElement::BF16) {
    uint16_t half;
    std::memcpy(&half, bytes, sizeof(half));
    return half;
  } else {
    return encodeBF16(decode<from>(bytes));
  }
}

/// What is constant in one instance of the loops.
template <const schema::PackedForm &form, typename Element, SourceElement from, bool alongK> struct BlockPacker {
  static constexpr uint64_t rows = form.tile_rows, columns = form.tile_columns(sizeof(Element));
  /// Columns that are neighbours in a row of the source and in the tile.
  static constexpr uint64_t together = form.swizzled ? schema::kChunkBytes / sizeof(Element) : columns;
  /// Rows of a tile so many apart have their columns in the same order.
  static constexpr uint64_t rowPeriod = form.swizzled ? schema::kSwizzleRows : 1;
  /// Columns that are packed for all rows before the next: a source along N is then read as so many streams, and each
  /// tile row written in pieces of some cache lines.
  static constexpr uint64_t columnBlock = std::max<uint64_t>(columns, 16);

  using Places = std::array<uint16_t, rows * columns>;

  /// Where each element lies in its tile.
  static Places placesInTile() {
    Places places = {};
    schema::PackedShape tile{1, rows, columns, sizeof(Element)};
    for (uint64_t row = 0; row < rows; ++row)
      for (uint64_t column = 0; column < columns; ++column)
        places[row * columns + column] = static_cast<uint16_t>(schema::element_index(form, tile, 0, row, column));
    return places;
  }

  /// Packs `count` rows of all columns from a source along N to `to`, where they begin in their tile.
  template <uint64_t count> static void packRun(const uint8_t *source, uint64_t kStep, Element *to) {
    // In between the values lie in memory that is known to be no part of source or tile, for vector code.
    Element values[columns][count];
    for (uint64_t c = 0; c < columns; ++c)
      for (uint64_t n = 0; n < count; ++n)
        values[c][n] = convert<Element, from>(source + c * kStep + n * sourceElementBytes(from));
    for (uint64_t n = 0; n < count; ++n)
      for (uint64_t c = 0; c < columns; ++c)
        to[n * columns + c] = values[c][n];
  }

  /// Packs rows [row, row + ns) of a tile and its first `ks` columns. The steps are those of the source, in bytes.
  static void packRows(const Places &places, const uint8_t *source, uint64_t nStep, uint64_t kStep, uint64_t ns,
                       uint64_t ks, uint64_t row, Element *tile) {
    // The usual case: all rows of a tile, or of one of the two parts that share it.
    if constexpr (!alongK && !form.swizzled && rows > 1) {
      if (ks == columns && ns == rows)
        return packRun<rows>(source, kStep, tile);
      if (ks == columns && ns == rows / 2)
        return packRun<rows / 2>(source, kStep, tile + row * columns);
    }
    auto packColumns = [&](uint64_t column, auto count) {
      for (uint64_t phase = 0; phase < std::min(rowPeriod, ns); ++phase) {
        Element *to = tile + places[(row + phase) * columns + column];
        const uint8_t *element = source + phase * nStep + column * kStep;
        for (uint64_t n = 0; n < ns - phase; n += rowPeriod)
          for (uint64_t c = 0; c < count; ++c)
            to[n * columns + c] = convert<Element, from>(element + n * nStep + c * kStep);
      }
    };
    uint64_t column = 0;
    for (; column + together <= ks; column += together)
      packColumns(column, std::integral_constant<uint64_t, together>());
    for (; column < ks; ++column)
      packColumns(column, std::integral_constant<uint64_t, 1>());
  }

  static void pack(const PackedBlock &block) {
    // The block was read as [outer][inner], so that the steps follow from which axis is the inner one.
    constexpr uint64_t size = sourceElementBytes(from);
    const uint64_t nStep = alongK ? block.ks * size : size, kStep = alongK ? size : block.ns * size;
    const uint64_t step = block.run ? block.run : rows, kBlock = alongK ? block.ks : columnBlock;
    auto *tiles = reinterpret_cast<Element *>(block.tiles);
    // A tile of one element is row-major order: places and padding have nothing to say.
    if constexpr (rows == 1 && columns == 1) {
      for (uint64_t n = 0; n < block.ns; ++n)
        for (uint64_t k = 0; k < block.ks; ++k)
          tiles[n * block.columnTiles + k] = convert<Element, from>(block.source + n * nStep + k * kStep);
      return;
    }
    // Once per instance; initialisation of a static is safe with threads.
    static const Places places = placesInTile();
    schema::NumberMath math;
    for (uint64_t k0 = 0; k0 < block.ks; k0 += kBlock)
      for (uint64_t n = 0; n < block.ns; n += step) {
        uint64_t row = block.run ? schema::interleaved_row(math, n, block.run) + block.part * block.run : n;
        Element *tile = tiles + (row / rows * block.columnTiles + k0 / columns) * rows * columns;
        for (uint64_t k = k0; k < std::min(block.ks, k0 + kBlock); k += columns, tile += rows * columns)
          packRows(places, block.source + n * nStep + k * kStep, nStep, kStep, std::min(step, block.ns - n),
                   std::min(columns, block.ks - k), row % rows, tile);
      }
  }
};

template <const schema::PackedForm &form, typename Element> Packer packerOf(SourceElement from, bool alongK) {
  auto along = [alongK](auto source) -> Packer {
    return alongK ? BlockPacker<form, Element, source, true>::pack : BlockPacker<form, Element, source, false>::pack;
  };
  switch (from) {
  case SourceElement::F32:
    return along(std::integral_constant<SourceElement, SourceElement::F32>());
  case SourceElement::F16:
    return along(std::integral_constant<SourceElement, SourceElement::F16>());
  case SourceElement::BF16:
    return along(std::integral_constant<SourceElement, SourceElement::BF16>());
  }
  llvm_unreachable("an element of a checkpoint is one of three");
}

/// Looks for the form among those of weights, from number `index` on.
template <size_t index = 0>
Packer findPacker(const schema::PackedForm &form, uint64_t bytes, SourceElement from, bool alongK) {
  if constexpr (index == std::size(schema::kPackedForms)) {
    llvm_unreachable("a weight has a form of weights");
  } else {
    constexpr const schema::PackedForm &candidate = *schema::kPackedForms[index];
    if constexpr (candidate.is_weight_form())
      if (&form == &candidate)
        return bytes == 2 ? packerOf<candidate, uint16_t>(from, alongK) : packerOf<candidate, float>(from, alongK);
    return findPacker<index + 1>(form, bytes, from, alongK);
  }
}

} // namespace

Packer yupana::packerFor(const schema::PackedForm &form, uint64_t elementBytes, SourceElement from, bool alongK) {
  return findPacker(form, elementBytes, from, alongK);
}
