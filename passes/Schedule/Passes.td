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
  let options = [Option<"target", "target", "std::string", /*default=*/"", "The target to choose for">];
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
