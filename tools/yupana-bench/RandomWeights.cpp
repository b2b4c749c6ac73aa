// SPDX-License-Identifier: Apache-2.0
//
// A block of random values is drawn once for each range of values and copied as often as a weight needs it, so that
// hundreds of gigabytes are filled at the speed of memory. Speed does not depend on values as long as they are finite
// and not all zero, so repeating one block does not change what is measured.
#include "tools/yupana-bench/RandomWeights.h"

#include "runtime/schema/forms.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

using namespace yupana;

namespace {

/// Elements of a block. A prime, so that rows of a matrix do not repeat with the block, and small enough for a cache.
constexpr uint64_t blockElements = 524309;

/// Where the elements of a weight lie.
struct Packed {
  const schema::PackedForm *form = nullptr;
  schema::PackedShape shape; ///< Rows of both parts of an interleaved weight, each filled up to whole runs.
  uint64_t pairs = 0;        ///< Rows of either part of an interleaved weight, else 0.
  uint64_t run = 0;

  /// True if the row is padding. In an interleaved weight runs of rows of the first part take turns with runs of the
  /// second; the last run of either part may hold fewer rows than it has room for.
  bool isPadding(uint64_t row) const {
    return row >= shape.rows || (run && row / (2 * run) * run + row % run >= pairs);
  }
  bool hasPadding() const { return allRows() != shape.rows || allColumns() != shape.depth || (run && pairs % run); }
  uint64_t allRows() const { return schema::row_tiles(*form, shape) * schema::tile_rows(*form, shape); }
  uint64_t allColumns() const { return schema::column_tiles(*form, shape) * form->tile_columns(shape.element_bytes); }
};

/// False for a weight of a form or an element type that this program does not know, or of another size than its form
/// gives it.
bool describe(const schema::Weight &weight, Packed &out) {
  out.form = schema::find_form(weight.layout()->string_view());
  bool isKnown = weight.element() == schema::ElementType::bf16 || weight.element() == schema::ElementType::f32;
  if (!out.form || !out.form->is_weight_form() || !isKnown)
    return false;
  std::vector<uint64_t> extents(weight.shape()->begin(), weight.shape()->end());
  // The product of extents may overflow in a crafted plan; packed_shape refuses that.
  if (!schema::packed_shape(extents, weight.element() == schema::ElementType::bf16 ? 2 : 4, &out.shape))
    return false;
  if ((out.run = weight.run())) {
    if (!schema::holds_pairs(*out.form, out.run))
      return false;
    out.pairs = out.shape.rows / 2;
    out.shape.rows = schema::interleaved_rows(out.pairs, out.run);
  }
  // The room comes from the plan and the places of padding from the shape: they must agree, or zeroPadding would write
  // beyond the room.
  uint64_t bytes = 0;
  return schema::packed_bytes(*out.form, out.shape, &bytes) && bytes == weight.size();
}

/// Kernels multiply padding along with the rest, and plans promise zeros there: other values would change sums.
void zeroPadding(const Packed &packed, uint8_t *to) {
  uint64_t elementBytes = packed.shape.element_bytes;
  for (uint64_t row = 0; row < packed.allRows(); ++row)
    for (uint64_t column = packed.isPadding(row) ? 0 : packed.shape.depth; column < packed.allColumns(); ++column)
      for (uint64_t batch = 0; batch < packed.shape.batches; ++batch)
        std::memset(to + schema::element_index(*packed.form, packed.shape, batch, row, column) * elementBytes, 0,
                    elementBytes);
}

/// A vector that is no bias multiplies what a norm gives.
bool isGain(const schema::Weight &weight) {
  constexpr std::string_view bias = ".bias";
  std::string_view source = weight.source() ? weight.source()->string_view() : "";
  bool isBias = source.size() >= bias.size() && source.substr(source.size() - bias.size()) == bias;
  return weight.shape()->size() == 1 && !isBias;
}

} // namespace

const std::vector<uint8_t> &RandomWeights::block(const Range &range) {
  // Held while the block is drawn, so that other threads wait for it instead of drawing the same. A map's values do not
  // move, so references stay valid without the lock.
  std::lock_guard guard(lock);
  std::vector<uint8_t> &bytes = blocks[range];
  if (!bytes.empty())
    return bytes;
  size_t elementBytes = range.isBf16 ? 2 : 4;
  bytes.resize(blockElements * elementBytes);
  // The same seed for every block: plans get the same values on every run and machine.
  uint64_t state = 0x5EED;
  for (uint64_t i = 0; i < blockElements; ++i) {
    // SplitMix64 (Steele, Lea, Flood 2014).
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    // The upper 32 bits as a number in [-1, 1).
    auto even = static_cast<float>(static_cast<int32_t>((z ^ z >> 31) >> 32)) * 0x1p-31f;
    float value = range.center + range.width * even;
    // The upper half of a float32 is a bfloat16, rounded towards zero.
    std::memcpy(&bytes[i * elementBytes], reinterpret_cast<const uint8_t *>(&value) + 4 - elementBytes, elementBytes);
  }
  return bytes;
}

bool RandomWeights::fill(uint32_t index, void *destination, uint64_t bytes) {
  const schema::Weight &weight = *plan.weights()->Get(index);
  Packed packed;
  // Either the whole weight or one period: nothing else is ever asked for.
  if (!describe(weight, packed) || (bytes != weight.size() && bytes != period(index)))
    return false;
  // Values even in [-w, w) have a deviation of w / sqrt(3).
  float width = isGain(weight) ? 0.1f : std::sqrt(3 / static_cast<float>(packed.shape.depth));
  const std::vector<uint8_t> &values =
      block({isGain(weight) ? 1.0f : 0.0f, width, weight.element() == schema::ElementType::bf16});
  // Each weight begins elsewhere in the block, so that weights of equal shape differ; the sequence still repeats after
  // a block.
  auto *to = static_cast<uint8_t *>(destination);
  uint64_t at = index * uint64_t{7919} % blockElements * packed.shape.element_bytes;
  for (uint64_t done = 0; done < bytes;) {
    uint64_t count = std::min<uint64_t>(values.size() - at, bytes - done);
    std::memcpy(to + done, values.data() + at, count);
    done += count;
    at = 0;
  }
  // A period has none, see period(), so `to` is the whole weight here.
  if (packed.hasPadding())
    zeroPadding(packed, to);
  return true;
}

uint64_t RandomWeights::period(uint32_t index) const {
  const schema::Weight &weight = *plan.weights()->Get(index);
  Packed packed;
  // Padding lies at places that do not repeat with the block.
  if (!describe(weight, packed) || packed.hasPadding())
    return 0;
  uint64_t bytes = blockElements * packed.shape.element_bytes;
  return bytes < weight.size() ? bytes : 0;
}

yupana_filler_t RandomWeights::filler() {
  auto fillOne = [](void *user, uint32_t weight, void *destination, uint64_t bytes) -> int {
    return static_cast<RandomWeights *>(user)->fill(weight, destination, bytes);
  };
  auto periodOf = [](void *user, uint32_t weight) { return static_cast<RandomWeights *>(user)->period(weight); };
  return {sizeof(yupana_filler_t), this, fillOne, periodOf};
}
