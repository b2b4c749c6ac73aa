// RUN: yupana-opt %s --yupana-verify-no-unplanned-memory --split-input-file --verify-diagnostics

// expected-error @below {{module has no kernel.arena_bytes, expected plan-memory to have run}}
module {
}

// -----

module attributes {kernel.arena_bytes = 8192 : i64} {
  kernel.program @step function step max_tokens 16 {
    // expected-error @below {{'kernel.buffer' op has no offset, expected plan-memory to have run}}
    %a = kernel.buffer "a" : !kernel.view<["T", 64], f32>
  }
}

// -----

module attributes {kernel.arena_bytes = 64 : i64} {
  kernel.program @step function step max_tokens 16 {
    // expected-error @below {{'kernel.buffer' op lies at 64 of an arena of 64 bytes}}
    %a = kernel.buffer "a" arena 0 offset 64 : !kernel.view<["T", 64], f32>
  }
}

// -----

// One name is one buffer.
module attributes {kernel.arena_bytes = 8192 : i64} {
  kernel.program @step function step max_tokens 16 {
    // expected-note @below {{the other buffer}}
    %a = kernel.buffer "a" arena 0 offset 0 : !kernel.view<["T", 64], f32>
  }
  kernel.program @sample function sample max_tokens 16 {
    // expected-error @below {{lies at 64, under the same name another lies at 0}}
    %a = kernel.buffer "a" arena 0 offset 64 : !kernel.view<["T", 64], f32>
  }
}

// -----

// A workspace among buffers that nobody leaves zero.
module attributes {kernel.arena_bytes = 8192 : i64, kernel.workspace_bytes = 64 : i64} {
  kernel.program @step function step max_tokens 16 {
    // expected-error @below {{lies in arena 0, expected buffers in 0 and workspaces in 1, with kernel.workspace_bytes on the module}}
    %w = kernel.buffer "w" workspace arena 0 offset 0 : !kernel.view<[16], i32>
  }
}

// -----

module attributes {kernel.arena_bytes = 8192 : i64} {
  kernel.program @step function step max_tokens 16 {
    // expected-error @below {{lies in arena 1, expected buffers in 0 and workspaces in 1, with kernel.workspace_bytes on the module}}
    %w = kernel.buffer "w" workspace arena 1 offset 0 : !kernel.view<[16], i32>
  }
}

// -----

module attributes {kernel.arena_bytes = 8192 : i64, kernel.workspace_bytes = 64 : i64} {
  kernel.program @step function step max_tokens 16 {
    // expected-error @below {{lies at 64 of an arena of 64 bytes}}
    %w = kernel.buffer "w" workspace arena 1 offset 64 : !kernel.view<[16], i32>
  }
}
