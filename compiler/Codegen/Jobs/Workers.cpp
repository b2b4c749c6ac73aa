// SPDX-License-Identifier: Apache-2.0
//
// LLVM ends the process when it meets what it cannot select, so every kernel is compiled in a process of its own and a
// crash becomes a sentence about that kernel. Processes are forked and start no program: nothing has to be found or
// loaded again, and a library needs to know of no program that it is part of. A process hands its result over through
// a pipe: the exit code as one byte, then the bytes or the message.
#include "compiler/Codegen/Jobs/Workers.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <list>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

using namespace yupana;
using namespace yupana::codegen;

namespace {

class Descriptor {
public:
  explicit Descriptor(int number = -1) : number(number) {}
  Descriptor(Descriptor &&other) : number(std::exchange(other.number, -1)) {}
  ~Descriptor() {
    if (number >= 0)
      close(number);
  }
  int get() const { return number; }

private:
  int number;
};

/// One process at work.
struct Worker {
  size_t index;
  pid_t process;
  Descriptor result, messages;
  std::string received;
};

Error systemError(const std::string &name, const char *what) {
  return makeError(ExitCode::OutOfSpace, "kernel {}: {} cannot be had to compile it: {}", name, what,
                   std::strerror(errno));
}

void writeAll(int descriptor, llvm::StringRef bytes) {
  // Only in the new process: without a reader there is nobody to tell.
  while (!bytes.empty()) {
    ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      _exit(1);
    bytes = bytes.drop_front(static_cast<size_t>(written));
  }
}

/// Runs in the new process. Signals that are not ignored end it as they end any program, and it ends with the process
/// that waits for it, also when that is killed. It leaves by _exit, so that nothing registered for the exit of this
/// program runs twice.
[[noreturn]] void workAndExit(int result, int messages, pid_t parent, llvm::function_ref<Result<std::string>()> work) {
  for (int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE})
    if (signal(number, SIG_DFL) == SIG_IGN)
      signal(number, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have ended before the line above took effect.
  if (getppid() != parent)
    _exit(1);
  // What LLVM says before it ends the process is quoted by finish().
  dup2(messages, STDERR_FILENO);
  Result<std::string> made = work();
  char code = static_cast<char>(made ? ExitCode::Done : made.error().code);
  writeAll(result, llvm::StringRef(&code, 1));
  writeAll(result, made ? *made : made.error().message);
  _exit(0);
}

class Pool {
public:
  Pool(llvm::ArrayRef<std::string> names, llvm::function_ref<Result<std::string>(size_t)> work)
      : names(names), work(work), results(names.size(), std::string()) {}
  Pool(const Pool &) = delete;
  // After an error in the middle: nobody waits for these any more.
  ~Pool() {
    for (Worker &worker : running) {
      kill(worker.process, SIGKILL);
      waitpid(worker.process, nullptr, 0);
    }
  }

  Result<std::vector<std::string>> run(unsigned workers);

private:
  Result<void> start(size_t index);
  void waitForSome();
  /// Takes what has arrived; false at the end of what the process sends.
  bool receive(Worker &worker);
  Result<std::string> finish(Worker &worker);

  llvm::ArrayRef<std::string> names;
  llvm::function_ref<Result<std::string>(size_t)> work;
  std::vector<Result<std::string>> results;
  std::list<Worker> running;
  bool failed = false;
};

} // namespace

/// The result comes through a pipe, whose end tells that the process is done; what the process says goes to a file in
/// memory, which no reader has to keep empty.
Result<void> Pool::start(size_t index) {
  int ends[2];
  // Other processes must not inherit the ends: a pipe with a second writer would not end with its process.
  if (pipe2(ends, O_CLOEXEC))
    return systemError(names[index], "a pipe");
  Descriptor reading(ends[0]), writing(ends[1]), messages(memfd_create("messages", MFD_CLOEXEC));
  if (messages.get() < 0)
    return systemError(names[index], "memory");
  pid_t parent = getpid(), process = fork();
  if (process < 0)
    return systemError(names[index], "a process");
  if (process == 0)
    workAndExit(writing.get(), messages.get(), parent, [&] { return work(index); });
  running.push_back({index, process, std::move(reading), std::move(messages), {}});
  return {};
}

bool Pool::receive(Worker &worker) {
  char buffer[1 << 16];
  ssize_t count = read(worker.result.get(), buffer, sizeof buffer);
  // Any other error counts as the end; finish() then finds no result.
  if (count < 0)
    return errno == EINTR;
  worker.received.append(buffer, static_cast<size_t>(count));
  return count > 0;
}

/// The first line that the process said.
static std::string firstLine(const Descriptor &messages) {
  char text[512];
  ssize_t count = pread(messages.get(), text, sizeof text, 0);
  return llvm::StringRef(text, count > 0 ? static_cast<size_t>(count) : 0).ltrim().split('\n').first.str();
}

/// The first byte of a result is its exit code. A process that sent none has no memory left, or the system has and
/// killed it, or it has crashed, most likely in LLVM: its last words are all that can be told.
Result<std::string> Pool::finish(Worker &worker) {
  int status = 0;
  while (waitpid(worker.process, &status, 0) < 0 && errno == EINTR)
    ;
  const std::string &name = names[worker.index];
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !worker.received.empty()) {
    auto code = static_cast<ExitCode>(static_cast<unsigned char>(worker.received[0]));
    std::string content = worker.received.substr(1);
    if (code == ExitCode::Done)
      return content;
    return Error{code, content};
  }
  bool isKilled = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  if (isKilled || (WIFEXITED(status) && WEXITSTATUS(status) == static_cast<int>(ExitCode::OutOfSpace)))
    return makeError(ExitCode::OutOfSpace, "kernel {}: not enough memory to compile it", name);
  std::string said = firstLine(worker.messages);
  std::string end = WIFSIGNALED(status) ? fmt::format("signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)))
                                        : fmt::format("status {}", WEXITSTATUS(status));
  return makeError(ExitCode::Internal, "kernel {}: its compilation ended with {}, {}", name, end,
                   said.empty() ? std::string("without a message") : "saying " + inQuotes(said));
}

void Pool::waitForSome() {
  llvm::SmallVector<pollfd> waits;
  for (Worker &worker : running)
    waits.push_back({worker.result.get(), POLLIN, 0});
  // A signal ends the wait; the caller looks at what it was and comes again.
  if (poll(waits.data(), waits.size(), -1) < 0)
    return;
  size_t i = 0;
  for (auto worker = running.begin(); worker != running.end();) {
    if (!waits[i++].revents || receive(*worker)) {
      ++worker;
      continue;
    }
    Result<std::string> result = finish(*worker);
    failed |= !result;
    results[worker->index] = std::move(result);
    worker = running.erase(worker);
  }
}

Result<std::vector<std::string>> Pool::run(unsigned workers) {
  // After an error nothing new is started. What was started before it is waited for, so that the error with the lowest
  // number is there whoever was faster.
  for (size_t next = 0; (next < names.size() && !failed) || !running.empty();) {
    if (next == names.size() || failed || running.size() >= workers) {
      waitForSome();
      continue;
    }
    Result<void> started = start(next);
    if (!started && running.empty())
      return started.takeError();
    // Where there is no room for one more process, those that run have to do.
    if (started)
      ++next;
    else
      workers = static_cast<unsigned>(running.size());
  }
  std::vector<std::string> made;
  for (Result<std::string> &result : results) {
    YUPANA_ASSIGN_OR_RETURN(std::string bytes, std::move(result));
    made.push_back(std::move(bytes));
  }
  return made;
}

Result<std::vector<std::string>> codegen::runInProcesses(llvm::ArrayRef<std::string> names, unsigned workers,
                                                         llvm::function_ref<Result<std::string>(size_t)> work) {
  return Pool(names, work).run(workers);
}
