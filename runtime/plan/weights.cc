// SPDX-License-Identifier: Apache-2.0

#include "runtime/plan/weights.h"

#include <cstdio>
#include <cstring>

namespace yupana::runtime {

namespace {

using ull = unsigned long long;

/// The first weight that has bytes in [begin, end) of a section, and how many more have; null for padding.
const schema::Weight *weight_in(const yupana_plan_t &plan, uint32_t section, uint64_t begin, uint64_t end,
                                uint32_t *out_others) {
  const schema::Weight *first = nullptr;
  *out_others = 0;
  for (const schema::Weight *weight : *plan.root->weights()) {
    bool meets = weight->section() == section && weight->offset() < end && weight->offset() + weight->size() > begin;
    if (!meets)
      continue;
    *out_others += first != nullptr;
    if (!first || weight->offset() < first->offset())
      first = weight;
  }
  return first;
}

Code report_fault(const yupana_plan_t &plan, uint32_t section, const ChunkFault &fault, const Report &report) {
  bool unreadable = fault.unreadable != ChunkFault::kNone;
  if (!unreadable && fault.damaged == ChunkFault::kNone)
    return YUPANA_STATUS_OK;
  uint64_t chunk = unreadable ? fault.unreadable : fault.damaged;
  uint64_t begin = chunk * schema::kDigestChunkBytes;
  uint32_t others = 0;
  const schema::Weight *weight = weight_in(plan, section, begin, begin + schema::kDigestChunkBytes, &others);
  char name[200] = "padding";
  if (weight)
    snprintf(name, sizeof(name), others ? "weight '%.120s' or one of %u more" : "weight '%.120s'",
             weight->name()->c_str(), others);
  ull at = plan.section(section).offset + begin;
  if (unreadable)
    return report.fail(YUPANA_STATUS_UNREADABLE, "%s: chunk %llu of section %u, at byte %llu, cannot be read", name,
                       static_cast<ull>(chunk), section, at);
  return report.fail(YUPANA_STATUS_DIGEST_MISMATCH,
                     "%s is damaged: chunk %llu of section %u, 16 MiB at byte %llu, differs from its SHA-256", name,
                     static_cast<ull>(chunk), section, at);
}

Code load_digests(const yupana_plan_t &plan, uint32_t weights_section, Memory *out_digests, const Report &report) {
  uint32_t section = weights_section + 1;
  if (Code code = out_digests->allocate(plan.allocator, plan.section(section).size, kCacheLine, "digests of weights",
                                        report.out()))
    return code;
  return read_verified(plan.reader, plan.frame, section, out_digests->data(), report);
}

/// Reads (or, if `present`, looks through) a section on behalf of acquire_weights.
Code fill(const yupana_plan_t &plan, uint32_t index, uint8_t *data, bool present, bool compare, ThreadPool &pool,
          Progress &progress, const Report &report) {
  const schema::SectionEntry &entry = plan.section(index);
  Memory digests;
  if (compare)
    if (Code code = load_digests(plan, index, &digests, report))
      return code;
  ChunkWork work{&plan.reader, entry.offset, entry.size, data, !present, digests.data()};
  ChunkFault fault;
  if (Code code = process_chunks(pool, plan.allocator, work, progress, &fault, report))
    return code;
  return report_fault(plan, index, fault, report);
}

uint8_t *data_of(const SectionState &state) {
  return state.mapped ? const_cast<uint8_t *>(state.mapped) : state.weights.data();
}

void drop(yupana_plan_t *plan, uint32_t index) {
  SectionState &state = plan->states[index];
  if (state.mapped)
    plan->reader.unmap(plan->reader.user, state.mapped, plan->section(index).size + kArenaPadding);
  state.mapped = nullptr;
  state.weights.reset();
}

/// Memory for a section, filled if it is mapped.
Code place(yupana_plan_t *plan, uint32_t index, bool map, const Report &report) {
  SectionState &state = plan->states[index];
  const schema::SectionEntry &entry = plan->section(index);
  uint64_t padded;
  if (!checked_add(entry.size, kArenaPadding, &padded))
    return report.fail(YUPANA_STATUS_OUT_OF_MEMORY, "section %u of weights does not fit in memory", index);
  state.weights_verified = false;
  if (map) {
    if (!plan->reader.map || !plan->reader.unmap)
      return report.fail(YUPANA_STATUS_INVALID_ARGUMENT, "the reader of this plan cannot map weights");
    // Digests follow every section of weights, so the padding never reaches beyond the last page of the file.
    state.mapped = static_cast<const uint8_t *>(plan->reader.map(plan->reader.user, padded, entry.offset));
    return state.mapped ? YUPANA_STATUS_OK
                        : report.fail(YUPANA_STATUS_UNREADABLE, "section %u of weights cannot be mapped", index);
  }
  uint64_t alignment = padded >= kHugePage ? kHugePage : 4096;
  if (Code code = state.weights.allocate(plan->allocator, padded, alignment, "weights", report.out()))
    return code;
  state.weights.advise_huge_pages();
  memset(state.weights.data() + entry.size, 0, kArenaPadding);
  return YUPANA_STATUS_OK;
}

Code acquire_locked(yupana_plan_t *plan, uint32_t index, const yupana_context_options_t &options, ThreadPool &pool,
                    Progress &progress, const Report &report) {
  SectionState &state = plan->states[index];
  bool loaded = state.users > 0;
  bool compare = options.digests != YUPANA_DIGEST_OFF && !(loaded && state.weights_verified) &&
                 !(options.digests == YUPANA_DIGEST_FIRST_LOAD && state.seen_good);
  if (!loaded)
    if (Code code = place(plan, index, options.map_weights, report))
      return code;
  bool present = loaded || state.mapped;
  if (present && !compare) {
    progress.add(plan->section(index).size);
    return YUPANA_STATUS_OK;
  }
  Code code = fill(*plan, index, data_of(state), present, compare, pool, progress, report);
  if (code) {
    if (!loaded)
      drop(plan, index);
    return code;
  }
  state.weights_verified |= compare;
  state.seen_good |= compare;
  return YUPANA_STATUS_OK;
}

} // namespace

Code acquire_weights(yupana_plan_t *plan, uint32_t index, const yupana_context_options_t &options, ThreadPool &pool,
                     Progress &progress, const uint8_t **out_data, const Report &report) {
  // Held while reading: a second context of the plan then finds the weights there instead of reading them again.
  pthread_mutex_lock(&plan->lock);
  Code code = acquire_locked(plan, index, options, pool, progress, report);
  if (!code) {
    ++plan->states[index].users;
    *out_data = data_of(plan->states[index]);
  }
  pthread_mutex_unlock(&plan->lock);
  return code;
}

void release_weights(yupana_plan_t *plan, uint32_t index) {
  pthread_mutex_lock(&plan->lock);
  if (--plan->states[index].users == 0)
    drop(plan, index);
  pthread_mutex_unlock(&plan->lock);
}

Code verify_weights(const yupana_plan_t *plan, uint32_t index, ThreadPool &pool, Progress &progress,
                    const Report &report) {
  const schema::SectionEntry &entry = plan->section(index);
  Memory digests;
  if (Code code = load_digests(*plan, index, &digests, report))
    return code;
  ChunkWork work{&plan->reader, entry.offset, entry.size, nullptr, true, digests.data()};
  ChunkFault fault;
  if (Code code = process_chunks(pool, plan->allocator, work, progress, &fault, report))
    return code;
  return report_fault(*plan, index, fault, report);
}

} // namespace yupana::runtime
