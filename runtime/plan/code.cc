// SPDX-License-Identifier: Apache-2.0

#include "runtime/plan/code.h"

#include "runtime/plan/digest.h"

namespace yupana::runtime {

Code load_code(const yupana_plan_t &plan, uint32_t index, bool compare, ElfImage *out_image, const Report &report) {
  const schema::Target &target = plan.target(index);
  const schema::KernelImage &shared = *target.kernels()->Get(0)->images()->Get(0);
  if (shared.format() != schema::ImageFormat::elf_x86_64)
    return report.fail(YUPANA_STATUS_INVALID_DATA, "target '%s' has no code for a CPU", target.name()->c_str());
  const schema::SectionEntry &entry = plan.section(shared.section());
  Memory file;
  if (Code code = file.allocate(plan.allocator, entry.size, kCacheLine, "host code", report.out()))
    return code;
  if (compare) {
    if (Code code = read_verified(plan.reader, plan.frame, shared.section(), file.data(), report))
      return code;
  } else if (!plan.reader.read(plan.reader.user, file.data(), entry.size, entry.offset)) {
    return report.fail(YUPANA_STATUS_UNREADABLE, "section %u of host code cannot be read", shared.section());
  }
  if (Code code = out_image->load(file.data(), entry.size, report))
    return code;
  for (const schema::Kernel *kernel : *target.kernels())
    if (!out_image->find_function(kernel->symbol()->c_str()))
      return report.fail(YUPANA_STATUS_INVALID_DATA, "target '%s': its code has no function '%s'",
                         target.name()->c_str(), kernel->symbol()->c_str());
  return YUPANA_STATUS_OK;
}

} // namespace yupana::runtime
