// SPDX-License-Identifier: Apache-2.0
//
// What the kernel calls available, lowered by the limits of every control group above this process and by its own limit
// on address space: in a container the first alone would be that of the host. Cache that a group can drop at once does
// not count as used.

#include "tools/support/SystemMemory.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sys/resource.h>

using namespace yupana;

namespace {

/// The number after the word `key` at the start of a line of `path`; with an empty key, the file's first word. Nothing
/// when there is no such file or line, or when "max" stands there.
std::optional<uint64_t> readNumber(const std::string &path, const std::string &key) {
  std::ifstream file(path);
  std::string word, value;
  while (key.empty() ? !!(file >> value) : !!(file >> word >> value)) {
    if (word == key && !value.empty() && value[0] >= '0' && value[0] <= '9')
      return std::strtoull(value.c_str(), nullptr, 10);
    if (key.empty())
      return std::nullopt;
    std::getline(file, word);
  }
  return std::nullopt;
}

/// Lowers `room` to what a control group leaves: its limit less what is in use and cannot be dropped at once.
void applyLimit(const std::string &folder, const char *limitName, const char *usageName,
                std::optional<uint64_t> &room) {
  std::optional<uint64_t> limit = readNumber(folder + limitName, ""), used = readNumber(folder + usageName, "");
  if (!limit || !used)
    return;
  uint64_t fileCache = readNumber(folder + "memory.stat", "inactive_file").value_or(0);
  uint64_t kept = *used - std::min(*used, fileCache);
  uint64_t left = *limit - std::min(*limit, kept);
  room = std::min(room.value_or(left), left);
}

/// The path of this process in the unified hierarchy, "/a/b".
std::string controlGroup(const std::string &root) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);)
    if (line.compare(0, 3, "0::") == 0)
      return line.substr(3);
  return "";
}

} // namespace

std::optional<uint64_t> yupana::availableMemory(const std::string &root) {
  std::optional<uint64_t> room = readNumber(root + "/proc/meminfo", "MemAvailable:");
  if (room)
    *room *= 1024; // the file counts in kB
  // Every group on the way up has a limit of its own.
  std::string base = root + "/sys/fs/cgroup";
  for (std::string group = controlGroup(root);; group.erase(group.find_last_of('/'))) {
    applyLimit(base + group + "/", "memory.max", "memory.current", room);
    if (group.find('/') == std::string::npos)
      break;
  }
  applyLimit(base + "/memory/", "memory.limit_in_bytes", "memory.usage_in_bytes", room);
  rlimit limit = {};
  if (room && ::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    room = std::min<uint64_t>(*room, limit.rlim_cur);
  return room;
}
