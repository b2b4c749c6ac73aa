// SPDX-License-Identifier: Apache-2.0
//
// Runs plans: text or token ids in, text, token ids or logits out.
#include "tools/yupana-run/Session.h"

#include <cstdio>
#include <new>
#include <unistd.h>

using namespace yupana;

/// Without exceptions, a failed `new` can only end the program; it does so with the right exit code.
static void endOutOfMemory() {
  static constexpr char sentence[] = "yupana-run: not enough memory\n";
  ssize_t ignored = ::write(STDERR_FILENO, sentence, sizeof sentence - 1);
  (void)ignored;
  ::_exit(exitOutOfSpace);
}

int main(int argc, char **argv) {
  std::set_new_handler(endOutOfMemory);
  Options options;
  std::string error;
  if (int code = parseOptions(argc, argv, options, error))
    return report(code, error);
  if (options.mode == Options::Help)
    return std::fputs(helpText, stdout) < 0 ? exitInternal : exitDone;
  if (options.mode == Options::Version)
    return std::printf("yupana-run %s\n", yupana_version()) < 0 ? exitInternal : exitDone;

  Session session;
  if (int code = session.open(options.plan))
    return code;
  switch (options.mode) {
  case Options::Tokenize:
    return runTokenize(session, options);
  case Options::Detokenize:
    return runDetokenize(session);
  case Options::Chat:
    return runChat(session, options);
  default:
    return runGenerate(session, options);
  }
}
