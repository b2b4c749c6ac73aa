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

} // namespace yupana::schema

#endif
