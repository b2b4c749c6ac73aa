// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_PASSES_BUFFERIZE_PASSES_TD
#define YUPANA_PASSES_BUFFERIZE_PASSES_TD

include "mlir/Pass/PassBase.td"

def PlanMemoryPass : Pass<"yupana-plan-memory", "::mlir::ModuleOp"> {
  let summary = "Give every buffer a constant place in the arena";
  let description = [{
    A buffer lives from the launch that writes it to the last that reads it, counted over all programs in order; results
    live to the end of every program that names them, since the runtime reads them. A step runs one of the step
    programs, so that buffers of different ones share memory. Sizes are those at the largest step of the buffer's
    program; buffers of one name are one buffer, as large as the largest. The placement is greedy by size, see
    `MemoryPlan.h`.

    Precondition: kernel form. Postcondition: every `kernel.buffer` has arena 0, an offset, its size and its launches,
    buffers that live at the same time do not overlap, and the module carries `kernel.arena_bytes`.
    Workspaces are placed alike in an arena of their own, of `kernel.workspace_bytes`, which a module without any lacks.

    ```mlir
    %h = kernel.buffer "add.0" : !kernel.view<["T", 64], f32>
    // becomes
    %h = kernel.buffer "add.0" arena 0 offset 4096 size 524288 live 3 to 5 : !kernel.view<["T", 64], f32>
    ```
  }];
  let options = [
    Option<"maxStepTokens", "max-step-tokens", "int64_t", "2048", "Tokens a step may hold">,
    Option<"maxBatch", "max-batch", "int64_t", "8", "Sequences a step may hold">,
    Option<"maxLogitRows", "max-logit-rows", "int64_t", "2048", "Rows of logits a step may ask for">
  ];
  let dependentDialects = ["::yupana::kernel::KernelDialect"];
}

def VerifyNoUnplannedMemoryPass : Pass<"yupana-verify-no-unplanned-memory", "::mlir::ModuleOp"> {
  let summary = "Check that every buffer has a place inside the arena, the same under one name";
  let description = [{
    Closes the bufferize phase. Holds when the module carries `kernel.arena_bytes`, and each `kernel.buffer` has an
    offset below it that is the same wherever its name stands.

    Changes nothing; a buffer with two places is reported with a note at the first.
  }];
}

#endif
