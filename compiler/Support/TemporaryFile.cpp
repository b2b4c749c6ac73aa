// SPDX-License-Identifier: Apache-2.0
//
// A temporary lies beside the file it is for: only within one file system is renaming atomic, and a disk that has room
// for the result has room for it. Its paths stand in a table of fixed size, since a signal may come at any time and its
// handler may neither allocate nor lock: a path is entered before its file is created and taken out when it is gone.
// A process that is killed removes nothing. Its temporaries are told from those of a process at work by a lock that
// ends with the process, however it ends; a process that makes the same file removes those that nobody locks.

#include "compiler/Support/TemporaryFile.h"

#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <iterator>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

using namespace yupana;

namespace {

constexpr char marker[] = ".yupana-tmp-";
constexpr size_t randomLength = 6;
/// How much of a name stays in that of its temporaries, which must not get longer than names may be.
constexpr size_t longestStem = 200;

enum State : int { Free, Claimed, Used };

/// A path that removeTemporaries() removes.
struct Slot {
  std::atomic<int> state{Free};
  std::atomic<pid_t> owner{0};
  char path[PATH_MAX];
};
Slot slots[16];

/// Enters a path; -1 when there is no room, and only the destructor removes it then.
int enter(const std::string &path) {
  if (path.size() >= sizeof slots[0].path)
    return -1;
  for (int i = 0; i < static_cast<int>(std::size(slots)); ++i) {
    int expected = Free;
    // Claimed while the path is written: a handler that comes now skips it, and there is no file yet.
    if (!slots[i].state.compare_exchange_strong(expected, Claimed))
      continue;
    std::memcpy(slots[i].path, path.c_str(), path.size() + 1);
    // A child of fork() has the table, too, and must not remove what its parent is writing.
    slots[i].owner = ::getpid();
    slots[i].state = Used;
    return i;
  }
  return -1;
}

void leave(int slot) {
  if (slot >= 0)
    slots[slot].state = Free;
}

/// As getdents64 writes it.
struct Entry {
  uint64_t inode;
  int64_t offset;
  uint16_t length;
  uint8_t type;
  char name[1];
};

/// Removes a file, or a folder and what is in it, by calls that are safe in the handler of a signal, which opendir is
/// not. A tool that is still at work may add a file in between.
void removeAt(int parent, const char *name, int depth) {
  // Most are files. EPERM is what POSIX has for a folder, EISDIR what Linux says.
  if (::unlinkat(parent, name, 0) == 0 || (errno != EISDIR && errno != EPERM))
    return;
  for (int attempt = 0; attempt < 100 && depth > 0; ++attempt) {
    int folder = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder < 0)
      return;
    alignas(Entry) char buffer[4096];
    // Directly, as readdir() takes a lock and memory.
    long bytes;
    while ((bytes = ::syscall(SYS_getdents64, folder, buffer, sizeof buffer)) > 0)
      for (long at = 0; at < bytes; at += reinterpret_cast<Entry *>(buffer + at)->length) {
        const char *inside = reinterpret_cast<Entry *>(buffer + at)->name;
        if (std::strcmp(inside, ".") != 0 && std::strcmp(inside, "..") != 0)
          removeAt(folder, inside, depth - 1);
      }
    ::close(folder);
    // Filled again in between: once more, but not for ever.
    if (::unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno != ENOTEMPTY)
      return;
  }
}

void removePath(const char *path) { removeAt(AT_FDCWD, path, /*depth=*/4); }

/// Where the temporaries of a file lie, and how their names begin.
struct Place {
  std::string folder; ///< With a slash at its end; empty for the current one.
  std::string stem;

  explicit Place(const std::string &target) {
    size_t slash = target.rfind('/');
    size_t base = slash == std::string::npos ? 0 : slash + 1;
    folder = target.substr(0, base);
    // With the marker and the random letters at most 255 bytes, which names may have.
    stem = target.substr(base, longestStem) + marker;
  }

  bool owns(const char *name) const {
    size_t length = std::strlen(name);
    return length == stem.size() + randomLength && std::memcmp(name, stem.data(), stem.size()) == 0;
  }
};

/// Removes what processes have left that are gone: those of the temporaries whose lock is free.
void removeLeftovers(const Place &place) {
  DIR *folder = ::opendir(place.folder.empty() ? "." : place.folder.c_str());
  if (!folder)
    return;
  while (dirent *entry = ::readdir(folder)) {
    if (!place.owns(entry->d_name))
      continue;
    std::string path = place.folder + entry->d_name;
    // Not through a link, and without waiting for a pipe of that name.
    int handle = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (handle < 0)
      continue;
    // A folder is opened like a file, for its lock.
    if (::flock(handle, LOCK_EX | LOCK_NB) == 0)
      removePath(path.c_str());
    ::close(handle);
  }
  ::closedir(folder);
}

std::string randomName() {
  static constexpr char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
  uint8_t bytes[randomLength];
  // Without random bytes the time keeps names apart; creating one that is taken fails and is tried again.
  if (::getrandom(bytes, sizeof bytes, GRND_NONBLOCK) != static_cast<ssize_t>(sizeof bytes)) {
    timespec now;
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t mixed = static_cast<uint64_t>(now.tv_nsec) * 0x9E3779B97F4A7C15 + static_cast<uint64_t>(::getpid());
    std::memcpy(bytes, reinterpret_cast<const char *>(&mixed) + 1, sizeof bytes);
  }
  std::string name;
  for (uint8_t byte : bytes)
    name.push_back(letters[byte % 32]);
  return name;
}

/// True when `path` still is what `handle` has open: a process that saw it before it was locked has removed it.
bool isStillThere(const std::string &path, int handle) {
  struct stat named, open;
  return ::stat(path.c_str(), &named) == 0 && ::fstat(handle, &open) == 0 && named.st_dev == open.st_dev &&
         named.st_ino == open.st_ino;
}

/// Opened anew, without a lock where the file system has none: then nobody else can take it either.
int createAndLock(const std::string &path, TemporaryPath::Kind kind) {
  int handle;
  if (kind == TemporaryPath::Folder) {
    if (::mkdir(path.c_str(), 0777) != 0)
      return -1;
    handle = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    // A process that takes it for a leftover has removed it before it could be locked: another name is tried.
    if (handle < 0 && errno == ENOENT)
      errno = EEXIST;
  } else {
    handle = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  }
  if (handle < 0)
    return -1;
  // Locked by a process that takes it for a leftover and is about to remove it: another name is tried.
  if (::flock(handle, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(handle);
    errno = EEXIST;
    return -1;
  }
  if (isStillThere(path, handle))
    return handle;
  ::close(handle);
  errno = EEXIST;
  return -1;
}

void onSignal(int number) {
  // By the default action, so that whoever waits sees a process that SIGPIPE has ended.
  removeTemporaries();
  if (number == SIGPIPE) {
    ::signal(SIGPIPE, SIG_DFL);
    ::raise(SIGPIPE);
    return; // it comes when this handler is left
  }
  ::_exit(128 + number);
}

} // namespace

TemporaryPath::TemporaryPath(TemporaryPath &&other) noexcept
    : name(std::move(other.name)), handle(std::exchange(other.handle, -1)), slot(std::exchange(other.slot, -1)) {
  other.name.clear();
}

TemporaryPath &TemporaryPath::operator=(TemporaryPath &&other) noexcept {
  std::swap(name, other.name);
  std::swap(handle, other.handle);
  std::swap(slot, other.slot);
  return *this;
}

TemporaryPath::~TemporaryPath() {
  remove();
  close();
}

TemporaryPath TemporaryPath::create(const std::string &target, Kind kind) {
  Place place(target);
  // Also those of a compilation that was killed an hour ago, whose gigabytes would stay.
  removeLeftovers(place);
  TemporaryPath created;
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::string path = place.folder + place.stem + randomName();
    created.slot = enter(path);
    // Entered before it is created: a signal in between finds a path without a file.
    created.handle = createAndLock(path, kind);
    if (created.handle >= 0) {
      created.name = std::move(path);
      return created;
    }
    leave(std::exchange(created.slot, -1));
    if (errno != EEXIST)
      break;
  }
  return created;
}

int TemporaryPath::renameTo(const std::string &target) {
  if (::rename(name.c_str(), target.c_str()) != 0)
    return -1;
  // From here on the file is the user's: no signal removes it.
  leave(std::exchange(slot, -1));
  name.clear();
  return 0;
}

int TemporaryPath::close() {
  int closing = std::exchange(handle, -1);
  return closing >= 0 ? ::close(closing) : 0;
}

/// Removed before it is unlocked, so that nobody takes it for a leftover in between.
void TemporaryPath::remove() {
  if (!name.empty())
    removePath(name.c_str());
  leave(std::exchange(slot, -1));
  name.clear();
}

void yupana::removeTemporaries() {
  // A handler must leave errno as it was.
  int reason = errno;
  for (Slot &slot : slots)
    if (slot.state == Used && slot.owner == ::getpid())
      removePath(slot.path);
  errno = reason;
}

void yupana::removeTemporariesOnSignals() {
  struct sigaction action = {}, old = {};
  action.sa_handler = onSignal;
  ::sigfillset(&action.sa_mask);
  for (int number : {SIGTERM, SIGHUP, SIGPIPE})
    // Ignored signals stay ignored, as under nohup.
    if (::sigaction(number, nullptr, &old) == 0 && old.sa_handler != SIG_IGN)
      ::sigaction(number, &action, nullptr);
}
