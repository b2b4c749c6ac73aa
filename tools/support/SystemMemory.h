// SPDX-License-Identifier: Apache-2.0
#ifndef YUPANA_TOOLS_SUPPORT_SYSTEMMEMORY_H
#define YUPANA_TOOLS_SUPPORT_SYSTEMMEMORY_H

#include <cstdint>
#include <optional>
#include <string>

namespace yupana {

/// Bytes that a new process could use without pushing others out: what the kernel calls available, or less where a
/// control group or the limit of the address space allows less. Nothing where the kernel does not say. `root` stands
/// before /proc and /sys.
std::optional<uint64_t> availableMemory(const std::string &root = "");

} // namespace yupana

#endif // YUPANA_TOOLS_SUPPORT_SYSTEMMEMORY_H
