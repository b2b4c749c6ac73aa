// SPDX-License-Identifier: Apache-2.0
//
// What all reports say about a plan beyond its tables: fits, memory, arenas. Memory is added up as a context allocates
// it, without making one; sums saturate, since a plan that opens may still claim sizes of any kind.

#include "tools/yupana/PlanReport.h"

#include "runtime/plan/check.h"
#include "tools/support/Layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

using namespace yupana;

Fit yupana::fitOf(const OpenedPlan &plan, uint32_t target, const yupana_device_t *device) {
  yupana_status_t status;
  yupana_fit_t fit;
  if (yupana_plan_compatible(plan.get(), target, device, &fit, &status) != YUPANA_STATUS_OK)
    // The sentence of the runtime is the reason.
    return {"incompatible", status.message};
  if (fit == YUPANA_FIT_EXACT)
    return {"exact", ""};
  if (fit == YUPANA_FIT_BY_PTX)
    return {"by PTX", "the CUDA driver translates it when it is loaded"};
  // The best of the kind of device that runs this target, whatever other devices the machine has.
  yupana_device_t same = device ? *device : yupana_device_t{sizeof(same), YUPANA_DEVICE_ANY, 0, nullptr};
  same.kind = isHostTarget(*plan.metadata().targets()->Get(target)) ? YUPANA_DEVICE_CPU : YUPANA_DEVICE_CUDA;
  std::string native = yupana_native_target(&same);
  return {"fits", native.empty() ? "the device has more than it uses" : "the best for this machine is " + native};
}

Fit yupana::fitOf(schema::GpuFit fit) {
  switch (fit) {
  case schema::GpuFit::exact:
    return {"exact", ""};
  case schema::GpuFit::fits:
    return {"fits", "the GPU has more than it uses"};
  case schema::GpuFit::by_ptx:
    return {"by PTX", "the CUDA driver translates it when it is loaded"};
  case schema::GpuFit::none:
    break;
  }
  return {"incompatible", "its code does not run on that GPU"};
}

/// All kernels of a target run on one kind of device, as opening the plan has checked, and each has an image.
bool yupana::isHostTarget(const schema::Target &target) {
  return target.kernels()->Get(0)->images()->Get(0)->format() == schema::ImageFormat::elf_x86_64;
}

/// Of every kernel, since one without the format keeps the whole target from running by it.
bool yupana::hasImages(const schema::Target &target, schema::ImageFormat format) {
  return std::all_of(target.kernels()->begin(), target.kernels()->end(), [&](const schema::Kernel *kernel) {
    return std::any_of(kernel->images()->begin(), kernel->images()->end(),
                       [&](const schema::KernelImage *image) { return image->format() == format; });
  });
}

/// Sizes that a plan claims need not be of this world, nor their sums.
static void addTo(uint64_t &sum, uint64_t bytes) {
  if (__builtin_add_overflow(sum, bytes, &sum))
    sum = UINT64_MAX;
}

uint64_t MemoryTotals::total(uint32_t threads) const {
  uint64_t sum = 0;
  for (uint64_t bytes : {weights, activations, cache, inputs, code, scratch(threads)})
    addTo(sum, bytes);
  return sum;
}

MemoryTotals yupana::memoryOf(const OpenedPlan &plan, const schema::Target &target) {
  const schema::Plan &root = plan.metadata();
  const schema::Limits &limits = *root.limits();
  MemoryTotals totals;
  // As context.cc allocates: a section of weights is loaded whole if any launch reads of it, and once however many do.
  std::set<uint32_t> sections, missing;
  bool hasHistory = false;
  for (const schema::StepProgram *program : *target.programs())
    for (const schema::Launch *launch : *program->launches())
      for (const schema::Argument *argument : *launch->arguments()) {
        if (argument->kind() == schema::ArgumentKind::weight) {
          uint32_t section = root.weights()->Get(argument->index())->section();
          if (section == YUPANA_NO_SECTION)
            missing.insert(argument->index());
          else
            sections.insert(section);
        }
        hasHistory |= argument->kind() == schema::ArgumentKind::history;
      }
  for (uint32_t section : sections)
    addTo(totals.weights, plan.section(section).bytes);
  for (uint32_t weight : missing)
    addTo(totals.weights, root.weights()->Get(weight)->size());
  for (const schema::Arena *arena : *target.arenas())
    addTo(totals.activations, arena->size());
  // Workers run one kernel at a time, so that the largest need covers all.
  for (const schema::Kernel *kernel : *target.kernels())
    totals.scratchPerThread = std::max(totals.scratchPerThread, kernel->scratch_bytes());
  // What a sequence keeps to the longest context, as the runtime computes it for --kv-memory.
  totals.cache = yupana_plan_kv_bytes(plan.get(), limits.max_context(), 1);
  // Inputs, page tables and the history are allocated at the compiled maxima, whatever a step needs.
  for (uint32_t input = 0; input < runtime::kStepInputs; ++input)
    totals.inputs += runtime::input_bytes(static_cast<schema::StepInput>(input), limits);
  // A table for every sequence, each as long as the longest context needs.
  for (const schema::CacheGroup *group : *root.cache_groups())
    addTo(totals.inputs, uint64_t{runtime::page_table_entries(*group, limits)} * limits.max_batch() * sizeof(uint32_t));
  if (hasHistory)
    addTo(totals.inputs, runtime::history_row_bytes(limits) * limits.max_batch());
  for (uint32_t section : codeSectionsOf(target))
    // Inside the file, whose size the sum cannot exceed. A GPU loads one image of each kernel; all are counted.
    totals.code += plan.section(section).bytes;
  return totals;
}

std::vector<uint32_t> yupana::codeSectionsOf(const schema::Target &target) {
  std::set<uint32_t> sections;
  // A set gives them once each and in ascending order.
  for (const schema::Kernel *kernel : *target.kernels())
    for (const schema::KernelImage *image : *kernel->images())
      sections.insert(image->section());
  return {sections.begin(), sections.end()};
}

ArenaUse yupana::arenaUseOf(const schema::Target &target, uint32_t arena) {
  // Buffers that come to life at a launch, and those that are gone at it, which leave first.
  struct Change {
    uint64_t launch;
    bool comes;
    uint64_t bytes;
    // At one launch, those that leave come before those that come: false is less than true.
    bool operator<(const Change &other) const {
      return std::pair(launch, comes) < std::pair(other.launch, other.comes);
    }
  };
  std::vector<Change> changes;
  for (const schema::Buffer *buffer : *target.buffers()) {
    if (buffer->arena() != arena)
      continue;
    changes.push_back({buffer->first_launch(), true, buffer->size()});
    changes.push_back({uint64_t{buffer->last_launch()} + 1, false, buffer->size()});
  }
  std::sort(changes.begin(), changes.end());
  // Buffers of a plan that nobody verified may overlap, and their sum be beyond 64 bits.
  __extension__ using Wide = unsigned __int128;
  ArenaUse use;
  Wide alive = 0, peak = 0;
  for (const Change &change : changes) {
    alive = change.comes ? alive + change.bytes : alive - change.bytes;
    if (alive > peak) {
      peak = alive;
      use = {static_cast<uint64_t>(std::min<Wide>(peak, UINT64_MAX)), static_cast<uint32_t>(change.launch)};
    }
  }
  return use;
}

/// Counts fit 32 bits: a plan that opens has fewer launches.
std::vector<uint32_t> yupana::kernelCounts(const schema::Target &target, const schema::StepProgram &program) {
  std::vector<uint32_t> counts(target.kernels()->size());
  for (const schema::Launch *launch : *program.launches())
    ++counts[launch->kernel()];
  return counts;
}

// As buffers number them: over all programs.
uint32_t yupana::launchCount(const schema::Target &target) {
  uint32_t count = 0;
  for (const schema::StepProgram *program : *target.programs())
    count += program->launches()->size();
  return count;
}

std::string yupana::sectionKindName(uint32_t kind) {
  switch (kind) {
  case YUPANA_SECTION_METADATA:
    return "metadata";
  case YUPANA_SECTION_HOST_CODE:
    return "host_code";
  case YUPANA_SECTION_WEIGHTS:
    return "weights";
  case YUPANA_SECTION_WEIGHT_DIGESTS:
    return "weight_digests";
  case YUPANA_SECTION_TOKENIZER:
    return "tokenizer";
  case YUPANA_SECTION_DEVICE_CODE:
    return "device_code";
  }
  return std::to_string(kind);
}

std::string yupana::digestText(const uint8_t *digest) {
  std::string text;
  for (int i = 0; i < 32; ++i)
    text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string yupana::shortSymbol(const schema::Kernel &kernel) { return shortened(kernel.symbol()->string_view(), 80); }

std::string yupana::gridText(const schema::Launch &launch) {
  // In the order of schema::GridOp; constants have no name.
  constexpr const char *names[] = {"", "T", "S", "R", "+", "*", "ceildiv", "min", "max", "sms"};
  // Grids are stored in postfix order, which is how the IR writes them, too.
  std::string text;
  for (const schema::GridTerm *term : *launch.grid()) {
    text += text.empty() ? "" : " ";
    text +=
        term->op() == schema::GridOp::constant ? std::to_string(term->value()) : names[static_cast<size_t>(term->op())];
  }
  return text;
}
