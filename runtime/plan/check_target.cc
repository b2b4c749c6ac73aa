// SPDX-License-Identifier: Apache-2.0
//
// The tables of a target refer to one another by number: arenas, buffers, kernels and programs are checked in this
// order, each against those before it. After that every argument of every launch lies inside what it names, and no grid
// can overflow or be divided by zero, at any size of step that the plan allows.

#include "runtime/plan/bounds.h"
#include "runtime/plan/check.h"
#include "runtime/plan/grid.h"

#include <cstdio>

namespace yupana::runtime {

namespace {

using internal::check_string;
using internal::CheckScope;
using ull = unsigned long long;

/// The checks of one target.
class TargetCheck {
public:
  TargetCheck(const CheckScope &scope, const schema::Target &target)
      : scope_(scope), target_(target), arenas_(*target.arenas()), buffers_(*target.buffers()),
        kernels_(*target.kernels()), limits_(*scope.plan.limits()), report_(scope.report) {}

  bool run() {
    return check_counts() && check_arenas() && check_buffers() && check_kernels() && check_programs() &&
           check_results();
  }

private:
  template <typename T> using Tables = flatbuffers::Vector<flatbuffers::Offset<T>>;

  /// Reports a fault; the message begins with the target and, while launches are checked, the launch.
  [[gnu::format(printf, 2, 3)]] bool invalid(const char *format, ...) const;
  bool check_counts();
  bool check_arenas();
  bool check_buffers();
  bool check_kernels();
  bool check_images(const schema::Kernel &kernel, const schema::KernelImage &first);
  bool check_programs();
  bool check_program(const schema::StepProgram &program);
  bool check_launch(const schema::Launch &launch, const StepSizes &maxima);
  bool check_argument(const schema::Argument &argument, uint32_t position);
  bool check_argument_extent(const schema::Argument &argument, uint32_t position, const char *kind, uint32_t count,
                             uint64_t bytes, uint64_t unit);
  bool check_result(const char *what, uint32_t buffer, uint64_t bytes_per_row);
  bool check_results();

  const CheckScope &scope_;
  const schema::Target &target_;
  const Tables<schema::Arena> &arenas_;
  const Tables<schema::Buffer> &buffers_;
  const Tables<schema::Kernel> &kernels_;
  const schema::Limits &limits_;
  const Report &report_;
  bool host_ = false;     // the code is for a CPU
  uint32_t launches_ = 0; // of all programs
  uint32_t launch_ = 0;   // the one being checked
  bool in_launch_ = false;
  uint32_t step_tokens_ = 0;
  uint32_t step_programs_ = 0;
  uint32_t sample_programs_ = 0;
};

bool TargetCheck::invalid(const char *format, ...) const {
  char sentence[YUPANA_STATUS_MESSAGE_BYTES], where[24] = "";
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(sentence, sizeof(sentence), format, arguments);
  // Formatted here and again by the report: a name may hold a percent sign, which must not be taken for a format.
  va_end(arguments);
  if (in_launch_)
    snprintf(where, sizeof(where), ", launch %u", launch_);
  return report_.invalid("target '%s'%s: %s", target_.name()->c_str(), where, sentence);
}

/// First of all, since later checks walk these tables and add up their numbers in 32 bits.
bool TargetCheck::check_counts() {
  struct {
    const char *what;
    uint32_t found, greatest;
  } counts[] = {{"arenas", arenas_.size(), kMaxArenas},
                {"buffers", buffers_.size(), kMaxBuffers},
                {"kernels", kernels_.size(), kMaxKernels},
                {"programs", target_.programs()->size(), kMaxPrograms}};
  for (const auto &count : counts)
    // None of the tables may be empty: later code looks at the first entry of some without asking.
    if (count.found == 0 || count.found > count.greatest)
      return invalid("found %u %s; expected 1 to %u", count.found, count.what, count.greatest);
  uint64_t launches = 0;
  for (const schema::StepProgram *program : *target_.programs())
    launches += program->launches()->size();
  if (launches > kMaxLaunches)
    return invalid("found %llu launches; expected at most %u", static_cast<ull>(launches), kMaxLaunches);
  launches_ = static_cast<uint32_t>(launches);
  return true;
}

bool TargetCheck::check_arenas() {
  for (const schema::Arena *arena : arenas_) {
    if (!check_string(arena->name(), "an arena", report_))
      return false;
    // A mask rounds addresses up, which is right for powers of two alone.
    if (!is_power_of_two(arena->alignment()) || arena->alignment() > kMaxAlignment)
      return invalid("arena '%s' has alignment %llu; expected a power of two up to %llu", arena->name()->c_str(),
                     static_cast<ull>(arena->alignment()), static_cast<ull>(kMaxAlignment));
  }
  return true;
}

bool TargetCheck::check_buffers() {
  for (const schema::Buffer *buffer : buffers_) {
    if (!check_string(buffer->name(), "a buffer", report_))
      return false;
    const char *name = buffer->name()->c_str();
    if (buffer->arena() >= arenas_.size())
      return invalid("buffer '%s' names arena %u of %u", name, buffer->arena(), arenas_.size());
    uint64_t arena_bytes = arenas_.Get(buffer->arena())->size();
    // Kernels are made for buffers that begin on a cache line.
    if (buffer->offset() % kCacheLine != 0)
      return invalid("buffer '%s' lies at %llu; expected a multiple of %llu", name, static_cast<ull>(buffer->offset()),
                     static_cast<ull>(kCacheLine));
    if (!range_within(buffer->offset(), buffer->size(), arena_bytes))
      return invalid("buffer '%s' of %llu bytes at %llu ends beyond its arena of %llu", name,
                     static_cast<ull>(buffer->size()), static_cast<ull>(buffer->offset()),
                     static_cast<ull>(arena_bytes));
    // Launches are counted over all programs in their order, as the schema says.
    if (buffer->first_launch() > buffer->last_launch() || buffer->last_launch() >= launches_)
      return invalid("buffer '%s' lives from launch %u to %u; there are %u", name, buffer->first_launch(),
                     buffer->last_launch(), launches_);
  }
  return true;
}

bool TargetCheck::check_kernels() {
  for (const schema::Kernel *kernel : kernels_) {
    if (!check_string(kernel->symbol(), "a kernel", report_))
      return false;
    if (kernel->scratch_bytes() > kMaxScratchBytes)
      return invalid("kernel '%s' needs %llu bytes of scratch; expected at most %llu", kernel->symbol()->c_str(),
                     static_cast<ull>(kernel->scratch_bytes()), static_cast<ull>(kMaxScratchBytes));
    if (kernel->arguments() > kMaxArguments)
      return invalid("kernel '%s' takes %u arguments; expected at most %u", kernel->symbol()->c_str(),
                     kernel->arguments(), kMaxArguments);
    const auto &images = *kernel->images(), &first = *kernels_.Get(0)->images();
    if (images.size() == 0 || images.size() > kImageFormats)
      return invalid("kernel '%s' has %u images; expected 1 to %u", kernel->symbol()->c_str(), images.size(),
                     kImageFormats);
    // All kernels of a target run on one kind of device, which the first image tells; check_images holds the others
    // to it.
    host_ = first.Get(0)->format() == schema::ImageFormat::elf_x86_64;
    if (!check_images(*kernel, *first.Get(0)))
      return false;
  }
  return true;
}

/// `first` is the first image of the target. Host code is one image for all kernels, and stands alone.
bool TargetCheck::check_images(const schema::Kernel &kernel, const schema::KernelImage &first) {
  if (host_ && kernel.waits())
    return invalid("kernel '%s' waits for the launch before it, which is for GPUs", kernel.symbol()->c_str());
  uint32_t met = 0;
  for (const schema::KernelImage *image : *kernel.images()) {
    auto format = static_cast<uint32_t>(image->format());
    bool host = image->format() == schema::ImageFormat::elf_x86_64;
    auto kind = host ? schema::SectionKind::host_code : schema::SectionKind::device_code;
    // A CPU's kernels are functions of one shared object, which is loaded once.
    bool fits = format < kImageFormats && !(met >> format & 1) && section_is(scope_.frame, image->section(), kind) &&
                host == host_ && (!host || image->section() == first.section());
    if (!fits)
      return invalid("kernel '%s' has an image of format %u in section %u; expected one of a format, in a section of "
                     "its kind, host code alone and the same for all",
                     kernel.symbol()->c_str(), format, image->section());
    met |= 1u << format;
  }
  return true;
}

/// Ascending sizes, the last of which holds any step, are what choosing a program relies on.
bool TargetCheck::check_programs() {
  for (const schema::StepProgram *program : *target_.programs())
    if (!check_program(*program))
      return false;
  // The last program takes what no other one does, so it must hold the largest step.
  uint32_t needed = limits_.max_step_tokens();
  if (step_programs_ == 0 || step_tokens_ < needed)
    return invalid("found step programs for up to %u tokens; max_step_tokens is %u", step_tokens_, needed);
  if (sample_programs_ > 1)
    return invalid("found %u programs for sampling; expected at most 1", sample_programs_);
  return true;
}

bool TargetCheck::check_program(const schema::StepProgram &program) {
  StepSizes maxima{limits_.max_step_tokens(), limits_.max_batch(), limits_.max_logit_rows()};
  switch (program.function()) {
  case schema::Function::step:
    // Steps run the first program that is large enough; one behind a larger one would never run.
    if (program.max_tokens() == 0 || (step_programs_ && program.max_tokens() <= step_tokens_))
      return invalid("found a step program for %u tokens after one for %u; expected ascending", program.max_tokens(),
                     step_tokens_);
    step_tokens_ = program.max_tokens();
    ++step_programs_;
    // A program for fewer tokens than a step may have never sees the rest, so that its grids need not allow for them.
    if (step_tokens_ < maxima.tokens)
      maxima.tokens = step_tokens_;
    break;
  case schema::Function::sample:
    ++sample_programs_;
    break;
  default:
    return invalid("found a program for function %u; expected 0 or 1", static_cast<unsigned>(program.function()));
  }
  // From here on messages name the launch.
  in_launch_ = true;
  for (const schema::Launch *launch : *program.launches()) {
    if (!check_launch(*launch, maxima))
      return false;
    ++launch_;
  }
  in_launch_ = false;
  return true;
}

bool TargetCheck::check_launch(const schema::Launch &launch, const StepSizes &maxima) {
  if (launch.kernel() >= kernels_.size())
    return invalid("the launch names kernel %u of %u", launch.kernel(), kernels_.size());
  const schema::Kernel &kernel = *kernels_.Get(launch.kernel());
  // No size of step that the plan allows may make the grid wrap or divide by zero.
  if (const char *fault = check_grid(*launch.grid(), maxima))
    return invalid("the launch of '%s' has a wrong grid: %s", kernel.symbol()->c_str(), fault);
  // Blocks of threads are a GPU's; a CPU's cell has neither threads nor shared memory.
  if (launch.threads() > kMaxBlockThreads || (launch.threads() == 0) != host_ || (host_ && launch.shared_bytes() != 0))
    return invalid("the launch of '%s' has %u threads and %u shared bytes; expected none on a CPU, "
                   "else 1 to 1024 threads",
                   kernel.symbol()->c_str(), launch.threads(), launch.shared_bytes());
  if (launch.arguments()->size() != kernel.arguments())
    return invalid("the launch has %u arguments; kernel '%s' takes %u", launch.arguments()->size(),
                   kernel.symbol()->c_str(), kernel.arguments());
  for (uint32_t i = 0; i < launch.arguments()->size(); ++i)
    if (!check_argument(*launch.arguments()->Get(i), i))
      return false;
  return true;
}

/// An argument is an address inside of what it names, at least one byte of it and aligned to its elements. How far
/// beyond it a kernel reads is for the kernel to keep.
bool TargetCheck::check_argument_extent(const schema::Argument &argument, uint32_t position, const char *kind,
                                        uint32_t count, uint64_t bytes, uint64_t unit) {
  if (argument.index() >= count)
    return invalid("argument %u names %s %u of %u", position, kind, argument.index(), count);
  if (argument.offset() >= bytes || argument.offset() % unit != 0)
    return invalid("argument %u points at byte %llu of a %s of %llu", position, static_cast<ull>(argument.offset()),
                   kind, static_cast<ull>(bytes));
  return true;
}

bool TargetCheck::check_argument(const schema::Argument &argument, uint32_t position) {
  const schema::Plan &plan = scope_.plan;
  uint32_t i = argument.index();
  switch (argument.kind()) {
  case schema::ArgumentKind::buffer: {
    // An index that is too large makes an empty extent, which the check below refuses with the index.
    const schema::Buffer *buffer = i < buffers_.size() ? buffers_.Get(i) : nullptr;
    if (!check_argument_extent(argument, position, "buffer", buffers_.size(), buffer ? buffer->size() : 0, 1))
      return false;
    // Outside of its life other buffers lie in its place.
    if (launch_ < buffer->first_launch() || launch_ > buffer->last_launch())
      return invalid("the launch uses buffer '%s', which lives from launch %u to %u", buffer->name()->c_str(),
                     buffer->first_launch(), buffer->last_launch());
    return true;
  }
  case schema::ArgumentKind::weight: {
    uint32_t count = plan.weights()->size();
    return check_argument_extent(argument, position, "weight", count, i < count ? plan.weights()->Get(i)->size() : 0,
                                 1);
  }
  case schema::ArgumentKind::cache: {
    uint32_t count = plan.cache_groups()->size();
    uint64_t bytes = i < count ? plan.cache_groups()->Get(i)->page_bytes() : 0;
    // The address is that of page 0; which page is read, the kernel takes from the page table.
    return check_argument_extent(argument, position, "cache page", count, bytes, 1);
  }
  case schema::ArgumentKind::page_table: {
    uint32_t count = plan.cache_groups()->size();
    uint64_t entries = i < count ? page_table_entries(*plan.cache_groups()->Get(i), limits_) : 0;
    return check_argument_extent(argument, position, "page table", count, entries * limits_.max_batch() * 4, 4);
  }
  case schema::ArgumentKind::input: {
    uint64_t bytes = i < kStepInputs ? input_bytes(static_cast<schema::StepInput>(i), limits_) : 0;
    return check_argument_extent(argument, position, "step input", kStepInputs, bytes, 4);
  }
  case schema::ArgumentKind::history:
    return check_argument_extent(argument, position, "history", 1, history_row_bytes(limits_), 4);
  }
  return invalid("argument %u has kind %u; the last known is %u", position, static_cast<unsigned>(argument.kind()),
                 static_cast<unsigned>(schema::ArgumentKind::MAX));
}

/// Callers read results after the step: they must hold all rows. A workspace is zero again by then.
bool TargetCheck::check_result(const char *what, uint32_t index, uint64_t bytes_per_row) {
  uint64_t needed = 0;
  if (!checked_mul(bytes_per_row, limits_.max_logit_rows(), &needed))
    return invalid("the size of %s exceeds 64 bits", what);
  if (index >= buffers_.size())
    return invalid("it names buffer %u of %u for %s", index, buffers_.size(), what);
  const schema::Buffer &buffer = *buffers_.Get(index);
  if (arenas_.Get(buffer.arena())->workspace())
    return invalid("'%s', which holds %s, lies in a workspace", buffer.name()->c_str(), what);
  if (buffer.size() < needed)
    return invalid("found %llu bytes for %s in '%s'; max_logit_rows rows need %llu", static_cast<ull>(buffer.size()),
                   what, buffer.name()->c_str(), static_cast<ull>(needed));
  return true;
}

// Without a program for sampling, `sampled` is not checked and must not be followed.
bool TargetCheck::check_results() {
  return check_result("logits", target_.logits(), uint64_t{scope_.plan.model()->vocab_size()} * 4) &&
         (sample_programs_ == 0 || check_result("sampled tokens", target_.sampled(), 4));
}

} // namespace

bool internal::check_target(const CheckScope &scope, uint32_t index) {
  const schema::Target &target = *scope.plan.targets()->Get(index);
  if (!check_string(target.name(), "a target", scope.report))
    return false;
  return TargetCheck(scope, target).run();
}

} // namespace yupana::runtime
