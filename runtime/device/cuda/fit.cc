// SPDX-License-Identifier: Apache-2.0
//
// Which targets a GPU runs. Asking starts the driver, which takes a fraction of a second where there is a GPU and
// nothing where there is none; nothing is kept from one question to the next.

#include "runtime/device/cuda/cuda_device.h"
#include "runtime/schema/targets.h"

#include <cstring>

namespace yupana::runtime::cuda {

namespace {

/// The GPU chosen, by its driver.
Code look_at_gpu(const DeviceChoice &choice, Gpu *out, yupana_status_t *status) {
  Driver driver;
  Code code = open_driver(choice.driver, &driver, status);
  return code ? code : find_gpu(driver, choice.ordinal, out, status);
}

/// True if every kernel of the target has an image of the format.
bool has_images(const schema::Target &target, schema::ImageFormat format) {
  for (const schema::Kernel *kernel : *target.kernels()) {
    bool found = false;
    for (const schema::KernelImage *image : *kernel->images())
      found |= image->format() == format;
    if (!found)
      return false;
  }
  return true;
}

} // namespace

int cuda_rank(const char *target) {
  schema::GpuArchitecture code = schema::gpu_architecture(target);
  return code.capability ? static_cast<int>(2 * code.capability + code.only) : -1;
}

Code fit_gpu(const Gpu &gpu, const schema::Target &target, yupana_fit_t *out, const Report &report) {
  bool cubin = has_images(target, schema::ImageFormat::cubin), ptx = has_images(target, schema::ImageFormat::ptx);
  const char *name = target.name()->c_str();
  switch (schema::gpu_fit(schema::gpu_architecture(name), gpu.capability, cubin, ptx)) {
  case schema::GpuFit::exact:
    *out = YUPANA_FIT_EXACT;
    return YUPANA_STATUS_OK;
  case schema::GpuFit::fits:
    *out = YUPANA_FIT_SUBSET;
    return YUPANA_STATUS_OK;
  case schema::GpuFit::by_ptx:
    *out = YUPANA_FIT_BY_PTX;
    return YUPANA_STATUS_OK;
  case schema::GpuFit::none:
    break;
  }
  return report.fail(YUPANA_STATUS_INCOMPATIBLE,
                     "target '%s', which has %s, does not run on GPU %u, %s of compute capability %u.%u", name,
                     cubin && ptx ? "cubins and PTX"
                     : cubin      ? "cubins and no PTX"
                     : ptx        ? "PTX alone"
                                  : "no code for GPUs",
                     gpu.ordinal, gpu.name, gpu.capability / 10, gpu.capability % 10);
}

Code cuda_fit(const DeviceChoice &choice, const schema::Target &target, yupana_fit_t *out, const Report &report) {
  Gpu found;
  if (look_at_gpu(choice, &found, report.out())) {
    // The reason becomes part of a sentence about the target.
    char reason[300] = "there is no GPU";
    if (const yupana_status_t *status = report.out()) {
      strncpy(reason, status->message, sizeof(reason) - 1);
      reason[sizeof(reason) - 1] = '\0';
    }
    return report.fail(YUPANA_STATUS_INCOMPATIBLE, "target '%s' needs a GPU: %s", target.name()->c_str(), reason);
  }
  return fit_gpu(found, target, out, report);
}

const char *cuda_native(const DeviceChoice &choice) {
  Gpu found;
  const char *best = "";
  if (look_at_gpu(choice, &found, nullptr))
    return best;
  // Of the names, which ascend, the last whose code would run as it is.
  for (const schema::TargetName &target : schema::kTargets)
    if (target.kind == schema::DeviceKind::gpu &&
        schema::gpu_fit(schema::gpu_architecture(target.name), found.capability, true, false) != schema::GpuFit::none)
      best = target.name;
  return best;
}

} // namespace yupana::runtime::cuda
