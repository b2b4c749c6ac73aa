// SPDX-License-Identifier: Apache-2.0
//
// Runs plans: text or token ids in, text, token ids or logits out.
#include "compiler/Support/SameFile.h"
#include "compiler/Support/TemporaryFile.h"
#include "tools/support/Process.h"
#include "tools/yupana-run/Inputs.h"
#include "tools/yupana-run/Session.h"

#include <string>

using namespace yupana;

static int runMode(Session &session, const Options &options) {
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

static int run(int argc, char **argv) {
  Options options;
  std::string error;
  if (int code = parseOptions(argc, argv, options, error))
    return report(code, error);
  if (options.mode == Options::Help)
    return writeOutput(helpText), exitDone;
  if (options.mode == Options::Version)
    return writeOutput(std::string("yupana-run ") + yupana_version() + "\n"), exitDone;

  Session session;
  uint64_t begin = Trace::now();
  if (!options.profile.empty())
    if (int code = openTrace(session.trace(), options))
      return code;
  if (int code = session.open(options.plan))
    return code;
  if (session.trace().isOpen())
    session.trace().span("open", begin, Trace::now());
  int code = runMode(session, options);
  // What was interrupted can be looked at; a run that failed leaves no trace.
  if (!session.trace().isOpen() || isOutputLost() || (code != exitDone && code != exitInterrupted))
    return code;
  int written = session.trace().commit();
  return written ? written : code;
}

int main(int argc, char **argv) {
  beginProcess("yupana-run", removeTemporaries);
  removeTemporariesOnSignals();
  return endProcess(run(argc, argv));
}
