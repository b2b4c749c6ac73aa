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

/// Shared by the workers that fill weights.
struct FillJob {
  static constexpr uint32_t kNone = UINT32_MAX;

  yupana_plan_t *plan;
  const Array<uint32_t> *used;
  const yupana_filler_t *filler;
  Progress *progress;
  std::atomic<uint32_t> next{0};
  std::atomic<uint32_t> failed{kNone};
};

void run_fill(void *argument, uint32_t worker) {
  auto &job = *static_cast<FillJob *>(argument);
  FilledWeights &filled = job.plan->filled;
  const auto &weights = *job.plan->root->weights();
  while (!job.progress->cancelled() && job.failed.load(std::memory_order_relaxed) == FillJob::kNone) {
    uint32_t i = job.next.fetch_add(1, std::memory_order_relaxed);
    if (i >= weights.size())
      return;
    const schema::Weight &weight = *weights.Get(i);
    if (weight.section() != schema::kNoSection || !(*job.used)[i])
      continue;
    FilledWeights::Place &place = filled.places[i];
    if (!place.filled && !job.filler->fill(job.filler->user, i, filled.memory.data() + place.offset, weight.size()))
      return job.failed.store(i, std::memory_order_relaxed);
    place.filled = 1;
    job.progress->add(weight.size());
    if (worker == 0)
      job.progress->report();
  }
}

/// Room for every weight that the file does not have.
Code place_filled(yupana_plan_t &plan, const Report &report) {
  FilledWeights &filled = plan.filled;
  const auto &weights = *plan.root->weights();
  if (Code code = filled.places.allocate(plan.allocator, weights.size(), "places of weights", report.out()))
    return code;
  uint64_t end = 0, padded = 0;
  for (uint32_t i = 0; i < weights.size(); ++i) {
    if (weights.Get(i)->section() != schema::kNoSection)
      continue;
    uint64_t &offset = filled.places[i].offset;
    bool fits = checked_align_up(end, schema::kWeightAlignment, &offset) &&
                checked_add(offset, weights.Get(i)->size(), &end) && checked_add(end, kArenaPadding, &padded);
    if (!fits)
      return report.fail(YUPANA_STATUS_OUT_OF_MEMORY, "the weights do not fit in memory");
  }
  uint64_t alignment = padded >= kHugePage ? kHugePage : 4096;
  if (Code code = filled.memory.allocate(plan.allocator, padded, alignment, "weights", report.out()))
    return code;
  filled.memory.advise_huge_pages();
  memset(filled.memory.data() + end, 0, kArenaPadding);
  return YUPANA_STATUS_OK;
}

Code fill_locked(yupana_plan_t *plan, const Array<uint32_t> &used, const yupana_filler_t &filler, ThreadPool &pool,
                 Progress &progress, const Report &report) {
  if (!plan->filled.users)
    if (Code code = place_filled(*plan, report))
      return code;
  FillJob job = {plan, &used, &filler, &progress};
  if (!progress.report())
    pool.run(run_fill, &job);
  if (progress.report())
    return report.fail(YUPANA_STATUS_CANCELLED, "reading was cancelled");
  uint32_t failed = job.failed.load(std::memory_order_relaxed);
  if (failed == FillJob::kNone)
    return YUPANA_STATUS_OK;
  return report.fail(YUPANA_STATUS_UNREADABLE, "weight '%s' could not be filled",
                     plan->root->weights()->Get(failed)->name()->c_str());
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

Code acquire_filled(yupana_plan_t *plan, const Array<uint32_t> &used, const yupana_filler_t &filler, ThreadPool &pool,
                    Progress &progress, const Report &report) {
  pthread_mutex_lock(&plan->lock);
  Code code = fill_locked(plan, used, filler, pool, progress, report);
  if (!code)
    ++plan->filled.users;
  else if (!plan->filled.users)
    plan->filled.memory.reset();
  pthread_mutex_unlock(&plan->lock);
  return code;
}

void release_filled(yupana_plan_t *plan) {
  pthread_mutex_lock(&plan->lock);
  if (--plan->filled.users == 0)
    plan->filled.memory.reset();
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
