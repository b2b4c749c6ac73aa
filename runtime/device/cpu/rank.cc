// SPDX-License-Identifier: Apache-2.0
//
// Which level's code is the fastest here. A processor may have vdpbf16ps and start one every other cycle while it
// starts two FMAs in each: half the products a second. CPUID tells neither, and a list of models would be out of date,
// so both instructions are timed. This is all the floating-point arithmetic of the runtime, and of no tensor; it is in
// an archive of its own, so that the core stays free of any.

#include "runtime/device/cpu/rank.h"

#include "runtime/device/cpu/levels.h"

#include <atomic>

namespace yupana::runtime {

namespace {

// As find_cpu_level counts.
constexpr uint32_t kWidening = 1; // x86-64-v4
constexpr uint32_t kDots = 2;     // x86-64-v4-bf16

// More sums than a dot product takes cycles times those that start in a cycle.
#define YUPANA_SUMS "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14"
#define YUPANA_CLOBBERED                                                                                               \
  "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",     \
      "xmm13", "xmm14", "xmm15"

/// Ticks that `iterations` times 15 independent instructions take. All operands are zero, for which these units are no
/// faster.
#define YUPANA_TIMED(name, instruction)                                                                                \
  uint64_t name(uint64_t iterations) {                                                                                 \
    uint64_t begin = __builtin_ia32_rdtsc();                                                                           \
    __asm__ volatile("vpxord %%zmm15, %%zmm15, %%zmm15\n"                                                              \
                     ".irp sum," YUPANA_SUMS "\n vpxord %%zmm\\sum, %%zmm\\sum, %%zmm\\sum\n .endr\n"                  \
                     "1:\n"                                                                                            \
                     ".irp sum," YUPANA_SUMS "\n " instruction " %%zmm15, %%zmm15, %%zmm\\sum\n .endr\n"               \
                     "dec %0\n jnz 1b\n"                                                                               \
                     "vzeroupper\n"                                                                                    \
                     : "+r"(iterations)                                                                                \
                     :                                                                                                 \
                     : YUPANA_CLOBBERED);                                                                              \
    return __builtin_ia32_rdtsc() - begin;                                                                             \
  }

YUPANA_TIMED(time_fmas, "vfmadd231ps")
YUPANA_TIMED(time_dots, "vdpbf16ps")

/// Compares the least times of several rounds, about 10 microseconds each: a round that was interrupted, or in which
/// the processor was still changing to its frequency for wide vectors, does not count.
bool measure_dots() {
  constexpr uint32_t kRounds = 24;
  constexpr uint64_t kIterations = 1000;
  uint64_t fmas = UINT64_MAX, dots = UINT64_MAX;
  for (uint32_t round = 0; round < kRounds; ++round) {
    uint64_t now = time_fmas(kIterations);
    fmas = now < fmas ? now : fmas;
    now = time_dots(kIterations);
    dots = now < dots ? now : dots;
  }
  // A dot product is two products. Widening a pair of weights takes two instructions, at eight rows for 16 products,
  // so FMAs have to be faster by an eighth; by a fifth, since short rounds are that inexact.
  return dots * 5 > 2 * fmas * 6;
}

} // namespace

bool are_dot_products_slow() {
  enum : uint8_t { kUnknown, kFast, kSlow };
  static std::atomic<uint8_t> known{kUnknown};
  uint8_t state = known.load(std::memory_order_relaxed);
  if (state == kUnknown) {
    state = !missing_cpu_feature(kDots) && measure_dots() ? kSlow : kFast;
    known.store(state, std::memory_order_relaxed);
  }
  return state == kSlow;
}

static int rank_of(uint32_t level) {
  if (level == kDots)
    return are_dot_products_slow() ? kWidening : kDots + 1;
  // Tile registers multiply an order of magnitude faster than either.
  if (level > kDots)
    return static_cast<int>(level + 1);
  return static_cast<int>(level == kWidening ? kDots : level);
}

int rank_cpu_level(const char *name) {
  int level = find_cpu_level(name);
  return level < 0 ? level : rank_of(static_cast<uint32_t>(level));
}

const char *cpu_native(const DeviceChoice &) {
  const char *best = "";
  int rank = -1;
  for (uint32_t level = 0; level < kCpuLevels; ++level)
    if (!missing_cpu_feature(level) && rank_of(level) > rank) {
      rank = rank_of(level);
      best = cpu_level_name(level);
    }
  return best;
}

} // namespace yupana::runtime
