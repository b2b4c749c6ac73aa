// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_TEST_RUNTIME_CUDA_PTX_PLAN_H
#define YUPANA_TEST_RUNTIME_CUDA_PTX_PLAN_H

#include "test/runtime/plan_builder.h"

namespace yupana::test {

/// The test model for sm_80, its kernels in literal PTX.
PlanSpec ptx_plan();

} // namespace yupana::test

#endif
