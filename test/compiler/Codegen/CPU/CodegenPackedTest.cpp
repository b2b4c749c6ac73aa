// SPDX-License-Identifier: Apache-2.0
//
// Views in packed forms that no x86 kernel asks for: token panels, written and read, and tiles of a GPU.
#include "CodegenHarness.h"

#include "runtime/schema/forms.h"

#include <fmt/format.h>

using namespace yupana;
using namespace yupana::test;

namespace {

class Packed : public testing::TestWithParam<Form> {
protected:
  bool isBF16() const { return GetParam().isBF16; }
  const char *element() const { return GetParam().element(); }
  uint64_t elementBytes() const { return isBF16() ? 2 : 4; }
  std::unique_ptr<Library> load(const std::string &kernels) const { return test::load(GetParam().target, kernels); }
  Numbers random(size_t count, uint32_t seed) const { return Numbers(randomArray(count, seed), isBF16()); }

  schema::PackedShape shapeOf(int64_t rows, int64_t depth) const {
    return {1, static_cast<uint64_t>(rows), static_cast<uint64_t>(depth), elementBytes()};
  }
  /// Memory for a form, every byte of it 0xff, which is NaN.
  Array<uint8_t> memoryOf(const schema::PackedForm &form, const schema::PackedShape &shape) const {
    uint64_t bytes = 0;
    EXPECT_TRUE(schema::packed_bytes(form, shape, &bytes));
    Array<uint8_t> memory(bytes);
    std::fill(memory.begin(), memory.end(), 0xff);
    return memory;
  }
  float at(const Array<uint8_t> &memory, uint64_t index) const {
    uint16_t half;
    float value;
    std::memcpy(&half, memory.begin() + index * 2, isBF16() ? 2 : 0);
    std::memcpy(&value, memory.begin() + index * 4, isBF16() ? 0 : 4);
    return isBF16() ? widenBF16(half) : value;
  }
  void put(Array<uint8_t> &memory, uint64_t index, float value) const {
    uint16_t half = roundToBF16(value);
    std::memcpy(memory.begin() + index * elementBytes(), isBF16() ? static_cast<void *>(&half) : &value,
                elementBytes());
  }
};

TEST_P(Packed, TokenPanelsHoldTheirRowsAndZerosBehindThem) {
  // Columns come in order, or from the last to the first, or as memory says.
  const std::string fromMemory = R"(%o32 = kernel.load %o[%lane] : !kernel.view<[{0}], i32>
            %to = arith.index_cast %o32 : i32 to index)";
  const std::string orders[] = {"%to = arith.addi %lane, %c0 : index", "%to = arith.subi %last, %lane : index",
                                fromMemory};
  for (int64_t depth : {5, 33, 40, 64})
    for (int64_t order : {0, 1, 2}) {
      SCOPED_TRACE(testing::Message() << depth << " columns in order " << order);
      auto library = load(fmt::format(
          R"(
        kernel.func @write {{
        ^bb0(%x: !kernel.view<["T", {0}], {1}>, %o: !kernel.view<[{0}], i32>,
             %y: !kernel.view<["T", {0}], {1}, "rows128">):
          kernel.map rows "T" groups 1 width {0} attributes {{config = #kernel.x86<%TILE%, rows = 4>}} {{
          ^bb0(%row: index, %group: index, %lane: index):
            %c0 = arith.constant 0 : index
            %last = arith.constant {2} : index
            )" +
              orders[order] + R"(
            %v = kernel.load %x[%row, %to] : !kernel.view<["T", {0}], {1}>
            kernel.store %v, %y[%row, %to] : !kernel.view<["T", {0}], {1}, "rows128">
          }}
        }})",
          depth, element(), depth - 1));
      for (int64_t tokens : {1, 9, 24}) {
        Numbers x = random(tokens * depth, 4);
        Array<int32_t> places(depth);
        for (int64_t i = 0; i < depth; ++i)
          places[i] = static_cast<int32_t>((i * 2 + 1) % (depth % 2 ? depth : depth + 1));
        schema::PackedShape shape = shapeOf(tokens, depth);
        Array<uint8_t> y = memoryOf(schema::kRows128, shape);
        library->run("write", {x, places, y}, {static_cast<uint32_t>(tokens)}, static_cast<uint32_t>(tokens + 3) / 4);
        int64_t padded = schema::column_tiles(schema::kRows128, shape) * schema::kRows128.tile_columns(elementBytes());
        for (int64_t row = 0; row < tokens; ++row)
          for (int64_t k = 0; k < padded; ++k) {
            uint64_t index = schema::element_index(schema::kRows128, shape, 0, row, k);
            ASSERT_EQ(bitsOf(at(y, index)), bitsOf(k < depth ? x[row * depth + k] : 0)) << row << " " << k;
          }
        // Rows that only fill up the panels belong to nobody.
        for (int64_t row = tokens; row < static_cast<int64_t>(schema::tile_rows(schema::kRows128, shape)); ++row)
          ASSERT_TRUE(std::isnan(at(y, schema::element_index(schema::kRows128, shape, 0, row, 0))));
        EXPECT_TRUE(y.tailIntact());
      }
    }
}

TEST_P(Packed, ProductsReadTokenPanels) {
  // The rows of a product in panels, as they are and scaled.
  constexpr int64_t outputs = 35;
  for (int64_t depth : {21, 70}) {
    SCOPED_TRACE(depth);
    auto library = load(fmt::format(
        R"(
      kernel.func @gemm {{
      ^bb0(%x: !kernel.view<["T", {0}], {1}, "rows128">, %w: !kernel.view<[{2}, {0}], {1}, "{3}">,
           %y: !kernel.view<["T", {2}], f32>, %z: !kernel.view<["T", {2}], f32>):
        kernel.gemm rows "T" attributes {{config = #kernel.x86<%TILE%, rows = 16>}}
            product %x : !kernel.view<["T", {0}], {1}, "rows128"> times %w : !kernel.view<[{2}, {0}], {1}, "{3}">
            product {{
            ^bb0(%row: index, %k: index):
              %c1 = arith.constant {4} : index
              %back = arith.subi %c1, %k : index
              %v = kernel.load %x[%row, %back] : !kernel.view<["T", {0}], {1}, "rows128">
              kernel.yield %v : {1}
            }} times %w : !kernel.view<[{2}, {0}], {1}, "{3}"> {{
        ^bb0(%a: f32, %b: f32, %row: index, %feature: index):
          kernel.store %a, %y[%row, %feature] : !kernel.view<["T", {2}], f32>
          kernel.store %b, %z[%row, %feature] : !kernel.view<["T", {2}], f32>
        }}
      }})",
        depth, element(), outputs, GetParam().layout(), depth - 1));
    for (int64_t tokens : {1, 19}) {
      Numbers x = random(tokens * depth, 5), w = random(outputs * depth, 6);
      schema::PackedShape shape = shapeOf(tokens, depth);
      Array<uint8_t> panels = memoryOf(schema::kRows128, shape);
      Array<float> back(tokens * depth);
      for (int64_t i = 0; i < tokens * depth; ++i) {
        put(panels, schema::element_index(schema::kRows128, shape, 0, i / depth, i % depth), x[i]);
        back[i / depth * depth + depth - 1 - i % depth] = x[i];
      }
      Array<float> y(tokens * outputs), z(tokens * outputs);
      library->run("gemm", {panels, w.packed(1, outputs, depth), y, z}, {static_cast<uint32_t>(tokens)},
                   static_cast<uint32_t>((tokens + 15) / 16 * 2));
      for (int64_t t = 0; t < tokens; ++t)
        for (int64_t n = 0; n < outputs; ++n) {
          ASSERT_EQ(bitsOf(y[t * outputs + n]), bitsOf(chain(x.at(t * depth), w.at(n * depth), depth, GetParam())))
              << t;
          ASSERT_EQ(bitsOf(z[t * outputs + n]), bitsOf(chain(&back[t * depth], w.at(n * depth), depth, GetParam())))
              << t;
        }
      EXPECT_TRUE(y.tailIntact() && z.tailIntact());
    }
  }
}

TEST_P(Packed, RowsOfTilesAreGathered) {
  // What a tied embedding is where products read tiles, here of three matrices.
  constexpr int64_t tokens = 5, rows = 70, batches = 3;
  for (int64_t depth : {3, 64, 75}) {
    SCOPED_TRACE(depth);
    auto library = load(fmt::format(
        R"(
      kernel.func @gather {{
      ^bb0(%ids: !kernel.view<["T"], i32>, %w: !kernel.view<[3, 70, {0}], {1}, "tile64x128">,
           %y: !kernel.view<["T", {0}], {1}>):
        kernel.map rows "T" groups 1 width {0} attributes {{config = #kernel.x86<%TILE%, rows = 4>}} {{
        ^bb0(%row: index, %group: index, %lane: index):
          %c3 = arith.constant 3 : index
          %batch = arith.remui %row, %c3 : index
          %id32 = kernel.load %ids[%row] : !kernel.view<["T"], i32>
          %id = arith.index_castui %id32 : i32 to index
          %v = kernel.load %w[%batch, %id, %lane] : !kernel.view<[3, 70, {0}], {1}, "tile64x128">
          kernel.store %v, %y[%row, %lane] : !kernel.view<["T", {0}], {1}>
        }}
      }})",
        depth, element()));
    Numbers w = random(batches * rows * depth, 7);
    schema::PackedShape shape{batches, rows, static_cast<uint64_t>(depth), elementBytes()};
    Array<uint8_t> tiles = memoryOf(schema::kTile64x128, shape), y(tokens * depth * elementBytes());
    for (int64_t i = 0; i < batches * rows * depth; ++i)
      put(tiles, schema::element_index(schema::kTile64x128, shape, i / depth / rows, i / depth % rows, i % depth),
          w[i]);
    Array<int32_t> ids = {69, 0, 8, 63, 64};
    library->run("gather", {ids, tiles, y}, {tokens}, 2);
    for (int64_t i = 0; i < tokens * depth; ++i) {
      int64_t row = i / depth;
      ASSERT_EQ(bitsOf(at(y, i)), bitsOf(w[(row % 3 * rows + ids[row]) * depth + i % depth])) << i;
    }
    EXPECT_TRUE(y.tailIntact());
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, Packed, testing::ValuesIn(runnableForms()),
                         [](const auto &info) { return nameOf(info); });

} // namespace
