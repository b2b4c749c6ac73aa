// SPDX-License-Identifier: Apache-2.0
//
// The names of all targets, for whoever writes, reads or asks for plans. Of one kind, each demands more of a device
// than those before it. A plan may name others: a reader that does not know a name does not run the target.

#ifndef YUPANA_RUNTIME_SCHEMA_TARGETS_H
#define YUPANA_RUNTIME_SCHEMA_TARGETS_H

#include <cstdint>

namespace yupana::schema {

enum class DeviceKind : uint8_t { cpu, gpu };

struct TargetName {
  char name[24]; // not a pointer: the table then needs no relocation
  DeviceKind kind;
};

/// Levels of the x86-64 psABI and what was added to them; compute capabilities as the CUDA Toolkit names them, those
/// with an `a` for one generation alone.
inline constexpr TargetName kTargets[] = {
    {"x86-64-v3", DeviceKind::cpu},     {"x86-64-v4", DeviceKind::cpu}, {"x86-64-v4-bf16", DeviceKind::cpu},
    {"x86-64-v4-amx", DeviceKind::cpu}, {"sm_80", DeviceKind::gpu},     {"sm_89", DeviceKind::gpu},
    {"sm_90a", DeviceKind::gpu},        {"sm_100a", DeviceKind::gpu},   {"sm_120a", DeviceKind::gpu},
};

/// What `sm_90a` means: code for compute capability 9.0, and no other.
struct GpuArchitecture {
  uint32_t capability; // 10 * major + minor; 0: not the name of an architecture
  bool only;           // its features are those of one generation
};

constexpr GpuArchitecture gpu_architecture(const char *name) {
  constexpr char kPrefix[] = "sm_";
  for (const char *expected = kPrefix; *expected; ++expected, ++name)
    if (*name != *expected)
      return {};
  GpuArchitecture out = {};
  for (int digits = 0; *name >= '0' && *name <= '9' && digits < 4; ++digits, ++name)
    out.capability = 10 * out.capability + static_cast<uint32_t>(*name - '0');
  out.only = *name == 'a';
  if (out.capability < 10 || name[out.only])
    return {};
  return out;
}

/// How code meets a GPU.
enum class GpuFit : uint8_t { none, exact, fits, by_ptx };

/// The rule of the CUDA driver. A cubin runs on its major capability from its minor one on, PTX on its capability and
/// all later ones, and what is for one generation alone on that. `cubin` and `ptx` say what there is.
constexpr GpuFit gpu_fit(GpuArchitecture code, uint32_t capability, bool cubin, bool ptx) {
  bool same = code.capability == capability;
  if (cubin && same)
    return GpuFit::exact;
  if (cubin && !code.only && code.capability / 10 == capability / 10 && code.capability < capability)
    return GpuFit::fits;
  return ptx && (same || (!code.only && code.capability < capability)) ? GpuFit::by_ptx : GpuFit::none;
}

} // namespace yupana::schema

#endif
