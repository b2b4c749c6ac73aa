// SPDX-License-Identifier: Apache-2.0
//
// What the kernel calls available, lowered by the limits of every control group above this process and by its own limit
// on address space: in a container the first alone would be that of the host. Both hierarchies of groups are asked,
// since a machine may have either, or both with the memory in one of them. Cache that a group can drop at once does not
// count as used. Read by the system's calls into buffers of fixed size, line by line; an archive of its own, since the
// core's budget is for what every step needs.

#include "runtime/io/available_memory.h"

#include "yupana/yupana.h"

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace yupana::runtime {

namespace {

constexpr uint64_t kUnknown = UINT64_MAX;

/// A path, cut where it is too long to be one.
struct Path {
  char text[PATH_MAX];
};

/// The lines of a small file of the kernel, without their ends; longer ones than a path are cut.
class LineReader {
public:
  explicit LineReader(const char *path) : file_(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  LineReader(const LineReader &) = delete;
  LineReader &operator=(const LineReader &) = delete;
  ~LineReader() {
    if (file_ >= 0)
      close(file_);
  }

  /// Null at the end; else a line that lives until the next call and may be written to.
  char *next() {
    size_t length = 0;
    bool any = false;
    for (;;) {
      if (begin_ == end_) {
        ssize_t got;
        do
          got = file_ < 0 ? 0 : read(file_, buffer_, sizeof buffer_);
        while (got < 0 && errno == EINTR);
        if (got <= 0)
          break;
        begin_ = 0;
        end_ = static_cast<size_t>(got);
      }
      any = true;
      char c = buffer_[begin_++];
      if (c == '\n')
        break;
      if (length + 1 < sizeof line_)
        line_[length++] = c;
    }
    line_[length] = '\0';
    return any ? line_ : nullptr;
  }

private:
  int file_;
  size_t begin_ = 0, end_ = 0;
  char buffer_[1024];
  char line_[PATH_MAX];
};

/// The number behind the word `key` at the start of a line of a file; with an empty key, the first line's. kUnknown
/// when there is none, or a word such as "max".
uint64_t read_number(const char *folder, const char *name, const char *key) {
  Path path;
  snprintf(path.text, sizeof path.text, "%s%s", folder, name);
  LineReader lines(path.text);
  size_t length = strlen(key);
  while (const char *line = lines.next()) {
    const char *value = line + length;
    bool is_key = strncmp(line, key, length) == 0 && (!length || *value == ' ' || *value == ':');
    if (is_key) {
      value += strspn(value, ": \t");
      return *value >= '0' && *value <= '9' ? strtoull(value, nullptr, 10) : kUnknown;
    }
    if (!length)
      break;
  }
  return kUnknown;
}

/// The names of what both hierarchies have.
struct Hierarchy {
  const char *file_system;
  const char *usual_place;
  const char *limits[2]; // null: none
  const char *usage;
  const char *droppable; // of memory.stat
};
constexpr Hierarchy kHierarchies[] = {
    {"cgroup2", "/sys/fs/cgroup", {"/memory.max", "/memory.high"}, "/memory.current", "inactive_file"},
    {"cgroup",
     "/sys/fs/cgroup/memory",
     {"/memory.limit_in_bytes", nullptr},
     "/memory.usage_in_bytes",
     "total_inactive_file"},
};

/// What a group leaves: its limit less what is in use and cannot be dropped at once.
uint64_t left_in(const char *folder, const Hierarchy &hierarchy) {
  uint64_t limit = kUnknown, used = read_number(folder, hierarchy.usage, "");
  for (const char *name : hierarchy.limits)
    if (uint64_t number = name ? read_number(folder, name, "") : kUnknown; number < limit)
      limit = number;
  // No limit, or no word of what is used: nothing is known of this group.
  if (limit == kUnknown || used == kUnknown)
    return kUnknown;
  uint64_t droppable = read_number(folder, "/memory.stat", hierarchy.droppable);
  if (droppable != kUnknown)
    used -= droppable < used ? droppable : used;
  return limit - (used < limit ? used : limit);
}

/// True if `list`, words with commas between them, has `word`.
bool has_word(const char *list, const char *word) {
  size_t length = strlen(word);
  for (; *list; list += strcspn(list, ","), list += *list == ',')
    if (strcspn(list, ",") == length && strncmp(list, word, length) == 0)
      return true;
  return false;
}

/// The path of this process in a hierarchy: lines of /proc/self/cgroup are "number:controllers:path", without
/// controllers in the unified one.
void find_group(const char *root, const Hierarchy &hierarchy, Path *out) {
  out->text[0] = '\0';
  Path path;
  snprintf(path.text, sizeof path.text, "%s/proc/self/cgroup", root);
  LineReader lines(path.text);
  while (char *line = lines.next()) {
    char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : nullptr;
    if (!group)
      continue;
    *group++ = '\0';
    bool is_unified = controllers[1] == '\0';
    if (strcmp(hierarchy.file_system, "cgroup2") == 0 ? is_unified : has_word(controllers + 1, "memory"))
      snprintf(out->text, sizeof out->text, "%s", group);
  }
}

/// Where a hierarchy is mounted, and which of its groups stands there: a container sees its own group at the top, or
/// all of them. A line of /proc/self/mountinfo has the group as its fourth word, the place as its fifth, and behind a
/// dash the file system and, at the end, its options.
void find_mount(const char *root, const Hierarchy &hierarchy, Path *out_place, Path *out_top) {
  snprintf(out_place->text, sizeof out_place->text, "%s%s", root, hierarchy.usual_place);
  snprintf(out_top->text, sizeof out_top->text, "/");
  Path path;
  snprintf(path.text, sizeof path.text, "%s/proc/self/mountinfo", root);
  LineReader lines(path.text);
  while (char *line = lines.next()) {
    char *behind = strstr(line, " - ");
    const char *options = strrchr(line, ' ');
    if (!behind || !options)
      continue;
    behind += strlen(" - ");
    size_t length = strlen(hierarchy.file_system);
    bool is_kind = strncmp(behind, hierarchy.file_system, length) == 0 && behind[length] == ' ';
    if (!is_kind || (strcmp(hierarchy.file_system, "cgroup") == 0 && !has_word(options + 1, "memory")))
      continue;
    char *rest = line, *words[5];
    for (char *&word : words)
      word = strtok_r(rest, " ", &rest);
    if (!words[4])
      continue;
    snprintf(out_top->text, sizeof out_top->text, "%s", words[3]);
    snprintf(out_place->text, sizeof out_place->text, "%s%s", root, words[4]);
    return;
  }
}

/// What the groups of a hierarchy leave, every one on the way up.
uint64_t left_in_hierarchy(const char *root, const Hierarchy &hierarchy) {
  Path place, top, group, folder;
  find_mount(root, hierarchy, &place, &top);
  find_group(root, hierarchy, &group);
  // Below the group that stands at the mount; a group elsewhere cannot be seen, and that one alone counts.
  size_t above = strcmp(top.text, "/") == 0 ? 0 : strlen(top.text);
  const char *below = group.text;
  if (above)
    below = strncmp(below, top.text, above) == 0 ? below + above : "";
  // A path that is cut names no group, and one that does not exist sets no limit.
  int length =
      snprintf(folder.text, sizeof folder.text, "%s%s", place.text, strncmp(below, "/..", 3) == 0 ? "" : below);
  if (length < 0 || static_cast<size_t>(length) >= sizeof folder.text)
    return kUnknown;
  uint64_t room = kUnknown;
  for (size_t least = strlen(place.text);;) {
    if (uint64_t left = left_in(folder.text, hierarchy); left < room)
      room = left;
    char *slash = strrchr(folder.text, '/');
    if (!slash || static_cast<size_t>(slash - folder.text) < least)
      return room;
    *slash = '\0';
  }
}

/// What this process's limit on address space leaves.
uint64_t left_of_address_space() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    return kUnknown;
  uint64_t pages = read_number("/proc/self", "/statm", "");
  uint64_t used = pages == kUnknown ? 0 : pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return limit.rlim_cur - (used < limit.rlim_cur ? used : limit.rlim_cur);
}

} // namespace

uint64_t available_memory(const char *root) {
  uint64_t room = read_number(root, "/proc/meminfo", "MemAvailable");
  if (room == kUnknown)
    return kUnknown;
  room *= 1024; // the file counts in kB
  for (const Hierarchy &hierarchy : kHierarchies)
    if (uint64_t left = left_in_hierarchy(root, hierarchy); left < room)
      room = left;
  uint64_t left = left_of_address_space();
  return left < room ? left : room;
}

} // namespace yupana::runtime

uint64_t yupana_available_memory(void) { return yupana::runtime::available_memory(""); }
