// SPDX-License-Identifier: Apache-2.0
//
// The reader that opens plans by path, behind the same table of functions that a caller may provide itself. pread keeps
// no position, so that workers read one file at once. Weights on their way to a GPU are read around the system's cache:
// a disk then writes straight into the buffer, which a processor's copies cannot keep up with, and a file larger than
// memory pushes nothing out. What the cache has is taken from there all the same. A mapping is private and read-only;
// it is only made where the caller asks for mapped weights, since a file that shrinks under a mapping ends the process.

#include "runtime/base/memory.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace yupana::runtime {

namespace {

struct FileReader {
  Allocator allocator;
  Memory name;
  int descriptor = -1;
  int direct = -1; // the same file around the cache; -1 where that cannot be had
};

// Linux moves at most 0x7ffff000 bytes a call, and may stop short at any time.
constexpr uint64_t kPiece = uint64_t{1} << 30;
// Of addresses, offsets and lengths around the cache, on every disk.
constexpr uint64_t kBlock = 4096;

/// Reads some of the bytes, from the cache if they are there, else around it; -1 where the other way is left.
ssize_t read_some_once(const FileReader &file, void *dst, uint64_t bytes, uint64_t offset) {
  uint64_t whole = bytes / kBlock * kBlock;
  if (file.direct < 0 || !whole || offset % kBlock || reinterpret_cast<uintptr_t>(dst) % kBlock)
    return -1;
  iovec part = {dst, whole};
  ssize_t got = preadv2(file.descriptor, &part, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  return got > 0 ? got : pread(file.direct, dst, whole, static_cast<off_t>(offset));
}

/// All or nothing: true when every byte was read.
int read_bytes(const FileReader &file, uint8_t *out, uint64_t bytes, uint64_t offset, bool once) {
  while (bytes) {
    uint64_t piece = bytes < kPiece ? bytes : kPiece;
    ssize_t got = once ? read_some_once(file, out, piece, offset) : -1;
    if (got <= 0)
      got = pread(file.descriptor, out, piece, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR)
      continue;
    // The end of the file counts as an error: nobody asks for bytes beyond the size that was found when it was opened.
    if (got <= 0)
      return 0;
    out += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<uint64_t>(got);
  }
  return 1;
}

int read_file(void *user, void *dst, uint64_t bytes, uint64_t offset) {
  return read_bytes(*static_cast<FileReader *>(user), static_cast<uint8_t *>(dst), bytes, offset, /*once=*/false);
}

int read_file_once(void *user, void *dst, uint64_t bytes, uint64_t offset) {
  return read_bytes(*static_cast<FileReader *>(user), static_cast<uint8_t *>(dst), bytes, offset, /*once=*/true);
}

/// Null also for an `offset` that is no multiple of a page, which the system refuses.
const void *map_file(void *user, uint64_t bytes, uint64_t offset) {
  void *memory = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, static_cast<FileReader *>(user)->descriptor,
                      static_cast<off_t>(offset));
  return memory == MAP_FAILED ? nullptr : memory;
}

void unmap_file(void *, const void *memory, uint64_t bytes) { munmap(const_cast<void *>(memory), bytes); }

void close_file(void *user) {
  auto *file = static_cast<FileReader *>(user);
  if (file->descriptor >= 0)
    close(file->descriptor);
  if (file->direct >= 0)
    close(file->direct);
  // The allocator lies in the object that it frees.
  Allocator allocator = file->allocator;
  destroy_object(allocator, file);
}

/// Opening a FIFO would wait for a writer, before its kind can be seen.
Code open_descriptor(FileReader *file, const char *path, uint64_t *out_total, yupana_status_t *out_status) {
  file->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file->descriptor < 0)
    return fail(out_status, YUPANA_STATUS_UNREADABLE, "%s: cannot be opened for reading: %s", path, strerror(errno));
  struct stat info;
  if (fstat(file->descriptor, &info) != 0)
    return fail(out_status, YUPANA_STATUS_UNREADABLE, "%s: its size cannot be read: %s", path, strerror(errno));
  if (!S_ISREG(info.st_mode))
    return fail(out_status, YUPANA_STATUS_UNREADABLE, "%s: found something other than a regular file", path);
  *out_total = static_cast<uint64_t>(info.st_size);
  // By the same path, which may be another file by now.
  struct stat direct;
  file->direct = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_DIRECT);
  if (file->direct >= 0 &&
      (fstat(file->direct, &direct) != 0 || direct.st_dev != info.st_dev || direct.st_ino != info.st_ino)) {
    close(file->direct);
    file->direct = -1;
  }
  return YUPANA_STATUS_OK;
}

} // namespace

} // namespace yupana::runtime

using namespace yupana::runtime;

yupana_status_code_t yupana_file_reader_open(const char *path, const yupana_allocator_t *allocator,
                                             yupana_reader_t *out_reader, yupana_status_t *out_status) {
  if (!path || !out_reader)
    return fail(out_status, YUPANA_STATUS_INVALID_ARGUMENT, "a reader needs a path and room for itself");
  Allocator memory;
  if (Code code = Allocator::adopt(allocator, &memory, out_status))
    return code;
  auto *file = create_object<FileReader>(memory);
  if (!file)
    return fail(out_status, YUPANA_STATUS_OUT_OF_MEMORY, "%s: no memory for a file reader", path);
  file->allocator = memory;
  uint64_t total = 0;
  // The name is copied: messages use it as long as the reader lives.
  size_t name_bytes = strlen(path) + 1;
  Code code = open_descriptor(file, path, &total, out_status);
  if (!code)
    code = file->name.allocate(memory, name_bytes, 1, "the name of a file", out_status);
  if (code) {
    close_file(file);
    return code;
  }
  memcpy(file->name.data(), path, name_bytes);
  *out_reader = {sizeof(yupana_reader_t),
                 file,
                 reinterpret_cast<const char *>(file->name.data()),
                 total,
                 read_file,
                 close_file,
                 map_file,
                 unmap_file,
                 read_file_once};
  return succeed(out_status);
}
