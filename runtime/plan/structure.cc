// SPDX-License-Identifier: Apache-2.0
//
// FlatBuffers generates a verifier of its own from a schema. This one walks a description of the schema instead, with
// the generator's primitives: it is a third of the code, and it counts what it visits, which the other does for tables
// alone, though a vector of strings may be shared by all of them. Recursion ends because no table of the schema
// contains itself.

#include "runtime/plan/structure.h"

#include "runtime/plan/bounds.h"
#include "runtime/schema/plan_generated.h"

namespace yupana::runtime {

namespace {

using namespace internal;

// Columns as in plan.fbs: what it is, bytes or table, required.
constexpr Field kByte = {FieldKind::scalar, 1, false}, kU32 = {FieldKind::scalar, 4, false},
                kU64 = {FieldKind::scalar, 8, false}, kString = {FieldKind::string, 0, false},
                kName = {FieldKind::string, 0, true};

constexpr Field tables(TableNumber of) { return {FieldKind::tables, of, true}; }
template <typename T> constexpr Field structs() { return {FieldKind::scalars, sizeof(T), true, alignof(T)}; }

// clang-format off
constexpr Field kFields[] = {
    // Generation: do_sample, temperature, top_k, top_p, min_p, repetition_penalty
    kByte, kU32, kU32, kU32, kU32, kU32,
    // Model: name, architecture, vocab_size, hidden_size, layers, parameters, precision, bos_token, stop_tokens,
    // generation, active_parameters
    kName, kName, kU32, kU32, kU32, kU64, kName, kU64, {FieldKind::scalars, 4, false},
    {FieldKind::table, kGenerationTable, false}, kU64,
    // Limits: max_context, max_batch, max_step_tokens, max_logit_rows
    kU32, kU32, kU32, kU32,
    // WeightPart: tensors, element, shape, links
    {FieldKind::strings, 0, true}, kByte, {FieldKind::scalars, 8, true, 8}, structs<schema::Link>(),
    // Weight: name, element, shape, layout, section, offset, size, source, parts, run, digest
    kName, kByte, {FieldKind::scalars, 8, true, 8}, kName, kU32, kU64, kU64, kString,
    {FieldKind::tables, kWeightPartTable, false}, kU32, {FieldKind::scalars, 1, false},
    // CacheGroup: name, layers, chunk, page_tokens, page_bytes
    kName, {FieldKind::scalars, 4, true}, kU32, kU32, kU64,
    // Arena: name, size, alignment, workspace
    kName, kU64, kU64, kByte,
    // Buffer: name, arena, offset, size, first_launch, last_launch
    kName, kU32, kU64, kU64, kU32, kU32,
    // Kernel: symbol, scratch_bytes, arguments, images, waits
    kName, kU64, kU32, structs<schema::KernelImage>(), kByte,
    // Launch: kernel, grid, arguments, threads, shared_bytes
    kU32, structs<schema::GridTerm>(), structs<schema::Argument>(), kU32, kU32,
    // StepProgram: function, max_tokens, launches
    kByte, kU32, tables(kLaunchTable),
    // Target: name, arenas, buffers, kernels, programs, logits, sampled
    kName, tables(kArenaTable), tables(kBufferTable), tables(kKernelTable), tables(kStepProgramTable), kU32, kU32,
    // Plan: producer, model, limits, weights, cache_groups, targets
    kName, {FieldKind::table, kModelTable, true}, {FieldKind::table, kLimitsTable, true}, tables(kWeightTable),
    tables(kCacheGroupTable), tables(kTargetTable)};
// clang-format on
/// Of every table, and the end of the last.
/// The numbers of fields above, added up; a test compares them with the schema.
constexpr uint8_t kFirstField[] = {0, 6, 17, 21, 25, 36, 41, 45, 51, 56, 61, 64, 71, 77};
static_assert(sizeof(kFirstField) == kTableCount + 1 && sizeof(kFields) == 77 * sizeof(Field));

class StructureCheck {
public:
  StructureCheck(const uint8_t *metadata, uint64_t bytes, const flatbuffers::Verifier::Options &options)
      : verifier_(metadata, bytes, options), left_(bytes) {}

  bool check_table(const uint8_t *table, uint8_t number);
  bool shares() const { return shares_; }
  bool unaligned() const { return unaligned_; }

private:
  bool count(uint64_t bytes);
  const uint8_t *follow(const uint8_t *offset);
  bool check_field(const uint8_t *table, uint32_t at, const Field &field);
  bool check_string(const uint8_t *string);
  bool check_vector(const uint8_t *vector, const Field &field);

  flatbuffers::Verifier verifier_;
  uint64_t left_; // bytes that objects may still take
  bool shares_ = false, unaligned_ = false;
};

/// Takes `bytes` from those left. Without sharing, no two objects have bytes in common, and all fit.
bool StructureCheck::count(uint64_t bytes) {
  shares_ = bytes > left_;
  left_ -= bytes;
  return !shares_;
}

/// Where an offset leads, somewhere in the buffer; null for one that leads out of it. The offset itself is in it.
const uint8_t *StructureCheck::follow(const uint8_t *offset) {
  uint32_t distance = verifier_.VerifyOffset(offset, 0);
  return distance ? offset + distance : nullptr;
}

bool StructureCheck::check_string(const uint8_t *string) {
  // Counted are its length, its bytes and the zero behind them.
  return verifier_.VerifyString(reinterpret_cast<const flatbuffers::String *>(string)) &&
         count(uint64_t{flatbuffers::ReadScalar<uint32_t>(string)} + 5);
}

bool StructureCheck::check_vector(const uint8_t *vector, const Field &field) {
  bool plain = field.kind == FieldKind::scalars;
  // Elements that are objects are offsets of four bytes.
  uint32_t bytes = plain ? field.of : 4;
  if (!verifier_.VerifyVectorOrString(vector, bytes))
    return false;
  uint32_t size = flatbuffers::ReadScalar<uint32_t>(vector);
  // Reading elements relies on it, and FlatBuffers asks for that of their number alone.
  unaligned_ = size && reinterpret_cast<uintptr_t>(vector + 4) % field.alignment;
  if (unaligned_)
    return false;
  // Before the elements are followed, of which each may lead to a whole table.
  if (!count(4 + uint64_t{size} * bytes))
    return false;
  for (uint32_t i = 0; i < size && !plain; ++i) {
    const uint8_t *element = follow(vector + 4 + size_t{i} * 4);
    if (!element || !(field.kind == FieldKind::strings ? check_string(element) : check_table(element, field.of)))
      return false;
  }
  return true;
}

bool StructureCheck::check_field(const uint8_t *table, uint32_t at, const Field &field) {
  bool scalar = field.kind == FieldKind::scalar;
  uint32_t bytes = scalar ? field.of : 4;
  // Fields are as aligned as they are large, which reading them relies on.
  if (!verifier_.VerifyFieldStruct(table, static_cast<uint16_t>(at), bytes, bytes) || !count(bytes))
    return false;
  if (scalar)
    return true;
  const uint8_t *value = follow(table + at);
  if (!value)
    return false;
  if (field.kind == FieldKind::string)
    return check_string(value);
  return field.kind == FieldKind::table ? check_table(value, field.of) : check_vector(value, field);
}

bool StructureCheck::check_table(const uint8_t *table, uint8_t number) {
  if (!verifier_.VerifyTableStart(table) || !count(4))
    // The offset to its vtable is the first thing in a table.
    return false;
  for (uint32_t i = kFirstField[number]; i < kFirstField[number + 1]; ++i) {
    // The vtable begins with two sizes, so that the first field has slot 4.
    auto slot = static_cast<uint16_t>(4 + 2 * (i - kFirstField[number]));
    uint32_t at = reinterpret_cast<const flatbuffers::Table *>(table)->GetOptionalFieldOffset(slot);
    if (at ? !check_field(table, at, kFields[i]) : kFields[i].required)
      return false;
  }
  return verifier_.EndTable();
}

} // namespace

const Field *internal::fields_of(TableNumber table, uint32_t *out_count) {
  *out_count = kFirstField[table + 1] - kFirstField[table];
  return kFields + kFirstField[table];
}

bool check_structure(const uint8_t *metadata, uint64_t bytes, const Report &report) {
  flatbuffers::Verifier::Options options;
  options.max_depth = kMaxDepth;
  options.max_tables = kMaxTables;
  StructureCheck check(metadata, bytes, options);
  // The offset to the root and the identifier are the first eight bytes.
  uint32_t root = bytes >= 8 && flatbuffers::BufferHasIdentifier(metadata, schema::PlanIdentifier())
                      ? flatbuffers::Verifier(metadata, bytes, options).VerifyOffset(size_t{0})
                      : 0;
  if (root && check.check_table(metadata + root, kPlanTable))
    return true;
  return report.invalid(check.shares()      ? "objects of the metadata are referred to more than once"
                        : check.unaligned() ? "a vector of the metadata is not aligned to its elements"
                                            : "the metadata is not a well-formed FlatBuffer of a plan");
}

} // namespace yupana::runtime
