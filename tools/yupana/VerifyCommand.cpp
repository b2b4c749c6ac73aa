// SPDX-License-Identifier: Apache-2.0
//
// `yupana verify`: has the runtime read all of a plan, then checks the tokenizer, which the runtime's core does not
// know. Nothing of the plan is run: code is only looked at.

#include "tools/support/ProgressBar.h"
#include "tools/support/Targets.h"
#include "tools/yupana/Commands.h"
#include "tools/yupana/OpenedPlan.h"
#include "tools/yupana/PlanTokenizer.h"
#include "tools/yupana/Simulate.h"

using namespace yupana;

namespace {

const char *const verifyHelp = R"(usage: yupana verify PLAN [options]

Reads all of a plan: compares every digest, section by section and the weights in chunks of 16 MiB, checks every index,
size and range, the form of the code and of the tokenizer, and that no two buffers overlap while both are in use. Runs
nothing, unless it is to simulate.

  --simulate     then run a few steps of every GPU target on the stand-in for the CUDA driver, which interprets PTX and
                 finds races, reads of what nobody wrote, accesses out of bounds and deadlocks, and compare logits with
                 those of the plan's CPU target. No GPU is used. The plan needs PTX (--emit cubin,ptx)
  --driver FILE  the stand-in (default: libyupana-simdriver.so beside this program or in ../lib); its settings, such as
                 YUPANA_SIM_SEED and YUPANA_SIM_MEMORY (4G), are in tools/simdriver/README.md
  --for TARGET   also see that the plan has code for TARGET, such as x86-64-v3; if not, the exit code is 6. Simulate
                 TARGET alone
  --threads N    threads that read and digest (default: all cores)
  --help         print this

Exit codes: 4 also for code that the stand-in finds faulty, logits that differ too much (float32: 2e-5 of their range
in any row; bfloat16: 0.005 in the median row), and a plan to simulate that lacks weights; 3 without the stand-in; 6 for
a plan without GPU code that can be simulated.
)";

/// Passes progress on to a bar, and Ctrl-C to the library, which stops when this is not 0.
int reportProgress(void *user, uint64_t done, uint64_t total) {
  static_cast<ProgressBar *>(user)->update(done, total);
  return wasInterrupted();
}

} // namespace

Result<void> yupana::runVerify(const Words &words) {
  YUPANA_ASSIGN_OR_RETURN(
      Arguments arguments,
      Arguments::parse(words, {{"--for", true}, {"--threads", true}, {"--simulate"}, {"--driver", true}, {"--help"}}));
  if (arguments.has("--help"))
    return print("{}", verifyHelp), Result<void>();
  YUPANA_ASSIGN_OR_RETURN(std::string path, arguments.only("the PLAN"));
  YUPANA_ASSIGN_OR_RETURN(std::optional<uint64_t> threads, arguments.number("--threads", 1, 1024));
  YUPANA_ASSIGN_OR_RETURN(std::string target, targetOption(arguments));
  if (arguments.has("--driver") && !arguments.has("--simulate"))
    return makeError(ExitCode::Usage,
                     "option --driver: names the stand-in that --simulate runs on, which is not given");
  // Before the plan is read: finding out after minutes that the stand-in is not there helps nobody.
  std::string standIn;
  if (arguments.has("--simulate")) {
    YUPANA_ASSIGN_OR_RETURN(standIn, findStandIn(arguments.value("--driver")));
  }
  YUPANA_ASSIGN_OR_RETURN(OpenedPlan plan, OpenedPlan::open(path));
  // What the plan must have code for is asked first as well, since it takes no reading.
  if (!target.empty()) {
    uint32_t index;
    yupana_status_t status;
    YUPANA_RETURN_IF_ERROR(checkStatus(findTarget(plan.get(), target, index, status), status));
  }

  // The bar ends with this block, before anything is printed.
  catchInterrupts();
  {
    ProgressBar bar("verify");
    yupana_progress_t progress = {sizeof(progress), &bar, reportProgress};
    yupana_verify_options_t options = {};
    options.size = sizeof(options);
    options.threads = static_cast<uint32_t>(threads.value_or(0));
    options.progress = &progress;
    yupana_status_t status;
    YUPANA_RETURN_IF_ERROR(checkStatus(yupana_plan_verify(plan.get(), &options, &status), status));
  }
  // Reading it checks it; what it says is of no interest here.
  YUPANA_RETURN_IF_ERROR(readTokenizer(plan));
  print("{}: {} bytes in {} sections, all as recorded\n", path, yupana_plan_file_bytes(plan.get()),
        yupana_plan_section_count(plan.get()));
  // Not a fault: stripped plans are whole as far as they go.
  if (uint32_t missing = yupana_plan_missing_weights(plan.get()))
    print("{} of {} weights are not in the file: fill it with yupana refit\n", missing,
          plan.metadata().weights()->size());
  if (arguments.has("--simulate"))
    return simulate(plan, target, standIn);
  return {};
}
