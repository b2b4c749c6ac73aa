// SPDX-License-Identifier: Apache-2.0
//
// Opens, walks and verifies whatever it is given. The mutator changes one section (or the table) in place and makes the
// digests and CRCs right again, so that mutations reach the checks behind them.

#include "test/runtime/test_support.h"

#include "runtime/base/checked.h"

#include <random>

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

namespace {

using namespace yupana::test;
namespace schema = yupana::schema;

/// Applies the chains of all weights, as whoever fills a plan does.
uint64_t walk_parts(const yupana_plan_t *plan) {
  uint64_t sum = 0;
  for (const schema::Weight *weight : *schema::GetPlan(yupana_plan_metadata(plan, nullptr))->weights())
    for (uint32_t i = 0; weight->parts() && i < weight->parts()->size(); ++i) {
      const schema::WeightPart &part = *weight->parts()->Get(i);
      for (const flatbuffers::String *tensor : *part.tensors())
        sum += strlen(tensor->c_str());
      std::vector<uint64_t> shape(part.shape()->begin(), part.shape()->end());
      for (const schema::Link *link : *part.links()) {
        std::vector<uint64_t> before = shape;
        if (link->kind() == schema::LinkKind::stack)
          shape.insert(shape.begin(), link->size());
        else if (link->kind() == schema::LinkKind::slice &&
                 (shape.at(link->axis()) = link->size()) > before[link->axis()])
          abort();
        else if (link->kind() == schema::LinkKind::transpose)
          for (size_t axis = 0; axis < shape.size(); ++axis)
            shape[axis] = before.at(link->permutation()->Get(axis));
      }
      if (shape.size() != weight->shape()->size())
        abort();
    }
  return sum;
}

void walk(const yupana_plan_t *plan) {
  auto model = sized<yupana_model_info_t>();
  yupana_plan_model(plan, &model);
  uint64_t sum = strlen(model.name) + strlen(model.architecture) + strlen(model.precision) + strlen(model.producer);
  for (uint32_t i = 0; i < model.stop_token_count; ++i)
    sum += model.stop_tokens[i];
  for (uint32_t i = 0; i < yupana_plan_weight_count(plan); ++i) {
    auto weight = sized<yupana_weight_info_t>();
    yupana_plan_weight(plan, i, &weight);
    sum += strlen(weight.name) + strlen(weight.source);
    for (uint32_t d = 0; d < weight.rank; ++d)
      sum += weight.shape[d];
  }
  for (uint32_t i = 0; i < yupana_plan_cache_group_count(plan); ++i) {
    auto group = sized<yupana_cache_group_info_t>();
    yupana_plan_cache_group(plan, i, &group);
    for (uint32_t l = 0; l < group.layer_count; ++l)
      sum += group.layers[l];
  }
  // Of any device, the driver of GPUs would be started.
  yupana_device_t processor = {sizeof(processor), YUPANA_DEVICE_CPU, 0, nullptr};
  for (uint32_t i = 0; i < yupana_plan_target_count(plan); ++i) {
    auto target = sized<yupana_target_info_t>();
    yupana_plan_target(plan, i, &target);
    sum += target.arena_bytes + strlen(target.name);
    yupana_plan_compatible(plan, i, &processor, nullptr, nullptr);
  }
  sum += yupana_plan_kv_bytes(plan, 1000, 3) + yupana_plan_missing_weights(plan) + walk_parts(plan);
  if (sum == 1) // keeps the reads
    abort();
}

/// Where the section's bytes may grow to without moving another.
uint64_t capacity_of(Bytes &file, uint32_t index) {
  const schema::SectionEntry &entry = entry_of(file, index);
  bool last = index + 1 == header_of(file).section_count;
  uint64_t end = last ? file.size() : entry_of(file, index + 1).offset;
  return end > entry.offset && end <= file.size() ? end - entry.offset : 0;
}

void mutate_section(Bytes &file, uint32_t index, std::mt19937 &random) {
  schema::SectionEntry &entry = entry_of(file, index);
  uint64_t capacity = capacity_of(file, index);
  if (!yupana::runtime::range_within(entry.offset, entry.size, file.size()) || entry.size == 0 || entry.size > capacity)
    return;
  uint8_t *begin = file.data() + entry.offset;
  bool resize = random() % 4 == 0 && index + 1 != header_of(file).section_count;
  size_t size = LLVMFuzzerMutate(begin, entry.size, resize ? capacity : entry.size);
  memset(begin + size, 0, capacity - size);
  if (resize)
    entry.size = size;
}

} // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
  std::mt19937 random(seed);
  Bytes file(data, data + size);
  bool framed = size >= sizeof(schema::FileHeader) && header_of(file).section_count > 0 &&
                header_of(file).section_count < 64 &&
                sizeof(schema::FileHeader) + header_of(file).section_count * sizeof(schema::SectionEntry) <= size;
  uint32_t choice = random() % 16;
  if (!framed || choice == 0)
    return LLVMFuzzerMutate(data, size, max_size);
  if (choice <= 2)
    LLVMFuzzerMutate(file.data() + sizeof(schema::FileHeader),
                     header_of(file).section_count * sizeof(schema::SectionEntry),
                     header_of(file).section_count * sizeof(schema::SectionEntry));
  else if (choice <= 5)
    mutate_section(file, random() % header_of(file).section_count, random);
  else
    mutate_section(file, kMetadata, random);
  reseal(file);
  memcpy(data, file.data(), size);
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const Bytes bytes(data, data + size);
  OpenedPlan opened(bytes);
  if (opened.code) {
    if (opened.status.code != static_cast<uint32_t>(opened.code) || !opened.status.message[0])
      abort();
    return 0;
  }
  walk(opened.plan.get());
  yupana_verify_options_t options = {sizeof(options), 1, 0, nullptr};
  yupana_plan_verify(opened.plan.get(), &options, nullptr);
  return 0;
}
