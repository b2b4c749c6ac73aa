// SPDX-License-Identifier: Apache-2.0

#include "runtime/schema/forms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

namespace yupana::schema {
namespace {

/// The address as the documentation of each form draws it, written out form by form.
uint64_t drawn(const std::string &id, const PackedShape &s, uint64_t b, uint64_t n, uint64_t k) {
  auto up = [](uint64_t x, uint64_t y) { return (x + y - 1) / y; };
  if (id == "row-major")
    return (b * s.rows + n) * s.depth + k;
  if (id == "panel32")
    return ((b * up(s.rows, 32) + n / 32) * s.depth + k) * 32 + n % 32;
  if (id == "panel32x2")
    return (((b * up(s.rows, 32) + n / 32) * up(s.depth, 2) + k / 2) * 32 + n % 32) * 2 + k % 2;
  uint64_t byte = k * s.element_bytes, tile = byte / 128, in_row = byte % 128;
  uint64_t swizzled = (in_row / 16 ^ n % 8) * 16 + in_row % 16;
  if (id == "rows128")
    return ((tile * up(s.rows, 8) * 8 + n) * 128 + swizzled) / s.element_bytes;
  uint64_t row_tile = b * up(s.rows, 64) + n / 64;
  return ((row_tile * up(s.depth * s.element_bytes, 128) + tile) * 8192 + n % 64 * 128 + swizzled) / s.element_bytes;
}

/// Visits elements of few shapes: none, some and all of a tile filled, of one matrix and of several.
template <typename Function> void for_each_shape(const PackedForm &form, Function function) {
  for (uint64_t element_bytes : {1, 2, 4, 8})
    for (uint64_t rows : {1, 7, 32, 65})
      for (uint64_t depth : {1, 2, 33, 130})
        for (uint64_t batches : {1, 3})
          if (batches == 1 || form.is_weight_form())
            function(PackedShape{batches, rows, depth, element_bytes});
}

TEST(Forms, LieAsDrawn) {
  for (const PackedForm *form : kPackedForms)
    for_each_shape(*form, [&](const PackedShape &shape) {
      for (uint64_t b = 0; b < shape.batches; ++b)
        for (uint64_t n = 0; n < shape.rows; ++n)
          for (uint64_t k = 0; k < shape.depth; ++k)
            ASSERT_EQ(element_index(*form, shape, b, n, k), drawn(form->id, shape, b, n, k))
                << form->id << " of " << shape.rows << " x " << shape.depth << " at " << n << ", " << k;
    });
}

TEST(Forms, ElementsAndPaddingFillTheBytesOnce) {
  for (const PackedForm *form : kPackedForms)
    for_each_shape(*form, [&](const PackedShape &shape) {
      uint64_t bytes = 0;
      ASSERT_TRUE(packed_bytes(*form, shape, &bytes));
      std::vector<int> times(bytes / shape.element_bytes);
      uint64_t rows = row_tiles(*form, shape) * tile_rows(*form, shape);
      uint64_t columns = column_tiles(*form, shape) * form->tile_columns(shape.element_bytes);
      for (uint64_t b = 0; b < shape.batches; ++b)
        for (uint64_t n = 0; n < rows; ++n)
          for (uint64_t k = 0; k < columns; ++k) {
            uint64_t index = element_index(*form, shape, b, n, k);
            ASSERT_LT(index, times.size()) << form->id;
            ++times[index];
          }
      EXPECT_TRUE(std::all_of(times.begin(), times.end(), [](int n) { return n == 1; })) << form->id;
    });
}

TEST(Forms, SizesOfKnownArrays) {
  auto bytes = [](const PackedForm &form, PackedShape shape) {
    uint64_t result = 0;
    return packed_bytes(form, shape, &result) ? result : 0;
  };
  EXPECT_EQ(bytes(kRowMajor, {2, 3, 5, 4}), 120u);
  EXPECT_EQ(bytes(kPanel32, {2, 33, 5, 4}), 2u * 2 * 5 * 128);
  EXPECT_EQ(bytes(kPanel32x2, {1, 33, 5, 2}), 2u * 3 * 128);
  EXPECT_EQ(bytes(kTile64x128, {16, 65, 64, 2}), 16u * 2 * 8192);
  EXPECT_EQ(bytes(kTile64x128, {1, 64, 65, 2}), 2u * 8192);
  EXPECT_EQ(bytes(kTile64x128, {1, 64, 33, 4}), 2u * 8192);
  EXPECT_EQ(bytes(kRows128, {1, 2041, 40, 2}), 2048u * 128);
}

TEST(Forms, RefusesSizesBeyond64Bits) {
  uint64_t bytes = 0;
  EXPECT_TRUE(packed_bytes(kRowMajor, {1, uint64_t{1} << 31, uint64_t{1} << 30, 4}, &bytes));
  EXPECT_FALSE(packed_bytes(kRowMajor, {1, uint64_t{1} << 32, uint64_t{1} << 30, 4}, &bytes));
  EXPECT_FALSE(packed_bytes(kTile64x128, {1, 1, UINT64_MAX / 4, 2}, &bytes)) << "64 rows where one was asked for";
  EXPECT_FALSE(packed_bytes(kRows128, {1, UINT64_MAX - 3, 1, 2}, &bytes));
  PackedShape shape;
  EXPECT_FALSE(packed_shape(std::vector<uint64_t>{uint64_t{1} << 32, uint64_t{1} << 32, 1, 1}, 4, &shape));
}

TEST(Forms, ShapesOfAnyRank) {
  PackedShape shape;
  ASSERT_TRUE(packed_shape(std::vector<uint64_t>{}, 4, &shape));
  EXPECT_EQ(shape.batches * shape.rows * shape.depth, 1u);
  ASSERT_TRUE(packed_shape(std::vector<uint64_t>{7}, 4, &shape));
  EXPECT_EQ(shape.rows, 1u);
  EXPECT_EQ(shape.depth, 7u);
  ASSERT_TRUE(packed_shape(std::vector<uint64_t>{2, 3, 5, 7}, 2, &shape));
  EXPECT_EQ(shape.batches, 6u);
  EXPECT_EQ(shape.rows, 5u);
  EXPECT_EQ(shape.depth, 7u);
  EXPECT_EQ(shape.element_bytes, 2u);
}

TEST(Forms, FindsByIdAlone) {
  for (const PackedForm *form : kPackedForms)
    EXPECT_EQ(find_form(form->id), form);
  EXPECT_EQ(find_form("panel3"), nullptr);
  EXPECT_EQ(find_form("panel32x"), nullptr);
  EXPECT_EQ(find_form(""), nullptr);
  EXPECT_EQ(find_cache_layout("keys32"), &kCacheKeys32);
  EXPECT_EQ(find_cache_layout("panel32"), nullptr);
}

TEST(Forms, RowTilesBeginWhereTheirFirstElementLies) {
  NumberMath math;
  for (const PackedForm *form : kPackedForms)
    for_each_shape(*form, [&](const PackedShape &shape) {
      if (!form->is_weight_form())
        return;
      for (uint64_t b = 0; b < shape.batches; ++b)
        for (uint64_t tile = 0; tile < row_tiles(*form, shape); ++tile)
          EXPECT_EQ(row_tile_index(math, *form, shape, b, tile) * row_tile_elements(*form, shape),
                    element_index(*form, shape, b, tile * form->tile_rows, 0));
    });
}

TEST(Forms, PairsAlternateInRuns) {
  NumberMath math;
  for (uint64_t run : {1, 8, 16}) {
    std::vector<int> times(interleaved_rows(2 * run + 1, run));
    EXPECT_EQ(times.size(), 6 * run);
    for (uint64_t pair = 0; pair < 3 * run; ++pair) {
      uint64_t first = interleaved_row(math, pair, run);
      EXPECT_EQ(first, pair / run * 2 * run + pair % run);
      ++times[first];
      ++times[first + run];
    }
    EXPECT_TRUE(std::all_of(times.begin(), times.end(), [](int n) { return n == 1; })) << run;
  }
}

TEST(Forms, HoldPairsWhoseRunsFillTiles) {
  for (uint64_t run : {1, 2, 4, 8, 16}) {
    EXPECT_TRUE(holds_pairs(kPanel32, run));
    EXPECT_TRUE(holds_pairs(kTile64x128, run));
  }
  EXPECT_TRUE(holds_pairs(kTile64x128, 32));
  EXPECT_FALSE(holds_pairs(kPanel32, 32));
  EXPECT_FALSE(holds_pairs(kPanel32, 12));
  EXPECT_FALSE(holds_pairs(kPanel32, 0));
  EXPECT_FALSE(holds_pairs(kPanel32, uint64_t{1} << 63));
  EXPECT_FALSE(holds_pairs(kRowMajor, 1));
  EXPECT_FALSE(holds_pairs(kRows128, 8));
  // The size of such a weight is that of its pairs' plain rows.
  for (uint64_t run : {8, 16})
    for (uint64_t pairs = 1; pairs < 100; ++pairs)
      for (const PackedForm *form : {&kPanel32, &kTile64x128})
        EXPECT_EQ(row_tiles(*form, {1, interleaved_rows(pairs, run), 1, 4}), row_tiles(*form, {1, 2 * pairs, 1, 4}));
}

TEST(Forms, KeysOfACacheLieInBlocksOfPositions) {
  // [heads][P / 32][width][32], in bfloat16 [heads][P / 32][width / 2][32][2]; values [heads][P][width].
  constexpr uint64_t heads = 2, tokens = 64, width = 6;
  for (uint64_t head = 0; head < heads; ++head)
    for (uint64_t slot = 0; slot < tokens; ++slot)
      for (uint64_t lane = 0; lane < width; ++lane) {
        uint64_t block = head * (tokens / 32) + slot / 32;
        EXPECT_EQ(element_index(kCacheKeys32.keys(4), {heads, tokens, width, 4}, head, slot, lane),
                  (block * width + lane) * 32 + slot % 32);
        EXPECT_EQ(element_index(kCacheKeys32.keys(2), {heads, tokens, width, 2}, head, slot, lane),
                  ((block * (width / 2) + lane / 2) * 32 + slot % 32) * 2 + lane % 2);
        for (const CacheLayout *layout : kCacheLayouts)
          EXPECT_EQ(element_index(*layout->values, {heads, tokens, width, 2}, head, slot, lane),
                    (head * tokens + slot) * width + lane);
      }
}

/// A code generator, for short: values are texts of the arithmetic.
struct TextMath {
  static std::string join(const std::string &x, const char *op, const std::string &y) { return "(" + x + op + y + ")"; }
  std::string add(const std::string &x, const std::string &y) { return join(x, " + ", y); }
  std::string mul(const std::string &x, const std::string &y) { return join(x, " * ", y); }
  std::string mul(const std::string &x, uint64_t y) { return join(x, " * ", std::to_string(y)); }
  std::string div(const std::string &x, uint64_t y) { return join(x, " / ", std::to_string(y)); }
  std::string rem(const std::string &x, uint64_t y) { return join(x, " % ", std::to_string(y)); }
  std::string exclusiveOr(const std::string &x, const std::string &y) { return join(x, " ^ ", y); }
};

TEST(Forms, EmitNoMoreThanTheFormNeeds) {
  TextMath math;
  std::string b = "b", n = "n", k = "k", rows = "rows";
  PackedShape shape{2, 70, 100, 4}, half{2, 70, 100, 2};
  EXPECT_EQ(element_index(math, kRowMajor, shape, b, n, k), "((((b * 70) + n) * 100) + k)");
  EXPECT_EQ(element_index(math, kPanel32, shape, b, n, k), "((((((b * 3) + (n / 32)) * 100) + k) * 32) + (n % 32))");
  EXPECT_EQ(element_index(math, kPanel32x2, half, b, n, k),
            "((((((((b * 3) + (n / 32)) * 50) + (k / 2)) * 32) + (n % 32)) * 2) + (k % 2))");
  EXPECT_EQ(token_element_index(math, kRows128, 2, rows, n, k),
            "(((((((k / 64) * rows) + n) * 8) + (((k % 64) / 8) ^ (n % 8))) * 8) + (k % 8))");
  EXPECT_EQ(interleaved_row(math, n, 8), "(((n / 8) * 16) + (n % 8))");
}

} // namespace
} // namespace yupana::schema
