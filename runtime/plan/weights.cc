// SPDX-License-Identifier: Apache-2.0
//
// The weights that contexts share: sections read, mapped or compared once, and weights that a caller makes because the
// file lacks them. The lock of the plan is held while a section is loaded, so that of two contexts prepared at once the
// second finds the weights there. The device itself brings bytes into its memory.

#include "runtime/plan/weights.h"

#include "runtime/plan/digest.h"

#include <cstdio>

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

/// Names the weight that the chunk holds, since that is what a user knows of a model. Bytes that cannot be read come
/// first: what was not read cannot be called damaged.
Code report_fault(const yupana_plan_t &plan, uint32_t section, const ChunkFault &fault, const Report &report) {
  bool unreadable = fault.unreadable != ChunkFault::kNone;
  if (!unreadable && fault.damaged == ChunkFault::kNone)
    return YUPANA_STATUS_OK;
  uint64_t chunk = unreadable ? fault.unreadable : fault.damaged;
  uint64_t begin = chunk * schema::kDigestChunkBytes;
  uint32_t others = 0;
  const schema::Weight *weight = weight_in(plan, section, begin, begin + schema::kDigestChunkBytes, &others);
  char name[200];
  snprintf(name, sizeof(name),
           !weight  ? "padding"
           : others ? "weight '%.120s' or one of %u more"
                    : "weight '%.120s'",
           weight ? weight->name()->c_str() : "", others);
  ull at = plan.section(section).offset + begin;
  if (unreadable)
    return report.fail(YUPANA_STATUS_UNREADABLE, "%s: chunk %llu of section %u, at byte %llu, cannot be read", name,
                       static_cast<ull>(chunk), section, at);
  return report.fail(YUPANA_STATUS_DIGEST_MISMATCH,
                     "%s is damaged: chunk %llu of section %u, 16 MiB at byte %llu, differs from its SHA-256", name,
                     static_cast<ull>(chunk), section, at);
}

/// The section behind the weights, which opening the plan has checked to be theirs. Its own digest is compared as well,
/// or damaged digests would be blamed on the weights.
Code load_digests(const yupana_plan_t &plan, uint32_t weights_section, Memory *out_digests, const Report &report) {
  uint32_t section = weights_section + 1;
  if (Code code = out_digests->allocate(plan.allocator, plan.section(section).size, kCacheLine, "digests of weights",
                                        report.out()))
    return code;
  return read_verified(plan.reader, plan.frame, section, out_digests->data(), report);
}

/// Reads (or, if `present`, looks through) a section on behalf of acquire_weights.
Code fill(const yupana_plan_t &plan, uint32_t index, uint8_t *data, bool present, bool compare, Device *device,
          Progress &progress, const Report &report) {
  const schema::SectionEntry &entry = plan.section(index);
  Memory digests;
  if (compare)
    if (Code code = load_digests(plan, index, &digests, report))
      return code;
  ChunkWork work{&plan.reader, entry.offset, entry.size, data, !present, digests.data()};
  ChunkFault fault;
  if (Code code = device->kind->load(device, plan.allocator, work, progress, &fault, report))
    return code;
  return report_fault(plan, index, fault, report);
}

// Mapped bytes are never written to; the loader takes one kind of pointer for both.
uint8_t *data_of(const SectionState &state) {
  return state.mapped ? const_cast<uint8_t *>(state.mapped) : state.weights.data();
}

SectionState &state_of(yupana_plan_t &plan, const Device &device, uint32_t index) {
  return plan.states[device.slot * plan.frame.sections.size() + index];
}

/// The lock is held, and nobody uses the section.
void drop(yupana_plan_t *plan, uint32_t index, SectionState &state) {
  if (state.mapped)
    plan->reader.unmap(plan->reader.user, state.mapped, plan->section(index).size + kArenaPadding);
  state.mapped = nullptr;
  state.weights.reset();
}

/// Memory for a section, filled if it is mapped.
Code place(yupana_plan_t *plan, uint32_t index, SectionState &state, bool map, Device *device, const Report &report) {
  const schema::SectionEntry &entry = plan->section(index);
  uint64_t padded;
  if (!checked_add(entry.size, kArenaPadding, &padded))
    return report.fail(YUPANA_STATUS_OUT_OF_MEMORY, "section %u of weights does not fit in memory", index);
  // New memory holds nothing that was compared.
  state.weights_verified = false;
  if (map) {
    // A mapping is in the host's memory, where a GPU's kernels cannot read it.
    if (!plan->reader.map || !plan->reader.unmap || !device->kind->has_host_memory)
      return report.fail(YUPANA_STATUS_INVALID_ARGUMENT, "the reader of this plan cannot map weights");
    // Digests follow every section of weights, so the padding never reaches beyond the last page of the file.
    state.mapped = static_cast<const uint8_t *>(plan->reader.map(plan->reader.user, padded, entry.offset));
    return state.mapped ? YUPANA_STATUS_OK
                        : report.fail(YUPANA_STATUS_OUT_OF_MEMORY, "section %u of weights cannot be mapped", index);
  }
  if (Code code =
          device->kind->allocate(device, plan->allocator, padded, kCacheLine, "weights", &state.weights, report.out()))
    return code;
  // Kernels read whole vectors at the end of the last weight and find zeros there on every device.
  device->kind->zero(device, state.weights.data() + entry.size, kArenaPadding);
  return YUPANA_STATUS_OK;
}

/// A section may be there already, for another context, and may or may not have been compared with its digests.
/// Comparing what is there reads it through the device, once.
Code acquire_locked(yupana_plan_t *plan, uint32_t index, const yupana_context_options_t &options, Device *device,
                    Progress &progress, const Report &report) {
  SectionState &state = state_of(*plan, *device, index);
  bool loaded = state.users > 0;
  // FIRST_LOAD trusts the file once its bytes have been right; loaded memory is trusted while it is loaded.
  bool compare = options.digests != YUPANA_DIGEST_OFF && !(loaded && state.weights_verified) &&
                 !(options.digests == YUPANA_DIGEST_FIRST_LOAD && state.seen_good);
  if (!loaded)
    if (Code code = place(plan, index, state, options.map_weights, device, report))
      return code;
  bool present = loaded || state.mapped;
  // Mapped bytes are there without being read, until somebody compares them.
  if (present && !compare) {
    progress.add(plan->section(index).size);
    return YUPANA_STATUS_OK;
  }
  Code code = fill(*plan, index, data_of(state), present, compare, device, progress, report);
  if (code) {
    // What another context uses stays; only what this call has placed goes.
    if (!loaded)
      drop(plan, index, state);
    return code;
  }
  state.weights_verified |= compare;
  state.seen_good |= compare;
  return YUPANA_STATUS_OK;
}

/// Room for every weight that the file does not have.
Code place_filled(yupana_plan_t &plan, FilledWeights &filled, Device *device, const Report &report) {
  const auto &weights = *plan.root->weights();
  if (Code code = filled.items.allocate(plan.allocator, weights.size(), "places of weights", report.out()))
    return code;
  // Room for the padding behind the last weight.
  uint64_t end = kArenaPadding;
  for (const schema::Weight *weight : weights) {
    uint64_t bytes = weight->section() == schema::kNoSection ? weight->size() : 0;
    if (!checked_align_up(bytes, schema::kWeightAlignment, &bytes) || !checked_add(end, bytes, &end))
      return report.fail(YUPANA_STATUS_OUT_OF_MEMORY, "the weights do not fit in memory");
  }
  if (Code code = device->kind->allocate(device, plan.allocator, end, schema::kWeightAlignment, "weights",
                                         &filled.memory, report.out()))
    return code;
  uint8_t *next = filled.memory.data();
  for (uint32_t i = 0; i < weights.size(); ++i) {
    // Weights that the file has keep a null place: nobody fills them.
    if (weights.Get(i)->section() != schema::kNoSection)
      continue;
    uint64_t bytes = weights.Get(i)->size();
    filled.items[i] = {next, bytes, FillItem::absent};
    next += (bytes + schema::kWeightAlignment - 1) & ~(schema::kWeightAlignment - 1);
  }
  device->kind->zero(device, next, kArenaPadding);
  return YUPANA_STATUS_OK;
}

/// Fills what `used` marks and no context has filled yet.
Code fill_locked(yupana_plan_t &plan, FilledWeights &filled, const Array<uint32_t> &used, const yupana_filler_t &filler,
                 Device *device, Progress &progress, const Report &report) {
  if (!filled.users)
    if (Code code = place_filled(plan, filled, device, report))
      // Targets differ in the weights they read, so that only those in use are made, each once.
      return code;
  for (uint32_t i = 0; i < used.size(); ++i) {
    FillItem &item = filled.items[i];
    if (item.state != FillItem::filled)
      // An earlier filling that failed may have left others wanted.
      item.state = used[i] && item.dst ? FillItem::wanted : FillItem::absent;
    else if (used[i])
      progress.add(item.bytes);
  }
  return device->kind->fill(device, filler, filled.items, progress, report);
}

} // namespace

Code acquire_weights(yupana_plan_t *plan, uint32_t index, const yupana_context_options_t &options, Device *device,
                     Progress &progress, const uint8_t **out_data, const Report &report) {
  // Held while reading: a second context of the plan then finds the weights there instead of reading them again.
  pthread_mutex_lock(&plan->lock);
  Code code = acquire_locked(plan, index, options, device, progress, report);
  if (!code) {
    SectionState &state = state_of(*plan, *device, index);
    ++state.users;
    *out_data = data_of(state);
  }
  pthread_mutex_unlock(&plan->lock);
  return code;
}

void release_weights(yupana_plan_t *plan, uint32_t index, const Device &device) {
  pthread_mutex_lock(&plan->lock);
  SectionState &state = state_of(*plan, device, index);
  if (--state.users == 0)
    drop(plan, index, state);
  pthread_mutex_unlock(&plan->lock);
}

Code acquire_filled(yupana_plan_t *plan, const Array<uint32_t> &used, const yupana_filler_t &filler, Device *device,
                    Progress &progress, const Report &report) {
  pthread_mutex_lock(&plan->lock);
  FilledWeights &filled = plan->filled[device->slot];
  Code code = fill_locked(*plan, filled, used, filler, device, progress, report);
  if (!code)
    ++filled.users;
  // A first context that fails leaves no memory behind; the places are made anew by the next.
  else if (!filled.users)
    filled.memory.reset();
  pthread_mutex_unlock(&plan->lock);
  return code;
}

void release_filled(yupana_plan_t *plan, const Device &device) {
  pthread_mutex_lock(&plan->lock);
  FilledWeights &filled = plan->filled[device.slot];
  if (--filled.users == 0)
    filled.memory.reset();
  pthread_mutex_unlock(&plan->lock);
}

Code verify_weights(const yupana_plan_t *plan, uint32_t index, Device *device, Progress &progress,
                    const Report &report) {
  const schema::SectionEntry &entry = plan->section(index);
  Memory digests;
  if (Code code = load_digests(*plan, index, &digests, report))
    return code;
  ChunkWork work{&plan->reader, entry.offset, entry.size, nullptr, true, digests.data()};
  ChunkFault fault;
  if (Code code = device->kind->load(device, plan->allocator, work, progress, &fault, report))
    return code;
  return report_fault(*plan, index, fault, report);
}

} // namespace yupana::runtime
