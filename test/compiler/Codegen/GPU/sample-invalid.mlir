// RUN: yupana-opt %s --yupana-kernel-to-nvvm --split-input-file --verify-diagnostics

// A bit of shared memory for every id.
!logits = !kernel.view<["R", 800000], f32>
!numbers = !kernel.view<["R"], f32>
!counts = !kernel.view<["R"], i32>
!words = !kernel.view<["R"], i64>
!history = !kernel.view<["N", 64], i32>
!rows = !kernel.view<["R", 4302], i64>
!blocks = !kernel.view<[1], i32>
kernel.library @library target "sm_89" {
  kernel.func @sample workspace [6, 7] {
  ^bb0(%l: !logits, %n: !numbers, %k: !counts, %s: !words, %h: !history, %i: !counts, %r: !rows, %b: !blocks):
    // expected-error @below {{needs 118832 bytes of shared memory for a vocabulary of 800000, sm_89 has 101376}}
    kernel.sample %l temperatures %n top_k %k top_p %n min_p %n penalties %n seeds %s sequences %s positions %k
      slots %k of %h into %i workspace %r, %b
      {config = #kernel.gpu<"sm_89", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 256, blocks = 3, rows = 1>}
      : !logits, !numbers, !counts, !numbers, !numbers, !numbers, !words, !words, !counts, !counts, !history, !counts,
        !rows, !blocks
  }
}

// -----

// How a row is cut follows from the threads.
!logits = !kernel.view<["R", 100], f32>
!numbers = !kernel.view<["R"], f32>
!counts = !kernel.view<["R"], i32>
!words = !kernel.view<["R"], i64>
!history = !kernel.view<["N", 64], i32>
!rows = !kernel.view<["R", 496], i64>
!blocks = !kernel.view<[1], i32>
kernel.library @library target "sm_80" {
  kernel.func @sample workspace [6, 7] {
  ^bb0(%l: !logits, %n: !numbers, %k: !counts, %s: !words, %h: !history, %i: !counts, %r: !rows, %b: !blocks):
    // expected-error @below {{has 32 threads, expected 256}}
    kernel.sample %l temperatures %n top_k %k top_p %n min_p %n penalties %n seeds %s sequences %s positions %k
      slots %k of %h into %i workspace %r, %b
      {config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 32, blocks = 1, rows = 1>}
      : !logits, !numbers, !counts, !numbers, !numbers, !numbers, !words, !words, !counts, !counts, !history, !counts,
        !rows, !blocks
  }
}

// -----

// Blocks leave for one another what they have found.
!logits = !kernel.view<["R", 100], f32>
!numbers = !kernel.view<["R"], f32>
!counts = !kernel.view<["R"], i32>
!words = !kernel.view<["R"], i64>
!history = !kernel.view<["N", 64], i32>
kernel.library @library target "sm_80" {
  kernel.func @sample {
  ^bb0(%l: !logits, %n: !numbers, %k: !counts, %s: !words, %h: !history, %i: !counts):
    // expected-error @below {{has 0 workspaces, expected those of its rows, '!kernel.view<["R", 496], i64>', and of its blocks, '!kernel.view<[1], i32>'}}
    kernel.sample %l temperatures %n top_k %k top_p %n min_p %n penalties %n seeds %s sequences %s positions %k
      slots %k of %h into %i
      {config = #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 256, blocks = 3, rows = 1>}
      : !logits, !numbers, !counts, !numbers, !numbers, !numbers, !words, !words, !counts, !counts, !history, !counts
  }
}
