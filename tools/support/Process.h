// SPDX-License-Identifier: Apache-2.0
//
// What every program owes the system it runs on: its standard streams, and what it says when it cannot go on.
#ifndef YUPANA_TOOLS_SUPPORT_PROCESS_H
#define YUPANA_TOOLS_SUPPORT_PROCESS_H

#include <string>
#include <string_view>

namespace yupana {

/// The first call of a program called `name`, which has one thread as yet. Descriptors 0 to 2 that are closed stay
/// without use, so that no file gets their number; a write beyond a limit on file sizes fails and ends nothing; when
/// memory runs out in `new`, or for the stack, the program says so, removes what `cleanUp` does and ends with exit code
/// 7.
void beginProcess(const char *name, void (*cleanUp)() = nullptr);

/// Writes what the program was asked for to standard output, by way of its buffer. False once any of it could not be
/// written.
bool writeOutput(std::string_view text);
/// Likewise, and sends the buffer off.
bool writeOutputNow(std::string_view text);

/// Writes what a model said, cut between characters, as writeOutput does. At a terminal, control characters other than
/// line ends and tabs are written as U+FFFD, so that no escape sequence gets there.
bool writeReply(std::string_view text);

/// True once output is lost: whoever makes more of it may stop.
bool isOutputLost();

/// The exit code of a program that would end with `code`: 7, after a sentence on standard error, when it is 0 but
/// output is lost. The last call of a program; nothing may be written after it.
int endProcess(int code);

/// Writes a line for the user, who need not be there: a failure is ignored.
void tell(int descriptor, std::string_view line);

/// From now on a file that is cut or cannot be read while it is mapped ends the program with exit code 4 and a sentence
/// that names `file`, which lives as long as the program.
void explainLostMappings(const char *file);

/// Ends the program with exit code 7, after saying that there is not enough memory. Safe in the handler of a signal.
[[noreturn]] void endOutOfMemory();

} // namespace yupana

#endif // YUPANA_TOOLS_SUPPORT_PROCESS_H
