// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_RUNTIME_DEVICE_CPU_RANK_H
#define YUPANA_RUNTIME_DEVICE_CPU_RANK_H

#include "runtime/device/device.h"

namespace yupana::runtime {

/// How fast this machine runs the code of the CPU target called `name` among those of CPUs, from 0; -1 when it is none.
/// Of two levels that a machine has, the one with more instructions ranks higher, except that x86-64-v4-bf16 ranks
/// below x86-64-v4 where are_dot_products_slow().
int rank_cpu_level(const char *name);

/// The target of the highest rank whose instructions this machine has, "" when there is none; as DeviceKind::native.
const char *cpu_native(const DeviceChoice &);

/// True if this processor has dot products of bfloat16 and multiplies faster without them, by float32 FMA and the
/// shifts that widen the weights. Measured by the first call of a process, in less than a millisecond; any thread.
bool are_dot_products_slow();

} // namespace yupana::runtime

#endif
