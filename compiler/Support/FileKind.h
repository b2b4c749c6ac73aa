// SPDX-License-Identifier: Apache-2.0
//
// What a file is that is not what its name says: a pointer that was never replaced by its file, a page that a download
// left, a file of another program. Known by its first bytes, so that the user hears what is there instead of the first
// rule that it breaks.
#ifndef YUPANA_COMPILER_SUPPORT_FILEKIND_H
#define YUPANA_COMPILER_SUPPORT_FILEKIND_H

#include "compiler/Support/Error.h"

#include <optional>
#include <string_view>

namespace yupana {

/// Bytes from the start of a file that recognizeFileKind() looks at, at most.
inline constexpr size_t fileKindBytes = 512;

struct FileKind {
  std::string_view what;   ///< With its article: "a Git LFS pointer".
  std::string_view remedy; ///< What the user does about it, a clause; empty where the kind says enough.
  bool isWhole;            ///< A sound file of its kind, which nothing here reads; else one that lacks its content.
};

/// Recognises content by its start, at most fileKindBytes of it. Nothing for text, JSON, safetensors and whatever else
/// has no mark of its own.
std::optional<FileKind> recognizeFileKind(std::string_view start);

/// "`file`: is a Git LFS pointer, expected `expected`; ..." with ExitCode::InvalidInput where recognizeFileKind() knows
/// the content, else `otherwise`: for readers that have found a fault and want to say more than where.
Error explainFileKind(std::string_view start, std::string_view file, std::string_view expected, Error otherwise);

} // namespace yupana

#endif // YUPANA_COMPILER_SUPPORT_FILEKIND_H
