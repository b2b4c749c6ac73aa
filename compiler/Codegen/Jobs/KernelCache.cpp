// SPDX-License-Identifier: Apache-2.0
//
// An entry is a file named by the SHA-256 of its key: the digest of what follows, then the packed kernel. A damaged
// entry is compiled anew and replaced; a reader never sees half an entry, since it gets its name when it is whole.
// Several compilers may share a folder without locks, because equal keys have equal content. The version of a compiler
// under development does not change with its code, so keys hold a digest of the program itself.

#include "compiler/Codegen/Jobs/KernelCache.h"

#include "compiler/Codegen/Jobs/Tools.h"
#include "compiler/Support/File.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/xxhash.h"

#include <cerrno>
#include <cstring>

using namespace yupana;
using namespace yupana::codegen;

static constexpr size_t digestBytes = 32;
/// More than any kernel has: what is larger is no entry, and is not read into memory.
static constexpr uint64_t largestEntry = uint64_t(1) << 30;

static std::string digestOf(llvm::StringRef bytes) {
  llvm::SHA256 digest;
  digest.update(bytes);
  std::array<uint8_t, digestBytes> result = digest.final();
  return std::string(result.begin(), result.end());
}

Result<KernelCache> KernelCache::open(std::string folder) {
  if (std::error_code error = llvm::sys::fs::create_directories(folder))
    return makeError(ExitCode::MissingFile, "{}: cannot be created: {}", folder, error.message());
  return KernelCache(std::move(folder));
}

std::string KernelCache::pathOf(llvm::StringRef key) const {
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, llvm::toHex(digestOf(key), /*LowerCase=*/true) + ".kernel");
  return path.str().str();
}

std::optional<CompiledKernel> KernelCache::find(llvm::StringRef key) const {
  Result<std::string> entry = readWholeFile(pathOf(key), largestEntry);
  if (!entry || entry->size() < digestBytes)
    return std::nullopt;
  llvm::StringRef digest(entry->data(), digestBytes), packed = llvm::StringRef(*entry).drop_front(digestBytes);
  if (digest != digestOf(packed))
    return std::nullopt;
  return unpackKernel(packed);
}

Result<void> KernelCache::keep(llvm::StringRef key, const CompiledKernel &kernel) const {
  std::string path = pathOf(key), packed = packKernel(kernel);
  TemporaryPath unfinished = TemporaryPath::create(path, TemporaryPath::File);
  if (!unfinished.path().empty())
    YUPANA_RETURN_IF_ERROR(writeFile(unfinished.path(), digestOf(packed) + packed));
  if (unfinished.path().empty() || unfinished.renameTo(path) != 0)
    return makeError(ExitCode::OutOfSpace, "{}: cannot be written: {}", path, std::strerror(errno));
  return {};
}

const std::string &codegen::compilerIdentity() {
  static const std::string identity = [] {
    std::string text = "LLVM " LLVM_VERSION_STRING;
    // A fast digest, since nobody gains by a collision: the folder belongs to the user who compiles.
    if (auto program = llvm::MemoryBuffer::getFile("/proc/self/exe")) {
      llvm::XXH128_hash_t digest = llvm::xxh3_128bits(llvm::arrayRefFromStringRef((*program)->getBuffer()));
      text += " " + llvm::utohexstr(digest.high64) + "-" + llvm::utohexstr(digest.low64);
    }
    return text;
  }();
  return identity;
}
