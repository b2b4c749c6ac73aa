// RUN: yupana-opt %s --yupana-verify-kernel-form --split-input-file --verify-diagnostics

// expected-error @below {{function @step is left, expected kernel programs alone}}
func.func @step() {
  return
}

// -----

// expected-note @below {{in this program}}
kernel.program @step function step max_tokens 16 {
  // expected-error @below {{'arith.constant' op is not of the kernel level}}
  %c = arith.constant 1 : index
}

// -----

// A buffer has one writer.
kernel.program @step function step max_tokens 16 {
  %ids = kernel.input token_ids : !kernel.view<["T"], i32>
  %a = kernel.buffer "a" : !kernel.view<["T"], i32>
  // expected-note @below {{first written here}}
  kernel.map rows "T" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %ids[%row] : !kernel.view<["T"], i32>
    kernel.store %x, %a[%row] : !kernel.view<["T"], i32>
  }
  // expected-error @below {{'kernel.map' op writes buffer "a" again}}
  kernel.map rows "T" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %ids[%row] : !kernel.view<["T"], i32>
    kernel.store %x, %a[%row] : !kernel.view<["T"], i32>
  }
}

// -----

// A buffer is written before it is read.
kernel.program @step function step max_tokens 16 {
  // expected-note @below {{buffer is named here}}
  %a = kernel.buffer "a" : !kernel.view<["T"], i32>
  %b = kernel.buffer "b" : !kernel.view<["T"], i32>
  // expected-error @below {{'kernel.map' op reads buffer "a" before it is written}}
  kernel.map rows "T" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %a[%row] : !kernel.view<["T"], i32>
    kernel.store %x, %b[%row] : !kernel.view<["T"], i32>
  }
}

// -----

// Inputs belong to the runtime.
kernel.program @step function step max_tokens 16 {
  %ids = kernel.input token_ids : !kernel.view<["T"], i32>
  %p = kernel.input token_positions : !kernel.view<["T"], i32>
  // expected-error @below {{expected a kernel.buffer, a kernel.cache or the kernel.history}}
  kernel.map rows "T" groups 1 width 1 {
  ^bb0(%row: index, %group: index, %lane: index):
    %x = kernel.load %ids[%row] : !kernel.view<["T"], i32>
    kernel.store %x, %p[%row] : !kernel.view<["T"], i32>
  }
}

// -----

// What a member of a parallel reads counts as much.
kernel.program @step function step max_tokens 16 {
  %ids = kernel.input token_ids : !kernel.view<["T"], i32>
  // expected-note @below {{buffer is named here}}
  %a = kernel.buffer "a" : !kernel.view<["T"], i32>
  %b = kernel.buffer "b" : !kernel.view<["T"], i32>
  // expected-error @below {{'kernel.parallel' op reads buffer "a" before it is written}}
  kernel.parallel {
    kernel.map rows "T" groups 1 width 1 {
    ^bb0(%row: index, %group: index, %lane: index):
      %x = kernel.load %a[%row] : !kernel.view<["T"], i32>
      kernel.store %x, %b[%row] : !kernel.view<["T"], i32>
    }
  }
}

// -----

// What one launch leaves in its workspace is zero: no other has a use for it.
kernel.program @step function step max_tokens 16 {
  %w = kernel.buffer "w" workspace : !kernel.view<[16], i32>
  // expected-note @below {{first used here}}
  kernel.map rows "T" groups 1 width 16 {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %w[%lane] : !kernel.view<[16], i32>
    kernel.store %0, %w[%lane] : !kernel.view<[16], i32>
  }
  // expected-error @below {{uses workspace "w" again}}
  kernel.map rows "T" groups 1 width 16 {
  ^bb0(%row: index, %group: index, %lane: index):
    %0 = kernel.load %w[%lane] : !kernel.view<[16], i32>
    kernel.store %0, %w[%lane] : !kernel.view<[16], i32>
  }
}
