// SPDX-License-Identifier: Apache-2.0
//
// Writing a file must not destroy one that is read. Alone in its header and on the system's calls alone, so that the
// smallest programs, which have nothing else of the compiler, can have it too.
#ifndef YUPANA_COMPILER_SUPPORT_SAMEFILE_H
#define YUPANA_COMPILER_SUPPORT_SAMEFILE_H

#include <optional>
#include <string>
#include <sys/stat.h>
#include <utility>
#include <vector>

namespace yupana {

/// A file by what it is and not by its name: paths, symbolic links and hard links of one file give the same value.
struct FileIdentity {
  dev_t device;
  ino_t inode;

  bool operator==(const FileIdentity &other) const { return device == other.device && inode == other.inode; }
};

/// What stands under `path`, at the end of all symbolic links; nothing when there is no such file.
inline std::optional<FileIdentity> identifyFile(const std::string &path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0)
    return std::nullopt;
  return FileIdentity{status.st_dev, status.st_ino};
}

/// Looks for `output` among the files that are read. A sentence for the user, to be told with exit code 2, when it is
/// one of `inputs`; nothing when it is not or does not exist yet. Inputs that do not exist are no obstacle.
inline std::optional<std::string> findOverwrittenInput(const std::string &output,
                                                       const std::vector<std::string> &inputs) {
  std::optional<FileIdentity> written = identifyFile(output);
  if (!written)
    return std::nullopt;
  for (const std::string &input : inputs)
    if (identifyFile(input) == written)
      return output + ": writing it would destroy the input " + input + ", which is the same file; choose another name";
  return std::nullopt;
}

} // namespace yupana

#endif // YUPANA_COMPILER_SUPPORT_SAMEFILE_H
