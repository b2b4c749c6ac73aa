// SPDX-License-Identifier: Apache-2.0
//
// Measures how fast a plan runs, beside what the machine itself can do.
#include "tools/support/Process.h"
#include "tools/yupana-bench/Report.h"

#include <unistd.h>

using namespace yupana;

/// Ends with `code`; a cancelled call says nothing, since the user asked for it.
static int report(yupana_status_code_t code, const yupana_status_t &status) {
  if (code != YUPANA_STATUS_CANCELLED)
    tell(STDERR_FILENO, std::string("yupana-bench: ") + status.message + "\n");
  return yupana_status_exit_code(code);
}

static int run(int argc, char **argv) {
  Options options;
  yupana_status_t status = {};
  if (yupana_status_code_t code = parseOptions(argc, argv, options, status))
    return report(code, status);
  if (options.mode == Options::Help)
    return writeOutput(helpText), 0;
  if (options.mode == Options::Version)
    return writeOutput(std::string("yupana-bench ") + yupana_version() + "\n"), 0;

  // From here on: until then nothing takes long, and Ctrl-C ends the program as usual.
  catchInterrupts();
  yupana_plan_t *plan = nullptr;
  Measurements measurements;
  if (yupana_status_code_t code = runBenchmark(options, plan, measurements, status)) {
    // The plan may be open although the run failed; releasing none does nothing.
    yupana_plan_release(plan);
    return report(code, status);
  }
  std::string text = options.json ? jsonReport(plan, options, measurements) : textReport(plan, options, measurements);
  // After the report, whose figures point into the plan's metadata.
  yupana_plan_release(plan);
  writeOutput(text);
  return 0;
}

int main(int argc, char **argv) {
  beginProcess("yupana-bench");
  return endProcess(run(argc, argv));
}
