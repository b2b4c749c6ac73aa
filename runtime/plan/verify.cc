// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/sha256.h"
#include "runtime/plan/code.h"
#include "runtime/plan/overlap.h"
#include "runtime/plan/weights.h"

#include <cstring>

using namespace yupana::runtime;
namespace schema = yupana::schema;

namespace {

/// A section of any kind but weights, in pieces: one that this runtime does not know may have any size.
Code verify_section(const yupana_plan_t &plan, uint32_t index, const Memory &window, Progress &progress,
                    const Report &report) {
  const schema::SectionEntry &entry = plan.section(index);
  Sha256 hash;
  for (uint64_t at = 0; at < entry.size; at += window.size()) {
    uint64_t bytes = entry.size - at < window.size() ? entry.size - at : window.size();
    if (!plan.reader.read(plan.reader.user, window.data(), bytes, entry.offset + at))
      return report.fail(YUPANA_STATUS_UNREADABLE, "section %u cannot be read at byte %llu", index,
                         static_cast<unsigned long long>(entry.offset + at));
    hash.update(window.data(), bytes);
    progress.add(bytes);
    if (progress.report())
      return report.fail(YUPANA_STATUS_CANCELLED, "verification was cancelled");
  }
  uint8_t digest[Sha256::kBytes];
  hash.finish(digest);
  if (memcmp(digest, entry.digest, sizeof(digest)) != 0)
    return report.fail(YUPANA_STATUS_DIGEST_MISMATCH, "section %u of kind %u differs from its SHA-256", index,
                       entry.kind);
  return YUPANA_STATUS_OK;
}

Code verify_sections(const yupana_plan_t &plan, ThreadPool &pool, Progress &progress, const Report &report) {
  Memory window;
  if (Code code = window.allocate(plan.allocator, uint64_t{1} << 20, kCacheLine, "a reading window", report.out()))
    return code;
  for (uint32_t i = 0; i < plan.frame.sections.size(); ++i) {
    bool weights = plan.section(i).kind == static_cast<uint32_t>(schema::SectionKind::weights);
    Code code =
        weights ? verify_weights(&plan, i, pool, progress, report) : verify_section(plan, i, window, progress, report);
    if (code)
      return code;
  }
  return YUPANA_STATUS_OK;
}

} // namespace

yupana_status_code_t yupana_plan_verify(const yupana_plan_t *plan, const yupana_verify_options_t *given,
                                        yupana_status_t *out_status) {
  Report report(plan->reader.name, out_status);
  yupana_verify_options_t options = given ? read_sized(given) : yupana_verify_options_t{};
  uint32_t threads = options.threads ? options.threads : yupana_available_threads();
  if (threads > kMaxThreads)
    return report.fail(YUPANA_STATUS_INVALID_ARGUMENT, "%u threads were asked for; at most %u are possible", threads,
                       kMaxThreads);
  uint64_t total = 0;
  for (const schema::SectionEntry &entry : plan->frame.sections)
    total += entry.size;
  ThreadPool pool;
  if (Code code = pool.start(plan->allocator, threads, out_status))
    return code;
  Progress progress(options.progress, total);
  if (Code code = verify_sections(*plan, pool, progress, report))
    return code;
  for (uint32_t i = 0; i < yupana_plan_target_count(plan); ++i) {
    ElfImage image;
    bool host = plan->target(i).kernels()->Get(0)->images()->Get(0)->format() == schema::ImageFormat::elf_x86_64;
    if (Code code = host ? load_code(*plan, i, false, &image, report) : YUPANA_STATUS_OK)
      return code;
    if (Code code = check_overlap(*plan, i, report))
      return code;
  }
  return succeed(out_status);
}
