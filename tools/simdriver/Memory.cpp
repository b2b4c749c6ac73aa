// SPDX-License-Identifier: Apache-2.0
//
// Device memory as one reservation of the host's, of which pages exist once they are touched. Addresses begin far from
// those of the host, so that a pointer of one side used on the other is out of bounds. Allocations are placed first fit
// with a gap behind each, so that an index just beyond an array meets no neighbour.

#include "tools/simdriver/Memory.h"

#include <cstring>
#include <iterator>
#include <new>
#include <sys/mman.h>

using namespace yupana::ptx;

/// As cuMemAlloc aligns.
static constexpr uint64_t alignment = 256;

/// Zeros that take no memory until they are written.
static uint8_t *reserve(uint64_t bytes) {
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    throw std::bad_alloc();
  return static_cast<uint8_t *>(memory);
}

Memory::Memory(uint64_t bytes)
    // A second reservation of the same size says for each byte whether it is defined.
    : capacity((bytes + 4095) & ~uint64_t{4095}), data(reserve(capacity)), written(reserve(capacity)) {}

Memory::~Memory() {
  munmap(data, capacity);
  munmap(written, capacity);
}

uint64_t Memory::allocate(size_t bytes) {
  if (bytes == 0 || bytes > capacity - used)
    return 0;
  // With the gap behind it.
  uint64_t room = ((bytes + alignment - 1) & ~(alignment - 1)) + alignment;
  uint64_t place = base;
  for (auto &[begin, length] : allocations) {
    if (begin - place >= room)
      break;
    place = begin + ((length + alignment - 1) & ~(alignment - 1)) + alignment;
  }
  // The last allocation needs no gap.
  if (place - base + room > capacity + alignment || place - base + bytes > capacity)
    return 0;
  allocations[place] = bytes;
  used += bytes;
  // NaN in every format, so that what slips through the checks shows in results.
  memset(host(place), 0xff, bytes);
  memset(defined(place), 0, bytes);
  return place;
}

bool Memory::release(uint64_t address) {
  auto found = allocations.find(address);
  if (found == allocations.end())
    return false;
  used -= found->second;
  allocations.erase(found);
  return true;
}

Range Memory::find(uint64_t address) const {
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin())
    return {};
  auto &[begin, bytes] = *std::prev(after);
  return address < begin + bytes ? Range{begin, begin + bytes} : Range{};
}
