// SPDX-License-Identifier: Apache-2.0
//
// Device memory: one reserved range of host memory, allocations in it, and which bytes were ever written.
#ifndef YUPANA_TOOLS_SIMDRIVER_MEMORY_H
#define YUPANA_TOOLS_SIMDRIVER_MEMORY_H

#include <cstddef>
#include <cstdint>
#include <map>

namespace yupana::ptx {

/// Addresses of one allocation, or begin > end for none.
struct Range {
  uint64_t begin = 1, end = 0;
  bool holds(uint64_t address, uint64_t bytes) const {
    return address >= begin && address <= end && bytes <= end - address;
  }
};

class Memory {
public:
  /// Device addresses begin here: no host memory lies at such addresses, so that a host that follows one faults.
  static constexpr uint64_t base = uint64_t{0x9000} << 32;

  explicit Memory(uint64_t bytes);
  ~Memory();
  Memory(const Memory &) = delete;

  /// 0 if there is no room. Every allocation is followed by at least 256 bytes that belong to none.
  uint64_t allocate(size_t bytes);
  bool release(uint64_t address);
  /// The allocation that holds an address.
  Range find(uint64_t address) const;

  uint8_t *host(uint64_t address) const { return reinterpret_cast<uint8_t *>(address + toHost()); }
  /// What to add to a device address for the host's.
  uintptr_t toHost() const { return reinterpret_cast<uintptr_t>(data) - base; }
  /// One byte for each byte of memory: 0xff if it was written.
  uint8_t *defined(uint64_t address) const { return reinterpret_cast<uint8_t *>(address + toDefined()); }
  uintptr_t toDefined() const { return reinterpret_cast<uintptr_t>(written) - base; }
  uint64_t size() const { return capacity; }
  size_t allocated() const { return used; }
  size_t count() const { return allocations.size(); }

private:
  uint64_t capacity;
  uint8_t *data = nullptr, *written = nullptr;
  /// Begin to bytes asked for.
  std::map<uint64_t, size_t> allocations;
  size_t used = 0;
};

} // namespace yupana::ptx

#endif // YUPANA_TOOLS_SIMDRIVER_MEMORY_H
