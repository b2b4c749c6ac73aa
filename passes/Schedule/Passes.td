// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_PASSES_SCHEDULE_PASSES_TD
#define YUPANA_PASSES_SCHEDULE_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConfigureKernelsPass : Pass<"yupana-configure-kernels", "::mlir::ModuleOp"> {
  let summary = "Choose each kernel's tile and the cells of its grid for one target";
  let description = [{
    Asks the target, for the op and the largest step of its program, and writes the answer on the op: `config` says how
    the kernel is cut, `grid` how many cells a step has. Kernels that carry a `config` already keep it, so that a tuner
    or a test can decide instead.

    The grid of a `kernel.parallel` is the sum of its members'; there is nothing else to choose for it.

    With `candidate=N` each op takes the N-th of the configs that are worth timing for it, the last where it has fewer,
    and each launch says which kernel it is by the attribute `kernel.signature`. With `timings=FILE`, which `yupana tune
    --merge` writes, a kernel that FILE has an entry for takes the configs found there, as long as the target still
    lists them; a remark at the module says how many kernels that are.

    Precondition: kernel form. Postcondition: every launched op has a grid and a config for `target`.

    ```mlir
    kernel.gemm rows "T" product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[64, 64], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
    // becomes
    kernel.gemm rows "T" attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 144>,
                                     grid = #kernel.grid<"T", 144, "ceildiv", 2, "*">}
      product %x : !kernel.view<["T", 64], f32> times %w : !kernel.view<[64, 64], f32> {
    ^bb0(%acc: f32, %row: index, %feature: index):
    }
    ```
  }];
  let options = [
    Option<"target", "target", "std::string", /*default=*/"", "The target to choose for">,
    Option<"candidate", "candidate", "int64_t", /*default=*/"-1",
           "Take this one of each op's configs that are worth timing, from 0; -1 to choose">,
    Option<"timings", "timings", "std::string", /*default=*/"", "A file with the configs that were the fastest">
  ];
  let dependentDialects = ["::yupana::kernel::KernelDialect"];
}

def VerifySchedulePass : Pass<"yupana-verify-schedule", "::mlir::ModuleOp"> {
  let summary = "Check that every kernel has a grid and a config, all for one target";
  let description = [{
    Closes the schedule phase. Holds when each launched op has a `grid` and a `config`, and all configs are for one
    target.

    Changes nothing; a config of another target is reported with a note at the first kernel.
  }];
}

#endif
