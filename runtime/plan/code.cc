// SPDX-License-Identifier: Apache-2.0
//
// Code from its sections into a device. A CPU has one image for all kernels of a target, a GPU one per kernel; kernels
// that follow one another and name one section share its loading. What an image must look like is the device's to
// check.

#include "runtime/plan/code.h"

#include "runtime/plan/digest.h"

namespace yupana::runtime {

namespace {

/// The first image of a kernel that a device takes, in the order of the plan; null when there is none.
const schema::KernelImage *image_for(const schema::Kernel &kernel, const Device &device) {
  for (const schema::KernelImage *image : *kernel.images())
    if (device.formats >> static_cast<uint32_t>(image->format()) & 1)
      return image;
  return nullptr;
}

/// The bytes go to ordinary memory first: the device copies what it keeps, so that they are freed at once.
Code load_section(const yupana_plan_t &plan, const schema::KernelImage &image, bool compare, Device *device,
                  const Report &report) {
  uint32_t section = image.section();
  const schema::SectionEntry &entry = plan.section(section);
  Memory file;
  if (Code code = file.allocate(plan.allocator, entry.size, kCacheLine, "code", report.out()))
    return code;
  if (compare) {
    // Without comparing the section is read all the same, and what is wrong with it the device says.
    if (Code code = read_verified(plan.reader, plan.frame, section, file.data(), report))
      return code;
  } else if (!plan.reader.read(plan.reader.user, file.data(), entry.size, entry.offset)) {
    return report.fail(YUPANA_STATUS_UNREADABLE, "section %u of code cannot be read", section);
  }
  return device->kind->load_image(device, image.format(), file.data(), entry.size, report);
}

} // namespace

Code load_code(const yupana_plan_t &plan, uint32_t index, bool compare, Device *device, Array<void *> *out_kernels,
               const Report &report) {
  const schema::Target &target = plan.target(index);
  const auto &kernels = *target.kernels();
  // A section is remembered by its number, so that kernels of one image, which follow one another, load it once.
  if (Code code = out_kernels->allocate(plan.allocator, kernels.size(), "kernels", report.out()))
    return code;
  uint32_t loaded = schema::kNoSection;
  for (uint32_t i = 0; i < kernels.size(); ++i) {
    const schema::Kernel &kernel = *kernels.Get(i);
    // An image that this very device refuses takes its format away from those that are tried.
    Code code = YUPANA_STATUS_OK;
    do {
      const schema::KernelImage *image = image_for(kernel, *device);
      if (!image)
        return code ? code
                    : report.fail(YUPANA_STATUS_INVALID_DATA, "target '%s': kernel '%s' has no code for its device",
                                  target.name()->c_str(), kernel.symbol()->c_str());
      code = image->section() == loaded ? YUPANA_STATUS_OK : load_section(plan, *image, compare, device, report);
      if (!code)
        loaded = image->section();
    } while (code == YUPANA_STATUS_INCOMPATIBLE);
    void *&found = (*out_kernels)[i];
    if (!code)
      code = device->kind->find_kernel(device, kernel.symbol()->c_str(), &found, report.out());
    if (code)
      return code;
    if (!found)
      return report.fail(YUPANA_STATUS_INVALID_DATA, "target '%s': its code has no function '%s'",
                         target.name()->c_str(), kernel.symbol()->c_str());
  }
  return YUPANA_STATUS_OK;
}

} // namespace yupana::runtime
