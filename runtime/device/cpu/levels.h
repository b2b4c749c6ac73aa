// SPDX-License-Identifier: Apache-2.0
//
// The levels of x86-64 that plans have code for, and which of them this machine has.

#ifndef YUPANA_RUNTIME_DEVICE_CPU_LEVELS_H
#define YUPANA_RUNTIME_DEVICE_CPU_LEVELS_H

#include <cstdint>

namespace yupana::runtime {

inline constexpr uint32_t kCpuLevels = 4;

/// Target names in ascending order of the instructions they ask for.
const char *cpu_level_name(uint32_t level);

/// The level called `name`, or -1.
int find_cpu_level(const char *name);

/// The first feature of a level that this processor or its operating system lacks; null when it has them all.
const char *missing_cpu_feature(uint32_t level);

/// Asks the system to let this process use the registers of a level that the machine has; false if it does not. Tile
/// registers alone need that: they make the frames of signals larger, which a process with small alternate stacks must
/// not meet unprepared.
bool permit_cpu_level(uint32_t level);

} // namespace yupana::runtime

#endif
