// SPDX-License-Identifier: Apache-2.0
//
// The tokenizer alone: standard input line by line, each line answered before the next is read, so that another program
// can use it over pipes. Lines are JSON, since text may contain line ends itself.

#include "tools/support/Process.h"
#include "tools/yupana-run/Json.h"
#include "tools/yupana-run/Lines.h"
#include "tools/yupana-run/Session.h"

#include <string_view>

using namespace yupana;

namespace {

/// Line by line, so that another program can hold a conversation over pipes. False when output is lost, of which the
/// end of the program tells.
bool writeLine(std::string &line) {
  line.push_back('\n');
  bool isWritten = writeOutputNow(line);
  line.clear();
  return isWritten;
}

/// A tokenizer needs many times the memory of a line, of one word up to forty times.
constexpr uint64_t longestLine = uint64_t{256} << 20;

int requireTokenizer(const Session &session) {
  if (session.tokenizer())
    return exitDone;
  return report(exitUnsupported, session.path() + ": the plan was compiled without a tokenizer");
}

} // namespace

int yupana::runTokenize(Session &session, const Options &options) {
  if (int code = requireTokenizer(session))
    return code;
  text::EncodeOptions encode;
  encode.parse_special = !options.noSpecial;
  Lines lines(longestLine);
  std::string_view line;
  std::string text, out;
  std::vector<uint32_t> ids;
  while (lines.next(line)) {
    if (const char *problem = parseJsonString(line, text))
      return lines.fail(problem);
    ids.clear();
    session.tokenizer()->encode(text, encode, &ids);
    appendJsonIds(out, ids);
    if (!writeLine(out))
      return exitDone;
  }
  return lines.result();
}

int yupana::runDetokenize(Session &session) {
  if (int code = requireTokenizer(session))
    return code;
  const text::Tokenizer &tokenizer = *session.tokenizer();
  Lines lines(longestLine);
  std::string_view line;
  std::string text, out;
  std::vector<std::vector<uint32_t>> sequences;
  while (lines.next(line)) {
    if (const char *problem = parseJsonSequences(line, sequences))
      return lines.fail(problem);
    if (sequences.size() != 1)
      return lines.fail("several lists stand in one line");
    text.clear();
    for (uint32_t id : sequences[0]) {
      if (tokenizer.token(id).empty())
        return lines.fail("the tokenizer has no token with the id " + std::to_string(id));
      text += tokenizer.token(id);
    }
    appendJsonString(out, text);
    if (!writeLine(out))
      return exitDone;
  }
  return lines.result();
}
