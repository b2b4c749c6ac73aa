// SPDX-License-Identifier: Apache-2.0
//
// Arbitrary bytes as a safetensors file, and as an index. Whatever is accepted must be readable to its last byte.
#include "frontends/Safetensors/Safetensors.h"

#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

using namespace yupana;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  (void)parseSafetensorsIndex(text, "index");

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
