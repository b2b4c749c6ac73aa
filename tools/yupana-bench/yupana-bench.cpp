// SPDX-License-Identifier: Apache-2.0
//
// Measures how fast a plan runs, beside what the machine itself can do.
#include "tools/yupana-bench/Report.h"

#include <cstdio>
#include <new>
#include <unistd.h>

using namespace yupana;

/// Without exceptions, a failed `new` can only end the program; it does so with the right exit code.
static void endOutOfMemory() {
  static constexpr char sentence[] = "yupana-bench: not enough memory\n";
  ssize_t ignored = ::write(STDERR_FILENO, sentence, sizeof sentence - 1);
  (void)ignored;
  ::_exit(YUPANA_STATUS_OUT_OF_MEMORY);
}

/// Ends with `code`; a cancelled call says nothing, since the user asked for it.
static int report(yupana_status_code_t code, const yupana_status_t &status) {
  if (code != YUPANA_STATUS_CANCELLED)
    std::fprintf(stderr, "yupana-bench: %s\n", status.message);
  return yupana_status_exit_code(code);
}

int main(int argc, char **argv) {
  std::set_new_handler(endOutOfMemory);
  Options options;
  yupana_status_t status = {};
  if (yupana_status_code_t code = parseOptions(argc, argv, options, status))
    return report(code, status);
  if (options.mode == Options::Help)
    return std::fputs(helpText, stdout) < 0;
  if (options.mode == Options::Version)
    return std::printf("yupana-bench %s\n", yupana_version()) < 0;

  catchInterrupts();
  yupana_plan_t *plan = nullptr;
  Measurements measurements;
  if (yupana_status_code_t code = runBenchmark(options, plan, measurements, status)) {
    yupana_plan_release(plan);
    return report(code, status);
  }
  std::string text = options.json ? jsonReport(plan, options, measurements) : textReport(plan, options, measurements);
  yupana_plan_release(plan);
  if (std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0)
    return 0;
  failWith(status, YUPANA_STATUS_UNREADABLE, "standard output cannot be written");
  return report(YUPANA_STATUS_UNREADABLE, status);
}
