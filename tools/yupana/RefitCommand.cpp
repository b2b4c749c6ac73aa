// SPDX-License-Identifier: Apache-2.0
//
// `yupana refit`: the command line as options of compiler/Driver/Refit.h.

#include "tools/yupana/Commands.h"

#include "compiler/Driver/Refit.h"

using namespace yupana;

static const char *const refitHelp = R"(usage: yupana refit PLAN FOLDER -o NEW [options]

Fills PLAN, compiled with --strip-weights, from the checkpoint in FOLDER and writes the plan NEW, which runs. The
checkpoint has the shapes that PLAN was compiled for, and may be arranged otherwise: another prefix, other shards,
experts fused or one by one, F32, F16 or BF16. Code, tables, name and tokenizer are those of PLAN. From the checkpoint
that PLAN was compiled from, NEW is what compiling it with its weights gives, byte for byte.

  -o NEW          the plan to write. It appears when it is complete, not before
  --same-digests  demand the values that PLAN was compiled from; for others the exit code is 8
  --allow-nonfinite  take NaN and infinity in weights as they are; otherwise the exit code is 4
  -j N            threads (default: all cores). The plan does not depend on it
  --help          print this

Example: yupana refit scout-code.yplan ./Llama-4-Scout-17B-16E-Instruct -o scout.yplan
)";

Result<void> yupana::runRefit(const Words &words) {
  YUPANA_ASSIGN_OR_RETURN(
      Arguments arguments,
      Arguments::parse(words, {{"-o", true}, {"--same-digests"}, {"--allow-nonfinite"}, {"-j", true}, {"--help"}}));
  if (arguments.has("--help"))
    return print("{}", refitHelp), Result<void>();
  // Two words in a fixed order; what each of them is, the driver sees when it opens them.
  if (arguments.positional().size() != 2)
    return makeError(ExitCode::Usage, "found {} words, expected the PLAN and the checkpoint FOLDER, see --help",
                     arguments.positional().size());
  RefitOptions options;
  options.plan = arguments.positional()[0];
  options.checkpoint = arguments.positional()[1];
  YUPANA_ASSIGN_OR_RETURN(options.output, outputOf(arguments));
  options.sameDigests = arguments.has("--same-digests");
  options.allowNonFinite = arguments.has("--allow-nonfinite");
  YUPANA_ASSIGN_OR_RETURN(options.jobs, jobsOf(arguments));
  options.observer = makeObserver("weights");
  beginWriting();
  Result<CompileSummary> summary = refit(options);
  // The bar is gone before the summary is printed.
  options.observer = {};
  YUPANA_RETURN_IF_ERROR(summary);
  printSummary(options.output, *summary);
  return {};
}
