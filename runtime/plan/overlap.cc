// SPDX-License-Identifier: Apache-2.0

#include "runtime/plan/overlap.h"

#include <algorithm>

namespace yupana::runtime {

Code check_overlap(const yupana_plan_t &plan, uint32_t index, const Report &report) {
  const schema::Target &target = plan.target(index);
  const auto &buffers = *target.buffers();
  Array<uint32_t> order;
  if (Code code = order.allocate(plan.allocator, buffers.size(), "an order of buffers", report.out()))
    return code;
  for (uint32_t i = 0; i < buffers.size(); ++i)
    order[i] = i;
  auto before = [&](uint32_t a, uint32_t b) {
    const schema::Buffer *x = buffers.Get(a), *y = buffers.Get(b);
    if (x->arena() != y->arena())
      return x->arena() < y->arena();
    return x->offset() != y->offset() ? x->offset() < y->offset() : a < b;
  };
  // A heap sort: its code is a third of std::sort's.
  std::make_heap(order.begin(), order.end(), before);
  std::sort_heap(order.begin(), order.end(), before);
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
