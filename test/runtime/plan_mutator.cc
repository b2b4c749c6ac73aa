// SPDX-License-Identifier: Apache-2.0
//
// Two ways to change metadata. In place, guided by the runtime's description of the schema, which reaches what no
// writer would write: shared objects, lengths that are too long, missing fields. And through the object form, which
// can grow and shrink.

#include "test/runtime/plan_mutator.h"

#include "runtime/base/checked.h"
#include "runtime/plan/structure.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace yupana::test {

namespace {

using namespace runtime::internal;
using schema::SectionKind;

uint32_t below(std::mt19937 &random, size_t count) { return static_cast<uint32_t>(random() % count); }

template <typename T> T read(const uint8_t *at) {
  T value;
  memcpy(&value, at, sizeof(value));
  return value;
}
template <typename T> void put(uint8_t *at, T value) { memcpy(at, &value, sizeof(value)); }

/// Numbers at which checks change their minds.
uint64_t telling_number(uint64_t before, std::mt19937 &random) {
  const uint64_t numbers[] = {0,          1,
                              2,          63,
                              64,         255,
                              256,        4096,
                              4097,       1u << 14,
                              1u << 16,   1u << 24,
                              0x7FFFFFFF, 1u << 31,
                              0xFFFFFFFE, 0xFFFFFFFF,
                              1ull << 60, ~0ull,
                              before + 1, before - 1,
                              before * 2, before ^ 1ull << below(random, 64)};
  return numbers[below(random, std::size(numbers))];
}

void change_word(uint8_t *at, uint32_t bytes, std::mt19937 &random) {
  uint64_t value = 0;
  memcpy(&value, at, bytes);
  value = telling_number(value, random);
  memcpy(at, &value, bytes);
}

/// Everything in well-formed metadata that can be changed in place.
class Objects {
public:
  Objects(uint8_t *metadata) { walk_table(metadata + read<uint32_t>(metadata), kPlanTable); }

  void change(std::mt19937 &random);

private:
  struct Scalar {
    uint8_t *at;
    uint32_t bytes;
  };
  struct Reference {
    uint8_t *at; ///< Of the offset.
    FieldKind kind;
    uint8_t of;
  };

  void walk_table(uint8_t *table, uint8_t number);
  void walk_value(uint8_t *offset, const Field &field);
  static uint8_t *follow(uint8_t *offset) { return offset + read<uint32_t>(offset); }

  std::vector<Scalar> scalars_;
  std::vector<Reference> references_;
  std::vector<uint8_t *> slots_; ///< Of vtables, for fields that are there.
};

void Objects::walk_value(uint8_t *offset, const Field &field) {
  references_.push_back({offset, field.kind, field.of});
  uint8_t *value = follow(offset);
  if (field.kind == FieldKind::table)
    return walk_table(value, field.of);
  uint32_t size = read<uint32_t>(value);
  for (uint32_t i = 0; i < size; ++i) {
    if (field.kind == FieldKind::tables)
      walk_value(value + 4 + i * 4, {FieldKind::table, field.of, true});
    else if (field.kind == FieldKind::strings)
      walk_value(value + 4 + i * 4, {FieldKind::string, 0, true});
    else if (field.kind == FieldKind::scalars) // members of structs are words, or smaller ones in their place
      for (uint32_t at = 0; at < field.of; at += std::min<uint32_t>(field.of, 4))
        scalars_.push_back({value + 4 + i * field.of + at, std::min<uint32_t>(field.of, 4)});
  }
}

void Objects::walk_table(uint8_t *table, uint8_t number) {
  uint32_t count = 0;
  const Field *fields = fields_of(static_cast<TableNumber>(number), &count);
  uint8_t *vtable = table - read<int32_t>(table);
  for (uint32_t i = 0; i < count && 4 + 2 * i < read<uint16_t>(vtable); ++i) {
    uint8_t *slot = vtable + 4 + 2 * i;
    uint16_t at = read<uint16_t>(slot);
    if (!at)
      continue;
    slots_.push_back(slot);
    if (fields[i].kind == FieldKind::scalar)
      scalars_.push_back({table + at, fields[i].of});
    else
      walk_value(table + at, fields[i]);
  }
}

void Objects::change(std::mt19937 &random) {
  const Reference &reference = references_[below(random, references_.size())];
  switch (below(random, 16)) {
  case 0: // a field that is not there, in every table with this vtable
    put<uint16_t>(slots_[below(random, slots_.size())], 0);
    return;
  case 1: // a length
    if (reference.kind != FieldKind::table)
      change_word(follow(reference.at), 4, random);
    return;
  case 2: // another object of the kind, which is then shared; offsets lead forward
    for (int attempt = 0; attempt < 20; ++attempt) {
      const Reference &other = references_[below(random, references_.size())];
      uint8_t *value = follow(other.at);
      if (other.kind != reference.kind || other.of != reference.of || value <= reference.at)
        continue;
      put(reference.at, static_cast<uint32_t>(value - reference.at));
      return;
    }
    return;
  case 3:
  case 4: // a character
    if (reference.kind == FieldKind::string) {
      uint8_t *text = follow(reference.at);
      if (uint32_t size = read<uint32_t>(text))
        text[4 + below(random, size)] = static_cast<uint8_t>(random());
    }
    return;
  default: {
    const Scalar &scalar = scalars_[below(random, scalars_.size())];
    change_word(scalar.at, scalar.bytes, random);
    return;
  }
  }
}

// --- The object form -------------------------------------------------------------------------------------------------

/// Doubles, drops, swaps or empties elements.
template <typename T> void change_list(std::vector<std::unique_ptr<T>> &list, std::mt19937 &random) {
  if (list.empty())
    return;
  size_t i = below(random, list.size()), j = below(random, list.size());
  switch (below(random, 4)) {
  case 0:
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
    return;
  case 1:
    std::swap(list[i], list[j]);
    return;
  case 2: // one kind of hostile plan is a good one with much of something
    for (uint32_t copies = 1 + below(random, 3) * below(random, 40); copies; --copies)
      list.push_back(std::make_unique<T>(*list[i]));
    return;
  default:
    *list[i] = *list[j];
    return;
  }
}

void change_name(std::string &name, std::mt19937 &random) {
  const char *const names[] = {"", "layers.1.w", "layers.4294967295.", "row-major", "x86-64-v4", "sm_90a", "\u009B1m"};
  if (below(random, 4) == 0)
    name.assign(below(random, 5000), 'n');
  else
    name = names[below(random, std::size(names))];
}

void change_objects(schema::PlanT &plan, std::mt19937 &random) {
  if (plan.targets.empty())
    return;
  schema::TargetT &target = *plan.targets[below(random, plan.targets.size())];
  auto any = [&](auto &list, auto change) {
    if (!list.empty())
      change(*list[below(random, list.size())]);
  };
  switch (below(random, 12)) {
  case 0:
    return change_list(plan.weights, random);
  case 1:
    return change_list(plan.cache_groups, random);
  case 2:
    return change_list(plan.targets, random);
  case 3:
    return change_list(target.arenas, random);
  case 4:
    return change_list(target.buffers, random);
  case 5:
    return change_list(target.kernels, random);
  case 6:
    return change_list(target.programs, random);
  case 7:
    return any(target.programs, [&](auto &program) { change_list(program.launches, random); });
  case 8:
    return any(plan.weights, [&](auto &weight) { change_name(weight.name, random); });
  case 9:
    return any(target.kernels, [&](auto &kernel) { change_name(kernel.symbol, random); });
  case 10:
    return any(target.buffers, [&](auto &buffer) { change_name(buffer.name, random); });
  default:
    return any(plan.weights, [&](auto &weight) { change_list(weight.parts, random); });
  }
}

// --- The file --------------------------------------------------------------------------------------------------------

/// Header and table are whole, and every section lies in the file.
bool has_frame(Bytes &file) {
  if (file.size() < sizeof(schema::FileHeader))
    return false;
  uint64_t count = header_of(file).section_count;
  if (count == 0 || count > 64 || sizeof(schema::FileHeader) + count * sizeof(schema::SectionEntry) > file.size())
    return false;
  for (uint32_t i = 0; i < count; ++i)
    if (!runtime::range_within(entry_of(file, i).offset, entry_of(file, i).size, file.size()))
      return false;
  return entry_of(file, kMetadata).kind == static_cast<uint32_t>(SectionKind::metadata);
}

/// The metadata, where FlatBuffers may have it; empty when it is not well formed.
Bytes take_metadata(Bytes &file) {
  const schema::SectionEntry &entry = entry_of(file, kMetadata);
  std::vector<uint64_t> aligned((entry.size + 7) / 8);
  memcpy(aligned.data(), file.data() + entry.offset, entry.size);
  const auto *bytes = reinterpret_cast<const uint8_t *>(aligned.data());
  if (!runtime::check_structure(bytes, entry.size, runtime::Report("", nullptr)))
    return {};
  return Bytes(bytes, bytes + entry.size);
}

void change_section(Bytes &file, std::mt19937 &random) {
  const schema::SectionEntry &entry = entry_of(file, below(random, header_of(file).section_count));
  // Weights are only digested, by what lies in the section behind them.
  auto kind = static_cast<SectionKind>(entry.kind);
  if (entry.size < 8 || kind == SectionKind::weights || kind == SectionKind::weight_digests)
    return;
  uint8_t *begin = file.data() + entry.offset;
  // Half of the time at the beginning, where headers are.
  uint64_t range = below(random, 2) ? entry.size : std::min<uint64_t>(entry.size, 1024);
  uint32_t bytes = 1u << below(random, 4);
  change_word(begin + below(random, range) / bytes * bytes % (entry.size - 7), bytes, random);
}

void lay_out(Bytes &file, const Bytes &metadata, std::mt19937 &random) {
  PlanSpec spec;
  schema::GetPlan(metadata.data())->UnPackTo(&spec.plan);
  for (uint32_t i = 1; i < header_of(file).section_count; ++i) {
    const schema::SectionEntry &entry = entry_of(file, i);
    const uint8_t *begin = file.data() + entry.offset;
    // The file is padded to it: one that an earlier mutation made huge would not fit in memory.
    uint64_t alignment = std::min<uint64_t>(entry.alignment, schema::kWeightSectionAlignment);
    spec.sections.push_back(
        {static_cast<SectionKind>(entry.kind), entry.flags, Bytes(begin, begin + entry.size), alignment});
  }
  change_objects(spec.plan, random);
  file = write(spec);
}

} // namespace

bool mutate_plan(Bytes &file, std::mt19937 &random) {
  if (!has_frame(file))
    return false;
  for (uint32_t changes = 1 + below(random, 4); changes; --changes) {
    uint32_t kind = below(random, 8);
    if (kind == 0) {
      change_section(file, random);
      continue;
    }
    Bytes metadata = take_metadata(file);
    if (metadata.empty()) {
      reseal(file);
      return true;
    }
    if (kind < 4) {
      lay_out(file, metadata, random);
      continue;
    }
    Objects(metadata.data()).change(random);
    std::copy(metadata.begin(), metadata.end(),
              file.begin() + static_cast<std::ptrdiff_t>(entry_of(file, kMetadata).offset));
  }
  reseal(file);
  return true;
}

} // namespace yupana::test
