// SPDX-License-Identifier: Apache-2.0
//
// Runs plans: text or token ids in, text, token ids or logits out.
#include "compiler/Support/SameFile.h"
#include "tools/yupana-run/Inputs.h"
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

static int run(Session &session, const Options &options) {
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

/// Before the work whose trace it is, so that a name that cannot be written is found early.
static int openTrace(Trace &trace, const Options &options) {
  std::vector<std::string> others = inputFiles(options);
  if (std::optional<std::string> sentence = findOverwrittenInput(options.profile, others))
    return report(exitUsage, *sentence);
  if (options.profile == options.logits)
    return report(exitUsage, options.profile + ": is given to --logits and to --profile; choose two names");
  return trace.open(options.profile);
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
  uint64_t begin = Trace::now();
  if (!options.profile.empty())
    if (int code = openTrace(session.trace(), options))
      return code;
  if (int code = session.open(options.plan))
    return code;
  if (session.trace().isOpen())
    session.trace().span("open", begin, Trace::now());
  int code = run(session, options);
  // What was interrupted can be looked at; a run that failed leaves no trace.
  if (!session.trace().isOpen() || (code != exitDone && code != exitInterrupted))
    return code;
  int written = session.trace().commit();
  return written ? written : code;
}
