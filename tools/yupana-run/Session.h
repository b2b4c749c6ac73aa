// SPDX-License-Identifier: Apache-2.0
//
// A plan opened by the program, with its tokenizer.
#ifndef YUPANA_TOOLS_YUPANARUN_SESSION_H
#define YUPANA_TOOLS_YUPANARUN_SESSION_H

#include "runtime/text/tokenizer.h"
#include "tools/yupana-run/Options.h"
#include "tools/yupana-run/Trace.h"
#include "yupana/yupana.h"

#include <memory>
#include <string>

namespace yupana {

/// Writes one sentence to standard error and returns `code`.
int report(int code, const std::string &sentence);
/// Tells the user something that is no error.
void note(const std::string &sentence);
/// As report() for a status of the library. A cancelled call says nothing: the user asked for it.
int report(const yupana_status_t &status);

/// A plan and, when it has one, its tokenizer.
class Session {
public:
  Session() = default;
  Session(const Session &) = delete;
  Session &operator=(const Session &) = delete;
  ~Session();

  /// Opens the plan at `path` and its tokenizer. Returns an exit code, after reporting what went wrong.
  int open(const std::string &path);

  yupana_plan_t *plan() const { return openedPlan; }
  const std::string &path() const { return planPath; }
  /// Null when the plan was compiled without a tokenizer.
  const text::Tokenizer *tokenizer() const { return section ? &openedTokenizer : nullptr; }
  /// exitDone for a plan with a tokenizer and a chat format; else reports that `flag` needs them.
  int requireChatFormat(const char *flag) const;

  /// Of --profile; not open without it.
  Trace &trace() const { return openedTrace; }

private:
  int openTokenizer();

  std::string planPath;
  yupana_plan_t *openedPlan = nullptr;
  std::unique_ptr<uint64_t[]> section;
  text::Tokenizer openedTokenizer;
  mutable Trace openedTrace;
};

/// Runs what the options ask for; each returns an exit code.
int runGenerate(Session &session, const Options &options);
int runChat(Session &session, const Options &options);
int runTokenize(Session &session, const Options &options);
int runDetokenize(Session &session);

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANARUN_SESSION_H
