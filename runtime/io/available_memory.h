// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_RUNTIME_IO_AVAILABLE_MEMORY_H
#define YUPANA_RUNTIME_IO_AVAILABLE_MEMORY_H

#include <cstdint>

namespace yupana::runtime {

/// As yupana_available_memory, of a system whose /proc and /sys stand behind `root`, "" for this one.
uint64_t available_memory(const char *root);

} // namespace yupana::runtime

#endif
