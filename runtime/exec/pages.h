// SPDX-License-Identifier: Apache-2.0
//
// The cache: which physical pages hold which positions of which sequence. Pages are opaque here.

#ifndef YUPANA_RUNTIME_EXEC_PAGES_H
#define YUPANA_RUNTIME_EXEC_PAGES_H

#include "runtime/device/device.h"
#include "runtime/schema/plan_generated.h"

namespace yupana::runtime {

/// Pages that one sequence can have alive at once in a group.
uint64_t most_live_pages(const schema::CacheGroup &group, const schema::Limits &limits);

/// Pages of a group that hold `positions` positions however they are spread over at most `sequences` sequences.
uint64_t pages_for(const schema::CacheGroup &group, const schema::Limits &limits, uint64_t positions,
                   uint32_t sequences);

/// The pages of a cache group, of all sequences (called slots, 0 to sequences - 1). Positions of a slot are mapped
/// from its first page still kept up to its last; a chunk group frees its front as the sequence grows.
class PageGroup {
public:
  struct Change {
    uint32_t freed; // pages a step gives back before it begins
    uint32_t taken; // pages it then needs
  };

  /// Memory for `pages` pages, on the device, and all tables. OUT_OF_MEMORY.
  Code prepare(Device *device, const Allocator &allocator, const schema::CacheGroup &group,
               const schema::Limits &limits, uint32_t sequences, uint32_t pages, yupana_status_t *out_status);

  /// What a step of `count` tokens after `length` positions would change.
  Change preview(uint32_t slot, uint32_t length, uint32_t count) const;

  /// Frees the pages that tokens at `position` and later never attend to.
  void free_before(uint32_t slot, uint32_t position);
  /// Maps pages up to `length` positions; enough must be free.
  void grow(uint32_t slot, uint32_t length);
  /// True if no page that a token at `length` attends to has been freed.
  bool can_truncate(uint32_t slot, uint32_t length) const;
  void truncate(uint32_t slot, uint32_t length);
  void release(uint32_t slot);

  /// Writes the page table of `slot` to row `row`, which lies at `out`. Returns how many entries may have changed.
  uint32_t write_row(uint32_t *out, uint32_t row, uint32_t slot);

  uint32_t total_pages() const { return static_cast<uint32_t>(free_.size()); }
  uint32_t free_pages() const { return free_count_; }
  uint8_t *page_memory() const { return pages_.data(); }
  uint64_t cache_bytes() const { return pages_.size(); }
  uint64_t bookkeeping_bytes() const {
    return free_.bytes() + mapped_.bytes() + ranges_.bytes() + row_lengths_.bytes();
  }

private:
  /// Logical pages [begin, end) of a slot are mapped; those before `begin` have been freed.
  struct Range {
    uint32_t begin;
    uint32_t end;
  };

  uint32_t first_needed(uint32_t position) const;
  uint32_t *entries_of(uint32_t slot) const { return mapped_.data() + uint64_t{slot} * entries_; }
  uint32_t take_page();
  void give_pages(uint32_t slot, uint32_t begin, uint32_t end);

  Device *device_ = nullptr;
  uint32_t chunk_ = 0;
  uint32_t page_tokens_ = 0;
  uint64_t page_bytes_ = 0;
  uint32_t entries_ = 0; // of a row
  Memory pages_;
  Array<uint32_t> free_; // a stack: the last freed is taken first, while it is in the caches
  uint32_t free_count_ = 0;
  uint32_t touched_ = 0;        // pages below have been used since prepare
  Array<uint32_t> mapped_;      // [slots][entries], 0 where nothing is mapped
  Array<Range> ranges_;         // [slots]
  Array<uint32_t> row_lengths_; // [max_batch], entries of a row that may differ from 0
};

} // namespace yupana::runtime

#endif
