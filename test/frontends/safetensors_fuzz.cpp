// SPDX-License-Identifier: Apache-2.0
//
// Arbitrary bytes as a safetensors file, and as an index, whose names are freed of wrappers. Whatever is accepted must
// be readable to its last byte.
#include "frontends/Llama4/TensorNames.h"
#include "frontends/Safetensors/Safetensors.h"

#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

using namespace yupana;

/// Every name of an index keeps a place, and its own.
static void checkNames(const std::map<std::string, std::string> &weightMap) {
  std::vector<std::string_view> stored;
  for (const auto &[name, file] : weightMap)
    stored.push_back(name);
  auto names = llama4::TensorNames::find(stored);
  if (!names)
    return;
  if (names->all().size() != stored.size())
    std::abort();
  for (const auto &[name, original] : names->all())
    if (names->stored(name) != original || !weightMap.count(original) || original.size() < name.size())
      std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  auto weightMap = parseSafetensorsIndex(text, "index");
  if (weightMap)
    checkNames(*weightMap);

  int descriptor = ::memfd_create("input", 0);
  if (descriptor < 0 || ::write(descriptor, data, size) != static_cast<ssize_t>(size))
    std::abort();
  auto file = SafetensorsFile::open(fmt::format("/proc/self/fd/{}", descriptor));
  ::close(descriptor);
  if (!file)
    return 0;
  uint64_t total = 0;
  for (const TensorInfo &info : file->tensors()) {
    std::string content(info.bytes, '\0');
    if (!file->read(info, 0, content.data(), content.size()) || file->find(info.name) != &info)
      std::abort();
    total += info.bytes;
  }
  if (total >= size)
    std::abort();
  return 0;
}
