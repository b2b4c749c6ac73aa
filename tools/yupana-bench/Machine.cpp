// SPDX-License-Identifier: Apache-2.0
//
// Loops that do nothing but load, or nothing but multiply and add. Each exists for every width of registers and is
// chosen by what the processor has, so the program itself runs on any of them.
#include "tools/yupana-bench/Machine.h"

#include "tools/support/Process.h"
#include "yupana/yupana.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cpuid.h>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <immintrin.h>
#include <string_view>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace yupana;

namespace {

/// Of which the middle one counts: few, since they are taken before and after every repetition.
constexpr unsigned samples = 3;
constexpr uint64_t hugePage = uint64_t{2} << 20;

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

using ArithmeticLoop = void (*)(uint64_t iterations);
/// Returns something that depends on all it read, so that no compiler leaves it out.
using ReadLoop = uint64_t (*)(const uint8_t *data, uint64_t bytes);

/// Independent sums. A dot product takes about six cycles and two start in each: 12 chains are bound by that latency
/// and read 5 to 8 percent low, 24 are not. Sixteen registers leave room for 12 beside the factor, enough for a plain
/// FMA.
constexpr unsigned chains512 = 24;
constexpr unsigned chains256 = 12;

// In assembly, since compilers shift such sums from register to register. The factor is one, so sums stay normal
// numbers.
#define YUPANA_CHAINS_256 "0,1,2,3,4,5,6,7,8,9,10,11"
#define YUPANA_CHAINS_512 YUPANA_CHAINS_256 ",12,13,14,15,16,17,18,19,20,21,22,23"
#define YUPANA_CLOBBERS_16                                                                                             \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",  \
      "xmm14", "xmm15"
#define YUPANA_CLOBBERS_32                                                                                             \
  YUPANA_CLOBBERS_16, "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24"

/// `sum = factor * factor + sum` in registers REG0 and on, with the factor in register REG`last`, `iterations` times.
#define YUPANA_MULTIPLY_ADD(instruction, reg, chains, last)                                                            \
  "vbroadcastss %[factor], %%" reg last "\n"                                                                           \
  ".irp chain," chains "\n vmovaps %%" reg last ", %%" reg "\\chain\n .endr\n"                                         \
  "1:\n"                                                                                                               \
  ".irp chain," chains "\n " instruction " %%" reg last ", %%" reg last ", %%" reg "\\chain\n .endr\n"                 \
  "dec %[iterations]\n jnz 1b\n"                                                                                       \
  "vzeroupper\n"

__attribute__((target("avx2,fma"))) void fma256(uint64_t iterations) {
  const float factor = 1;
  // ymm0 to ymm11 are the sums and ymm12 the factor. Naming xmm registers as clobbered covers the wide ones they are
  // part of.
  __asm__ volatile(YUPANA_MULTIPLY_ADD("vfmadd231ps", "ymm", YUPANA_CHAINS_256, "12")
                   : [iterations] "+r"(iterations)
                   : [factor] "m"(factor)
                   : "cc", YUPANA_CLOBBERS_16);
}

__attribute__((target("avx512f"))) void fma512(uint64_t iterations) {
  const float factor = 1;
  __asm__ volatile(YUPANA_MULTIPLY_ADD("vfmadd231ps", "zmm", YUPANA_CHAINS_512, "24")
                   : [iterations] "+r"(iterations)
                   : [factor] "m"(factor)
                   : "cc", YUPANA_CLOBBERS_32);
}

/// AVX512_BF16 multiplies pairs: a lane of 32 bits adds two products to its sum.
__attribute__((target("avx512f,avx512bf16"))) void dot512(uint64_t iterations) {
  const uint32_t factor = 0x3F803F80; // a pair of bf16 ones
  __asm__ volatile(YUPANA_MULTIPLY_ADD("vdpbf16ps", "zmm", YUPANA_CHAINS_512, "24")
                   : [iterations] "+r"(iterations)
                   : [factor] "m"(factor)
                   : "cc", YUPANA_CLOBBERS_32);
}

/// AMX_BF16 multiplies 16 rows by 16 columns over 16 pairs of k. Two rows of tiles by two columns, so that no sum waits
/// for the one before it.
__attribute__((target("amx-tile,amx-bf16"))) void tile1024(uint64_t iterations) {
  struct alignas(64) {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t rowBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } configuration;
  static_assert(sizeof configuration == 64);
  alignas(64) static const auto ones = [] {
    std::array<uint16_t, 16 * 32> values;
    values.fill(0x3F80);
    return values;
  }();
  __asm__ volatile("ldtilecfg %[configuration]\n"
                   ".irp tile,4,5,6,7\n tileloadd (%[ones],%[stride],1), %%tmm\\tile\n .endr\n"
                   ".irp tile,0,1,2,3\n tilezero %%tmm\\tile\n .endr\n"
                   "1:\n"
                   "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n"
                   "tdpbf16ps %%tmm7, %%tmm4, %%tmm1\n"
                   "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n"
                   "tdpbf16ps %%tmm7, %%tmm5, %%tmm3\n"
                   "dec %[iterations]\n jnz 1b\n"
                   "tilerelease\n"
                   : [iterations] "+r"(iterations)
                   : [configuration] "m"(configuration), [ones] "r"(ones.data()), [stride] "r"(uint64_t{64})
                   : "cc", "memory");
}

/// Whether the processor has tile registers and the system lets this process use them.
bool canUseTiles() {
  yupana_device_t processor = {sizeof(processor), YUPANA_DEVICE_CPU, 0, nullptr};
  // ARCH_REQ_XCOMP_PERM and the number of the state component; the library asks for plans with such code alone.
  constexpr long requestPermission = 0x1023, tileRegisters = 18;
  return std::string_view(yupana_native_target(&processor)) == "x86-64-v4-amx" &&
         ::syscall(SYS_arch_prctl, requestPermission, tileRegisters) == 0;
}

/// Reads `bytes`, a multiple of 512.
__attribute__((target("avx2"))) uint64_t read256(const uint8_t *data, uint64_t bytes) {
  // Four sums, since with one every load would wait for the operation before it. Exclusive or depends on every bit and
  // takes one cycle.
  __m256i sums[4] = {};
  for (const uint8_t *end = data + bytes; data != end; data += 128)
    for (int i = 0; i < 4; ++i)
      sums[i] = _mm256_xor_si256(sums[i], _mm256_load_si256(reinterpret_cast<const __m256i *>(data) + i));
  __m256i sum = _mm256_xor_si256(_mm256_xor_si256(sums[0], sums[1]), _mm256_xor_si256(sums[2], sums[3]));
  alignas(32) uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i *>(lanes), sum);
  return lanes[0];
}

__attribute__((target("avx512f"))) uint64_t read512(const uint8_t *data, uint64_t bytes) {
  __m512i sums[4] = {};
  for (const uint8_t *end = data + bytes; data != end; data += 256)
    for (int i = 0; i < 4; ++i)
      sums[i] = _mm512_xor_si512(sums[i], _mm512_load_si512(reinterpret_cast<const __m512i *>(data) + i));
  __m512i sum = _mm512_xor_si512(_mm512_xor_si512(sums[0], sums[1]), _mm512_xor_si512(sums[2], sums[3]));
  alignas(64) uint64_t lanes[8];
  _mm512_store_si512(lanes, sum);
  return lanes[0];
}

//===----------------------------------------------------------------------===//
// Measuring
//===----------------------------------------------------------------------===//

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// Seconds that `threads` threads take for `work(thread)` each, from when all stand ready to when the last is done.
double timeThreads(uint32_t threads, const std::function<void(uint32_t)> &work) {
  std::atomic<uint32_t> ready{0};
  std::atomic<bool> go{false};
  // Waiting threads yield and do not sleep: waking them would be part of the time. They give way where there are more
  // threads than cores.
  auto run = [&](uint32_t thread) {
    ready.fetch_add(1);
    while (!go.load(std::memory_order_acquire))
      std::this_thread::yield();
    work(thread);
  };
  std::vector<std::thread> workers;
  try {
    for (uint32_t thread = 1; thread < threads; ++thread)
      workers.emplace_back(run, thread);
  } catch (const std::system_error &) {
    endOutOfMemory(); // the plan, whose threads are not given back, left no room for these
  }
  while (ready.load() != threads - 1)
    std::this_thread::yield();
  auto start = std::chrono::steady_clock::now();
  go.store(true, std::memory_order_release);
  // The caller is one of the threads, as it is in the library.
  work(0);
  for (std::thread &worker : workers)
    worker.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Median of FLOP/s; an iteration of `loop` does `flops` operations.
double measureArithmetic(uint32_t threads, ArithmeticLoop loop, double flops) {
  // Doubled until a run takes ten milliseconds: long beside the start of the threads, short beside the changes of a
  // shared machine. The bound only makes the search finite.
  auto time = [&](uint64_t iterations) { return timeThreads(threads, [&](uint32_t) { loop(iterations); }); };
  uint64_t iterations = 1 << 16;
  while (time(iterations) < 0.01 && iterations < uint64_t{1} << 40)
    iterations *= 2;
  std::vector<double> rates;
  for (unsigned i = 0; i < samples; ++i)
    rates.push_back(static_cast<double>(iterations) * flops * threads / time(iterations));
  return median(std::move(rates));
}

/// Memory that is much larger than the caches of one socket, in huge pages where the system gives them.
class Buffer {
public:
  Buffer() {
    // At most a quarter of what is free, so that measuring does not push the plan's file out of the system's cache; 1
    // GiB is several times the caches of a socket. aligned_alloc wants a multiple of the alignment.
    constexpr uint64_t wanted = uint64_t{1} << 30, least = uint64_t{64} << 20;
    bytes = std::clamp(yupana_available_memory() / 4, least, wanted) / hugePage * hugePage;
    data = static_cast<uint8_t *>(std::aligned_alloc(hugePage, bytes));
    // With small pages the walks over page tables would be measured, too. It is a wish: a refusal does no harm.
    if (data)
      ::madvise(data, bytes, MADV_HUGEPAGE);
  }
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;
  ~Buffer() { std::free(data); }

  uint8_t *data = nullptr;
  uint64_t bytes = 0;
};

/// Median of bytes/s; nothing when there is no memory. Each thread reads a part of its own.
std::optional<double> measureReading(uint32_t threads, ReadLoop loop) {
  Buffer buffer;
  if (!buffer.data)
    return std::nullopt;
  // Whole steps of either loop, which have no code for a rest.
  uint64_t part = buffer.bytes / threads / 512 * 512;
  // Written, so that no compiler leaves the loop out, and never read.
  std::atomic<uint64_t> sink{0};
  // Pages come to be when they are first written, on the memory node of the writing thread; that is not measured.
  timeThreads(threads, [&](uint32_t thread) { std::memset(buffer.data + thread * part, 1, part); });
  std::vector<double> rates;
  for (unsigned i = 0; i < samples; ++i) {
    double seconds = timeThreads(threads, [&](uint32_t thread) { sink = loop(buffer.data + thread * part, part); });
    rates.push_back(static_cast<double>(part * threads) / seconds);
  }
  return median(std::move(rates));
}

} // namespace

std::optional<MachineSpeed> yupana::measureMachine(uint32_t threads) {
  // x86-64-v3, the lowest level of processors that plans are for, asks for both.
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
    return std::nullopt;
  bool wide = __builtin_cpu_supports("avx512f");
  std::optional<double> reading = measureReading(threads, wide ? read512 : read256);
  if (!reading)
    return std::nullopt;
  MachineSpeed speed;
  speed.readBandwidth = *reading;
  // A multiplication and an addition in each of 16 or 8 lanes; two of both in each lane of a dot product.
  speed.f32Flops256 = measureArithmetic(threads, fma256, chains256 * 8 * 2);
  speed.f32Flops = wide ? measureArithmetic(threads, fma512, chains512 * 16 * 2) : speed.f32Flops256;
  if (__builtin_cpu_supports("avx512bf16"))
    speed.bf16Flops = measureArithmetic(threads, dot512, chains512 * 16 * 4);
  if (canUseTiles())
    speed.tileFlops = measureArithmetic(threads, tile1024, 4 * 16 * 16 * 32 * 2);
  return speed;
}

std::string yupana::cpuModel() {
  // Three leaves of 16 bytes each, padded with zeros: the processor brand string of the CPUID instruction.
  unsigned words[12] = {};
  for (unsigned leaf = 0; leaf < 3; ++leaf)
    if (!__get_cpuid(0x80000002 + leaf, &words[4 * leaf], &words[4 * leaf + 1], &words[4 * leaf + 2],
                     &words[4 * leaf + 3]))
      return "unknown";
  // One byte more, since a name of 48 characters has no zero at its end.
  char text[sizeof words + 1] = {};
  std::memcpy(text, words, sizeof words);
  std::string name = text;
  // Intel pads names on the left, AMD on the right.
  name.erase(name.find_last_not_of(' ') + 1);
  name.erase(0, name.find_first_not_of(' '));
  return name.empty() ? "unknown" : name;
}
