// SPDX-License-Identifier: Apache-2.0

#include "compiler/Export/WeightStream.h"
#include "runtime/schema/forms.h"
#include "test/compiler/Export/TestSource.h"

#include "mlir/IR/Verifier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

using namespace yupana;
using namespace yupana::test;

namespace {

/// A tensor, transformed link by link in float32: what streaming is compared with.
struct Dense {
  std::vector<uint64_t> shape;
  std::vector<float> values;

  uint64_t size() const { return std::accumulate(shape.begin(), shape.end(), uint64_t{1}, std::multiplies<>()); }
  std::vector<uint64_t> indexOf(uint64_t at) const {
    std::vector<uint64_t> index(shape.size());
    for (size_t axis = shape.size(); axis-- > 0; at /= shape[axis])
      index[axis] = at % shape[axis];
    return index;
  }
  float valueAt(const std::vector<uint64_t> &index) const {
    uint64_t at = 0;
    for (size_t axis = 0; axis < shape.size(); ++axis)
      at = at * shape[axis] + index[axis];
    return values[at];
  }
};

uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

/// One link of a chain, as text and as what it does.
struct Link {
  std::vector<int64_t> permutation; ///< Of a transpose; empty for a slice.
  uint64_t axis = 0, offset = 0, size = 0, step = 1;

  std::string text() const {
    std::string link;
    for (int64_t entry : permutation)
      link += (link.empty() ? "#lm.transpose<" : ", ") + std::to_string(entry);
    if (permutation.empty())
      link = "#lm.slice<axis = " + std::to_string(axis) + ", offset = " + std::to_string(offset) +
             ", size = " + std::to_string(size) + (step == 1 ? "" : ", step = " + std::to_string(step));
    return link + ">";
  }

  std::vector<uint64_t> shapeOf(std::vector<uint64_t> shape) const {
    if (permutation.empty()) {
      shape[axis] = size;
      return shape;
    }
    std::vector<uint64_t> permuted;
    for (int64_t entry : permutation)
      permuted.push_back(shape[entry]);
    return permuted;
  }

  Dense apply(const Dense &from) const {
    Dense to{shapeOf(from.shape), {}};
    for (uint64_t i = 0; i < to.size(); ++i) {
      std::vector<uint64_t> index = to.indexOf(i), old = index;
      if (permutation.empty())
        old[axis] = offset + index[axis] * step;
      for (size_t at = 0; at < permutation.size(); ++at)
        old[permutation[at]] = index[at];
      to.values.push_back(from.valueAt(old));
    }
    return to;
  }
};

/// A form of bfloat16 or float32, and how many rows of either part follow one another; 0 for one part.
struct Form {
  const schema::PackedForm *packed = &schema::kRowMajor;
  bool isBF16 = false;
  uint64_t run = 0;

  const char *element() const { return isBF16 ? "bf16" : "f32"; }
  const char *layout() const { return packed->id; }
  uint64_t elementBytes() const { return isBF16 ? 2 : 4; }
  uint64_t tileElements() const { return packed->tile_rows * packed->tile_columns(elementBytes()); }
};

uint16_t roundToBF16(float value) {
  uint32_t bits = bitsOf(value), below = bits & 0xffff, above = bits >> 16;
  return static_cast<uint16_t>(above + (below > 0x8000 || (below == 0x8000 && above % 2 == 1)));
}

/// Every element of every part at its place in the form, zeros elsewhere.
std::vector<uint8_t> packOf(const std::vector<Dense> &parts, const Form &form) {
  std::vector<uint64_t> extents = parts.front().shape;
  schema::PackedShape part, whole;
  EXPECT_TRUE(schema::packed_shape(extents, form.elementBytes(), &part));
  whole = part;
  if (form.run)
    whole.rows = schema::interleaved_rows(part.rows, form.run);
  uint64_t bytes = 0;
  EXPECT_TRUE(schema::packed_bytes(*form.packed, whole, &bytes));
  std::vector<uint8_t> packed(bytes);
  for (size_t half = 0; half < parts.size(); ++half)
    for (uint64_t i = 0; i < parts[half].size(); ++i) {
      uint64_t k = i % part.depth, n = i / part.depth % part.rows, batch = i / part.depth / part.rows;
      if (form.run)
        n = n / form.run * 2 * form.run + half * form.run + n % form.run;
      uint32_t bits = form.isBF16 ? roundToBF16(parts[half].values[i]) : bitsOf(parts[half].values[i]);
      uint8_t *to = &packed[schema::element_index(*form.packed, whole, batch, n, k) * form.elementBytes()];
      for (uint64_t byte = 0; byte < form.elementBytes(); ++byte)
        to[byte] = static_cast<uint8_t>(bits >> 8 * byte);
    }
  return packed;
}

float exactHalf(uint16_t bits) {
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float magnitude = exponent == 0    ? std::ldexp(static_cast<float>(fraction), -24)
                    : exponent == 31 ? (fraction ? NAN : INFINITY)
                                     : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

std::string shapeText(const std::vector<uint64_t> &shape, const std::string &element) {
  std::string text = "tensor<";
  for (uint64_t extent : shape)
    text += std::to_string(extent) + "x";
  return text + element + ">";
}

/// Random chains over random tensors.
class Chains {
public:
  explicit Chains(uint32_t seed) : random(seed) {}

  /// Makes `text` (@w, alone or of two parts), its tensors and what must come out.
  void draw() {
    source.tensors.clear();
    text.clear();
    uint64_t rank = 1 + below(3);
    std::vector<uint64_t> shape;
    for (uint64_t axis = 0; axis < rank; ++axis)
      shape.push_back(1 + below(below(2) ? 70 : 9));
    uint64_t count = below(3) == 0 ? 1 + below(4) : 1;
    bool stacked = count > 1 || below(8) == 0;
    if (stacked)
      ++rank;
    const schema::PackedForm *tiled[] = {&schema::kPanel32, &schema::kPanel32x2, &schema::kTile64x128};
    form = {rank > 1 && below(4) != 0 ? tiled[below(3)] : &schema::kRowMajor, below(2) == 1, 0};
    bool interleaved = form.packed != &schema::kRowMajor && below(2);
    if (interleaved)
      form.run = below(4) == 0 ? uint64_t{1} << below(4) : 8 << below(2);
    std::vector<Dense> parts;
    std::vector<Link> links;
    for (const char *name : interleaved ? std::vector{"first", "second"} : std::vector{"w"}) {
      // The second part may come from the tensors of the first, and has other slices of the same sizes.
      if (parts.empty() || below(2))
        drawTensors(parts.empty() ? "t" : "u", shape, count, stacked);
      links = parts.empty() ? drawLinks() : movedLinks(links);
      parts.push_back(tensors);
      for (const Link &link : links)
        parts.back() = link.apply(parts.back());
      addWeight(name, shape, count, stacked, links, parts.back().shape, interleaved);
    }
    if (interleaved) {
      std::vector<uint64_t> both = parts.front().shape;
      uint64_t &rows = both[both.size() - 2];
      rows = schema::interleaved_rows(rows, form.run);
      text += "lm.interleaved @w of @first, @second by " + std::to_string(form.run) + " layout \"" + form.layout() +
              "\" : " + shapeText(both, form.element());
    }
    expected = packOf(parts, form);
  }

  TestSource source;
  std::string text;
  Form form{};
  std::vector<uint8_t> expected;
  std::mt19937_64 random;

  uint64_t below(uint64_t limit) { return std::uniform_int_distribution<uint64_t>(0, limit - 1)(random); }

private:
  void drawTensors(const std::string &prefix, const std::vector<uint64_t> &shape, uint64_t count, bool stacked) {
    names = prefix;
    element = static_cast<SourceElement>(below(3));
    tensors = {shape, {}};
    uint64_t size = tensors.size();
    for (uint64_t n = 0; n < count; ++n) {
      std::vector<uint8_t> bytes(size * sourceElementBytes(element));
      for (uint8_t &byte : bytes)
        byte = static_cast<uint8_t>(random());
      for (uint64_t i = 0; i < size; ++i)
        tensors.values.push_back(decode(bytes.data(), i));
      source.tensors[prefix + std::to_string(n)] = {element, shape, std::move(bytes)};
    }
    if (stacked)
      tensors.shape.insert(tensors.shape.begin(), count);
  }

  /// Not-a-numbers are made 1: their bits are nobody's promise.
  float decode(uint8_t *bytes, uint64_t index) {
    if (element == SourceElement::F32) {
      float value;
      std::memcpy(&value, bytes + 4 * index, 4);
      if (!std::isnan(value))
        return value;
      value = 1;
      std::memcpy(bytes + 4 * index, &value, 4);
      return value;
    }
    uint16_t half;
    std::memcpy(&half, bytes + 2 * index, 2);
    uint32_t wide = uint32_t{half} << 16;
    float value;
    std::memcpy(&value, &wide, 4);
    if (element == SourceElement::F16)
      value = exactHalf(half);
    if (!std::isnan(value))
      return value;
    half = element == SourceElement::F16 ? 0x3c00 : 0x3f80;
    std::memcpy(bytes + 2 * index, &half, 2);
    return 1;
  }

  std::vector<Link> drawLinks() {
    std::vector<uint64_t> shape = tensors.shape;
    std::vector<Link> links;
    for (uint64_t count = below(4); count > 0; --count) {
      Link link;
      if (below(2)) {
        link.axis = below(shape.size());
        link.step = below(2) ? 1 : 1 + below(4);
        uint64_t extent = shape[link.axis];
        link.offset = below(extent);
        link.size = 1 + below((extent - 1 - link.offset) / link.step + 1);
      } else {
        link.permutation.resize(shape.size());
        std::iota(link.permutation.begin(), link.permutation.end(), 0);
        std::shuffle(link.permutation.begin(), link.permutation.end(), random);
      }
      shape = link.shapeOf(shape);
      links.push_back(std::move(link));
    }
    return links;
  }

  std::vector<Link> movedLinks(std::vector<Link> links) {
    std::vector<uint64_t> shape = tensors.shape;
    for (Link &link : links) {
      if (link.permutation.empty())
        link.offset = below(shape[link.axis] - (link.size - 1) * link.step);
      shape = link.shapeOf(shape);
    }
    return links;
  }

  void addWeight(const char *name, const std::vector<uint64_t> &shape, uint64_t count, bool stacked,
                 const std::vector<Link> &links, const std::vector<uint64_t> &result, bool isPart) {
    std::vector<std::string> chain;
    for (const Link &link : links)
      chain.push_back(link.text());
    const char *elements[] = {"f32", "f16", "bf16"};
    std::string from = elements[static_cast<size_t>(element)];
    if (from != form.element())
      chain.insert(chain.begin() + below(chain.size() + 1), std::string("#lm.convert<") + form.element() + ">");
    if (stacked)
      chain.insert(chain.begin(), "#lm.stack<" + std::to_string(count) + ">");
    if (!isPart)
      chain.push_back(std::string("#lm.pack<\"") + form.layout() + "\">");
    text += std::string("lm.weight @") + name + " from [";
    for (uint64_t n = 0; n < count; ++n)
      text += (n ? ", \"" : "\"") + names + std::to_string(n) + "\"";
    text += "] : " + shapeText(shape, from) + " through [";
    for (size_t i = 0; i < chain.size(); ++i)
      text += (i ? ", " : "") + chain[i];
    text += "] : " + shapeText(result, form.element()) + "\n";
  }

  SourceElement element = SourceElement::F32;
  std::string names;
  Dense tensors; ///< Those drawn last, stacked.
};

mlir::Operation *parameterOf(mlir::ModuleOp module) { return module.lookupSymbol("w"); }

void expectStreamed(Chains &chains, TestContext &context, uint64_t window) {
  SCOPED_TRACE(chains.text + "\nwindow " + std::to_string(window));
  auto module = context.parse(chains.text);
  ASSERT_TRUE(module);
  Result<std::unique_ptr<PieceMaker>> stream = streamWeight(parameterOf(*module), chains.source, window);
  ASSERT_TRUE(stream) << stream.error().message;
  ASSERT_EQ((*stream)->bytes(), chains.expected.size());

  std::vector<uint8_t> found(chains.expected.size());
  std::vector<uint8_t> times((*stream)->bytes());
  std::vector<uint64_t> order((*stream)->pieces());
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), chains.random);
  uint64_t most = std::max<uint64_t>(window, chains.form.tileElements());
  PieceMemory memory;
  for (uint64_t piece : order) {
    Result<void> made =
        (*stream)->make(piece, memory, [&](uint64_t offset, const void *data, uint64_t size) -> Result<void> {
          std::memcpy(found.data() + offset, data, size);
          for (uint64_t i = offset; i < offset + size; ++i)
            ++times[i];
          return {};
        });
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_LE(memory.packed.size(), most * chains.form.elementBytes());
    EXPECT_LE(memory.source.size(), most * 4);
  }
  EXPECT_TRUE(std::all_of(times.begin(), times.end(), [](uint8_t n) { return n == 1; }));
  for (size_t i = 0; i < found.size(); ++i)
    ASSERT_EQ(found[i], chains.expected[i]) << "byte " << i;
}

TEST(WeightStream, RandomChains) {
  TestContext context;
  Chains chains(22);
  for (int i = 0; i < 600; ++i) {
    chains.draw();
    for (uint64_t window : {uint64_t{1}, 32 + chains.below(200), 4096 + chains.below(8192), weightWindowElements})
      ASSERT_NO_FATAL_FAILURE(expectStreamed(chains, context, window));
  }
}

/// The packed bytes of a weight that is one piece.
std::vector<uint8_t> packedBytes(TestContext &context, const TestSource &source, const std::string &text) {
  auto module = context.parse(text);
  auto stream = streamWeight(parameterOf(*module), source);
  EXPECT_TRUE(stream) << (stream ? "" : stream.error().message);
  EXPECT_EQ((*stream)->pieces(), 1u);
  PieceMemory memory;
  EXPECT_TRUE((*stream)->make(0, memory, [](uint64_t, const void *, uint64_t) { return Result<void>(); }));
  return memory.packed;
}

TEST(WeightStream, EveryHalf) {
  TestContext context;
  TestSource source;
  std::vector<uint8_t> bytes(131072);
  for (uint32_t half = 0; half < 65536; ++half) {
    bytes[2 * half] = static_cast<uint8_t>(half);
    bytes[2 * half + 1] = static_cast<uint8_t>(half >> 8);
  }
  source.tensors["t"] = {SourceElement::F16, {65536}, bytes};
  std::string head = "lm.weight @w from [\"t\"] : tensor<65536xf16> through [";
  auto wide = packedBytes(context, source, head + "#lm.convert<f32>] : tensor<65536xf32>");
  auto narrow = packedBytes(context, source, head + "#lm.convert<bf16>] : tensor<65536xbf16>");
  for (uint32_t half = 0; half < 65536; ++half) {
    float expected = exactHalf(static_cast<uint16_t>(half)), found;
    uint16_t rounded;
    std::memcpy(&found, &wide[4 * half], 4);
    std::memcpy(&rounded, &narrow[2 * half], 2);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(found)) << half;
      EXPECT_GT(rounded & 0x7fff, 0x7f80) << half;
    } else {
      EXPECT_EQ(bitsOf(found), bitsOf(expected)) << half;
      EXPECT_EQ(rounded, roundToBF16(expected)) << half;
    }
  }
}

TEST(WeightStream, RoundsToNearestEven) {
  const std::pair<uint32_t, uint16_t> cases[] = {
      {0x3f807fff, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f808001, 0x3f81}, {0x3f818000, 0x3f82}, {0xbf818000, 0xbf82},
      {0x3fffffff, 0x4000}, {0x7f7f7fff, 0x7f7f}, {0x7f7fffff, 0x7f80}, {0xff800000, 0xff80}, {0x00000001, 0x0000},
      {0x00018000, 0x0002}, {0x80000000, 0x8000}, {0x7f800001, 0x7fc0}, {0xffffffff, 0xffff}};
  std::vector<uint8_t> bytes;
  for (auto [bits, rounded] : cases)
    for (int byte = 0; byte < 4; ++byte)
      bytes.push_back(static_cast<uint8_t>(bits >> 8 * byte));
  TestContext context;
  TestSource source;
  source.tensors["t"] = {SourceElement::F32, {14}, bytes};
  auto packed = packedBytes(context, source,
                            "lm.weight @w from [\"t\"] : tensor<14xf32> through [#lm.convert<bf16>] : tensor<14xbf16>");
  ASSERT_EQ(packed.size(), 2 * std::size(cases));
  for (size_t i = 0; i < std::size(cases); ++i) {
    uint16_t found;
    std::memcpy(&found, &packed[2 * i], 2);
    EXPECT_EQ(found, cases[i].second) << std::hex << cases[i].first;
  }
}

TEST(WeightStream, HalvesOfOneTensorShareAPanel) {
  // Three rows of each half and three columns: the rest of a run, and the partner of the last column, are zero.
  TestContext context;
  TestSource source;
  std::vector<uint8_t> bytes;
  for (uint16_t value = 1; value <= 18; ++value)
    for (int byte = 0; byte < 2; ++byte)
      bytes.push_back(static_cast<uint8_t>((0x4000 + value) >> 8 * byte));
  source.tensors["t"] = {SourceElement::BF16, {6, 3}, bytes};
  std::string part = " from [\"t\"] : tensor<6x3xbf16> through [#lm.slice<axis = 0, offset = ";
  auto packed =
      packedBytes(context, source,
                  "lm.weight @even" + part + "0, size = 3, step = 2>] : tensor<3x3xbf16>\nlm.weight @odd" + part +
                      "1, size = 3, step = 2>] : tensor<3x3xbf16>\nlm.interleaved @w of @even, @odd by 16 "
                      "layout \"panel32x2\" : tensor<32x3xbf16>");
  ASSERT_EQ(packed.size(), 2u * 32 * 2 * 2);
  for (uint16_t step = 0; step < 2; ++step)
    for (uint16_t lane = 0; lane < 32; ++lane)
      for (uint16_t column = 0; column < 2; ++column) {
        uint16_t row = lane % 16, k = step * 2 + column, found;
        std::memcpy(&found, &packed[2 * ((step * 32 + lane) * 2 + column)], 2);
        EXPECT_EQ(found, row < 3 && k < 3 ? 0x4000 + (2 * row + lane / 16) * 3 + k + 1 : 0) << lane << " " << k;
      }
}

/// Counts reads: a transposed weight must be read in runs.
class CountingSource : public TestSource {
public:
  Result<void> read(const SourceTensor &tensor, uint64_t offset, void *destination, uint64_t size) const override {
    ++reads;
    return TestSource::read(tensor, offset, destination, size);
  }
  mutable uint64_t reads = 0;
};

TEST(WeightStream, TransposedWeightsAreReadInRuns) {
  TestContext context;
  CountingSource source;
  source.tensors["t"] = {SourceElement::BF16, {2, 96, 128}, std::vector<uint8_t>(2 * 96 * 128 * 2)};
  auto module = context.parse("lm.weight @w from [\"t\"] : tensor<2x96x128xbf16> through [#lm.slice<axis = 2, "
                              "offset = 64, size = 64>, #lm.transpose<0, 2, 1>, #lm.convert<f32>, "
                              "#lm.pack<\"panel32\">] : tensor<2x64x96xf32>");
  auto stream = streamWeight(parameterOf(*module), source);
  ASSERT_TRUE(stream);
  PieceMemory memory;
  for (uint64_t piece = 0; piece < (*stream)->pieces(); ++piece)
    ASSERT_TRUE((*stream)->make(piece, memory, [](uint64_t, const void *, uint64_t) { return Result<void>(); }));
  EXPECT_EQ(source.reads, 2u * 96u);
}

struct Refusal {
  const char *text;
  ExitCode code;
  const char *part; ///< Of the message.
};

TEST(WeightStream, Refusals) {
  const Refusal refusals[] = {
      {"lm.weight @w from [\"none\"] : tensor<4xf32> through [] : tensor<4xf32>", ExitCode::InvalidInput, "none"},
      {"lm.weight @w from [\"t\"] : tensor<5xbf16> through [#lm.convert<f32>] : tensor<5xf32>", ExitCode::InvalidInput,
       "'t' is bf16 [4], weight 'w' expects bf16 [5]"},
      {"lm.weight @w from [\"t\"] : tensor<4xf16> through [#lm.convert<f32>] : tensor<4xf32>", ExitCode::InvalidInput,
       "'t' is bf16 [4], weight 'w' expects f16 [4]"},
      {"lm.weight @w from [\"t\"] : tensor<4xbf16> through [#lm.convert<f16>] : tensor<4xf16>", ExitCode::Unsupported,
       "weight 'w': its elements are f16, a packed form has f32 or bf16"},
      {"lm.weight @w from [\"t\"] : tensor<4xbf16> through [#lm.convert<f16>, #lm.convert<f32>] : tensor<4xf32>",
       ExitCode::Unsupported, "weight 'w': its chain converts to a type that it does not end in"},
      {"lm.weight @w from [\"t\"] : tensor<4xbf16> through [#lm.convert<f32>, #lm.convert<bf16>] : tensor<4xbf16>",
       ExitCode::Unsupported, "'w'"},
      {"lm.weight @p from [\"m\"] : tensor<16x4xf32> through [] : tensor<16x4xf32>\n"
       "lm.interleaved @w of @p, @p by 16 : tensor<32x4xf32>",
       ExitCode::Unsupported, "weight 'w' alternates by 16 and has no form of which runs fill whole tiles"},
      {"lm.weight @w from [\"m\"] : tensor<4611686018427387904x4xf32> through [] : tensor<4611686018427387904x4xf32>",
       ExitCode::InvalidInput, "weight 'w' needs more than 2^64 bytes"},
      {"lm.weight @p from [\"m\"] : tensor<16x4xf32> through [] : tensor<16x4xf32>\n"
       "lm.weight @q from [\"none\"] : tensor<16x4xf32> through [] : tensor<16x4xf32>\n"
       "lm.interleaved @w of @p, @q by 16 layout \"panel32\" : tensor<32x4xf32>",
       ExitCode::InvalidInput, "none"},
  };
  TestContext context;
  TestSource source;
  source.tensors["t"] = {SourceElement::BF16, {4}, std::vector<uint8_t>(8)};
  source.tensors["m"] = {SourceElement::F32, {16, 4}, std::vector<uint8_t>(256)};
  for (const Refusal &refusal : refusals) {
    auto module = context.parse(refusal.text);
    ASSERT_TRUE(module) << refusal.text;
    auto stream = streamWeight(parameterOf(*module), source);
    ASSERT_FALSE(stream) << refusal.text;
    EXPECT_EQ(stream.error().code, refusal.code) << refusal.text;
    EXPECT_NE(stream.error().message.find(refusal.part), std::string::npos) << stream.error().message;
  }
}

} // namespace
