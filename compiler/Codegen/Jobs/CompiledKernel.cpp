// SPDX-License-Identifier: Apache-2.0
//
// The form in which a compiled kernel leaves its process and lies in the cache: numbers as eight bytes of this machine,
// strings as their length and their bytes. The reader trusts no length and no enumerator, because an entry of a cache
// may be another version's or damaged; it accepts exactly what the writer makes and nothing after it. The format has no
// version of its own, since the key of a cache entry names the program that wrote it.

#include "compiler/Codegen/Jobs/CompiledKernel.h"

#include <cstring>

using namespace yupana;
using namespace yupana::codegen;

namespace {

/// More formats than there are: a larger count is no kernel.
constexpr uint64_t mostFormats = 16;

/// Writes; cannot fail.
class Packer {
public:
  void number(uint64_t value) { bytes.append(reinterpret_cast<const char *>(&value), sizeof value); }
  void text(llvm::StringRef value) {
    number(value.size());
    bytes.append(value.data(), value.size());
  }

  std::string bytes;
};

/// Reads. After a failure everything is 0 or empty and isComplete() is false, so that callers check once, at the end.
class Unpacker {
public:
  explicit Unpacker(llvm::StringRef bytes) : rest(bytes) {}

  uint64_t number() {
    uint64_t value = 0;
    if (rest.size() < sizeof value)
      return fail();
    std::memcpy(&value, rest.data(), sizeof value);
    rest = rest.drop_front(sizeof value);
    return value;
  }
  /// A number that must fit 32 bits.
  uint32_t small() {
    uint64_t value = number();
    return static_cast<uint32_t>(value <= UINT32_MAX ? value : fail());
  }
  std::string text() {
    uint64_t size = number();
    // Before anything of that size is allocated.
    if (size > rest.size())
      size = fail();
    std::string value = rest.take_front(size).str();
    rest = rest.drop_front(size);
    return value;
  }
  /// True if everything was read, nothing beyond.
  bool isComplete() const { return !failed && rest.empty(); }

private:
  uint64_t fail() {
    failed = true;
    rest = {};
    return 0;
  }

  llvm::StringRef rest;
  bool failed = false;
};

} // namespace

std::string codegen::packKernel(const CompiledKernel &kernel) {
  Packer packer;
  packer.number(kernel.code.size());
  for (const KernelCode &code : kernel.code) {
    packer.number(static_cast<uint64_t>(code.format));
    packer.number(code.registers);
    packer.number(code.sharedBytes);
    packer.number(code.spillBytes);
    packer.text(code.bytes);
  }
  packer.text(kernel.llvmIR);
  packer.number(static_cast<uint64_t>(kernel.scratchBytes));
  packer.number(static_cast<uint64_t>(kernel.sharedBytes));
  return std::move(packer.bytes);
}

std::optional<CompiledKernel> codegen::unpackKernel(llvm::StringRef bytes) {
  Unpacker unpacker(bytes);
  CompiledKernel kernel;
  uint64_t count = unpacker.number();
  if (count > mostFormats)
    return std::nullopt;
  for (uint64_t i = 0; i < count; ++i) {
    std::optional<plan::ImageFormat> format = plan::symbolizeImageFormat(unpacker.small());
    if (!format)
      return std::nullopt;
    // The elements of a braced list are evaluated in their order, unlike arguments of a call.
    KernelCode code{*format, {}, unpacker.small(), unpacker.small(), unpacker.small()};
    code.bytes = unpacker.text();
    kernel.code.push_back(std::move(code));
  }
  kernel.llvmIR = unpacker.text();
  kernel.scratchBytes = static_cast<int64_t>(unpacker.number());
  kernel.sharedBytes = static_cast<int64_t>(unpacker.number());
  if (!unpacker.isComplete())
    return std::nullopt;
  return kernel;
}
