// SPDX-License-Identifier: Apache-2.0
//
// Files and folders that are there only while something is being made. On the system's calls alone and without
// exceptions, so that the smallest programs can have it, too.
#ifndef YUPANA_COMPILER_SUPPORT_TEMPORARYFILE_H
#define YUPANA_COMPILER_SUPPORT_TEMPORARYFILE_H

#include <string>

namespace yupana {

/// A new, empty file or folder beside the file `target` that it becomes or serves, named `target` with
/// ".yupana-tmp-" and six characters behind it. Removed by the destructor and by removeTemporaries(); what a process
/// leaves that was killed, the next one that creates a temporary for the same `target` removes.
class TemporaryPath {
public:
  enum Kind { File, Folder };

  /// None yet: path() is empty.
  TemporaryPath() = default;
  TemporaryPath(TemporaryPath &&other) noexcept;
  TemporaryPath &operator=(TemporaryPath &&other) noexcept;
  ~TemporaryPath();

  /// Creates it, with the permissions of an ordinary file or folder. Without a path, and errno says why, when that is
  /// impossible: the folder is missing or may not be written.
  static TemporaryPath create(const std::string &target, Kind kind);

  const std::string &path() const { return name; }
  /// Of a file: open for reading and writing. Closed by the destructor.
  int descriptor() const { return handle; }
  /// Gives a file the name `target`, replacing what has it; the path is empty from then on. 0, or -1 with errno.
  int renameTo(const std::string &target);
  /// Closes the file early; 0, or -1 with errno.
  int close();

private:
  void remove();

  std::string name; ///< Empty when there is nothing to remove.
  int handle = -1;
  int slot = -1; ///< Its place among those that a signal removes.
};

/// Removes every temporary of this process; those that it shares with the process it was forked from stay. May be
/// called anywhere, also by the handler of a signal and when there is no memory left. The program is about to end: no
/// temporary may be used any more.
void removeTemporaries();

/// From now on SIGTERM and SIGHUP remove what is temporary and end the program with exit codes 143 and 129, and SIGPIPE
/// removes it and ends the program as it always does. A signal that is ignored stays so, as `nohup` wants.
void removeTemporariesOnSignals();

} // namespace yupana

#endif // YUPANA_COMPILER_SUPPORT_TEMPORARYFILE_H
