// One layer of every kind of op, through every phase; what holds after each is checked here once.
//
// RUN: yupana-opt %s --yupana-import-phase=max-context=1024 | FileCheck %s --check-prefix=IMPORT
// RUN: yupana-opt %s --yupana-import-phase=max-context=1024 --yupana-to-kernel-phase=max-context=1024 \
// RUN:   | FileCheck %s --check-prefix=KERNEL
// RUN: yupana-opt %s --yupana-import-phase=max-context=1024 --yupana-to-kernel-phase=max-context=1024 \
// RUN:   --yupana-layout-phase | FileCheck %s --check-prefix=LAYOUT
// RUN: yupana-opt %s --yupana-import-phase=max-context=1024 --yupana-to-kernel-phase=max-context=1024 \
// RUN:   --yupana-layout-phase --yupana-fuse-phase | FileCheck %s --check-prefix=FUSE
// RUN: yupana-opt %s --yupana-import-phase=max-context=1024 --yupana-to-kernel-phase=max-context=1024 \
// RUN:   --yupana-layout-phase --yupana-fuse-phase --yupana-schedule-phase --yupana-bufferize-phase \
// RUN:   | FileCheck %s --check-prefix=BUFFERIZE
// RUN: yupana-opt %s --yupana-pipeline=max-context=1024 | FileCheck %s --check-prefix=PLAN

// Import: tables exist and are named.
// IMPORT: lm.table @rope.0
// IMPORT: lm.table @temperature.1
// IMPORT: lm.rope {{.*}} tables [@rope.0]
// IMPORT: lm.attention_temperature {{.*}} table @temperature.1

// To-kernel: launched kernels alone, one for each op of the model.
// KERNEL-NOT: func.func
// KERNEL-LABEL: kernel.program @step
// KERNEL: kernel.map
// KERNEL: kernel.gemm
// KERNEL: kernel.append
// KERNEL: kernel.attention
// KERNEL: kernel.route {{.*}} logits
// KERNEL-LABEL: kernel.program @sample

// Layout: one packed form a weight, one group a retention.
// LAYOUT-DAG: lm.weight @embedding {{.*}} #lm.pack<"row-major">
// LAYOUT-DAG: lm.interleaved @"gate+up" of @gate, @up by 16 layout "panel32"
// LAYOUT-DAG: lm.weight @shared_down {{.*}}#lm.pack<"panel32">
// LAYOUT-DAG: kernel.cache_group @chunk48 layers [0] chunk 48 page_tokens 64 page_bytes 16384
// LAYOUT: kernel.cache @layer in @chunk48 offset 8192

// Fuse: a program for one token and one for more; what is fused is the other files' matter.
// FUSE-LABEL: kernel.program @step.1 function step max_tokens 1 {
// FUSE: kernel.history
// FUSE: kernel.map
// FUSE: kernel.sum
// FUSE: kernel.parallel
// FUSE-COUNT-2: kernel.gemm
// FUSE: kernel.append
// FUSE: kernel.attention
// FUSE: kernel.route
// FUSE: kernel.parallel
// FUSE-COUNT-2: kernel.gemm {{.*}} by
// FUSE: kernel.gemm rows "R"
// FUSE: kernel.result logits
// FUSE-LABEL: kernel.program @step function step max_tokens 2048 {
// FUSE: kernel.attention
// FUSE: kernel.result logits
// FUSE-LABEL: kernel.program @sample
// FUSE: kernel.sample

// Schedule and bufferize: cells and places.
// BUFFERIZE: module attributes {kernel.arena_bytes = {{[0-9]+}} : i64}
// BUFFERIZE: kernel.buffer "step.1.embed.0" arena 0 offset
// BUFFERIZE: kernel.gemm {{.*}} attributes {config = #kernel.x86<"x86-64-v3", tile = 6 x 16, {{.*}}>, grid = #kernel.grid<"T",

// Plan: numbers alone, and the library that code is generated from.
// PLAN-NOT: kernel.program
// PLAN: plan.model "one-layer"
// PLAN: kernel.library @kernels target "x86-64-v3"
// PLAN: kernel.func @gemm_
// PLAN: plan.weight @embedding layout "row-major"
// PLAN: plan.cache_group "chunk48"
// PLAN: plan.target "x86-64-v3"
// PLAN: plan.program function step max_tokens 1 {
// PLAN: plan.program function step max_tokens 2048 {
// PLAN: plan.program function sample max_tokens 2048
// PLAN: plan.launch {{[0-9]+}} #kernel.grid<"R"> {{.*}}#plan.argument<history 0>

!ids = tensor<?xi32, #lm.dims<"T">>
!x = tensor<?x64xf32, #lm.dims<"T", 64>>
!kv = tensor<?x32xf32, #lm.dims<"T", 32>>
!logits = tensor<?x16xf32, #lm.dims<"R", 16>>
!f32s = tensor<?xf32, #lm.dims<"R">>
!i32s = tensor<?xi32, #lm.dims<"R">>
!i64s = tensor<?xi64, #lm.dims<"R">>

lm.model "one-layer" architecture "Test" vocabulary 16 hidden 64 layers 1 parameters 1 begin 1 stop [2]
lm.weight @embedding from ["embedding"] : tensor<16x64xbf16> through [#lm.convert<f32>] : tensor<16x64xf32>
lm.weight @norm from ["norm"] : tensor<64xf32> through [] : tensor<64xf32>
lm.weight @q from ["q"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @kv from ["kv"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.weight @router from ["router"] : tensor<4x64xf32> through [] : tensor<4x64xf32>
lm.weight @gate from ["gate_up"] : tensor<4x64x64xf32>
  through [#lm.slice<axis = 2, offset = 0, size = 32>, #lm.transpose<0, 2, 1>] : tensor<4x32x64xf32>
lm.weight @up from ["gate_up"] : tensor<4x64x64xf32>
  through [#lm.slice<axis = 2, offset = 32, size = 32>, #lm.transpose<0, 2, 1>] : tensor<4x32x64xf32>
lm.weight @down from ["down"] : tensor<4x32x64xf32> through [#lm.transpose<0, 2, 1>] : tensor<4x64x32xf32>
lm.weight @shared_gate from ["sg"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.weight @shared_up from ["su"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.weight @shared_down from ["sd"] : tensor<64x32xf32> through [] : tensor<64x32xf32>
lm.weight @head from ["head"] : tensor<16x64xf32> through [] : tensor<16x64xf32>
lm.cache @layer layer 0 heads 2 width 16 chunk 48 : f32

func.func @step(%ids: !ids, %positions: !ids, %sequences: !ids, %rows: tensor<?xi32, #lm.dims<"R">>) -> !logits {
  lm.record %ids at %positions of %sequences : !ids
  %h = lm.embed %ids, @embedding : !ids -> !x
  %n = lm.rms_norm %h, @norm width 64 epsilon 1.0e-5 : !x
  %q0 = lm.linear %n, @q : !x -> !x
  %k = lm.linear %n, @kv : !x -> !kv
  %q1 = lm.rope %q0, %positions width 16 <theta = 5.0e5 : f64> period 48 : !x, !ids
  %q = lm.attention_temperature %q1, %positions scale 1.0e-1 floor_scale 128 : !x, !ids
  %a = lm.attention %q, %k, %k at %positions of %sequences cache @layer scale 2.5e-1 : !x, !kv, !ids
  %h1 = lm.add %h, %a : !x
  %l = lm.linear %h1, @router : !x -> tensor<?x4xf32, #lm.dims<"T", 4>>
  %e, %s = moe.route %l top 1 score sigmoid
    : tensor<?x4xf32, #lm.dims<"T", 4>> -> tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x1xf32, #lm.dims<"T", 1>>
  %d = moe.dispatch %h1 to %e scaled %s
    : !x, tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x1xf32, #lm.dims<"T", 1>> -> !x
  %y = moe.experts %d by %e gate @gate up @up down @down activation silu : !x, tensor<?x1xi32, #lm.dims<"T", 1>> -> !x
  %z = moe.shared_expert %h1 gate @shared_gate up @shared_up down @shared_down activation silu : !x -> !x
  %c = moe.combine %y shared %z : !x shared !x -> !x
  %h2 = lm.add %h1, %c : !x
  %last = lm.take_rows %h2, %rows
    : !x, tensor<?xi32, #lm.dims<"R">> -> tensor<?x64xf32, #lm.dims<"R", 64>>
  %logits = lm.linear %last, @head : tensor<?x64xf32, #lm.dims<"R", 64>> -> !logits
  return %logits : !logits
}

func.func @sample(%l: !logits, %t: !f32s, %k: !i32s, %p: !f32s, %m: !f32s, %r: !f32s, %s: !i64s, %n: !i64s, %x: !i32s,
                  %h: !i32s) -> !i32s {
  %ids = lm.sample %l temperatures %t top_k %k top_p %p min_p %m penalties %r seeds %s sequences %n positions %x
    slots %h : !logits, !f32s, !i64s, !i32s -> !i32s
  return %ids : !i32s
}
