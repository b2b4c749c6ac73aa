// SPDX-License-Identifier: Apache-2.0
//
// Free pages are a stack, and each slot has a row with the page of every piece of its positions. Rows are the page
// tables that kernels read: a step copies those of its sequences, as far as they reach, and clears what a longer row
// has left behind.

#include "runtime/exec/pages.h"

#include "runtime/plan/check.h"
#include "runtime/plan/plan.h"

#include <cstring>

namespace yupana::runtime {

uint64_t most_live_pages(const schema::CacheGroup &group, const schema::Limits &limits) {
  uint64_t all = page_table_entries(group, limits);
  if (group.chunk() == 0)
    return all;
  // A step may begin on the last position of a chunk and then reach back over all of it; neither end need lie on the
  // border of a page.
  uint64_t reach = uint64_t{group.chunk()} - 1 + limits.max_step_tokens();
  return least(all, ceil_div(reach, group.page_tokens()) + 1);
}

uint64_t pages_for(const schema::CacheGroup &group, const schema::Limits &limits, uint64_t positions,
                   uint32_t sequences) {
  // Each sequence but one may end in a page that it fills with a single position.
  uint64_t spread = saturating_add(ceil_div(positions, group.page_tokens()), sequences - 1);
  return least(spread, saturating_mul(most_live_pages(group, limits), sequences));
}

Code PageGroup::prepare(Device *device, const Allocator &allocator, const schema::CacheGroup &group,
                        const schema::Limits &limits, uint32_t sequences, uint32_t pages, yupana_status_t *out) {
  device_ = device;
  chunk_ = group.chunk();
  page_tokens_ = group.page_tokens();
  page_bytes_ = group.page_bytes();
  entries_ = page_table_entries(group, limits);
  uint64_t bytes;
  if (!checked_mul(pages, page_bytes_, &bytes) || !checked_add(bytes, kArenaPadding, &bytes))
    return fail(out, YUPANA_STATUS_OUT_OF_MEMORY, "%u pages of cache group '%s' do not fit in memory", pages,
                group.name()->c_str());
  if (Code code = device->kind->allocate(device, allocator, bytes, kCacheLine, "keys and values", &pages_, out))
    return code;
  uint64_t mapped = uint64_t{sequences} * entries_;
  Code code = free_.allocate(allocator, pages, "free pages", out);
  if (!code)
    code = mapped_.allocate(allocator, mapped, "pages of sequences", out);
  if (!code)
    code = ranges_.allocate(allocator, sequences, "pages of sequences", out);
  if (!code)
    code = row_lengths_.allocate(allocator, limits.max_batch(), "a page table", out);
  if (code)
    return code;
  for (uint32_t i = 0; i < pages; ++i)
    free_[i] = pages - 1 - i;
  free_count_ = pages;
  return YUPANA_STATUS_OK;
}

/// The first entry that a token at `position` attends to: that of the start of its chunk, or of everything.
uint32_t PageGroup::first_needed(uint32_t position) const {
  return chunk_ ? position / chunk_ * chunk_ / page_tokens_ : 0;
}

/// What grow and free_before would do, without doing it: a step that is refused must change nothing.
PageGroup::Change PageGroup::preview(uint32_t slot, uint32_t length, uint32_t count) const {
  const Range &range = ranges_[slot];
  uint32_t needed = first_needed(length);
  auto end = static_cast<uint32_t>(ceil_div(length + count, page_tokens_));
  return {needed > range.begin ? needed - range.begin : 0, end - range.end};
}

uint32_t PageGroup::take_page() {
  uint32_t page = free_[--free_count_];
  // A page is zero when it is first used, so that a plan can never show what the memory held before. Untouched pages
  // lie below all others on the stack, in ascending order.
  if (page >= touched_) {
    device_->kind->zero(device_, pages_.data() + page * page_bytes_, page_bytes_);
    touched_ = page + 1;
  }
  return page;
}

void PageGroup::give_pages(uint32_t slot, uint32_t begin, uint32_t end) {
  uint32_t *entries = entries_of(slot);
  for (uint32_t i = end; i-- > begin;) {
    free_[free_count_++] = entries[i];
    entries[i] = 0;
  }
}

void PageGroup::free_before(uint32_t slot, uint32_t position) {
  Range &range = ranges_[slot];
  uint32_t needed = first_needed(position);
  if (needed <= range.begin)
    return;
  give_pages(slot, range.begin, needed);
  range.begin = needed;
}

void PageGroup::grow(uint32_t slot, uint32_t length) {
  Range &range = ranges_[slot];
  auto end = static_cast<uint32_t>(ceil_div(length, page_tokens_));
  for (; range.end < end; ++range.end)
    entries_of(slot)[range.end] = take_page();
}

/// Pages before the current chunk have been freed, and going back into an earlier chunk would need them.
bool PageGroup::can_truncate(uint32_t slot, uint32_t length) const {
  return first_needed(length) >= ranges_[slot].begin;
}

void PageGroup::truncate(uint32_t slot, uint32_t length) {
  Range &range = ranges_[slot];
  auto end = static_cast<uint32_t>(ceil_div(length, page_tokens_));
  if (end >= range.end)
    return;
  give_pages(slot, end, range.end);
  range.end = end;
}

void PageGroup::release(uint32_t slot) {
  Range &range = ranges_[slot];
  give_pages(slot, range.begin, range.end);
  range = {0, 0};
}

/// Returns how far the row has changed, which is what has to be sent to the device.
uint32_t PageGroup::write_row(uint32_t *out, uint32_t row, uint32_t slot) {
  uint32_t length = ranges_[slot].end, before = row_lengths_[row];
  memcpy(out, entries_of(slot), length * sizeof(uint32_t));
  row_lengths_[row] = length;
  if (before <= length)
    return length;
  memset(out + length, 0, (before - length) * sizeof(uint32_t));
  return before;
}

} // namespace yupana::runtime
