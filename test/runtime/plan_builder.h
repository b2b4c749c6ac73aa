// SPDX-License-Identifier: Apache-2.0
//
// Writes small plans for tests: good ones, and ones that are wrong in one chosen place.

#ifndef YUPANA_TEST_RUNTIME_PLAN_BUILDER_H
#define YUPANA_TEST_RUNTIME_PLAN_BUILDER_H

// The schema with its object API; the same types as runtime/schema/plan_generated.h, whose guard it shares.
#include "test/runtime/plan_generated.h"

#include "runtime/schema/format.h"

#include <cstdint>
#include <string>
#include <vector>

namespace yupana::test {

using Bytes = std::vector<uint8_t>;

struct Section {
  schema::SectionKind kind;
  uint32_t flags = schema::kSectionRequired;
  Bytes bytes;
  /// 0: the least that its kind may have.
  uint64_t alignment = 0;
};

/// A plan before it is bytes. The metadata is section 0; `sections` holds what follows, the digests of weights
/// included, which write() fills in.
struct PlanSpec {
  schema::PlanT plan;
  std::vector<Section> sections;
};

/// Indices of the sections of test_plan() in the file.
enum : uint32_t { kMetadata = 0, kCode = 1, kWeights = 2, kDigests = 3, kTokenizer = 4 };

/// A complete small model, of code/test_model.h, for x86-64-v3: embedding, a cache group that keeps everything and one
/// that keeps chunks, logits and sampling. Two step programs, for 4 and for all tokens. logits[r][v] of a token is
/// (sum of its prefix) + 1000 (sum of its chunk up to it) + v, where token id i has the value i + 1.
PlanSpec test_plan();

/// Takes the bytes of the weights out of `spec`, test_plan() otherwise.
void strip(PlanSpec &spec);
/// Makes the target of `spec`, test_plan() otherwise, one for a GPU: two kinds of device code, blocks of 64 threads, a
/// grid capped by the multiprocessors, and a workspace. It runs nowhere.
void for_gpu(PlanSpec &spec);

/// The whole file.
Bytes write(const PlanSpec &spec);

/// Recomputes digests of sections, then both CRCs, of a file changed in place, as far as its header and table still
/// make sense.
void reseal(Bytes &file);

/// Reads and changes the header or a section entry of a file; reseal afterwards if the change should pass the CRCs.
schema::FileHeader &header_of(Bytes &file);
schema::SectionEntry &entry_of(Bytes &file, uint32_t index);

/// The code objects built with the tests: "kernels", "elf_plain", ...
Bytes read_code(const std::string &name);

} // namespace yupana::test

#endif
