// SPDX-License-Identifier: Apache-2.0
//
// Reading small sections whole and comparing them with their digests.

#ifndef YUPANA_RUNTIME_PLAN_DIGEST_H
#define YUPANA_RUNTIME_PLAN_DIGEST_H

#include "runtime/plan/frame.h"

namespace yupana::runtime {

/// Reads section `index`, not one of weights, into `dst` and compares its digest. UNREADABLE, DIGEST_MISMATCH.
Code read_verified(const yupana_reader_t &reader, const Frame &frame, uint32_t index, void *dst, const Report &report);

} // namespace yupana::runtime

#endif
