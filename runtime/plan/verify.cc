// SPDX-License-Identifier: Apache-2.0
//
// What opening a plan leaves out because it takes every byte of the file: digests of sections and of chunks of weights,
// the form of the code, and buffers that share bytes.

#include "runtime/base/sha256.h"
#include "runtime/device/devices.h"
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

Code verify_sections(const yupana_plan_t &plan, Device *device, Progress &progress, const Report &report) {
  Memory window;
  if (Code code = window.allocate(plan.allocator, uint64_t{1} << 20, kCacheLine, "a reading window", report.out()))
    return code;
  // One after the other, so that of several faults always the first is reported.
  for (uint32_t i = 0; i < plan.frame.sections.size(); ++i) {
    bool weights = plan.section(i).kind == static_cast<uint32_t>(schema::SectionKind::weights);
    Code code = weights ? verify_weights(&plan, i, device, progress, report)
                        : verify_section(plan, i, window, progress, report);
    if (code)
      return code;
  }
  return YUPANA_STATUS_OK;
}

/// Code that the host's processor takes is loaded, which checks its form. That of other devices is for their drivers.
Code verify_code(const yupana_plan_t &plan, uint32_t index, Device *host, const Report &report) {
  // All kernels of a target have images of one kind of device.
  auto format = static_cast<uint32_t>(plan.target(index).kernels()->Get(0)->images()->Get(0)->format());
  Array<void *> kernels;
  return host->formats >> format & 1 ? load_code(plan, index, false, host, &kernels, report) : YUPANA_STATUS_OK;
}

} // namespace

/// The digests of the host's device are computed by its worker threads, so one is opened, without a target.
yupana_status_code_t yupana_plan_verify(const yupana_plan_t *plan, const yupana_verify_options_t *given,
                                        yupana_status_t *out_status) {
  Report report(plan->reader.name, out_status);
  yupana_verify_options_t options = given ? read_sized(given) : yupana_verify_options_t{};
  uint64_t total = 0;
  // Sections have been held to the file's size, so that the sum does not wrap.
  for (const schema::SectionEntry &entry : plan->frame.sections)
    total += entry.size;
  // A device without kernels: it has workers and no memory for a step.
  OpenedDevice host;
  if (Code code = kDevices[0]->open(plan->allocator, {{}, nullptr, options.threads, 0, {}}, &host.device, report))
    return code;
  Progress progress(options.progress, total);
  if (Code code = verify_sections(*plan, host.device, progress, report))
    return code;
  for (uint32_t i = 0; i < yupana_plan_target_count(plan); ++i) {
    if (Code code = verify_code(*plan, i, host.device, report))
      return code;
    if (Code code = check_overlap(*plan, i, report))
      return code;
  }
  return succeed(out_status);
}
