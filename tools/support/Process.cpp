// SPDX-License-Identifier: Apache-2.0
//
// Output that is lost must not look like success: the first failure is remembered, and a program that is otherwise done
// ends with exit code 7. Notes and errors go past the buffers of the C library, since nothing can be said about a line
// that nobody can read. A closed descriptor is given a file that cannot be read or written in its direction, so that
// its use fails as before, and a plan that is opened next does not get its number.

#include "tools/support/Process.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <initializer_list>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

using namespace yupana;

namespace {

constexpr int outOfSpace = 7; ///< Of the exit codes that all programs share.

const char *program = "yupana";
void (*cleanUpAtEnd)() = nullptr;
int outputFailure = 0; ///< errno of the first write that failed.
const char *mappedFile = "";

/// In ascending order, so that each file gets the number that it is to have.
void fillClosedDescriptors() {
  for (int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF)
      continue;
    // The lowest free number is this one. A root without devices has at least the folder itself.
    if (::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
      ::open("/", O_RDONLY | O_DIRECTORY);
  }
}

/// By write() alone, piece by piece: it is called by handlers of signals and where memory has run out.
[[noreturn]] void endWith(int code, std::initializer_list<std::string_view> sentence) {
  tell(STDERR_FILENO, program);
  for (std::string_view part : sentence)
    tell(STDERR_FILENO, part);
  if (cleanUpAtEnd)
    cleanUpAtEnd();
  ::_exit(code);
}

/// A page of a mapped file that the file no longer has, or that the disk cannot give (SIGBUS). Nothing could go on from
/// here: the instruction would fault again.
void onLostMapping(int) {
  constexpr int invalidInput = 4;
  endWith(invalidInput, {": ", mappedFile,
                         ": was cut, or cannot be read, while it is mapped; expected a file that stays "
                         "as it is\n"});
}

/// Where not a megabyte is to be had, memory has run out: a stack could not grow, or a library went on with a null
/// pointer. Otherwise the instruction faults again and ends the program as if nobody had looked.
void onFault(int number) {
  constexpr size_t megabyte = size_t{1} << 20;
  void *more = ::mmap(nullptr, megabyte, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (more == MAP_FAILED)
    endOutOfMemory();
  ::munmap(more, megabyte);
  ::signal(number, SIG_DFL);
}

/// Forked processes inherit this. A sanitizer's own handler stays.
void explainFaults() {
  struct sigaction before = {};
  if (::sigaction(SIGSEGV, nullptr, &before) || before.sa_handler != SIG_DFL)
    return;
  // A stack that cannot grow has no room for a handler either.
  static char stack[1 << 16];
  stack_t alternate = {};
  alternate.ss_sp = stack;
  alternate.ss_size = sizeof stack;
  ::sigaltstack(&alternate, nullptr);
  struct sigaction action = {};
  action.sa_handler = onFault;
  action.sa_flags = SA_ONSTACK;
  ::sigaction(SIGSEGV, &action, nullptr);
}

void noteFailure() {
  if (!outputFailure)
    outputFailure = errno ? errno : EIO;
}

} // namespace

void yupana::beginProcess(const char *name, void (*cleanUp)()) {
  program = name;
  cleanUpAtEnd = cleanUp;
  // A fixed name that lives as long as the program: nothing may allocate when it is needed.
  fillClosedDescriptors();
  // A file beyond its limit then fails with EFBIG instead of a signal.
  ::signal(SIGXFSZ, SIG_IGN);
  std::set_new_handler(endOutOfMemory);
  explainFaults();
}

/// A signal that only sets a flag may end a write before its time: it is then gone on with.
static bool wasCutBySignal() {
  if (errno != EINTR)
    return false;
  std::clearerr(stdout);
  return true;
}

/// fwrite says how much it took, so that a write which a signal cut goes on behind it.
bool yupana::writeOutput(std::string_view text) {
  while (!outputFailure && !text.empty()) {
    text.remove_prefix(std::fwrite(text.data(), 1, text.size(), stdout));
    if (!text.empty() && !wasCutBySignal())
      noteFailure();
  }
  return !outputFailure;
}

bool yupana::writeOutputNow(std::string_view text) {
  writeOutput(text);
  while (!outputFailure && std::fflush(stdout) != 0)
    if (!wasCutBySignal())
      noteFailure();
  return !outputFailure;
}

/// C0 and DEL are single bytes; C1 is U+0080 to U+009F, the byte 0xC2 and one below 0xA0.
bool yupana::writeReply(std::string_view text) {
  static const bool isTerminal = ::isatty(STDOUT_FILENO) == 1;
  if (!isTerminal)
    return writeOutput(text);
  std::string shown;
  for (size_t at = 0; at < text.size(); ++at) {
    unsigned char byte = text[at];
    bool isSecond = byte == 0xC2 && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xA0;
    if (isSecond || byte == 0x7F || (byte < 0x20 && byte != '\n' && byte != '\t')) {
      shown += "\uFFFD";
      at += isSecond;
    } else {
      shown += text[at];
    }
  }
  return writeOutput(shown);
}

bool yupana::isOutputLost() { return outputFailure != 0; }

int yupana::endProcess(int code) {
  writeOutputNow("");
  // Some file systems report a full disk only when a file is closed.
  if (std::fclose(stdout) != 0)
    noteFailure();
  // A program that failed has said why already.
  if (code != 0 || !outputFailure)
    return code;
  tell(STDERR_FILENO,
       std::string(program) + ": standard output: cannot be written: " + std::strerror(outputFailure) + "\n");
  return outOfSpace;
}

void yupana::tell(int descriptor, std::string_view line) {
  while (!line.empty()) {
    ssize_t written = ::write(descriptor, line.data(), line.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return;
    line.remove_prefix(static_cast<size_t>(written));
  }
}

void yupana::explainLostMappings(const char *file) {
  mappedFile = file;
  struct sigaction action = {};
  action.sa_handler = onLostMapping;
  ::sigaction(SIGBUS, &action, nullptr);
}

void yupana::endOutOfMemory() { endWith(outOfSpace, {": not enough memory\n"}); }
