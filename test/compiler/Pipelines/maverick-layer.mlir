// Two layers of Maverick: a dense one and one of experts, heads not normed. Five launches and six.
//
// DEFINE: %{all} = pair-gate-up,pair-rotation,fuse-norm-statistics,fuse-router,hoist-row-scale,sort-rows-by-expert,join-products,fuse-epilogues,inline-producers,merge-launches
//
// RUN: yupana-opt %s --yupana-import-phase=max-context=1024 \
// RUN:   --yupana-to-kernel-phase=max-context=1024 --yupana-layout-phase --yupana-fuse-phase -o %t.fused
// RUN: FileCheck %s --input-file %t.fused
// RUN: grep -E '^    kernel\.(map|gemm|route|attention|parallel|sample) ' %t.fused | FileCheck %s --check-prefix=LAUNCHES
//
// In bfloat16 all but logits and scores is stored in half the bytes, and fused alike.
// RUN: sed '/^!\(scored\|scores\|logits\|temperatures\) /!s/f32/bf16/g' %s > %t.bf16.mlir
// RUN: yupana-opt %t.bf16.mlir --yupana-import-phase=max-context=1024 \
// RUN:   --yupana-to-kernel-phase=max-context=1024 --yupana-layout-phase --yupana-fuse-phase -o %t.bf16
// RUN: FileCheck %s --input-file %t.bf16
// RUN: grep -E '^    kernel\.(map|gemm|route|attention|parallel|sample) ' %t.bf16 | FileCheck %s --check-prefix=LAUNCHES
//
// With every fusing pass left out each op of the model is a launch, and the same phases take that to a plan.
// RUN: yupana-opt %s --yupana-import-phase=max-context=1024 --yupana-to-kernel-phase=max-context=1024 \
// RUN:   --yupana-layout-phase=disable-fusion=%{all} --yupana-fuse-phase=disable-fusion=%{all} \
// RUN:   | grep -cE '^    kernel\.(map|gemm|route|attention|parallel|sample) ' | FileCheck %s --check-prefix=UNFUSED
// RUN: yupana-opt %s --yupana-pipeline='max-context=1024 disable-fusion=%{all}' \
// RUN:   | FileCheck %s --check-prefix=PLAN
// RUN: yupana-opt %t.bf16.mlir --yupana-pipeline='max-context=1024 precision=bf16 disable-fusion=%{all}' \
// RUN:   | FileCheck %s --check-prefix=PLAN

// UNFUSED: 93

// PLAN: plan.program function step max_tokens 1 {
// PLAN-COUNT-46: plan.launch
// PLAN-NOT: plan.launch
// PLAN: plan.program function step max_tokens 2048 {
// PLAN-COUNT-46: plan.launch
// PLAN-NOT: plan.launch
// PLAN: plan.program function sample
// PLAN: plan.launch

// The embedding sums the squares of what it stores, 32 features at a time.
// CHECK-LABEL: kernel.program @step.1 function step max_tokens 1 {
// CHECK: %[[H:.*]] = kernel.buffer "step.1.embed.0"
// CHECK: %[[HS:.*]] = kernel.buffer "step.1.embed.0.squares"
// CHECK: kernel.map rows "T" groups 2 width 32
// CHECK: kernel.store %{{.*}}, %[[H]][
// CHECK: kernel.sum
// CHECK: kernel.store %{{.*}}, %[[HS]][
//
// Layer 0: queries, keys and values side by side, each norming its rows as it stages them.
// Two neighbours turn together.
// CHECK: kernel.parallel {
// CHECK: kernel.gemm rows "T" pairs 32 by 16 attributes {numerics = #kernel.numerics<range = all, {{.*}}} product {
// CHECK: kernel.load %[[H]][
// CHECK: kernel.row_sum %[[HS]][
// CHECK: math.sqrt
// CHECK: kernel.yield
// CHECK: arith.subf
// CHECK: kernel.store %{{.*}}, %[[Q0:[0-9]+]][
// CHECK: arith.addf
// CHECK: kernel.store %{{.*}}, %[[Q0]][
// CHECK: kernel.gemm rows "T" pairs 16 by 16 attributes {numerics = #kernel.numerics<range = all, {{.*}}} product {
// CHECK: kernel.load %[[H]][
// CHECK: kernel.row_sum %[[HS]][
// CHECK: math.sqrt
// CHECK: kernel.yield
// CHECK: arith.subf
// CHECK: arith.addf
// CHECK: kernel.append {{.*}}!kernel.cache<key, heads = 2
// CHECK: kernel.append {{.*}}!kernel.cache<key, heads = 2
// CHECK: kernel.gemm rows "T" attributes {numerics = #kernel.numerics<range = all, {{.*}}} product {
// CHECK: kernel.load %[[H]][
// CHECK: kernel.row_sum %[[HS]][
// CHECK: math.sqrt
// CHECK: kernel.yield
// CHECK: kernel.append {{.*}}!kernel.cache<value, heads = 2
// CHECK: %[[A0:.*]] = kernel.buffer "step.1.attention.0"
// CHECK: kernel.attention %[[Q0]], {{.*}} into %[[A0]] chunk 48
//
// Its projection adds the residual and sums the squares for the norm behind it.
// CHECK: %[[H0A:.*]] = kernel.buffer "step.1.add.0"
// CHECK: %[[H0AS:.*]] = kernel.buffer "step.1.add.0.squares"
// CHECK: kernel.gemm rows "T" group 32 attributes {numerics = #kernel.numerics<range = all, {{.*}}} product %[[A0]] :
// CHECK: kernel.load %[[H]][
// CHECK: arith.addf
// CHECK: kernel.store %{{.*}}, %[[H0A]][
// CHECK: kernel.sum
// CHECK: kernel.store %{{.*}}, %[[H0AS]][
//
// Gate and up are one product of pairs, down adds the residual: five launches.
// CHECK: %[[I0:.*]] = kernel.buffer "step.1.gated.0"
// CHECK: kernel.gemm rows "T" pairs 48 by 16 attributes {numerics = #kernel.numerics<range = all, {{.*}}} product {
// CHECK: kernel.load %[[H0A]][
// CHECK: kernel.row_sum %[[H0AS]][
// CHECK: math.sqrt
// CHECK: kernel.yield
// CHECK: math.exp
// CHECK: kernel.store %{{.*}}, %[[I0]][
// CHECK: %[[H0:.*]] = kernel.buffer "step.1.add.1"
// CHECK: %[[H0S:.*]] = kernel.buffer "step.1.add.1.squares"
// CHECK: kernel.gemm rows "T" group 32 attributes {numerics = #kernel.numerics<range = all, {{.*}}} product %[[I0]] :
// CHECK: kernel.load %[[H0A]][
// CHECK: arith.addf
// CHECK: kernel.store %{{.*}}, %[[H0]][
// CHECK: kernel.sum
// CHECK: kernel.store %{{.*}}, %[[H0S]][
//
// Layer 1: queries, keys and values side by side, each norming its rows as it stages them.
// Two neighbours turn together.
// CHECK: kernel.parallel {
// CHECK: kernel.gemm rows "T" pairs 32 by 16 attributes {numerics = #kernel.numerics<range = all, {{.*}}} product {
// CHECK: kernel.load %[[H0]][
// CHECK: kernel.row_sum %[[H0S]][
// CHECK: math.sqrt
// CHECK: kernel.yield
// CHECK: arith.subf
// CHECK: kernel.store %{{.*}}, %[[Q1:[0-9]+]][
// CHECK: arith.addf
// CHECK: kernel.store %{{.*}}, %[[Q1]][
// CHECK: kernel.gemm rows "T" pairs 16 by 16 attributes {numerics = #kernel.numerics<range = all, {{.*}}} product {
// CHECK: kernel.load %[[H0]][
// CHECK: kernel.row_sum %[[H0S]][
// CHECK: math.sqrt
// CHECK: kernel.yield
// CHECK: arith.subf
// CHECK: arith.addf
// CHECK: kernel.append {{.*}}!kernel.cache<key, heads = 2
// CHECK: kernel.append {{.*}}!kernel.cache<key, heads = 2
// CHECK: kernel.gemm rows "T" attributes {numerics = #kernel.numerics<range = all, {{.*}}} product {
// CHECK: kernel.load %[[H0]][
// CHECK: kernel.row_sum %[[H0S]][
// CHECK: math.sqrt
// CHECK: kernel.yield
// CHECK: kernel.append {{.*}}!kernel.cache<value, heads = 2
// CHECK: %[[A1:.*]] = kernel.buffer "step.1.attention.1"
// CHECK: kernel.attention %[[Q1]], {{.*}} into %[[A1]] chunk 48
//
// Its projection adds the residual and sums the squares for the norm behind it.
// CHECK: %[[H1A:.*]] = kernel.buffer "step.1.add.2"
// CHECK: %[[H1AS:.*]] = kernel.buffer "step.1.add.2.squares"
// CHECK: kernel.gemm rows "T" group 32 attributes {numerics = #kernel.numerics<range = all, {{.*}}} product %[[A1]] :
// CHECK: kernel.load %[[H0]][
// CHECK: arith.addf
// CHECK: kernel.store %{{.*}}, %[[H1A]][
// CHECK: kernel.sum
// CHECK: kernel.store %{{.*}}, %[[H1AS]][
//
// Routing multiplies by its router, and norms the rows once more, in float32.
// CHECK: %[[E1:.*]] = kernel.buffer "step.1.route.0"
// CHECK: %[[P1:.*]] = kernel.buffer "step.1.route.1"
// CHECK: kernel.route rows "T" product {
// CHECK: kernel.load %[[H1A]][
// CHECK: kernel.row_sum %[[H1AS]][
// CHECK: math.sqrt
// CHECK: kernel.yield %{{.*}} : f32
// CHECK: } times %{{.*}} into %[[E1]], %[[P1]] top 1 score sigmoid
//
// Routed and shared gate and up side by side: the routed one scores its rows as it stages them.
// CHECK: %[[I1:.*]] = kernel.buffer "step.1.gated.1"
// CHECK: %[[Z1:.*]] = kernel.buffer "step.1.gated.2"
// CHECK: kernel.parallel {
// CHECK: kernel.gemm rows "T" by %[[E1]] : {{.*}} pairs 32 by 16 attributes {numerics = #kernel.numerics<range = all, {{.*}}} product {
// CHECK: kernel.load %[[H1A]][
// CHECK: kernel.row_sum %[[H1AS]][
// CHECK: math.sqrt
// CHECK: kernel.load %[[P1]][
// CHECK: arith.mulf
// CHECK: kernel.yield
// CHECK: math.exp
// CHECK: kernel.store %{{.*}}, %[[I1]][
// CHECK: kernel.gemm rows "T" pairs 32 by 16 attributes {numerics = #kernel.numerics<range = all, {{.*}}} product {
// CHECK: kernel.load %[[H1A]][
// CHECK: kernel.row_sum %[[H1AS]][
// CHECK: math.sqrt
// CHECK: kernel.yield
// CHECK: math.exp
// CHECK: kernel.store %{{.*}}, %[[Z1]][
//
// Both down products are one, whose epilogue adds them and the residual: six launches.
// CHECK: %[[H1:.*]] = kernel.buffer "step.1.add.3"
// CHECK: %[[H1S:.*]] = kernel.buffer "step.1.add.3.squares"
// CHECK: kernel.gemm rows "T" by %[[E1]] : {{.*}} group 32 attributes {numerics = #kernel.numerics<range = all, {{.*}}} product %[[Z1]] : {{.*}} product %[[I1]] :
// CHECK: arith.addf
// CHECK: kernel.load %[[H1A]][
// CHECK: arith.addf
// CHECK: kernel.store %{{.*}}, %[[H1]][
// CHECK: kernel.sum
// CHECK: kernel.store %{{.*}}, %[[H1S]][
//
// The last norm is in the product of the wanted rows.
// CHECK: %[[LOGITS:.*]] = kernel.buffer "logits"
// CHECK: kernel.gemm rows "R" attributes {numerics = #kernel.numerics<range = all, {{.*}}} product {
// CHECK: kernel.load %[[H1]][
// CHECK: kernel.row_sum %[[H1S]][
// CHECK: math.sqrt
// CHECK: kernel.yield
// CHECK: kernel.result logits %[[LOGITS]]

// One launch more and this does not hold.
// LAUNCHES: kernel.map rows "T"
// LAUNCHES-NEXT: kernel.parallel {
// LAUNCHES-NEXT: kernel.attention
// LAUNCHES-NEXT: kernel.gemm rows "T" group 32 {{.*}}product
// LAUNCHES-NEXT: kernel.gemm rows "T" pairs 48 by 16 {{.*}}product {
// LAUNCHES-NEXT: kernel.gemm rows "T" group 32 {{.*}}product
// LAUNCHES-NEXT: kernel.parallel {
// LAUNCHES-NEXT: kernel.attention
// LAUNCHES-NEXT: kernel.gemm rows "T" group 32 {{.*}}product
// LAUNCHES-NEXT: kernel.route rows "T" product {
// LAUNCHES-NEXT: kernel.parallel {
// LAUNCHES-NEXT: kernel.gemm rows "T" by
// LAUNCHES-NEXT: kernel.gemm rows "R"
// With more tokens the shared expert has a launch of its own: nobody reads its weight once per expert.
// LAUNCHES-NEXT: kernel.map rows "T"
// LAUNCHES-NEXT: kernel.parallel {
// LAUNCHES-NEXT: kernel.attention
// LAUNCHES-NEXT: kernel.gemm rows "T" group 32 {{.*}}product
// LAUNCHES-NEXT: kernel.gemm rows "T" pairs 48 by 16 {{.*}}product {
// LAUNCHES-NEXT: kernel.gemm rows "T" group 32 {{.*}}product
// LAUNCHES-NEXT: kernel.parallel {
// LAUNCHES-NEXT: kernel.attention
// LAUNCHES-NEXT: kernel.gemm rows "T" group 32 {{.*}}product
// LAUNCHES-NEXT: kernel.route rows "T" product {
// LAUNCHES-NEXT: kernel.parallel {
// LAUNCHES-NEXT: kernel.gemm rows "T" by
// LAUNCHES-NEXT: kernel.gemm rows "T" group 32 {{.*}}product
// LAUNCHES-NEXT: kernel.gemm rows "R"
// LAUNCHES-NEXT: kernel.sample
// LAUNCHES-NOT: {{^ +}}kernel

!ids = tensor<?xi32, #lm.dims<"T">>
!x = tensor<?x64xf32, #lm.dims<"T", 64>>
!kv = tensor<?x32xf32, #lm.dims<"T", 32>>
!logits = tensor<?x16xf32, #lm.dims<"R", 16>>
!experts = tensor<?x1xi32, #lm.dims<"T", 1>>
!scored = tensor<?x8xf32, #lm.dims<"T", 8>>
!scores = tensor<?x1xf32, #lm.dims<"T", 1>>
!rows = tensor<?xi32, #lm.dims<"R">>
!keys = tensor<?xi64, #lm.dims<"R">>
!temperatures = tensor<?xf32, #lm.dims<"R">>

lm.model "layers" architecture "Test" vocabulary 16 hidden 64 layers 2 parameters 1 begin 1 stop [2]
lm.weight @embedding from ["embedding"] : tensor<16x64xf32> through [] : tensor<16x64xf32>
lm.weight @layers.0.input_norm from ["layers.0.input_norm"] : tensor<64xf32> through [] : tensor<64xf32>
lm.weight @layers.0.q from ["layers.0.q"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @layers.0.k from ["layers.0.k"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.weight @layers.0.v from ["layers.0.v"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.cache @layers.0 layer 0 heads 2 width 16 chunk 48 : f32
lm.weight @layers.0.o from ["layers.0.o"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @layers.0.post_attention_norm from ["layers.0.post_attention_norm"] : tensor<64xf32>
  through [] : tensor<64xf32>
lm.weight @layers.0.mlp.gate from ["layers.0.mlp.gate"] : tensor<48x64xf32> through [] : tensor<48x64xf32>
lm.weight @layers.0.mlp.up from ["layers.0.mlp.up"] : tensor<48x64xf32> through [] : tensor<48x64xf32>
lm.weight @layers.0.mlp.down from ["layers.0.mlp.down"] : tensor<64x48xf32> through [] : tensor<64x48xf32>
lm.weight @layers.1.input_norm from ["layers.1.input_norm"] : tensor<64xf32> through [] : tensor<64xf32>
lm.weight @layers.1.q from ["layers.1.q"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @layers.1.k from ["layers.1.k"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.weight @layers.1.v from ["layers.1.v"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.cache @layers.1 layer 1 heads 2 width 16 chunk 48 : f32
lm.weight @layers.1.o from ["layers.1.o"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @layers.1.post_attention_norm from ["layers.1.post_attention_norm"] : tensor<64xf32>
  through [] : tensor<64xf32>
lm.weight @layers.1.router from ["layers.1.router"] : tensor<8x64xf32> through [] : tensor<8x64xf32>
lm.weight @layers.1.experts.gate from ["layers.1.experts.gate_up_proj"] : tensor<8x64x64xf32>
  through [#lm.slice<axis = 2, offset = 0, size = 32>, #lm.transpose<0, 2, 1>] : tensor<8x32x64xf32>
lm.weight @layers.1.experts.up from ["layers.1.experts.gate_up_proj"] : tensor<8x64x64xf32>
  through [#lm.slice<axis = 2, offset = 32, size = 32>, #lm.transpose<0, 2, 1>] : tensor<8x32x64xf32>
lm.weight @layers.1.experts.down from ["layers.1.experts.down_proj"] : tensor<8x32x64xf32>
  through [#lm.transpose<0, 2, 1>] : tensor<8x64x32xf32>
lm.weight @layers.1.shared.gate from ["layers.1.shared.gate"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.weight @layers.1.shared.up from ["layers.1.shared.up"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.weight @layers.1.shared.down from ["layers.1.shared.down"] : tensor<64x32xf32> through [] : tensor<64x32xf32>
lm.weight @final_norm from ["final_norm"] : tensor<64xf32> through [] : tensor<64xf32>
lm.weight @lm_head from ["lm_head"] : tensor<16x64xf32> through [] : tensor<16x64xf32>

func.func @step(%ids: !ids, %positions: !ids, %sequences: !ids, %rows: !rows) -> !logits {
  %h = lm.embed %ids, @embedding : !ids -> !x
  %n0 = lm.rms_norm %h, @layers.0.input_norm width 64 epsilon 1.0e-5 : !x
  %q0 = lm.linear %n0, @layers.0.q : !x -> !x
  %k0 = lm.linear %n0, @layers.0.k : !x -> !kv
  %v0 = lm.linear %n0, @layers.0.v : !x -> !kv
  %q0r = lm.rope %q0, %positions width 16 <theta = 5.0e5 : f64> period 48 : !x, !ids
  %k0r = lm.rope %k0, %positions width 16 <theta = 5.0e5 : f64> period 48 : !kv, !ids
  %a0 = lm.attention %q0r, %k0r, %v0 at %positions of %sequences cache @layers.0 scale 2.5e-1 : !x, !kv, !ids
  %o0 = lm.linear %a0, @layers.0.o : !x -> !x
  %h0a = lm.add %h, %o0 : !x
  %m0 = lm.rms_norm %h0a, @layers.0.post_attention_norm width 64 epsilon 1.0e-5 : !x
  %g0 = lm.linear %m0, @layers.0.mlp.gate : !x -> tensor<?x48xf32, #lm.dims<"T", 48>>
  %u0 = lm.linear %m0, @layers.0.mlp.up : !x -> tensor<?x48xf32, #lm.dims<"T", 48>>
  %i0 = lm.gated %g0, %u0 activation silu : tensor<?x48xf32, #lm.dims<"T", 48>>
  %d0 = lm.linear %i0, @layers.0.mlp.down : tensor<?x48xf32, #lm.dims<"T", 48>> -> !x
  %h0 = lm.add %h0a, %d0 : !x
  %n1 = lm.rms_norm %h0, @layers.1.input_norm width 64 epsilon 1.0e-5 : !x
  %q1 = lm.linear %n1, @layers.1.q : !x -> !x
  %k1 = lm.linear %n1, @layers.1.k : !x -> !kv
  %v1 = lm.linear %n1, @layers.1.v : !x -> !kv
  %q1r = lm.rope %q1, %positions width 16 <theta = 5.0e5 : f64> period 48 : !x, !ids
  %k1r = lm.rope %k1, %positions width 16 <theta = 5.0e5 : f64> period 48 : !kv, !ids
  %a1 = lm.attention %q1r, %k1r, %v1 at %positions of %sequences cache @layers.1 scale 2.5e-1 : !x, !kv, !ids
  %o1 = lm.linear %a1, @layers.1.o : !x -> !x
  %h1a = lm.add %h0, %o1 : !x
  %m1 = lm.rms_norm %h1a, @layers.1.post_attention_norm width 64 epsilon 1.0e-5 : !x
  %l1 = lm.linear %m1, @layers.1.router : !x -> !scored
  %e1, %s1 = moe.route %l1 top 1 score sigmoid : !scored -> !experts, !scores
  %x1 = moe.dispatch %m1 to %e1 scaled %s1 : !x, !experts, !scores -> !x
  %y1 = moe.experts %x1 by %e1 gate @layers.1.experts.gate up @layers.1.experts.up down @layers.1.experts.down
    activation silu : !x, !experts -> !x
  %z1 = moe.shared_expert %m1 gate @layers.1.shared.gate up @layers.1.shared.up down @layers.1.shared.down
    activation silu : !x -> !x
  %c1 = moe.combine %y1 shared %z1 : !x shared !x -> !x
  %h1 = lm.add %h1a, %c1 : !x
  %f = lm.rms_norm %h1, @final_norm width 64 epsilon 1.0e-5 : !x
  %last = lm.take_rows %f, %rows : !x, !rows -> tensor<?x64xf32, #lm.dims<"R", 64>>
  %logits = lm.linear %last, @lm_head : tensor<?x64xf32, #lm.dims<"R", 64>> -> !logits
  return %logits : !logits
}

func.func @sample(%l: !logits, %t: !temperatures, %k: !rows, %p: !temperatures, %m: !temperatures, %r: !temperatures,
                  %s: !keys, %n: !keys, %x: !rows, %h: !rows) -> !rows {
  %ids = lm.sample %l temperatures %t top_k %k top_p %p min_p %m penalties %r seeds %s sequences %n positions %x
    slots %h : !logits, !temperatures, !keys, !rows -> !rows
  return %ids : !rows
}
