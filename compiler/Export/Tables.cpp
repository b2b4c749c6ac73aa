// SPDX-License-Identifier: Apache-2.0
//
// The tables that kernels read instead of computing angles: cos and sin of position · frequency, and the attention
// temperature by position. Frequencies and angles are computed in double precision from exact products, since at
// position 10^7 an angle rounded to float32 is off by half a radian; entries are rounded once, to float32. Rows are
// made in pieces by any thread, each row from its number alone, so that the bytes depend on nothing else.

#include "compiler/Export/Tables.h"

#include "compiler/Export/Elementary.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace yupana;

namespace {

constexpr double twoPi = 6.283185307179586;

/// What `#lm.rope_scaling` makes of a frequency, as Llama 3.1 introduced it: long wavelengths are divided by the
/// factor, short ones are kept, those between are blended linearly in 1 / wavelength.
double scaleFrequency(double frequency, lm::RopeScalingAttr scaling) {
  double factor = scaling.getFactor().getValueAsDouble();
  double low = scaling.getLow().getValueAsDouble();
  double high = scaling.getHigh().getValueAsDouble();
  double original = static_cast<double>(scaling.getOriginal());
  double wavelength = twoPi / frequency;
  if (wavelength < original / high)
    return frequency;
  // With equal bounds nothing lies between them, and the division below would be by zero.
  if (wavelength > original / low || high == low)
    return frequency / factor;
  double share = (original / wavelength - low) / (high - low);
  return (1 - share) * frequency / factor + share * frequency;
}

/// Rows of a table, in pieces of whole rows.
class Table : public PieceMaker {
public:
  // Some 65,536 values, 256 KiB, so that tables of any shape are made in pieces of a size.
  Table(uint64_t rows, uint64_t rowValues)
      : rows(rows), rowValues(rowValues), pieceRows(std::max<uint64_t>(1, (uint64_t{1} << 16) / rowValues)) {}

  uint64_t bytes() const override { return rows * rowValues * sizeof(float); }
  uint64_t pieces() const override { return llvm::divideCeil(rows, pieceRows); }

  /// Any thread may make any piece: a row depends on its number alone.
  Result<void> make(uint64_t index, PieceMemory &memory, PieceSink sink) const override {
    uint64_t first = index * pieceRows;
    uint64_t count = std::min(pieceRows, rows - first);
    memory.packed.resize(count * rowValues * sizeof(float));
    auto *values = reinterpret_cast<float *>(memory.packed.data());
    for (uint64_t row = 0; row < count; ++row)
      fill(first + row, values + row * rowValues);
    return sink(first * rowValues * sizeof(float), memory.packed.data(), memory.packed.size());
  }

protected:
  virtual void fill(uint64_t row, float *values) const = 0;

private:
  uint64_t rows, rowValues, pieceRows;
};

class RopeTable : public Table {
public:
  // A dimension that is odd has no last pair.
  explicit RopeTable(lm::RopeTableAttr attr)
      : Table(attr.getCount(), 2 * (attr.getDim() / 2)), frequencies(ropeFrequencies(attr.getRope(), attr.getDim())),
        step(static_cast<double>(attr.getStep())) {}

private:
  void fill(uint64_t row, float *values) const override {
    for (size_t pair = 0; pair < frequencies.size(); ++pair) {
      elementary::SinCos turn = elementary::sinCosOfProduct(static_cast<double>(row) * step, frequencies[pair]);
      values[2 * pair] = static_cast<float>(turn.cos);
      values[2 * pair + 1] = static_cast<float>(turn.sin);
    }
  }

  std::vector<double> frequencies;
  double step;
};

class TemperatureTable : public Table {
public:
  explicit TemperatureTable(lm::TemperatureTableAttr attr)
      : Table(attr.getCount(), 1), scale(attr.getScale().getValueAsDouble()) {}

private:
  void fill(uint64_t row, float *values) const override {
    // Entry n holds for all positions p with floor((p + 1) / floor_scale) = n.
    *values = static_cast<float>(1 + scale * elementary::log(1 + static_cast<double>(row)));
  }

  double scale;
};

} // namespace

std::vector<double> yupana::ropeFrequencies(lm::RopeAttr rope, int64_t dim) {
  std::vector<double> frequencies(dim / 2);
  for (int64_t pair = 0; pair < dim / 2; ++pair) {
    double exponent = -static_cast<double>(2 * pair) / static_cast<double>(dim);
    double frequency = elementary::pow(rope.getTheta().getValueAsDouble(), exponent);
    frequencies[pair] = rope.getScaling() ? scaleFrequency(frequency, rope.getScaling()) : frequency;
  }
  return frequencies;
}

std::unique_ptr<PieceMaker> yupana::makeTable(lm::TableOp table) {
  if (auto rope = mlir::dyn_cast<lm::RopeTableAttr>(table.getGenerator()))
    return std::make_unique<RopeTable>(rope);
  return std::make_unique<TemperatureTable>(mlir::cast<lm::TemperatureTableAttr>(table.getGenerator()));
}
