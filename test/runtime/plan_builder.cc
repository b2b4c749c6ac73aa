// SPDX-License-Identifier: Apache-2.0

#include "test/runtime/plan_builder.h"

#include "runtime/base/checked.h"
#include "runtime/base/crc32.h"
#include "runtime/base/sha256.h"
#include "test/runtime/code/test_model.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

namespace yupana::test {

namespace {

using runtime::Sha256;
using schema::ArgumentKind;
using schema::GridOp;
using schema::GridTerm;
using schema::SectionEntry;
using schema::SectionKind;
using schema::StepInput;

template <typename T, typename... Fields> std::unique_ptr<T> table(Fields &&...assign) {
  auto out = std::make_unique<T>();
  (assign(*out), ...);
  return out;
}

uint64_t align_up(uint64_t n, uint64_t alignment) { return (n + alignment - 1) / alignment * alignment; }

/// SHA-256 of every chunk, one after the other.
Bytes chunk_digests(const uint8_t *bytes, uint64_t size) {
  Bytes out;
  for (uint64_t at = 0; at < size; at += schema::kDigestChunkBytes) {
    uint8_t digest[32];
    Sha256::digest(bytes + at, std::min(size - at, schema::kDigestChunkBytes), digest);
    out.insert(out.end(), digest, digest + 32);
  }
  return out;
}

Bytes metadata_bytes(const schema::PlanT &plan) {
  flatbuffers::FlatBufferBuilder builder;
  schema::FinishPlanBuffer(builder, schema::CreatePlan(builder, &plan));
  return Bytes(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
}

schema::Argument argument(ArgumentKind kind, uint32_t index) { return {kind, index, 0}; }
schema::Argument input(StepInput which) { return {ArgumentKind::input, static_cast<uint32_t>(which), 0}; }

enum : uint32_t { kValues, kFullSums, kChunkSums, kLogits, kSampled };
enum : uint32_t { kEmbed, kAppend, kAttendFull, kAttendChunk, kLogitRows, kSample };

void add_buffers(schema::TargetT &target) {
  struct {
    const char *name;
    uint64_t size;
    uint32_t first, last;
  } buffers[] = {{"values", TEST_MAX_STEP_TOKENS * 4, 0, 11},
                 {"full sums", TEST_MAX_STEP_TOKENS * 4, 0, 11},
                 {"chunk sums", TEST_MAX_STEP_TOKENS * 4, 0, 11},
                 {"logits", TEST_MAX_LOGIT_ROWS * TEST_VOCAB * 4, 0, 12},
                 {"sampled", TEST_MAX_LOGIT_ROWS * 4, 12, 12}};
  uint64_t offset = 0;
  for (const auto &buffer : buffers) {
    target.buffers.push_back(table<schema::BufferT>([&](schema::BufferT &b) {
      b.name = buffer.name;
      b.offset = offset;
      b.size = buffer.size;
      b.first_launch = buffer.first;
      b.last_launch = buffer.last;
    }));
    offset = align_up(offset + buffer.size, 64);
  }
  target.arenas.push_back(table<schema::ArenaT>([&](schema::ArenaT &a) {
    a.name = "activations";
    a.size = offset;
    a.alignment = 64;
  }));
}

void add_launch(schema::StepProgramT &program, uint32_t kernel, std::vector<GridTerm> grid,
                std::vector<schema::Argument> arguments) {
  program.launches.push_back(table<schema::LaunchT>([&](schema::LaunchT &launch) {
    launch.kernel = kernel;
    launch.grid = std::move(grid);
    launch.arguments = std::move(arguments);
  }));
}

void add_attention(schema::StepProgramT &program, uint32_t group, uint32_t kernel, uint32_t sums) {
  std::vector<schema::Argument> arguments = {
      input(StepInput::token_positions), input(StepInput::token_sequences), argument(ArgumentKind::page_table, group),
      argument(ArgumentKind::cache, group), argument(ArgumentKind::buffer, kValues)};
  add_launch(program, kAppend, {GridTerm(GridOp::tokens, 0)}, arguments);
  arguments[4] = argument(ArgumentKind::buffer, sums);
  add_launch(program, kernel, {GridTerm(GridOp::tokens, 0)}, arguments);
}

void add_step_program(schema::TargetT &target, uint32_t max_tokens) {
  auto program = std::make_unique<schema::StepProgramT>();
  program->function = schema::Function::step;
  program->max_tokens = max_tokens;
  add_launch(*program, kEmbed, {GridTerm(GridOp::tokens, 0)},
             {input(StepInput::token_ids), argument(ArgumentKind::weight, 0), argument(ArgumentKind::buffer, kValues),
              input(StepInput::token_positions), input(StepInput::token_sequences), input(StepInput::sequence_slots),
              argument(ArgumentKind::history, 0)});
  add_attention(*program, 0, kAttendFull, kFullSums);
  add_attention(*program, 1, kAttendChunk, kChunkSums);
  add_launch(*program, kLogitRows,
             {GridTerm(GridOp::rows, 0), GridTerm(GridOp::constant, TEST_VOCAB), GridTerm(GridOp::mul, 0)},
             {input(StepInput::logit_rows), argument(ArgumentKind::buffer, kFullSums),
              argument(ArgumentKind::buffer, kChunkSums), argument(ArgumentKind::buffer, kLogits)});
  target.programs.push_back(std::move(program));
}

void add_sample_program(schema::TargetT &target) {
  auto program = std::make_unique<schema::StepProgramT>();
  program->function = schema::Function::sample;
  program->max_tokens = TEST_MAX_STEP_TOKENS;
  add_launch(*program, kSample, {GridTerm(GridOp::rows, 0)},
             {input(StepInput::row_temperatures), input(StepInput::row_seeds), input(StepInput::row_sequences),
              input(StepInput::row_positions), input(StepInput::row_slots), input(StepInput::row_top_k),
              input(StepInput::row_top_p), input(StepInput::row_min_p), input(StepInput::row_penalties),
              argument(ArgumentKind::history, 0), argument(ArgumentKind::buffer, kSampled)});
  target.programs.push_back(std::move(program));
}

std::unique_ptr<schema::TargetT> make_target() {
  auto target = std::make_unique<schema::TargetT>();
  target->name = "x86-64-v3";
  add_buffers(*target);
  const std::pair<const char *, uint32_t> kernels[] = {{"test_embed", 7},       {"test_append", 5},
                                                       {"test_attend_full", 5}, {"test_attend_chunk", 5},
                                                       {"test_logits", 4},      {"test_sample", 11}};
  for (const auto &kernel : kernels)
    target->kernels.push_back(table<schema::KernelT>([&](schema::KernelT &k) {
      k.symbol = kernel.first;
      k.arguments = kernel.second;
      k.scratch_bytes = 4;
      k.images.emplace_back(kCode, 0, 0, 0, schema::ImageFormat::elf_x86_64);
    }));
  add_step_program(*target, 4);
  add_step_program(*target, TEST_MAX_STEP_TOKENS);
  add_sample_program(*target);
  target->logits = kLogits;
  target->sampled = kSampled;
  return target;
}

void add_cache_group(schema::PlanT &plan, const char *name, uint32_t layer, uint32_t chunk) {
  plan.cache_groups.push_back(table<schema::CacheGroupT>([&](schema::CacheGroupT &group) {
    group.name = name;
    group.layers = {layer};
    group.chunk = chunk;
    group.page_tokens = TEST_PAGE_TOKENS;
    group.page_bytes = TEST_PAGE_TOKENS * 4;
  }));
}

/// A slice of `size` from `offset` of `axis`, or a conversion to f32.
schema::Link link(schema::LinkKind kind, uint32_t axis = 0, uint64_t offset = 0, uint64_t size = 0) {
  return {offset, size, 1, std::array<uint8_t, 8>{}, axis, kind, schema::ElementType::f32};
}

void add_tables(schema::PlanT &plan) {
  plan.producer = "yupana test";
  plan.model = table<schema::ModelT>([](schema::ModelT &model) {
    model.name = "test-model";
    model.architecture = "Llama4ForCausalLM";
    model.vocab_size = TEST_VOCAB;
    model.hidden_size = 1;
    model.layers = 2;
    model.parameters = TEST_VOCAB;
    model.precision = "f32";
    model.bos_token = 1;
    model.stop_tokens = {2, 3};
    model.generation = table<schema::GenerationT>([](schema::GenerationT &generation) {
      generation.do_sample = true;
      generation.temperature = 0.5f;
      generation.top_k = 7;
      generation.top_p = 0.75f;
      generation.min_p = 0.125f;
      generation.repetition_penalty = 1.5f;
    });
  });
  plan.limits = table<schema::LimitsT>([](schema::LimitsT &limits) {
    limits.max_context = TEST_MAX_CONTEXT;
    limits.max_batch = TEST_MAX_BATCH;
    limits.max_step_tokens = TEST_MAX_STEP_TOKENS;
    limits.max_logit_rows = TEST_MAX_LOGIT_ROWS;
  });
  plan.weights.push_back(table<schema::WeightT>([](schema::WeightT &weight) {
    weight.name = "embedding";
    weight.element = schema::ElementType::f32;
    weight.shape = {TEST_VOCAB, 1};
    weight.layout = "row-major";
    weight.section = kWeights;
    weight.size = TEST_VOCAB * 4;
    weight.source = "model.embed_tokens.weight";
    weight.parts.push_back(table<schema::WeightPartT>([](schema::WeightPartT &part) {
      part.tensors = {"model.embed_tokens.weight"};
      part.element = schema::ElementType::bf16;
      part.shape = {TEST_VOCAB, 2};
      part.links.push_back(link(schema::LinkKind::slice, 1, 1, 1));
      part.links.push_back(link(schema::LinkKind::convert));
    }));
  }));
  add_cache_group(plan, "full", 0, 0);
  add_cache_group(plan, "chunked", 1, TEST_CHUNK);
}

} // namespace

Bytes read_code(const std::string &name) {
  std::ifstream file(std::string(YUPANA_TEST_CODE_DIR "/") + name + ".so", std::ios::binary);
  if (!file) {
    fprintf(stderr, "the code object %s was not built\n", name.c_str());
    abort();
  }
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

PlanSpec test_plan() {
  PlanSpec spec;
  add_tables(spec.plan);
  spec.plan.targets.push_back(make_target());
  spec.sections.push_back({SectionKind::host_code, schema::kSectionRequired, read_code("kernels")});
  Bytes weights(TEST_VOCAB * 4);
  for (uint32_t i = 0; i < TEST_VOCAB; ++i) {
    float value = static_cast<float>(i + 1);
    memcpy(weights.data() + i * 4, &value, 4);
  }
  spec.sections.push_back({SectionKind::weights, schema::kSectionRequired, weights});
  spec.sections.push_back({SectionKind::weight_digests, schema::kSectionRequired, {}});
  spec.sections.push_back({SectionKind::tokenizer, 0, {'t', 'e', 'x', 't'}});
  return spec;
}

void strip(PlanSpec &spec) {
  spec.plan.weights[0]->section = schema::kNoSection;
  spec.plan.weights[0]->digest.assign(32, 7);
  spec.sections.erase(spec.sections.begin() + kWeights - 1, spec.sections.begin() + kDigests);
}

void for_gpu(PlanSpec &spec) {
  schema::TargetT &target = *spec.plan.targets[0];
  target.name = "sm_90a";
  spec.sections[kCode - 1] = {SectionKind::device_code, schema::kSectionRequired, {'c', 'u', 'b', 'i', 'n'}};
  auto text = static_cast<uint32_t>(spec.sections.size() + 1);
  spec.sections.push_back({SectionKind::device_code, schema::kSectionRequired, {'.', 'v'}});
  for (auto &kernel : target.kernels)
    kernel->images = {{kCode, 168, 512, 16, schema::ImageFormat::cubin}, {text, 0, 0, 0, schema::ImageFormat::ptx}};
  for (auto &program : target.programs)
    for (auto &launch : program->launches) {
      launch->threads = 64;
      launch->shared_bytes = 1024;
      launch->grid.emplace_back(GridOp::sms, 0);
      launch->grid.emplace_back(GridOp::min, 0);
    }
  target.arenas.push_back(table<schema::ArenaT>([](schema::ArenaT &arena) {
    arena.name = "workspace";
    arena.size = 64;
    arena.alignment = 64;
    arena.workspace = true;
  }));
  target.buffers.push_back(table<schema::BufferT>([](schema::BufferT &buffer) {
    buffer.name = "counters";
    buffer.arena = 1;
    buffer.size = 64;
    buffer.last_launch = 12;
  }));
}

Bytes write(const PlanSpec &spec) {
  std::vector<Section> sections = spec.sections;
  sections.insert(sections.begin(),
                  Section{SectionKind::metadata, schema::kSectionRequired, metadata_bytes(spec.plan)});
  for (size_t i = 1; i < sections.size(); ++i)
    if (sections[i].kind == SectionKind::weight_digests && sections[i - 1].kind == SectionKind::weights)
      sections[i].bytes = chunk_digests(sections[i - 1].bytes.data(), sections[i - 1].bytes.size());

  schema::FileHeader header = {};
  memcpy(header.magic, schema::kMagic, sizeof(header.magic));
  header.major = schema::kMajor;
  header.minor = schema::kMinor;
  header.header_size = sizeof(header);
  header.section_count = static_cast<uint32_t>(sections.size());
  header.section_table_offset = sizeof(header);
  Bytes file(sizeof(header) + sections.size() * sizeof(SectionEntry));
  for (size_t i = 0; i < sections.size(); ++i) {
    SectionEntry entry = {};
    entry.kind = static_cast<uint32_t>(sections[i].kind);
    entry.flags = sections[i].flags;
    uint64_t least =
        sections[i].kind == SectionKind::weights ? schema::kWeightSectionAlignment : schema::kSectionAlignment;
    entry.alignment = sections[i].alignment ? sections[i].alignment : least;
    entry.offset = align_up(file.size(), entry.alignment);
    entry.size = sections[i].bytes.size();
    file.resize(entry.offset);
    file.insert(file.end(), sections[i].bytes.begin(), sections[i].bytes.end());
    memcpy(file.data() + sizeof(header) + i * sizeof(entry), &entry, sizeof(entry));
  }
  header.file_size = file.size();
  memcpy(file.data(), &header, sizeof(header));
  reseal(file);
  return file;
}

schema::FileHeader &header_of(Bytes &file) { return *reinterpret_cast<schema::FileHeader *>(file.data()); }

SectionEntry &entry_of(Bytes &file, uint32_t index) {
  return reinterpret_cast<SectionEntry *>(file.data() + sizeof(schema::FileHeader))[index];
}

void reseal(Bytes &file) {
  if (file.size() < sizeof(schema::FileHeader))
    return;
  schema::FileHeader &header = header_of(file);
  uint64_t table_bytes = uint64_t{header.section_count} * sizeof(SectionEntry);
  if (runtime::range_within(sizeof(header), table_bytes, file.size())) {
    for (uint32_t i = 0; i < header.section_count; ++i) {
      SectionEntry &entry = entry_of(file, i);
      if (!runtime::range_within(entry.offset, entry.size, file.size()))
        continue;
      const uint8_t *bytes = file.data() + entry.offset;
      if (entry.kind == static_cast<uint32_t>(SectionKind::weights)) {
        Bytes digests = chunk_digests(bytes, entry.size);
        Sha256::digest(digests.data(), digests.size(), entry.digest);
      } else {
        Sha256::digest(bytes, entry.size, entry.digest);
      }
    }
    header.section_table_crc32 = runtime::crc32(file.data() + sizeof(header), table_bytes);
  }
  header.header_crc32 = runtime::crc32(&header, offsetof(schema::FileHeader, header_crc32));
}

} // namespace yupana::test
