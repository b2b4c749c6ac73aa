// SPDX-License-Identifier: Apache-2.0
//
// The little JSON that yupana-run reads and writes: strings and lists of token ids. A full library would be a good part
// of the program's size.
#ifndef YUPANA_TOOLS_YUPANARUN_JSON_H
#define YUPANA_TOOLS_YUPANARUN_JSON_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace yupana {

/// Reads a text that is one JSON string and nothing else into `out`, as UTF-8. Returns null, or what is wrong.
const char *parseJsonString(std::string_view text, std::string &out);

/// Reads a text that is a JSON list of token ids, one sequence, or a list of such lists. Returns null, or what is
/// wrong.
const char *parseJsonSequences(std::string_view text, std::vector<std::vector<uint32_t>> &out);

/// Appends `text` as a JSON string; bytes that are not well-formed UTF-8 become U+FFFD.
void appendJsonString(std::string &out, std::string_view text);

/// Appends a JSON list of numbers.
void appendJsonIds(std::string &out, const std::vector<uint32_t> &ids);

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANARUN_JSON_H
