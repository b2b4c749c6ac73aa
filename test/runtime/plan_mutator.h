// SPDX-License-Identifier: Apache-2.0
//
// Changes plans object by object and seals them again, so that what is changed reaches the checks of meaning that stand
// behind digests and structure.

#ifndef YUPANA_TEST_RUNTIME_PLAN_MUTATOR_H
#define YUPANA_TEST_RUNTIME_PLAN_MUTATOR_H

#include "test/runtime/plan_builder.h"

#include <random>

namespace yupana::test {

/// Makes one to four changes to a plan file: values, references, lengths and presence of fields of single objects of
/// the metadata in place; tables doubled, dropped, moved or mixed, with the file laid out anew; words of other
/// sections. Digests and CRCs are right afterwards. False, and nothing changed, for bytes whose frame or metadata
/// cannot be read.
bool mutate_plan(Bytes &file, std::mt19937 &random);

} // namespace yupana::test

#endif
