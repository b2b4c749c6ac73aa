// SPDX-License-Identifier: Apache-2.0
//
// What must hold between the buffers of a target: those alive together share no byte, and the entries of one value
// agree. Both are found by sorting, since a plan may have many thousands, and all of them on the same bytes.

#include "runtime/plan/overlap.h"

#include <algorithm>
#include <cstring>

namespace yupana::runtime {

namespace {

using Buffers = flatbuffers::Vector<flatbuffers::Offset<schema::Buffer>>;
using Before = bool (*)(const schema::Buffer &a, const schema::Buffer &b);

/// The numbers of the buffers in an order.
Code sort_buffers(const Buffers &buffers, Before before, const Allocator &allocator, Array<uint32_t> *out_order,
                  const Report &report) {
  Array<uint32_t> &order = *out_order;
  if (Code code = order.allocate(allocator, buffers.size(), "an order of buffers", report.out()))
    return code;
  for (uint32_t i = 0; i < buffers.size(); ++i)
    order[i] = i;
  // Equal ones in the order of the plan, so that of several faults always the same is reported.
  auto less = [&](uint32_t a, uint32_t b) {
    const schema::Buffer &x = *buffers.Get(a), &y = *buffers.Get(b);
    return before(x, y) || (!before(y, x) && a < b);
  };
  // A heap sort: its code is a third of std::sort's.
  std::make_heap(order.begin(), order.end(), less);
  std::sort_heap(order.begin(), order.end(), less);
  return YUPANA_STATUS_OK;
}

bool by_place(const schema::Buffer &a, const schema::Buffer &b) {
  return a.arena() != b.arena() ? a.arena() < b.arena() : a.offset() < b.offset();
}
bool by_birth(const schema::Buffer &a, const schema::Buffer &b) { return a.first_launch() < b.first_launch(); }
bool by_death(const schema::Buffer &a, const schema::Buffer &b) { return a.last_launch() < b.last_launch(); }

bool by_name(const schema::Buffer &a, const schema::Buffer &b) {
  int order = strcmp(a.name()->c_str(), b.name()->c_str());
  return order != 0 ? order < 0 : a.first_launch() < b.first_launch();
}

/// A set of numbers from 0 on, a bit for each. It finds the neighbours of a number a word at a time.
class MarkedSet {
public:
  static constexpr uint32_t kNone = UINT32_MAX;

  Code allocate(const Allocator &allocator, uint32_t count, const Report &report) {
    return words_.allocate(allocator, count / 64 + 1, "a set of buffers", report.out());
  }
  void flip(uint32_t i) { words_[i / 64] ^= uint64_t{1} << i % 64; }
  bool has(uint32_t i) const { return words_[i / 64] >> i % 64 & 1; }
  /// The nearest one marked below `i`, or above it.
  uint32_t nearest(uint32_t i, bool above) const {
    uint64_t lower = (uint64_t{1} << i % 64) - 1, word = i / 64;
    // Bits of the same word first, without the number itself and those on its other side.
    uint64_t bits = words_[word] & (above ? ~(lower << 1 | 1) : lower);
    while (!bits) {
      // Going below word 0 wraps, which is beyond the size as well.
      word += above ? 1 : uint64_t(-1);
      if (word >= words_.size())
        return kNone;
      bits = words_[word];
    }
    return static_cast<uint32_t>(word * 64) +
           static_cast<uint32_t>(above ? __builtin_ctzll(bits) : 63 - __builtin_clzll(bits));
  }

private:
  Array<uint64_t> words_;
};

/// True if `b` begins inside `a`, in the order of places.
bool meet(const schema::Buffer &a, const schema::Buffer &b) {
  return a.arena() == b.arena() && b.offset() - a.offset() < a.size();
}

} // namespace

Code check_entries(const schema::Target &target, const Allocator &allocator, const Report &report) {
  const Buffers &buffers = *target.buffers();
  Array<uint32_t> order;
  if (Code code = sort_buffers(buffers, by_name, allocator, &order, report))
    return code;
  for (uint32_t i = 1; i < buffers.size(); ++i) {
    // In this order only neighbours have to be compared: their ranges are in order and do not meet.
    const schema::Buffer &a = *buffers.Get(order[i - 1]), &b = *buffers.Get(order[i]);
    bool same_place = a.arena() == b.arena() && a.offset() == b.offset() && a.size() == b.size();
    if (strcmp(a.name()->c_str(), b.name()->c_str()) == 0 && !(same_place && a.last_launch() < b.first_launch()))
      return report.fail(YUPANA_STATUS_INVALID_DATA,
                         "target '%s': two buffers are called '%s'; expected one place and launches that do not meet",
                         target.name()->c_str(), a.name()->c_str());
  }
  return YUPANA_STATUS_OK;
}

/// Launch by launch, buffers come to life and die. Those alive share no byte, so that a new one can only meet its
/// neighbours among them.
Code check_overlap(const yupana_plan_t &plan, uint32_t index, const Report &report) {
  const schema::Target &target = plan.target(index);
  const Buffers &buffers = *target.buffers();
  Array<uint32_t> places, births, deaths, ranks;
  MarkedSet alive; // by rank among the places
  const Allocator &allocator = plan.allocator;
  Code code = sort_buffers(buffers, by_place, allocator, &places, report);
  if (!code)
    code = sort_buffers(buffers, by_birth, allocator, &births, report);
  if (!code)
    code = sort_buffers(buffers, by_death, allocator, &deaths, report);
  if (!code)
    code = ranks.allocate(allocator, buffers.size(), "ranks of buffers", report.out());
  if (!code)
    code = alive.allocate(allocator, buffers.size(), report);
  if (code)
    return code;
  for (uint32_t i = 0; i < buffers.size(); ++i)
    ranks[places[i]] = i;
  const uint32_t *dead = deaths.begin();
  for (uint32_t born : births) {
    const schema::Buffer &buffer = *buffers.Get(born);
    for (; buffers.Get(*dead)->last_launch() < buffer.first_launch(); ++dead)
      // An empty buffer dies without ever having been marked.
      if (alive.has(ranks[*dead]))
        alive.flip(ranks[*dead]);
    if (!buffer.size())
      continue; // empty ones meet nothing and never are among those alive
    for (bool above : {false, true}) {
      uint32_t neighbour = alive.nearest(ranks[born], above);
      if (neighbour == MarkedSet::kNone)
        continue;
      const schema::Buffer &other = *buffers.Get(places[neighbour]);
      // The lower of the two first, as meet() has it.
      const schema::Buffer &a = above ? buffer : other, &b = above ? other : buffer;
      if (meet(a, b))
        return report.fail(YUPANA_STATUS_INVALID_DATA,
                           "target '%s': buffers '%s' and '%s' overlap while both are alive, during launch %u",
                           target.name()->c_str(), a.name()->c_str(), b.name()->c_str(), buffer.first_launch());
    }
    alive.flip(ranks[born]);
  }
  return YUPANA_STATUS_OK;
}

} // namespace yupana::runtime
