// SPDX-License-Identifier: Apache-2.0
//
// What `lm.sample` draws, by plain scalar steps: its description, operation for operation. Kernels of every target must
// give the same ids.
#ifndef YUPANA_TEST_COMPILER_CODEGEN_SAMPLEREFERENCE_H
#define YUPANA_TEST_COMPILER_CODEGEN_SAMPLEREFERENCE_H

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

namespace yupana::test {

/// What a row yields whose logits hold NaN or +infinity, as kernels store it.
inline constexpr int32_t noId = -1;

/// One row with all that sampling is told about it.
struct SampleRow {
  std::vector<float> logits;
  float temperature = 1;
  int32_t topK = 0;
  float topP = 1, minP = 0, penalty = 1;
  int64_t seed = 0, sequence = 0;
  int32_t position = 0;
  std::vector<int32_t> history; ///< Ids at positions 0, 1, ..; those from `position` on must not count.
};

/// The first two words of Philox 4x32-10, the first on top.
inline uint64_t philox(uint64_t key, uint64_t sequence, uint32_t position) {
  uint32_t c[4] = {uint32_t(sequence), uint32_t(sequence >> 32), position, 0};
  uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    uint64_t a = uint64_t(0xD2511F53u) * c[0], b = uint64_t(0xCD9E8D57u) * c[2];
    uint32_t next[4] = {uint32_t(b >> 32) ^ c[1] ^ k0, uint32_t(b), uint32_t(a >> 32) ^ c[3] ^ k1, uint32_t(a)};
    std::copy(next, next + 4, c);
  }
  return uint64_t(c[0]) << 32 | c[1];
}

/// e^y in float32, of y from -28 to 0.
inline float sampleExp(float y) {
  const float magic = 0x1.8p23f;
  float t = std::fma(y, 0x1.715476p0f, magic);
  float n = t - magic;
  float s = std::fma(n, -0x1.c85fep-10f, std::fma(n, -0x1.62p-1f, y));
  float p = 0x1.6a23dp-10f;
  for (float c : {0x1.123a2p-7f, 0x1.5558f2p-5f, 0x1.555492p-3f, 0x1.fffffcp-2f, 1.0f, 1.0f})
    p = std::fma(p, s, c);
  return std::ldexp(p, static_cast<int>(n));
}

inline uint64_t sampleMass(float logit, float largest, float temperature) {
  float distance = logit - largest;
  float y = distance / temperature;
  return y > -28 ? static_cast<uint64_t>(std::ldexp(sampleExp(y), 40)) : 0;
}

/// Logits after the penalty.
inline std::vector<float> penalizedLogits(const SampleRow &row) {
  auto flushed = [](float x) { return std::abs(x) < 0x1p-100f ? 0.0f : x; };
  std::vector<float> x;
  for (float logit : row.logits)
    x.push_back(flushed(logit));
  float penalty = std::max(row.penalty, 0x1p-100f);
  for (int32_t id : std::set<int32_t>(row.history.begin(), row.history.begin() + row.position))
    x[id] = flushed(x[id] > 0 ? x[id] / penalty : x[id] * penalty);
  return x;
}

/// Ids by falling logit, lower ids first on ties.
template <typename T> std::vector<int32_t> byLogit(const std::vector<T> &x) {
  std::vector<int32_t> ids(x.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) { return x[a] != x[b] ? x[a] > x[b] : a < b; });
  return ids;
}

/// floor(x · y / 2^64).
inline uint64_t highProduct(uint64_t x, uint64_t y) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>(static_cast<Wide>(x) * y >> 64);
}

/// The masses that are left after all filters. Of rows that are drawn from.
inline std::vector<uint64_t> sampleMasses(const SampleRow &row, const std::vector<float> &x) {
  std::vector<int32_t> ids = byLogit(x);
  if (row.topK > 0 && static_cast<size_t>(row.topK) < ids.size())
    ids.resize(row.topK);
  std::vector<uint64_t> masses(x.size());
  uint64_t total = 0, sum = 0;
  for (int32_t id : ids)
    total += masses[id] = sampleMass(x[id], x[ids[0]], row.temperature);
  if (row.topP < 1) {
    uint64_t share = static_cast<uint64_t>(std::max(row.topP, 0.0f) * 0x1p32f);
    uint64_t target = std::max<uint64_t>(highProduct(share << 32, total), 1);
    for (int32_t id : ids)
      if (sum < target)
        sum += masses[id];
      else
        masses[id] = 0;
  }
  float minP = row.minP > 0 ? std::min(row.minP, 1.0f) : 0;
  for (uint64_t &mass : masses)
    if (mass < static_cast<uint64_t>(std::ldexp(minP, 40)))
      mass = 0;
  return masses;
}

inline int32_t sampleReference(const SampleRow &row) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> x = penalizedLogits(row);
  for (float logit : x)
    if (std::isnan(logit) || logit == infinity)
      return noId;
  int32_t best = byLogit(x)[0];
  if (!(row.temperature >= 0x1p-126f) || x[best] == -infinity)
    return best;
  std::vector<uint64_t> masses = sampleMasses(row, x);
  uint64_t total = std::accumulate(masses.begin(), masses.end(), uint64_t(0)), sum = 0;
  uint64_t target = highProduct(philox(row.seed, row.sequence, row.position), total);
  int32_t id = 0;
  while ((sum += masses[id]) <= target)
    ++id;
  return id;
}

} // namespace yupana::test

#endif // YUPANA_TEST_COMPILER_CODEGEN_SAMPLEREFERENCE_H
