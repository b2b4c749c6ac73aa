// SPDX-License-Identifier: Apache-2.0
//
// What must hold between the buffers of a target: those alive together share no byte, and the entries of one value
// agree. Both are found by sorting, since a plan may have many thousands.

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

bool lower(const schema::Buffer &a, const schema::Buffer &b) {
  return a.arena() != b.arena() ? a.arena() < b.arena() : a.offset() < b.offset();
}

bool by_name(const schema::Buffer &a, const schema::Buffer &b) {
  int order = strcmp(a.name()->c_str(), b.name()->c_str());
  return order != 0 ? order < 0 : a.first_launch() < b.first_launch();
}

} // namespace

Code check_entries(const schema::Target &target, const Allocator &allocator, const Report &report) {
  const Buffers &buffers = *target.buffers();
  Array<uint32_t> order;
  if (Code code = sort_buffers(buffers, by_name, allocator, &order, report))
    return code;
  for (uint32_t i = 1; i < buffers.size(); ++i) {
    const schema::Buffer &a = *buffers.Get(order[i - 1]), &b = *buffers.Get(order[i]);
    bool same_place = a.arena() == b.arena() && a.offset() == b.offset() && a.size() == b.size();
    if (strcmp(a.name()->c_str(), b.name()->c_str()) == 0 && !(same_place && a.last_launch() < b.first_launch()))
      return report.fail(YUPANA_STATUS_INVALID_DATA,
                         "target '%s': two buffers are called '%s'; expected one place and launches that do not meet",
                         target.name()->c_str(), a.name()->c_str());
  }
  return YUPANA_STATUS_OK;
}

Code check_overlap(const yupana_plan_t &plan, uint32_t index, const Report &report) {
  const schema::Target &target = plan.target(index);
  const Buffers &buffers = *target.buffers();
  Array<uint32_t> order;
  if (Code code = sort_buffers(buffers, lower, plan.allocator, &order, report))
    return code;
  // In order of offset, only what begins before the end of a buffer can overlap it. Quadratic when all buffers lie on
  // the same bytes; kMaxBuffers bounds that.
  for (uint32_t i = 0; i < buffers.size(); ++i) {
    const schema::Buffer *a = buffers.Get(order[i]);
    for (uint32_t j = i + 1; j < buffers.size(); ++j) {
      const schema::Buffer *b = buffers.Get(order[j]);
      if (b->arena() != a->arena() || b->offset() - a->offset() >= a->size())
        break;
      if (b->size() && a->first_launch() <= b->last_launch() && b->first_launch() <= a->last_launch())
        return report.fail(YUPANA_STATUS_INVALID_DATA,
                           "target '%s': buffers '%s' and '%s' overlap while both are alive, during launch %u",
                           target.name()->c_str(), a->name()->c_str(), b->name()->c_str(),
                           std::max(a->first_launch(), b->first_launch()));
    }
  }
  return YUPANA_STATUS_OK;
}

} // namespace yupana::runtime
