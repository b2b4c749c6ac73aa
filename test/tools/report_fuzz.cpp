// SPDX-License-Identifier: Apache-2.0
//
// Runs `yupana check`, `inspect`, `inspect --json` and `verify` on whatever it is given, and makes the page of
// `inspect --html`. Each ends with a sentence or a report; a report is in proportion to its plan and has no control
// characters. The mutator changes single objects and makes all digests right again.

#include "test/runtime/plan_mutator.h"
#include "tools/yupana/Commands.h"
#include "tools/yupana/PlanReport.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

using namespace yupana;

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

// What the program defines beside its main function.
bool yupana::wasInterrupted() { return false; }
void yupana::catchInterrupts() {}
Result<std::string> yupana::targetOption(const Arguments &arguments) { return arguments.value("--for").value_or(""); }
Result<void> yupana::runVersion(const Words &) { return {}; }

namespace {

int planFile = -1, outputFile = -1;

[[noreturn]] void give_up(const char *what, const Words &words, const std::string &text) {
  std::fprintf(stderr, "%s: %s: %s\n", words.empty() ? "" : words.back().c_str(), what, text.c_str());
  std::abort();
}

void put(int file, const uint8_t *data, size_t size) {
  if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != static_cast<ssize_t>(size))
    std::abort();
}

bool hasControls(const std::string &text) {
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]),
         next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if ((c < 0x20 && c != '\n') || c == 0x7F || (c == 0xC2 && next >= 0x80 && next < 0xA0))
      return true;
  }
  return false;
}

/// What has been written to standard output, which is empty afterwards.
std::string takeOutput() {
  std::fflush(stdout);
  std::string text(static_cast<size_t>(lseek(outputFile, 0, SEEK_END)), '\0');
  if (pread(outputFile, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
      ftruncate(outputFile, 0) != 0 || lseek(outputFile, 0, SEEK_SET) != 0)
    std::abort();
  return text;
}

std::string planPath() { return "/proc/self/fd/" + std::to_string(planFile); }

void checkReport(const Words &words, const std::string &text, size_t planBytes) {
  if (text.size() > 100 * planBytes + (size_t{64} << 10))
    give_up("a report out of proportion", words, std::to_string(text.size()));
  if (hasControls(text))
    give_up("control characters", words, text);
}

/// The page without the file: a name under /proc cannot be renamed to.
void makePage(size_t planBytes) {
  Result<OpenedPlan> plan = OpenedPlan::open(planPath());
  if (!plan)
    return;
  Result<std::optional<PlanTokenizer>> tokenizer = readTokenizer(*plan);
  if (tokenizer)
    checkReport({"--html"}, htmlReport(*plan, *tokenizer ? &**tokenizer : nullptr), planBytes);
}

void run(Result<void> (*command)(const Words &), Words words, size_t planBytes) {
  words.insert(words.begin(), planPath());
  Result<void> result = command(words);
  checkReport(words, takeOutput(), planBytes);
  if (!result && (result.error().message.empty() || result.error().code == ExitCode::Internal))
    give_up("an error that is none of the plan", words, result.error().message);
}

} // namespace

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
  planFile = memfd_create("plan", MFD_CLOEXEC);
  outputFile = memfd_create("output", MFD_CLOEXEC);
  if (planFile < 0 || outputFile < 0 || dup2(outputFile, STDOUT_FILENO) < 0)
    std::abort();
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned seed) {
  std::mt19937 random(seed);
  test::Bytes file(data, data + size);
  if (!test::mutate_plan(file, random) || file.size() > maxSize)
    return LLVMFuzzerMutate(data, size, maxSize);
  std::memcpy(data, file.data(), file.size());
  return file.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  put(planFile, data, size);
  run(runCheck, {"--device", "cpu"}, size);
  run(runCheck, {"--for", "sm_90a", "--json"}, size);
  run(runInspect, {}, size);
  run(runInspect, {"--json"}, size);
  makePage(size);
  run(runVerify, {"--threads", "1"}, size);
  return 0;
}
