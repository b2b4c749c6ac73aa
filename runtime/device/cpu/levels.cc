// SPDX-License-Identifier: Apache-2.0
//
// Which level of x86-64 this machine has. A feature counts only if the operating system saves the registers that it
// uses, which XCR0 tells: a processor with AVX-512 under a kernel that does not save zmm registers would corrupt them.
// Features are checked one by one and the first that is missing is named, so that a user learns whether the processor,
// a virtual machine or the kernel is in the way.

#include "runtime/device/cpu/levels.h"

#include "runtime/schema/targets.h"
#include "yupana/yupana.h"

#include <cpuid.h>
#include <cstring>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace yupana::runtime {

namespace {

// As find_cpu_level counts: x86-64-v4-amx.
constexpr uint32_t kTiles = 3;

enum Register : uint8_t { kLeaf1Ecx, kLeaf7Ebx, kLeaf7Edx, kLeaf7Sub1Eax, kExtendedLeaf1Ecx, kStates, kRegisters };

struct Feature {
  Register where;
  uint8_t bit;
  uint8_t level; // the lowest that asks for it
};

// The microarchitecture levels of the x86-64 psABI, the first targets of the schema's list. A level has the features of
// those below it, too. States are the bits of XCR0 the operating system saves: xmm and ymm; opmask, zmm 0-15 and zmm
// 16-31; the configuration of tile registers and these themselves.
constexpr Feature kFeatures[] = {
    {kLeaf1Ecx, 20, 0},        {kLeaf1Ecx, 23, 0},    {kLeaf1Ecx, 22, 0}, {kLeaf1Ecx, 12, 0}, {kLeaf1Ecx, 29, 0},
    {kLeaf1Ecx, 27, 0},        {kLeaf1Ecx, 28, 0},    {kLeaf7Ebx, 3, 0},  {kLeaf7Ebx, 5, 0},  {kLeaf7Ebx, 8, 0},
    {kExtendedLeaf1Ecx, 5, 0}, {kStates, 1, 0},       {kStates, 2, 0},    {kLeaf7Ebx, 16, 1}, {kLeaf7Ebx, 17, 1},
    {kLeaf7Ebx, 28, 1},        {kLeaf7Ebx, 30, 1},    {kLeaf7Ebx, 31, 1}, {kStates, 5, 1},    {kStates, 6, 1},
    {kStates, 7, 1},           {kLeaf7Sub1Eax, 5, 2}, {kLeaf7Edx, 24, 3}, {kLeaf7Edx, 22, 3}, {kStates, 17, 3},
    {kStates, 18, 3}};

// What they are called, one after the other: a table of pointers would need relocations.
constexpr char kFeatureNames[] = "sse4.2\0"
                                 "popcnt\0"
                                 "movbe\0"
                                 "fma\0"
                                 "f16c\0"
                                 "osxsave\0"
                                 "avx\0"
                                 "bmi1\0"
                                 "avx2\0"
                                 "bmi2\0"
                                 "lzcnt\0"
                                 "saved xmm registers\0"
                                 "saved ymm registers\0"
                                 "avx512f\0"
                                 "avx512dq\0"
                                 "avx512cd\0"
                                 "avx512bw\0"
                                 "avx512vl\0"
                                 "saved opmask registers\0"
                                 "saved zmm0-zmm15 registers\0"
                                 "saved zmm16-zmm31 registers\0"
                                 "avx512_bf16\0"
                                 "amx_tile\0"
                                 "amx_bf16\0"
                                 "saved tile configurations\0"
                                 "saved tile registers\0";

/// Names of the levels as the schema has them, in as few bytes as they need.
struct LevelNames {
  char names[kCpuLevels][16];

  constexpr LevelNames() : names() {
    for (uint32_t level = 0; level < kCpuLevels; ++level)
      for (uint32_t i = 0; schema::kTargets[level].name[i]; ++i)
        names[level][i] = schema::kTargets[level].name[i];
  }
};
constexpr LevelNames kLevels;
static_assert(schema::kTargets[kCpuLevels - 1].kind == schema::DeviceKind::cpu);

/// A leaf that the processor does not have leaves its register zero, so that every feature in it is missing. xgetbv
/// tells which registers the system saves: without that, instructions exist and must not be used.
void read_registers(uint32_t out[kRegisters]) {
  memset(out, 0, kRegisters * sizeof(uint32_t));
  unsigned a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d))
    out[kLeaf1Ecx] = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
    out[kLeaf7Ebx] = b;
    out[kLeaf7Edx] = d;
  }
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d))
    out[kLeaf7Sub1Eax] = a;
  if (__get_cpuid(0x80000001, &a, &b, &c, &d))
    out[kExtendedLeaf1Ecx] = c;
  constexpr uint32_t kOsXsave = 1u << 27;
  if (out[kLeaf1Ecx] & kOsXsave) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    out[kStates] = low;
  }
}

} // namespace

const char *cpu_level_name(uint32_t level) { return kLevels.names[level]; }

int find_cpu_level(const char *name) {
  for (uint32_t level = 0; level < kCpuLevels; ++level)
    if (strcmp(name, kLevels.names[level]) == 0)
      return static_cast<int>(level);
  return -1;
}

const char *missing_cpu_feature(uint32_t level) {
  uint32_t registers[kRegisters];
  read_registers(registers);
  const char *name = kFeatureNames;
  for (const Feature &feature : kFeatures) {
    if (feature.level <= level && !(registers[feature.where] >> feature.bit & 1))
      return name;
    name += strlen(name) + 1;
  }
  return nullptr;
}

bool permit_cpu_level(uint32_t level) {
  // ARCH_REQ_XCOMP_PERM and the number of the state component, see the kernel's Documentation/arch/x86/xstate.rst.
  constexpr long kRequestPermission = 0x1023, kTileRegisters = 18;
  return level < kTiles || syscall(SYS_arch_prctl, kRequestPermission, kTileRegisters) == 0;
}

} // namespace yupana::runtime

using namespace yupana::runtime;

uint32_t yupana_available_threads(void) {
  // A mask larger than cpu_set_t is refused by the kernel; machines of more than 1024 processors use 1024 of them.
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0)
    return 1;
  int count = CPU_COUNT(&set);
  return count < 1 ? 1 : static_cast<uint32_t>(count);
}
