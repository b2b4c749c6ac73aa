// RUN: yupana-opt %s -split-input-file -verify-diagnostics

// Every compiled maximum is at least one.
// expected-error@+1 {{'plan.model' op batch is 0, expected 1 to 2^32 - 1}}
plan.model "m" architecture "a" vocabulary 256 hidden 64 layers 1 parameters 1 precision "f32" begin 0 stop []
  maxima context 1024 batch 0 tokens 2048 rows 2048

// -----

// And fits the 32 bits that kernels are given.
// expected-error@+1 {{context is 4294967296, expected 1 to 2^32 - 1}}
plan.model "m" architecture "a" vocabulary 256 hidden 64 layers 1 parameters 1 precision "f32" begin 0 stop []
  maxima context 4294967296 batch 8 tokens 2048 rows 2048

// -----

// A negative size is no size.
// expected-error@+1 {{vocabulary is -1, expected 1 to 2^32 - 1}}
plan.model "m" architecture "a" vocabulary -1 hidden 64 layers 1 parameters 1 precision "f32" begin 0 stop []
  maxima context 1024 batch 8 tokens 2048 rows 2048

// -----

// A stored weight is declared.
// expected-error@+1 {{'plan.weight' op uses @w, expected the name of an lm.weight or lm.table}}
plan.weight @w layout "row-major"

// -----

// A group has layers.
// expected-error@+1 {{'plan.cache_group' op has 0 layers, chunk 0, page_tokens 64 and page_bytes 4096; expected layers and positive pages}}
plan.cache_group "g" layers [] chunk 0 page_tokens 64 page_bytes 4096

// -----

// And pages with bytes.
// expected-error@+1 {{has 1 layers, chunk 0, page_tokens 64 and page_bytes 0; expected layers and positive pages}}
plan.cache_group "g" layers [0] chunk 0 page_tokens 64 page_bytes 0

// -----

// Retention is everything (0) or a chunk.
// expected-error@+1 {{has 1 layers, chunk -1, page_tokens 64 and page_bytes 4096; expected layers and positive pages}}
plan.cache_group "g" layers [0] chunk -1 page_tokens 64 page_bytes 4096

// -----

// Logits are one of the target's buffers.
// expected-error@+1 {{'plan.target' op names logits buffer 0, there are 0}}
plan.target "t" logits 0 sampled 0 {
}

// -----

// So are sampled ids.
// expected-error@+1 {{names sampled buffer 1, there are 1}}
plan.target "t" logits 0 sampled 1 {
  plan.arena "a" size 64
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
}

// -----

// A buffer lies in an arena that exists.
plan.target "t" logits 0 sampled 0 {
  // expected-error@+1 {{'plan.buffer' op names arena 1, there are 1}}
  plan.buffer "x" arena 1 offset 0 size 64 live 0 to 0
  plan.arena "a" size 64
}

// -----

// A buffer ends inside its arena.
plan.target "t" logits 0 sampled 0 {
  // expected-note@+1 {{arena is declared here}}
  plan.arena "a" size 64
  // expected-error@+1 {{takes 64 bytes at 64 of an arena of 64}}
  plan.buffer "x" arena 0 offset 64 size 64 live 0 to 0
}

// -----

// And starts inside it.
plan.target "t" logits 0 sampled 0 {
  // expected-note@+1 {{arena is declared here}}
  plan.arena "a" size 64
  // expected-error@+1 {{takes 64 bytes at 128 of an arena of 64}}
  plan.buffer "x" arena 0 offset 128 size 64 live 0 to 0
}

// -----

// A buffer is written before it is read.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 64
  // expected-error@+1 {{lives from launch 2 to 1}}
  plan.buffer "x" arena 0 offset 0 size 64 live 2 to 1
}

// -----

// A launch names a kernel of its target.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 64
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
  plan.program function step max_tokens 1 {
    // expected-error@+1 {{'plan.launch' op names kernel 0, there are 0}}
    plan.launch 0 #kernel.grid<1> []
  }
}

// -----

// And gives it as many arguments as it takes.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 64
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
  // expected-note@+1 {{kernel is declared here}}
  plan.kernel "k" scratch 0 arguments 2
  plan.program function step max_tokens 1 {
    // expected-error@+1 {{passes 1 arguments to a kernel that takes 2}}
    plan.launch 0 #kernel.grid<1> [#plan.argument<buffer 0>]
  }
}

// -----

// A buffer argument is one of the target's.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 64
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
  plan.kernel "k" scratch 0 arguments 1
  plan.program function step max_tokens 1 {
    // expected-error@+1 {{names buffer 1, there are 1}}
    plan.launch 0 #kernel.grid<1> [#plan.argument<buffer 1>]
  }
}

// -----

// A weight argument is one of the plan's.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 64
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
  plan.kernel "k" scratch 0 arguments 1
  plan.program function step max_tokens 1 {
    // expected-error@+1 {{names weight 0, there are 0}}
    plan.launch 0 #kernel.grid<1> [#plan.argument<weight 0>]
  }
}

// -----

// A cache argument is one of the plan's groups.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 64
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
  plan.kernel "k" scratch 0 arguments 1
  plan.program function step max_tokens 1 {
    // expected-error@+1 {{names cache 0, there are 0}}
    plan.launch 0 #kernel.grid<1> [#plan.argument<cache 0>]
  }
}

// -----

// So is a page table.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 64
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
  plan.kernel "k" scratch 0 arguments 1
  plan.program function step max_tokens 1 {
    // expected-error@+1 {{names page_table 0, there are 0}}
    plan.launch 0 #kernel.grid<1> [#plan.argument<page_table 0>]
  }
}

// -----

// There are fifteen step inputs.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 64
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
  plan.kernel "k" scratch 0 arguments 1
  plan.program function step max_tokens 1 {
    // expected-error@+1 {{names input 15, there are 15}}
    plan.launch 0 #kernel.grid<1> [#plan.argument<input 15>]
  }
}

// -----

// And one history.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 64
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
  plan.kernel "k" scratch 0 arguments 1
  plan.program function step max_tokens 1 {
    // expected-error@+1 {{names history 1, there are 1}}
    plan.launch 0 #kernel.grid<1> [#plan.argument<history 1>]
  }
}

// -----

// Bytes are added to an address, never taken away.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 64
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
  plan.kernel "k" scratch 0 arguments 1
  plan.program function step max_tokens 1 {
    // expected-error@+1 {{adds -64 bytes to an address, expected none or more}}
    plan.launch 0 #kernel.grid<1> [#plan.argument<buffer 0 + -64>]
  }
}

// -----

// Tables of a target stand in a target.
// expected-error@+1 {{'plan.arena' op expects parent op 'plan.target'}}
plan.arena "a" size 64

// -----

// Launches stand in a program.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 64
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
  // expected-error@+1 {{'plan.launch' op expects parent op 'plan.program'}}
  plan.launch 0 #kernel.grid<1> []
}

// -----

// Sizes are positive.
plan.target "t" logits 0 sampled 0 {
  // expected-error@+1 {{'plan.arena' op has -64 bytes, expected at least one}}
  plan.arena "a" size -64
}

// -----

plan.target "t" logits 0 sampled 0 {
  // expected-error@+1 {{'plan.kernel' op is called 'k', with -1 bytes of scratch memory and 0 arguments; expected a name and sizes from 0}}
  plan.kernel "k" scratch -1 arguments 0
}

// -----

plan.target "t" logits 0 sampled 0 {
  // expected-error@+1 {{'plan.program' op is for steps of 0 tokens, expected 1 to 2^32 - 1}}
  plan.program function step max_tokens 0 {
  }
}

// -----

// An image has code.
plan.target "t" logits 0 sampled 0 {
  // expected-error@+1 {{'plan.image' op has no bytes, expected code}}
  plan.image ptx ""
}

// -----

// A kernel names an image of its target.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 64
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
  // expected-error@+1 {{'plan.kernel' op names image 0, there are 0}}
  plan.kernel "k" scratch 0 arguments 0 images [#plan.kernel_image<0>]
}

// -----

// One of a format.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 64
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
  plan.image cubin "a"
  // expected-note@+1 {{image is declared here}}
  plan.image cubin "b"
  // expected-error@+1 {{'plan.kernel' op has a second image of format cubin, expected one}}
  plan.kernel "k" scratch 0 arguments 0 images [#plan.kernel_image<0>, #plan.kernel_image<1>]
}

// -----

// Launches on a CPU do not overlap.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 64
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
  plan.image elf_x86_64 "a"
  // expected-error@+1 {{'plan.kernel' op waits for the launch before it, which code for a GPU alone can}}
  plan.kernel "k" scratch 0 arguments 0 waits images [#plan.kernel_image<0>]
}

// -----

// Registers are counted from 0.
// expected-error@+1 {{registers is -1, expected 0 to 2^32 - 1}}
func.func private @f() attributes {test.image = #plan.kernel_image<0, registers = -1>}

// -----

// Entries of one name are at one place.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 128
  // expected-note@+1 {{the other entry is here}}
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
  // expected-error@+1 {{'plan.buffer' op has the name "x" of another entry, expected the same place and launches that do not meet}}
  plan.buffer "x" arena 0 offset 64 size 64 live 1 to 1
}

// -----

// And not alive twice.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 128
  // expected-note@+1 {{the other entry is here}}
  plan.buffer "x" arena 0 offset 0 size 64 live 3 to 5
  // expected-error@+1 {{has the name "x" of another entry}}
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 3
}

// -----

// A block has threads before it has shared memory.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 64
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
  plan.kernel "k" scratch 0 arguments 0
  plan.program function step max_tokens 1 {
    // expected-error@+1 {{'plan.launch' op has blocks of 0 threads and 64 bytes of shared memory, expected 1 to 1024 threads, or none of either}}
    plan.launch 0 #kernel.grid<1> shared 64 []
  }
}

// -----

// And at most 1024.
plan.target "t" logits 0 sampled 0 {
  plan.arena "a" size 64
  plan.buffer "x" arena 0 offset 0 size 64 live 0 to 0
  plan.kernel "k" scratch 0 arguments 0
  plan.program function step max_tokens 1 {
    // expected-error@+1 {{has blocks of 1025 threads}}
    plan.launch 0 #kernel.grid<1> threads 1025 []
  }
}
