// SPDX-License-Identifier: Apache-2.0
//
// A context: a plan prepared for one device, with every allocation made. Used by one thread at a time; several contexts
// may share a plan. What belongs to a step alone lives here, too, since a step allocates nothing.

#ifndef YUPANA_RUNTIME_EXEC_CONTEXT_H
#define YUPANA_RUNTIME_EXEC_CONTEXT_H

#include "runtime/exec/inputs.h"
#include "runtime/exec/pages.h"
#include "runtime/plan/grid.h"
#include "runtime/plan/plan.h"

namespace yupana::runtime {

struct PreparedLaunch {
  DeviceLaunch launch;
  const GridTerms *grid;
};

struct Sequence {
  uint32_t generation; // raised when the slot is released, so that old names stop to be valid
  uint32_t alive;
  uint32_t length;
  uint32_t batch_mark; // the last step attempt that named it
  uint64_t number;
  // Where its next token is, if the step with number `drawn_step`, from 1, drew one: a row of what that step sampled.
  uint64_t drawn_step;
  uint32_t drawn_row;
};

/// A span of a step that has been submitted.
struct SubmittedSpan {
  uint32_t slot;
  uint32_t length; // of the sequence, before the step
  uint32_t rows;
  uint32_t sample;
};

/// A step that has been submitted and not been waited for.
struct SubmittedStep {
  uint32_t spans;
  uint32_t rows;
  StepOutput outputs[kStepResults];
};

inline constexpr uint32_t kMaxContextSequences = 1u << 20;

} // namespace yupana::runtime

struct yupana_context_t {
  yupana_plan_t *plan = nullptr; // a reference is held
  yupana::runtime::Allocator allocator;
  uint32_t target_index = 0;
  uint32_t max_sequences = 0;
  uint32_t alive_sequences = 0;
  uint32_t step_attempts = 0;
  uint64_t kv_positions = 0;

  yupana::runtime::Device *device = nullptr;
  yupana::runtime::Array<void *> kernels;          // of the target, as the device knows them
  yupana::runtime::Array<const uint8_t *> weights; // by section; null where this context is no user
  bool uses_filled = false;                        // this context is a user of the plan's filled weights
  yupana::runtime::Memory arenas[yupana::runtime::kMaxArenas];
  yupana::runtime::PageGroup groups[yupana::runtime::kMaxCacheGroups]; // group_count() are in use
  yupana::runtime::StepInputs inputs;
  /// u32 [max_sequences][max_context], the tokens of every slot, if kernels ask for it. Kernels write it and read what
  /// they wrote: entries at a sequence's length and beyond are never read, so neither truncating nor releasing a
  /// sequence touches it.
  yupana::runtime::Memory history;
  yupana::runtime::Array<yupana::runtime::Sequence> sequences;
  yupana::runtime::Array<yupana::runtime::PreparedLaunch> launches; // of all programs
  yupana::runtime::Array<void *> arguments;
  yupana::runtime::Array<yupana::runtime::ActiveLaunch> active;
  /// Steps count from 1. Those above `waited` are in flight, at most kStepsInFlight; step n has slot n %
  /// kStepsInFlight.
  uint64_t submitted = 0, waited = 0;
  yupana::runtime::SubmittedStep steps[yupana::runtime::kStepsInFlight] = {};
  yupana::runtime::Array<yupana::runtime::SubmittedSpan> step_spans; // [kStepsInFlight][max_batch]

  const yupana::schema::Plan &root() const { return *plan->root; }
  const yupana::schema::Limits &limits() const { return *plan->root->limits(); }
  const yupana::schema::Target &target() const { return plan->target(target_index); }
  uint32_t group_count() const { return plan->root->cache_groups()->size(); }

  /// Where kernels find a buffer.
  void *buffer_address(uint32_t buffer) const {
    const yupana::schema::Buffer &entry = *target().buffers()->Get(buffer);
    return arenas[entry.arena()].data() + entry.offset();
  }
};

namespace yupana::runtime {

/// The slot of an alive sequence, or -1.
int64_t find_sequence(const yupana_context_t &context, yupana_sequence_t name);

/// Chooses the pages of every group and `*out_positions`. OUT_OF_MEMORY when `kv_bytes` does not hold a single
/// position. `kv_bytes` 0: room for max_context positions. `out_pages` has an entry per group.
Code choose_pages(const yupana_plan_t &plan, uint64_t kv_bytes, uint32_t sequences, uint32_t *out_pages,
                  uint64_t *out_positions, const Report &report);

/// Fills programs, launches and arguments; everything they point at is allocated. OUT_OF_MEMORY.
Code prepare_launches(yupana_context_t &context, yupana_status_t *out_status);

/// Runs the program for a step, the first whose max_tokens is enough, with `sample` the one that samples behind it, or
/// does something else with their launches. Codes of `what`.
Code run_programs(yupana_context_t &context, const StepSizes &sizes, bool sample, LaunchFunction *what,
                  yupana_status_t *out_status);

/// yupana_context_create on the device chosen, whose kind is that of the target or stands in for it.
Code create_context(const DeviceChoice &choice, yupana_plan_t *plan, uint32_t target,
                    const yupana_context_options_t &options, const Allocator &allocator, yupana_context_t **out_context,
                    const Report &report);

/// True if the target has a program for sampling.
bool has_sample_program(const yupana_context_t &context);

} // namespace yupana::runtime

#endif
