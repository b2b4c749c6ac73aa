// SPDX-License-Identifier: Apache-2.0

#include "test/runtime/cuda/ptx_plan.h"

#include <fstream>
#include <iterator>

namespace yupana::test {

PlanSpec ptx_plan() {
  PlanSpec spec = test_plan();
  for_gpu(spec);
  std::ifstream file(YUPANA_TEST_PTX, std::ios::binary);
  spec.sections[kCode - 1].bytes.assign(std::istreambuf_iterator<char>(file), {});
  spec.sections.resize(kTokenizer - 1); // neither a tokenizer, for it has none, nor a second kind of device code
  schema::TargetT &target = *spec.plan.targets[0];
  target.name = "sm_80";
  for (auto &kernel : target.kernels)
    kernel->images = {{kCode, 0, 0, 0, schema::ImageFormat::ptx}};
  return spec;
}

} // namespace yupana::test
