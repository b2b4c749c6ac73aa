// SPDX-License-Identifier: Apache-2.0
//
// The commands of the program `yupana`. Each takes the words after its name and returns the exit code.
#ifndef YUPANA_TOOLS_YUPANA_COMMANDS_H
#define YUPANA_TOOLS_YUPANA_COMMANDS_H

#include "compiler/Driver/Driver.h"
#include "tools/support/Process.h"
#include "tools/yupana/Arguments.h"

namespace yupana {

using Words = std::vector<std::string>;

Result<void> runCheck(const Words &words);
Result<void> runCompile(const Words &words);
Result<void> runExport(const Words &words);
Result<void> runInspect(const Words &words);
Result<void> runRefit(const Words &words);
Result<void> runTargets(const Words &words);
Result<void> runTune(const Words &words);
Result<void> runVerify(const Words &words);
Result<void> runVersion(const Words &words);

/// Writes to standard output; what is lost there is told, and counts, at the end of the program.
template <typename... Args> void print(fmt::format_string<Args...> format, Args &&...args) {
  writeOutput(fmt::format(format, std::forward<Args>(args)...));
}

/// What `compile` and `tune` are told alike about targets, precision, maxima and passes. ExitCode::Usage.
Result<void> readCompileOptions(const Arguments &arguments, CompileOptions &options);
/// The value of `-j`, by default all cores; ExitCode::Usage.
Result<unsigned> jobsOf(const Arguments &arguments);
/// The value of `-o`, which must be given; ExitCode::Usage.
Result<std::string> outputOf(const Arguments &arguments);
/// Tells what was written. The file is the result: that nobody can be told changes no exit code.
void printSummary(const std::string &output, const CompileSummary &summary);

/// The value of `--for`; empty when it was not given. ExitCode::Usage for an empty one.
Result<std::string> targetOption(const Arguments &arguments);

/// True once the user has asked to stop (Ctrl-C); the second time ends the program at once.
bool wasInterrupted();
/// From now on Ctrl-C makes wasInterrupted() true instead of ending the program.
void catchInterrupts();
/// Likewise, for a command that writes a file: from now on the file is finished also when nobody reads what is said
/// meanwhile, and SIGTERM and SIGHUP leave nothing of it.
void beginWriting();

/// An observer that prints notes to standard error, draws a bar on a terminal and stops after Ctrl-C. `verb` names the
/// work: "weights".
Observer makeObserver(const std::string &verb);

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANA_COMMANDS_H
