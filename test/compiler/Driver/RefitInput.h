// SPDX-License-Identifier: Apache-2.0
//
// One input of refit_fuzz: a plan without weights and a small checkpoint, in one piece of memory. Tensor data is not
// part of it: which values are copied changes no path through the code, so that all are zero.
#ifndef YUPANA_TEST_DRIVER_REFITINPUT_H
#define YUPANA_TEST_DRIVER_REFITINPUT_H

#include "compiler/Driver/Refit.h"
#include "test/compiler/Driver/RefitSupport.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

namespace yupana::test {

struct RefitInput {
  bool sameDigests = false;
  uint32_t dataBytes = 0; ///< Of the tensors together.
  std::string config;     ///< config.json
  std::string header;     ///< Of model.safetensors.
  std::vector<PlanSection> sections;

  /// Inverse of write(); empty for bytes that are no input.
  static std::optional<RefitInput> read(const uint8_t *data, size_t size) {
    RefitInput input;
    uint32_t numbers[2];
    if (size < sizeof(numbers))
      return std::nullopt;
    std::memcpy(numbers, data, sizeof(numbers));
    input.sameDigests = numbers[0] & 1;
    input.dataBytes = numbers[1];
    std::vector<PlanSection> blobs;
    for (size_t at = sizeof(numbers); at < size;) {
      uint32_t head[2]; // kind and length
      if (size - at < sizeof(head))
        return std::nullopt;
      std::memcpy(head, data + at, sizeof(head));
      at += sizeof(head);
      if (head[1] == 0 || head[1] > size - at)
        return std::nullopt;
      blobs.push_back({static_cast<schema::SectionKind>(head[0]), {data + at, data + at + head[1]}});
      at += head[1];
    }
    if (blobs.size() < 3)
      return std::nullopt;
    input.config.assign(blobs[0].bytes.begin(), blobs[0].bytes.end());
    input.header.assign(blobs[1].bytes.begin(), blobs[1].bytes.end());
    input.sections.assign(blobs.begin() + 2, blobs.end());
    return input;
  }

  /// Makes `folder` a checkpoint, or a configuration alone.
  void writeModel(const std::filesystem::path &folder, bool withTensors = true) const {
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "config.json", std::ios::binary) << config;
    if (!withTensors)
      return;
    uint64_t headerBytes = header.size();
    std::ofstream file(folder / "model.safetensors", std::ios::binary);
    file.write(reinterpret_cast<const char *>(&headerBytes), sizeof(headerBytes));
    file << header;
    file.close();
    std::filesystem::resize_file(folder / "model.safetensors", sizeof(headerBytes) + headerBytes + dataBytes);
  }

  /// Writes the plan and the model to `folder`, and says how one is refitted from the other.
  Result<RefitOptions> place(const std::filesystem::path &folder) const {
    RefitOptions options;
    options.checkpoint = folder / "model";
    options.plan = folder / "stripped.yplan";
    options.output = folder / "refitted.yplan";
    options.sameDigests = sameDigests;
    writeModel(options.checkpoint);
    YUPANA_RETURN_IF_ERROR(writeSections(options.plan, sections));
    return options;
  }

  std::vector<uint8_t> write() const {
    std::vector<uint8_t> out;
    auto append = [&](const void *bytes, size_t size) {
      auto from = static_cast<const uint8_t *>(bytes);
      out.insert(out.end(), from, from + size);
    };
    auto blob = [&](uint32_t kind, const void *bytes, size_t size) {
      uint32_t head[2] = {kind, static_cast<uint32_t>(size)};
      append(head, sizeof(head));
      append(bytes, size);
    };
    uint32_t numbers[2] = {sameDigests, dataBytes};
    append(numbers, sizeof(numbers));
    blob(0, config.data(), config.size());
    blob(0, header.data(), header.size());
    for (const PlanSection &section : sections)
      blob(static_cast<uint32_t>(section.kind), section.bytes.data(), section.bytes.size());
    return out;
  }
};

} // namespace yupana::test

#endif // YUPANA_TEST_DRIVER_REFITINPUT_H
