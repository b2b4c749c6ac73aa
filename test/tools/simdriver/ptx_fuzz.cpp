// SPDX-License-Identifier: Apache-2.0
//
// Arbitrary text as a module of PTX: it is refused with a sentence, or its kernels can be asked about. Nothing runs,
// since what a kernel does is its own affair.
#include "tools/simdriver/PtxSim.h"

#include <cstdlib>

using namespace yupana::ptx;

static void require(bool condition) {
  if (!condition)
    std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Module module;
  Report report = module.parse({reinterpret_cast<const char *>(data), size});
  require(static_cast<bool>(report) == !report.message.empty());
  require(!report || module.kernels().empty());
  for (const std::string &kernel : module.kernels()) {
    const KernelInfo *info = module.info(kernel);
    require(info && info->parameterBytes.size() == info->parameterOffsets.size());
  }
  return 0;
}
