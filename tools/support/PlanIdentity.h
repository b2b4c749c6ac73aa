// SPDX-License-Identifier: Apache-2.0
#ifndef YUPANA_TOOLS_SUPPORT_PLANIDENTITY_H
#define YUPANA_TOOLS_SUPPORT_PLANIDENTITY_H

#include "yupana/yupana.h"

#include <string>

namespace yupana {

/// 16 hexadecimal digits that two plans share if they have the same code, tables and weights, and hardly ever
/// otherwise. Reads no section: it is made of their digests.
std::string planIdentity(const yupana_plan_t *plan);

} // namespace yupana

#endif // YUPANA_TOOLS_SUPPORT_PLANIDENTITY_H
