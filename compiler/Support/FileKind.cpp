// SPDX-License-Identifier: Apache-2.0
//
// Signatures are fixed bytes where a format has some. Web pages have none: they are known by how HTML begins, whatever
// spaces and case it has.
#include "compiler/Support/FileKind.h"

#include <algorithm>

using namespace yupana;

namespace {

constexpr FileKind lfsPointer{"a Git LFS pointer", "git lfs pull fetches the file that it stands for", false};
constexpr FileKind webPage{"a web page", "the download failed or needs a login; fetch the file again", false};
constexpr FileKind failedDownload{"the message of a failed download", "fetch the file again", false};
constexpr FileKind sentencePiece{"a SentencePiece model", "", true};

/// Kinds that begin with fixed bytes.
struct Signature {
  std::string_view bytes;
  FileKind kind;
};
constexpr Signature signatures[] = {
    // The second name is that of Git LFS before its first release, which its specification still allows.
    {"version https://git-lfs.github.com/spec/", lfsPointer},
    {"version https://hawser.github.com/spec/", lfsPointer},
    // What the hub answers in place of a file.
    {"Entry not found", failedDownload},
    {"Invalid username or password", failedDownload},
    {"Access to model ", failedDownload},
    {"GGUF", {"a GGUF file", "", true}},
    {std::string_view("PK\x03\x04", 4), {"a zip archive, which PyTorch's .bin and .pth files are, too", "", true}},
    {std::string_view("\x1f\x8b\x08", 3), {"a gzip archive", "unpack it", true}},
    {std::string_view("\x28\xb5\x2f\xfd", 4), {"a zstd archive", "unpack it", true}},
    {std::string_view("\xfd\x37zXZ", 5), {"an xz archive", "unpack it", true}},
    // The pickle protocol's mark, then a long integer of 10 bytes, with which torch.save began before it wrote
    // archives.
    {std::string_view("\x80\x02\x8a\x0al\xfc", 6), {"an old PyTorch file", "", true}},
    {std::string_view("\x89HDF\r\n", 6), {"an HDF5 file", "", true}},
    {"%PDF-", {"a PDF document", "", true}},
};

bool startsWith(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

/// Likewise, but for the case of ASCII letters; `start` is in lower case.
bool startsWithWord(std::string_view text, std::string_view start) {
  if (text.size() < start.size())
    return false;
  return std::equal(start.begin(), start.end(), text.begin(),
                    [](char wanted, char c) { return wanted == (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); });
}

/// A protocol buffer whose first field is a piece: field 1 with a message of field 1, a text, and field 2, a float.
bool isSentencePiece(std::string_view start) {
  if (start.size() < 5 || start[0] != '\x0a' || start[2] != '\x0a')
    return false;
  // Lengths below 128 have one byte. A float takes five bytes with its key, 0x15, and the text two for its own.
  size_t message = static_cast<unsigned char>(start[1]), text = static_cast<unsigned char>(start[3]);
  return message < 0x80 && text + 7 <= message && 4 + text < start.size() && start[4 + text] == '\x15';
}

} // namespace

std::optional<FileKind> yupana::recognizeFileKind(std::string_view start) {
  for (const Signature &signature : signatures)
    if (startsWith(start, signature.bytes))
      return signature.kind;
  if (isSentencePiece(start))
    return sentencePiece;
  std::string_view text = start.substr(std::min(start.find_first_not_of(" \t\r\n"), start.size()));
  for (std::string_view tag : {"<!doctype", "<html", "<head", "<?xml", "<error"})
    if (startsWithWord(text, tag))
      return webPage;
  return std::nullopt;
}

Error yupana::explainFileKind(std::string_view start, std::string_view file, std::string_view expected,
                              Error otherwise) {
  // A file that only looks like another kind, and reads well, never comes here.
  std::optional<FileKind> kind = recognizeFileKind(start.substr(0, fileKindBytes));
  if (!kind)
    return otherwise;
  return makeError(ExitCode::InvalidInput, "{}: is {}, expected {}{}{}", file, kind->what, expected,
                   kind->remedy.empty() ? "" : "; ", kind->remedy);
}
