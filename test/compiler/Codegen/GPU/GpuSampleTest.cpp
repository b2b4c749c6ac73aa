// SPDX-License-Identifier: Apache-2.0
//
// kernel.sample on a GPU draws the ids that the scalar reference draws, which are those of a CPU.
#include "GpuHarness.h"
#include "test/compiler/Codegen/SampleReference.h"

#include <fmt/format.h>

#include <functional>

using namespace yupana;
using namespace yupana::test;

namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
constexpr int64_t maxContext = 40;

std::string sampleKernel(int64_t vocabulary) {
  return fmt::format(R"(
    kernel.func @sample {{
    ^bb0(%l: !kernel.view<["R", {0}], f32>, %t: !kernel.view<["R"], f32>, %k: !kernel.view<["R"], i32>,
         %p: !kernel.view<["R"], f32>, %m: !kernel.view<["R"], f32>, %r: !kernel.view<["R"], f32>,
         %s: !kernel.view<["R"], i64>, %n: !kernel.view<["R"], i64>, %x: !kernel.view<["R"], i32>,
         %h: !kernel.view<["R"], i32>, %g: !kernel.view<["N", {1}], i32>, %i: !kernel.view<["R"], i32>):
      kernel.sample %l temperatures %t top_k %k top_p %p min_p %m penalties %r seeds %s sequences %n positions %x
        slots %h of %g into %i
        : !kernel.view<["R", {0}], f32>, !kernel.view<["R"], f32>, !kernel.view<["R"], i32>, !kernel.view<["R"], f32>,
          !kernel.view<["R"], f32>, !kernel.view<["R"], f32>, !kernel.view<["R"], i64>, !kernel.view<["R"], i64>,
          !kernel.view<["R"], i32>, !kernel.view<["R"], i32>, !kernel.view<["N", {1}], i32>, !kernel.view<["R"], i32>
    }})",
                     vocabulary, maxContext);
}

/// Runs all rows at once; row r finds its history in slot rows - 1 - r.
std::vector<int32_t> sample(GpuLibrary &library, const std::vector<SampleRow> &rows) {
  auto count = static_cast<uint32_t>(rows.size());
  size_t vocabulary = rows[0].logits.size();
  Array<float> logits(count * vocabulary), temperatures(count), topP(count), minP(count), penalties(count);
  Array<int64_t> seeds(count), sequences(count);
  Array<int32_t> topK(count), positions(count), slots(count), history(count * maxContext), ids(count);
  for (uint32_t r = 0; r < count; ++r) {
    const SampleRow &row = rows[r];
    std::copy(row.logits.begin(), row.logits.end(), &logits[r * vocabulary]);
    temperatures[r] = row.temperature;
    topK[r] = row.topK;
    topP[r] = row.topP;
    minP[r] = row.minP;
    penalties[r] = row.penalty;
    seeds[r] = row.seed;
    sequences[r] = row.sequence;
    positions[r] = row.position;
    slots[r] = static_cast<int32_t>(count - 1 - r);
    std::copy(row.history.begin(), row.history.end(), &history[slots[r] * maxContext]);
  }
  library.run("sample",
              {logits, temperatures, topK, topP, minP, penalties, seeds, sequences, positions, slots, history, ids},
              {0, 0, count});
  return {ids.begin(), ids.end()};
}

void expectReference(GpuLibrary &library, const std::vector<SampleRow> &rows) {
  std::vector<int32_t> ids = sample(library, rows);
  for (size_t r = 0; r < rows.size(); ++r)
    EXPECT_EQ(ids[r], sampleReference(rows[r]))
        << fmt::format("row {}: temperature {}, top k {}, top p {}, min p {}, penalty {}", r, rows[r].temperature,
                       rows[r].topK, rows[r].topP, rows[r].minP, rows[r].penalty);
}

std::vector<float> randomLogits(size_t vocabulary, uint32_t seed, float scale) {
  Array<float> values = randomArray(vocabulary, seed, scale);
  return {values.begin(), values.end()};
}

/// What is done to a row.
const std::function<void(SampleRow &)> settings[] = {
    [](SampleRow &) {},
    [](SampleRow &row) { row.temperature = 0; },
    [](SampleRow &row) { row.temperature = 0.3f; },
    [](SampleRow &row) { row.temperature = 5; },
    [](SampleRow &row) { row.topK = 1; },
    [](SampleRow &row) { row.topK = 7; },
    [](SampleRow &row) { row.topK = static_cast<int32_t>(row.logits.size()); },
    [](SampleRow &row) { row.topK = -5; },
    [](SampleRow &row) { row.topP = 1e-9f; },
    [](SampleRow &row) { row.topP = 0.5f; },
    [](SampleRow &row) { row.topP = 0.95f; },
    [](SampleRow &row) { row.minP = 0.05f; },
    [](SampleRow &row) { row.minP = 1; },
    [](SampleRow &row) { row.penalty = 1.7f; },
    [](SampleRow &row) { row.penalty = 0.5f, row.temperature = 0; },
    [](SampleRow &row) { row.topK = 9, row.topP = 0.8f; },
    [](SampleRow &row) {
      row.temperature = 0.8f, row.topK = 20, row.topP = 0.9f, row.minP = 0.02f, row.penalty = 1.3f;
    },
};

/// A row for every setting; `fill` writes the logits of row r.
std::vector<SampleRow> rowsOfAllSettings(int64_t vocabulary, const std::function<void(SampleRow &, uint32_t)> &fill) {
  std::vector<SampleRow> rows(std::size(settings));
  for (uint32_t r = 0; r < rows.size(); ++r) {
    SampleRow &row = rows[r];
    fill(row, r);
    settings[r](row);
    row.seed = 0x123456789abcdef + r;
    row.sequence = int64_t(r % 10) << 30;
    row.position = static_cast<int32_t>(r % 25);
    for (int32_t i = 0; i < maxContext; ++i)
      row.history.push_back(static_cast<int32_t>((i * i + r) % vocabulary));
  }
  return rows;
}

TEST(GpuSample, MatchesTheReference) {
  for (int64_t vocabulary : {1, 2, 33, 100, 257, 5000}) {
    SCOPED_TRACE(vocabulary);
    GpuLibrary library("sm_80", sampleKernel(vocabulary), 8);
    // Both signs.
    expectReference(library, rowsOfAllSettings(vocabulary, [&](SampleRow &row, uint32_t r) {
                      row.logits = randomLogits(vocabulary, r + 1, 6);
                    }));
  }
}

// Rows full of ties: where a filter cuts between equals, the lower ids stay.
TEST(GpuSample, KeepsLowerIdsOfEquals) {
  for (int64_t vocabulary : {16, 1000}) {
    SCOPED_TRACE(vocabulary);
    GpuLibrary library("sm_80", sampleKernel(vocabulary), 8);
    for (bool allEqual : {false, true})
      expectReference(library, rowsOfAllSettings(vocabulary, [&](SampleRow &row, uint32_t r) {
                        row.logits = randomLogits(vocabulary, r + 1, 4);
                        for (float &logit : row.logits)
                          logit = allEqual ? 0.0f : std::round(logit);
                      }));
  }
}

// Top k and top p both cut among ids of one logit, so that the second filter counts what the first has left.
TEST(GpuSample, FiltersFollowOneAnotherAmongEquals) {
  constexpr int64_t vocabulary = 300;
  GpuLibrary library("sm_80", sampleKernel(vocabulary), 8);
  std::vector<SampleRow> rows;
  for (int32_t topK : {0, 3, 4, 50})
    for (float topP : {0.2f, 0.5f, 0.500001f, 0.9f}) {
      SampleRow row;
      row.logits.assign(vocabulary, -inf);
      for (int id : {3, 5, 8, 13, 200, 299})
        row.logits[id] = 1;
      row.logits[77] = 2;
      row.topK = topK, row.topP = topP;
      for (int64_t seed = 0; seed < 6; ++seed) {
        row.seed = seed;
        rows.push_back(row);
      }
    }
  expectReference(library, rows);
}

// A NaN or an infinite logit, wherever it stands, marks its row and no other.
TEST(GpuSample, NoIdWhereALogitIsNotANumber) {
  constexpr int64_t vocabulary = 50;
  GpuLibrary library("sm_80", sampleKernel(vocabulary), 8);
  std::vector<SampleRow> rows;
  std::vector<int32_t> marked;
  for (float fault : {nan, -nan, inf})
    for (int id : {0, 31, 32, 49})
      for (float temperature : {0.0f, 1.0f}) {
        SampleRow row;
        row.logits = randomLogits(vocabulary, 3, 2);
        row.logits[20] = -inf;
        row.temperature = temperature;
        rows.push_back(row);
        row.logits[id] = fault;
        marked.push_back(static_cast<int32_t>(rows.size()));
        rows.push_back(row);
      }
  expectReference(library, rows);
  std::vector<int32_t> ids = sample(library, rows);
  for (int32_t r : marked)
    EXPECT_EQ(ids[r], noId) << r;
}

// Where arithmetic reaches the ends of float32.
TEST(GpuSample, ExtremesMatchTheReference) {
  constexpr int64_t vocabulary = 64;
  GpuLibrary library("sm_80", sampleKernel(vocabulary), 8);
  std::vector<SampleRow> rows;
  for (float scale : {0x1p-149f, 0x1p-101f, 0x1p-99f, 0x1p100f, 0x1.fp127f})
    for (float temperature : {0x1p-149f, 0x1p-126f, 1e-6f, 1e30f, inf, nan, -1.0f})
      for (float penalty : {0x1p-149f, 1.0f, 3.0f, 0x1p127f}) {
        SampleRow &row = rows.emplace_back();
        row.logits = randomLogits(vocabulary, static_cast<uint32_t>(rows.size()), 1);
        for (float &logit : row.logits)
          logit *= scale;
        row.temperature = temperature, row.penalty = penalty;
        row.seed = static_cast<int64_t>(rows.size());
        row.history = {1, 7, 60, 7};
        row.position = 3;
      }
  SampleRow lowest;
  lowest.logits.assign(vocabulary, -inf);
  rows.push_back(lowest);
  expectReference(library, rows);
}

// A vocabulary of the size that counts.
TEST(GpuSample, MatchesTheReferenceAtFullSize) {
  constexpr int64_t vocabulary = 202048;
  GpuLibrary library("sm_80", sampleKernel(vocabulary), 8);
  std::vector<SampleRow> rows(3);
  for (size_t r = 0; r < rows.size(); ++r) {
    rows[r].logits = randomLogits(vocabulary, static_cast<uint32_t>(r) + 1, 1);
    rows[r].history.resize(3, 5);
    rows[r].position = 3;
  }
  rows[1].topK = 50, rows[1].temperature = 0.6f;
  rows[2].topP = 0.9f, rows[2].penalty = 1.3f;
  expectReference(library, rows);
}

} // namespace
