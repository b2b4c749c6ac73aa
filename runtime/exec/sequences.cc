// SPDX-License-Identifier: Apache-2.0
//
// A sequence is a slot of the context and a generation. Its name holds both, so that a name which has been released
// never means the next sequence in its slot; slot numbers are stored plus one, so that no name is 0. Creating and
// releasing take no memory: all slots exist from the start, and pages change hands in steps.

#include "runtime/exec/context.h"

using namespace yupana::runtime;

namespace {

yupana_sequence_t name_of(uint32_t slot, const Sequence &sequence) {
  return uint64_t{sequence.generation} << 32 | (slot + 1);
}

Code not_alive(yupana_sequence_t name, yupana_status_t *out_status) {
  return fail(out_status, YUPANA_STATUS_INVALID_ARGUMENT, "sequence %llx is not alive in this context",
              static_cast<unsigned long long>(name));
}

} // namespace

int64_t yupana::runtime::find_sequence(const yupana_context_t &context, yupana_sequence_t name) {
  uint32_t slot = static_cast<uint32_t>(name) - 1;
  if (slot >= context.max_sequences || !context.sequences[slot].alive ||
      context.sequences[slot].generation != name >> 32)
    return -1;
  return slot;
}

yupana_status_code_t yupana_sequence_create(yupana_context_t *context, uint64_t number, yupana_sequence_t *out_sequence,
                                            yupana_status_t *out_status) {
  for (uint32_t slot = 0; slot < context->max_sequences; ++slot) {
    Sequence &sequence = context->sequences[slot];
    if (sequence.alive)
      continue;
    sequence.alive = 1;
    sequence.length = 0;
    sequence.drawn_step = 0;
    sequence.number = number;
    ++context->alive_sequences;
    *out_sequence = name_of(slot, sequence);
    return succeed(out_status);
  }
  return fail(out_status, YUPANA_STATUS_OUT_OF_MEMORY, "all %u sequences of the context are alive",
              context->max_sequences);
}

yupana_status_code_t yupana_sequence_length(const yupana_context_t *context, yupana_sequence_t sequence,
                                            uint32_t *out_length) {
  int64_t slot = find_sequence(*context, sequence);
  if (slot < 0)
    return YUPANA_STATUS_INVALID_ARGUMENT;
  *out_length = context->sequences[static_cast<uint32_t>(slot)].length;
  return YUPANA_STATUS_OK;
}

yupana_status_code_t yupana_sequence_truncate(yupana_context_t *context, yupana_sequence_t sequence, uint32_t length,
                                              yupana_status_t *out_status) {
  int64_t found = find_sequence(*context, sequence);
  if (found < 0)
    return not_alive(sequence, out_status);
  auto slot = static_cast<uint32_t>(found);
  Sequence &state = context->sequences[slot];
  if (length > state.length)
    return fail(out_status, YUPANA_STATUS_INVALID_ARGUMENT, "a sequence of %u positions cannot be truncated to %u",
                state.length, length);
  for (uint32_t i = 0; i < context->group_count(); ++i)
    if (!context->groups[i].can_truncate(slot, length))
      return fail(out_status, YUPANA_STATUS_INVALID_ARGUMENT,
                  "a sequence of %u positions cannot be truncated to %u: pages of cache group '%s' that position %u "
                  "attends to have been freed",
                  state.length, length, context->root().cache_groups()->Get(i)->name()->c_str(), length);
  for (uint32_t i = 0; i < context->group_count(); ++i)
    context->groups[i].truncate(slot, length);
  if (length < state.length)
    state.drawn_step = 0;
  state.length = length;
  return succeed(out_status);
}

yupana_status_code_t yupana_sequence_release(yupana_context_t *context, yupana_sequence_t sequence,
                                             yupana_status_t *out_status) {
  int64_t found = find_sequence(*context, sequence);
  if (found < 0)
    return not_alive(sequence, out_status);
  auto slot = static_cast<uint32_t>(found);
  for (uint32_t i = 0; i < context->group_count(); ++i)
    context->groups[i].release(slot);
  Sequence &state = context->sequences[slot];
  state.alive = 0;
  ++state.generation;
  --context->alive_sequences;
  return succeed(out_status);
}
