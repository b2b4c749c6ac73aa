// SPDX-License-Identifier: Apache-2.0
//
// Tells a plan from an older one of the same name, against mistakes and not against malice: so the digests, which are
// strong, may be folded by a hash that is not.

#include "tools/support/PlanIdentity.h"

#include <cstdint>

using namespace yupana;

std::string yupana::planIdentity(const yupana_plan_t *plan) {
  // FNV-1a of 64 bits.
  uint64_t hash = 0xCBF29CE484222325;
  for (uint32_t i = 0; i < yupana_plan_section_count(plan); ++i) {
    yupana_section_info_t section = {};
    section.size = sizeof section;
    yupana_plan_section(plan, i, &section);
    for (uint8_t byte : section.digest)
      hash = (hash ^ byte) * 0x100000001B3;
  }
  constexpr const char *digits = "0123456789abcdef";
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4)
    text += digits[hash >> shift & 15];
  return text;
}
