// SPDX-License-Identifier: Apache-2.0
//
// Opening a plan: the frame, then the metadata whole, with its digest, then what it says. No code is mapped and no
// weight is read; what is not opened here is read by a context. The reader is adopted only on success, so that the
// caller closes it after a failure. A plan is immutable afterwards but for its shared weights, which its lock guards;
// references count the contexts that use it.

#include "runtime/plan/plan.h"

#include "runtime/plan/digest.h"

#include <cstddef>
#include <new>

using namespace yupana::runtime;
namespace schema = yupana::schema;

namespace {

/// Frees the plan without closing its reader.
void destroy_plan(yupana_plan_t *plan) {
  Allocator allocator = plan->allocator;
  if (plan->states) {
    for (uint64_t i = 0; i < plan->state_count(); ++i)
      plan->states[i].~SectionState();
    allocator.free(plan->states, plan->state_count() * sizeof(SectionState), kCacheLine);
  }
  pthread_mutex_destroy(&plan->lock);
  destroy_object(allocator, plan);
}

Code load_metadata(yupana_plan_t *plan, const Report &report) {
  const schema::SectionEntry &entry = plan->section(plan->frame.metadata_section);
  // The alignment is what makes the 8-byte fields of the FlatBuffer aligned in memory.
  if (Code code = plan->metadata.allocate(plan->allocator, entry.size, kCacheLine, "the metadata", report.out()))
    return code;
  if (Code code = read_verified(plan->reader, plan->frame, plan->frame.metadata_section, plan->metadata.data(), report))
    return code;
  return check_metadata(plan->metadata.data(), entry.size, plan->frame, plan->allocator, report, &plan->root);
}

/// A state of every section for every device that may be open at once: contexts on different devices hold weights of
/// their own. Most stay zero.
Code allocate_states(yupana_plan_t *plan, const Report &report) {
  uint64_t count = plan->state_count();
  void *memory = plan->allocator.alloc(count * sizeof(SectionState), kCacheLine);
  if (!memory)
    return report.fail(YUPANA_STATUS_OUT_OF_MEMORY, "no memory for the state of %llu sections",
                       static_cast<unsigned long long>(count));
  plan->states = static_cast<SectionState *>(memory);
  for (uint64_t i = 0; i < count; ++i)
    new (&plan->states[i]) SectionState{};
  return YUPANA_STATUS_OK;
}

/// A caller compiled against an earlier header has a reader without map and unmap: both are then null.
bool reader_valid(const yupana_reader_t *reader) {
  return reader && reader->size >= offsetof(yupana_reader_t, map) && reader->read && reader->name;
}

} // namespace

yupana_status_code_t yupana_plan_open(const yupana_reader_t *reader, const yupana_allocator_t *allocator,
                                      yupana_plan_t **out_plan, yupana_status_t *out_status) {
  if (!reader_valid(reader) || !out_plan)
    return fail(out_status, YUPANA_STATUS_INVALID_ARGUMENT, "a plan needs a whole reader and room for itself");
  Allocator memory;
  if (Code code = Allocator::adopt(allocator, &memory, out_status))
    return code;
  Report report(reader->name, out_status);
  auto *plan = create_object<yupana_plan_t>(memory);
  if (!plan)
    return report.fail(YUPANA_STATUS_OUT_OF_MEMORY, "no memory for a plan");
  plan->allocator = memory;
  // Copied as far as the caller knows it, and null beyond.
  plan->reader = read_sized(reader);
  Code code = read_frame(plan->reader, memory, &plan->frame, out_status);
  if (!code)
    code = load_metadata(plan, report);
  if (!code)
    code = allocate_states(plan, report);
  // The reader stays open: it was not adopted, and its owner closes it.
  if (code) {
    destroy_plan(plan);
    return code;
  }
  *out_plan = plan;
  return succeed(out_status);
}

yupana_status_code_t yupana_plan_open_file(const char *path, const yupana_allocator_t *allocator,
                                           yupana_plan_t **out_plan, yupana_status_t *out_status) {
  yupana_reader_t reader;
  if (Code code = yupana_file_reader_open(path, allocator, &reader, out_status))
    return code;
  Code code = yupana_plan_open(&reader, allocator, out_plan, out_status);
  if (code)
    reader.close(reader.user);
  return code;
}

// Whoever retains holds a reference already, so that nothing has to be ordered.
void yupana_plan_retain(yupana_plan_t *plan) { plan->references.fetch_add(1, std::memory_order_relaxed); }

void yupana_plan_release(yupana_plan_t *plan) {
  // The last release must see all that the others did to the plan.
  if (!plan || plan->references.fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  yupana_reader_t reader = plan->reader;
  destroy_plan(plan);
  if (reader.close)
    reader.close(reader.user);
}

yupana_status_code_t yupana_plan_read_section(const yupana_plan_t *plan, uint32_t index, void *dst, uint64_t capacity,
                                              yupana_status_t *out_status) {
  Report report(plan->reader.name, out_status);
  if (index >= plan->frame.sections.size())
    return report.fail(YUPANA_STATUS_INVALID_ARGUMENT, "there is no section %u", index);
  const schema::SectionEntry &entry = plan->section(index);
  // Weights are read by contexts, in chunks; their section digest is of digests and not of their bytes.
  if (entry.kind == static_cast<uint32_t>(schema::SectionKind::weights) || entry.size > capacity || !dst)
    return report.fail(YUPANA_STATUS_INVALID_ARGUMENT,
                       "section %u of kind %u and %llu bytes cannot be read into a buffer of %llu", index, entry.kind,
                       static_cast<unsigned long long>(entry.size), static_cast<unsigned long long>(capacity));
  if (Code code = read_verified(plan->reader, plan->frame, index, dst, report))
    return code;
  return succeed(out_status);
}
