// RUN: yupana-opt %s --yupana-model-to-kernel="max-context=1024 max-step-tokens=256 target=x86-64-v3" --split-input-file | FileCheck %s

// The smallest model: arguments become inputs, each op a kernel over its own buffer, the result is named.
// CHECK-LABEL: kernel.program @step function step max_tokens 256
// CHECK: %[[IDS:.*]] = kernel.input token_ids
// CHECK: %[[ROWS:.*]] = kernel.input logit_rows
// CHECK: %[[TABLE:.*]] = kernel.weight @embedding
// CHECK: %[[H:.*]] = kernel.buffer "embed.0" : !kernel.view<["T", 64], f32>
// CHECK: kernel.map rows "T" groups 1 width 64
// CHECK: ^bb0(%[[ROW:.*]]: index, %{{.*}}: index, %[[LANE:.*]]: index):
// CHECK: %[[ID:.*]] = kernel.load %[[IDS]][%[[ROW]]]
// CHECK: %[[INDEX:.*]] = arith.index_castui %[[ID]]
// CHECK: %[[X:.*]] = kernel.load %[[TABLE]][%[[INDEX]], %[[LANE]]]
// CHECK: kernel.store %[[X]], %[[H]][%[[ROW]], %[[LANE]]]
// CHECK: kernel.map rows "R"
// CHECK: %[[LOGITS:.*]] = kernel.buffer "logits" : !kernel.view<["R", 16], f32>
// CHECK: kernel.gemm
// CHECK: ^bb0(%[[ACC:.*]]: f32, %[[T:.*]]: index, %[[N:.*]]: index):
// CHECK: kernel.store %[[ACC]], %[[LOGITS]][%[[T]], %[[N]]]
// CHECK: kernel.result logits %[[LOGITS]]
lm.weight @embedding from ["embedding"] : tensor<16x64xf32> through [] : tensor<16x64xf32>
lm.weight @head from ["head"] : tensor<16x64xf32> through [] : tensor<16x64xf32>
func.func @step(%ids: tensor<?xi32, #lm.dims<"T">>, %p: tensor<?xi32, #lm.dims<"T">>, %s: tensor<?xi32, #lm.dims<"T">>,
                %r: tensor<?xi32, #lm.dims<"R">>) -> tensor<?x16xf32, #lm.dims<"R", 16>> {
  %h = lm.embed %ids, @embedding : tensor<?xi32, #lm.dims<"T">> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  %last = lm.take_rows %h, %r : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"R">> -> tensor<?x64xf32, #lm.dims<"R", 64>>
  %logits = lm.linear %last, @head : tensor<?x64xf32, #lm.dims<"R", 64>> -> tensor<?x16xf32, #lm.dims<"R", 16>>
  return %logits : tensor<?x16xf32, #lm.dims<"R", 16>>
}

// -----

// A norm sums over its group and scales by the gain; a bias joins the accumulator.
// CHECK: kernel.map rows "T" groups 4 width 16
// CHECK: %[[SUM:.*]] = kernel.sum
// CHECK: arith.divf %[[SUM]]
// CHECK: math.sqrt
// CHECK: kernel.load %{{.*}} : !kernel.view<[64], f32>
// CHECK: kernel.gemm
// CHECK: ^bb0(%[[ACC:.*]]: f32, %{{.*}}: index, %[[N:.*]]: index):
// CHECK: %[[BIAS:.*]] = kernel.load %{{.*}}[%[[N]]] : !kernel.view<[64], f32>
// CHECK: arith.addf %[[ACC]], %[[BIAS]]
lm.weight @embedding from ["embedding"] : tensor<16x64xf32> through [] : tensor<16x64xf32>
lm.weight @gain from ["gain"] : tensor<64xf32> through [] : tensor<64xf32>
lm.weight @q from ["q"] : tensor<64x64xf32> through [] : tensor<64x64xf32>
lm.weight @q_bias from ["q_bias"] : tensor<64xf32> through [] : tensor<64xf32>
lm.weight @head from ["head"] : tensor<16x64xf32> through [] : tensor<16x64xf32>
func.func @step(%ids: tensor<?xi32, #lm.dims<"T">>, %p: tensor<?xi32, #lm.dims<"T">>, %s: tensor<?xi32, #lm.dims<"T">>,
                %r: tensor<?xi32, #lm.dims<"R">>) -> tensor<?x16xf32, #lm.dims<"R", 16>> {
  %e = lm.embed %ids, @embedding : tensor<?xi32, #lm.dims<"T">> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  %n = lm.rms_norm %e, @gain width 16 epsilon 1.0e-5 : tensor<?x64xf32, #lm.dims<"T", 64>>
  %h = lm.linear %n, @q bias @q_bias : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  %last = lm.take_rows %h, %r : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"R">> -> tensor<?x64xf32, #lm.dims<"R", 64>>
  %logits = lm.linear %last, @head : tensor<?x64xf32, #lm.dims<"R", 64>> -> tensor<?x16xf32, #lm.dims<"R", 16>>
  return %logits : tensor<?x16xf32, #lm.dims<"R", 16>>
}

// -----

// A rotation reads its angle at the position modulo the period and turns pairs of adjacent features; the temperature
// is looked up at (position + 1) div floor_scale.
// CHECK: kernel.map rows "T" groups 4 width 8
// CHECK: %[[PERIOD:.*]] = arith.constant 48 : index
// CHECK: arith.remui %{{.*}}, %[[PERIOD]] : index
// CHECK-COUNT-2: kernel.store
// CHECK: kernel.map rows "T" groups 1 width 64
// CHECK: %[[NEXT:.*]] = arith.addi
// CHECK: %[[FLOOR:.*]] = arith.constant 128 : index
// CHECK: arith.divui %[[NEXT]], %[[FLOOR]] : index
lm.weight @embedding from ["embedding"] : tensor<16x64xf32> through [] : tensor<16x64xf32>
lm.weight @head from ["head"] : tensor<16x64xf32> through [] : tensor<16x64xf32>
lm.table @rope from #lm.rope_table<<theta = 5.0e5 : f64>, dim = 16, count = 48, step = 1> as tensor<48x8x2xf32>
lm.table @temperature from #lm.temperature_table<scale = 1.0e-1 : f64, count = 8> as tensor<8xf32>
func.func @step(%ids: tensor<?xi32, #lm.dims<"T">>, %p: tensor<?xi32, #lm.dims<"T">>, %s: tensor<?xi32, #lm.dims<"T">>,
                %r: tensor<?xi32, #lm.dims<"R">>) -> tensor<?x16xf32, #lm.dims<"R", 16>> {
  %e = lm.embed %ids, @embedding : tensor<?xi32, #lm.dims<"T">> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  %t = lm.rope %e, %p width 16 <theta = 5.0e5 : f64> period 48 tables [@rope] : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  %h = lm.attention_temperature %t, %p scale 1.0e-1 floor_scale 128 table @temperature : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
  %last = lm.take_rows %h, %r : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"R">> -> tensor<?x64xf32, #lm.dims<"R", 64>>
  %logits = lm.linear %last, @head : tensor<?x64xf32, #lm.dims<"R", 64>> -> tensor<?x16xf32, #lm.dims<"R", 16>>
  return %logits : tensor<?x16xf32, #lm.dims<"R", 16>>
}

// -----

// Attention appends keys and values, then reads the cache through the page table of its sequence.
// CHECK: %[[K:.*]] = kernel.cache @layer : !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 0, layout = "row-major">
// CHECK: %[[V:.*]] = kernel.cache @layer : !kernel.cache<value,
// CHECK: %[[PAGES:.*]] = kernel.page_table @layer : !kernel.view<["S", 16], i32>
// CHECK: kernel.map rows "T" groups 2 width 16
// CHECK: kernel.append %{{.*}}, %[[K]]
// CHECK: kernel.append %{{.*}}, %[[V]]
// CHECK: kernel.attention %{{.*}}, %[[K]], %[[V]] at %{{.*}} of %{{.*}} through %[[PAGES]] into %{{.*}} chunk 48 scale 2.500000e-01
lm.weight @embedding from ["embedding"] : tensor<16x64xf32> through [] : tensor<16x64xf32>
lm.weight @k from ["k"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.weight @head from ["head"] : tensor<16x64xf32> through [] : tensor<16x64xf32>
lm.cache @layer layer 0 heads 2 width 16 chunk 48 : f32
func.func @step(%ids: tensor<?xi32, #lm.dims<"T">>, %p: tensor<?xi32, #lm.dims<"T">>, %s: tensor<?xi32, #lm.dims<"T">>,
                %r: tensor<?xi32, #lm.dims<"R">>) -> tensor<?x16xf32, #lm.dims<"R", 16>> {
  %e = lm.embed %ids, @embedding : tensor<?xi32, #lm.dims<"T">> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  %k = lm.linear %e, @k : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x32xf32, #lm.dims<"T", 32>>
  %h = lm.attention %e, %k, %k at %p of %s cache @layer scale 2.5e-1 : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x32xf32, #lm.dims<"T", 32>>, tensor<?xi32, #lm.dims<"T">>
  %last = lm.take_rows %h, %r : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"R">> -> tensor<?x64xf32, #lm.dims<"R", 64>>
  %logits = lm.linear %last, @head : tensor<?x64xf32, #lm.dims<"R", 64>> -> tensor<?x16xf32, #lm.dims<"R", 16>>
  return %logits : tensor<?x16xf32, #lm.dims<"R", 16>>
}

// -----

// A mixture: rows are gathered, scaled and kept in the order of the tokens, three products by the router's choice follow,
// and each token adds its k rows to the shared expert's.
// CHECK: kernel.route rows "T" logits %{{.*}} : !kernel.view<["T", 4], f32> into %[[EXPERTS:.*]], %[[SCORES:.*]] top 2 score sigmoid
// CHECK: %[[ROWS:.*]] = kernel.buffer "dispatch.0" : !kernel.view<["2*T", 64], f32>
// CHECK: kernel.map rows "2*T" groups 1 width 64
// CHECK: ^bb0(%[[PAIR:[^:]*]]: index,
// CHECK: %[[TOKEN:.*]] = arith.divui %[[PAIR]], %{{.*}} : index
// CHECK: %[[CHOICE:.*]] = arith.remui %[[PAIR]], %{{.*}} : index
// CHECK: kernel.load %{{.*}}[%[[TOKEN]], %{{.*}}]
// CHECK: kernel.load %[[SCORES]][%[[TOKEN]], %[[CHOICE]]]
// CHECK-COUNT-2: kernel.gemm rows "2*T" by %[[EXPERTS]] : !kernel.view<["T", 2], i32> product %[[ROWS]]
// CHECK: kernel.map rows "2*T" groups 1 width 32
// CHECK: math.exp
// CHECK: kernel.gemm rows "2*T" by %[[EXPERTS]]
// CHECK: kernel.store %{{.*}}, %[[DOWN:.*]][%{{.*}}, %{{.*}}] : !kernel.view<["2*T", 64], f32>
// CHECK: kernel.map rows "T" groups 1 width 64
// CHECK-COUNT-2: kernel.load %[[DOWN]]
lm.weight @embedding from ["embedding"] : tensor<16x64xf32> through [] : tensor<16x64xf32>
lm.weight @router from ["router"] : tensor<4x64xf32> through [] : tensor<4x64xf32>
lm.weight @gate from ["gate"] : tensor<4x32x64xf32> through [] : tensor<4x32x64xf32>
lm.weight @up from ["up"] : tensor<4x32x64xf32> through [] : tensor<4x32x64xf32>
lm.weight @down from ["down"] : tensor<4x64x32xf32> through [] : tensor<4x64x32xf32>
lm.weight @sg from ["sg"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.weight @su from ["su"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
lm.weight @sd from ["sd"] : tensor<64x32xf32> through [] : tensor<64x32xf32>
lm.weight @head from ["head"] : tensor<16x64xf32> through [] : tensor<16x64xf32>
func.func @step(%ids: tensor<?xi32, #lm.dims<"T">>, %p: tensor<?xi32, #lm.dims<"T">>, %s: tensor<?xi32, #lm.dims<"T">>,
                %r: tensor<?xi32, #lm.dims<"R">>) -> tensor<?x16xf32, #lm.dims<"R", 16>> {
  %e = lm.embed %ids, @embedding : tensor<?xi32, #lm.dims<"T">> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  %l = lm.linear %e, @router : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x4xf32, #lm.dims<"T", 4>>
  %x, %w = moe.route %l top 2 score sigmoid : tensor<?x4xf32, #lm.dims<"T", 4>> -> tensor<?x2xi32, #lm.dims<"T", 2>>, tensor<?x2xf32, #lm.dims<"T", 2>>
  %rows = moe.dispatch %e to %x scaled %w
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x2xi32, #lm.dims<"T", 2>>, tensor<?x2xf32, #lm.dims<"T", 2>> -> tensor<?x64xf32, #lm.dims<"2*T", 64>>
  %y = moe.experts %rows by %x gate @gate up @up down @down activation silu
    : tensor<?x64xf32, #lm.dims<"2*T", 64>>, tensor<?x2xi32, #lm.dims<"T", 2>> -> tensor<?x64xf32, #lm.dims<"2*T", 64>>
  %shared = moe.shared_expert %e gate @sg up @su down @sd activation silu : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  %c = moe.combine %y shared %shared : tensor<?x64xf32, #lm.dims<"2*T", 64>> shared tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  %h = lm.add %e, %c : tensor<?x64xf32, #lm.dims<"T", 64>>
  %last = lm.take_rows %h, %r : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"R">> -> tensor<?x64xf32, #lm.dims<"R", 64>>
  %logits = lm.linear %last, @head : tensor<?x64xf32, #lm.dims<"R", 64>> -> tensor<?x16xf32, #lm.dims<"R", 16>>
  return %logits : tensor<?x16xf32, #lm.dims<"R", 16>>
}

// -----

// In bfloat16 what is loaded is widened, what is stored rounded, once; sums, angles, scores, and the logits of the router
// and of the model are float32.
// CHECK: kernel.program @step
// The embedding.
// CHECK: kernel.map rows "T" groups 1 width 64
// CHECK: %[[V:.*]] = kernel.load %{{.*}} : !kernel.view<[16, 64], bf16>
// CHECK-NEXT: %[[WIDE:.*]] = arith.extf %[[V]] : bf16 to f32
// CHECK-NEXT: %[[ROUNDED:.*]] = arith.truncf %[[WIDE]] : f32 to bf16
// CHECK-NEXT: kernel.store %[[ROUNDED]], %{{.*}} : !kernel.view<["T", 64], bf16>
// The norm.
// CHECK: kernel.map rows "T" groups 1 width 64
// CHECK: %[[X16:.*]] = kernel.load %{{.*}} : !kernel.view<["T", 64], bf16>
// CHECK: %[[X:.*]] = arith.extf %[[X16]] : bf16 to f32
// CHECK: %[[XX:.*]] = arith.mulf %[[X]], %[[X]] : f32
// CHECK: kernel.sum %[[XX]] : f32
// CHECK: %[[G16:.*]] = kernel.load %{{.*}} : !kernel.view<[64], bf16>
// CHECK: arith.extf %[[G16]] : bf16 to f32
// CHECK: arith.truncf
// CHECK-NEXT: kernel.store %{{.*}} : !kernel.view<["T", 64], bf16>
// Keys, and their way into the cache.
// CHECK: kernel.gemm rows "T" product %{{.*}} : !kernel.view<["T", 64], bf16> times %{{.*}} : !kernel.view<[32, 64], bf16> {
// CHECK: %[[ACC:.*]] = arith.truncf %{{.*}} : f32 to bf16
// CHECK-NEXT: kernel.store %[[ACC]], %{{.*}} : !kernel.view<["T", 32], bf16>
// CHECK: kernel.append {{.*}} : bf16, !kernel.cache<key, {{.*}}, bf16, layout = "row-major">
// CHECK: kernel.append {{.*}} : bf16, !kernel.cache<value, {{.*}}, bf16, layout = "row-major">
// CHECK: kernel.attention {{.*}} : !kernel.view<["T", 64], bf16>, {{.*}} !kernel.view<["T", 64], bf16>
// The router.
// CHECK: %[[LOGITS:.*]] = kernel.buffer "linear.{{[0-9]+}}" : !kernel.view<["T", 4], f32>
// CHECK: kernel.gemm rows "T" product %{{.*}} : !kernel.view<["T", 64], bf16> times %{{.*}} : !kernel.view<[4, 64], bf16> {
// CHECK: ^bb0(%[[ACC:.*]]: f32,
// CHECK-NEXT: kernel.store %[[ACC]], %[[LOGITS]]
// CHECK: kernel.route rows "T" logits %[[LOGITS]]
// CHECK: kernel.gemm rows "T" by %{{.*}} product %{{.*}} : !kernel.view<["T", 64], bf16> times %{{.*}} : !kernel.view<[4, 32, 64], bf16> {
// The end.
// CHECK: kernel.gemm rows "R" product %{{.*}} : !kernel.view<["R", 64], bf16> times %{{.*}} : !kernel.view<[16, 64], bf16> {
// CHECK: ^bb0(%[[ACC:.*]]: f32,
// CHECK-NEXT: kernel.store %[[ACC]], %{{.*}} : !kernel.view<["R", 16], f32>
!x = tensor<?x64xbf16, #lm.dims<"T", 64>>
!ids = tensor<?xi32, #lm.dims<"T">>
lm.weight @embedding from ["embedding"] : tensor<16x64xbf16> through [] : tensor<16x64xbf16>
lm.weight @gain from ["gain"] : tensor<64xf32> through [#lm.convert<bf16>] : tensor<64xbf16>
lm.weight @k from ["k"] : tensor<32x64xbf16> through [] : tensor<32x64xbf16>
lm.weight @router from ["router"] : tensor<4x64xbf16> through [] : tensor<4x64xbf16>
lm.weight @gate from ["gate"] : tensor<4x32x64xbf16> through [] : tensor<4x32x64xbf16>
lm.weight @down from ["down"] : tensor<4x64x32xbf16> through [] : tensor<4x64x32xbf16>
lm.weight @head from ["head"] : tensor<16x64xbf16> through [] : tensor<16x64xbf16>
lm.cache @layer layer 0 heads 2 width 16 chunk 48 : bf16
func.func @step(%ids: !ids, %p: !ids, %s: !ids, %r: tensor<?xi32, #lm.dims<"R">>) -> tensor<?x16xf32, #lm.dims<"R", 16>> {
  %e = lm.embed %ids, @embedding : !ids -> !x
  %n = lm.rms_norm %e, @gain width 64 epsilon 1.0e-5 : !x
  %k = lm.linear %n, @k : !x -> tensor<?x32xbf16, #lm.dims<"T", 32>>
  %a = lm.attention %n, %k, %k at %p of %s cache @layer scale 2.5e-1 : !x, tensor<?x32xbf16, #lm.dims<"T", 32>>, !ids
  %l = lm.linear %a, @router : !x -> tensor<?x4xf32, #lm.dims<"T", 4>>
  %x, %w = moe.route %l top 1 score sigmoid : tensor<?x4xf32, #lm.dims<"T", 4>> -> tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x1xf32, #lm.dims<"T", 1>>
  %rows = moe.dispatch %a to %x scaled %w : !x, tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x1xf32, #lm.dims<"T", 1>> -> !x
  %y = moe.experts %rows by %x gate @gate up @gate down @down activation silu : !x, tensor<?x1xi32, #lm.dims<"T", 1>> -> !x
  %c = moe.combine %y : !x -> !x
  %last = lm.take_rows %c, %r : !x, tensor<?xi32, #lm.dims<"R">> -> tensor<?x64xbf16, #lm.dims<"R", 64>>
  %logits = lm.linear %last, @head : tensor<?x64xbf16, #lm.dims<"R", 64>> -> tensor<?x16xf32, #lm.dims<"R", 16>>
  return %logits : tensor<?x16xf32, #lm.dims<"R", 16>>
}

// -----

// Sampling takes the logits that the step left behind, by name.
// CHECK-LABEL: kernel.program @sample function sample
// CHECK: %[[LOGITS:.*]] = kernel.buffer "logits" : !kernel.view<["R", 16], f32>
// CHECK: %[[T:.*]] = kernel.input row_temperatures : !kernel.view<["R"], f32>
// CHECK: %[[K:.*]] = kernel.input row_top_k : !kernel.view<["R"], i32>
// CHECK: %[[P:.*]] = kernel.input row_top_p : !kernel.view<["R"], f32>
// CHECK: %[[M:.*]] = kernel.input row_min_p : !kernel.view<["R"], f32>
// CHECK: %[[PENALTY:.*]] = kernel.input row_penalties : !kernel.view<["R"], f32>
// CHECK: %[[SEEDS:.*]] = kernel.input row_seeds : !kernel.view<["R"], i64>
// CHECK: %[[NUMBERS:.*]] = kernel.input row_sequences : !kernel.view<["R"], i64>
// CHECK: %[[POSITIONS:.*]] = kernel.input row_positions : !kernel.view<["R"], i32>
// CHECK: %[[SLOTS:.*]] = kernel.input row_slots : !kernel.view<["R"], i32>
// CHECK: %[[HISTORY:.*]] = kernel.history : !kernel.view<["N", 1024], i32>
// CHECK: kernel.sample %[[LOGITS]] temperatures %[[T]] top_k %[[K]] top_p %[[P]] min_p %[[M]] penalties %[[PENALTY]]
// CHECK-SAME: seeds %[[SEEDS]] sequences %[[NUMBERS]] positions %[[POSITIONS]] slots %[[SLOTS]] of %[[HISTORY]]
// CHECK: kernel.result sampled
!f32s = tensor<?xf32, #lm.dims<"R">>
!i32s = tensor<?xi32, #lm.dims<"R">>
!i64s = tensor<?xi64, #lm.dims<"R">>
func.func @sample(%l: tensor<?x16xf32, #lm.dims<"R", 16>>, %t: !f32s, %k: !i32s, %p: !f32s, %m: !f32s, %r: !f32s,
                  %s: !i64s, %n: !i64s, %x: !i32s, %h: !i32s) -> !i32s {
  %ids = lm.sample %l temperatures %t top_k %k top_p %p min_p %m penalties %r seeds %s sequences %n positions %x
    slots %h : tensor<?x16xf32, #lm.dims<"R", 16>>, !f32s, !i64s, !i32s -> !i32s
  return %ids : !i32s
}

// -----

// The tokens of a step go into the history, each to its sequence's slot and its position.
// CHECK-LABEL: kernel.program @step function step
// CHECK: %[[IDS:.*]] = kernel.input token_ids
// CHECK: %[[POSITIONS:.*]] = kernel.input token_positions
// CHECK: %[[SEQUENCES:.*]] = kernel.input token_sequences
// CHECK: %[[SLOTS:.*]] = kernel.input sequence_slots : !kernel.view<["S"], i32>
// CHECK: %[[HISTORY:.*]] = kernel.history : !kernel.view<["N", 1024], i32>
// CHECK: kernel.map rows "T" groups 1 width 1 {
// CHECK-NEXT: ^bb0(%[[ROW:.*]]: index, %{{.*}}: index, %{{.*}}: index):
// CHECK-NEXT: %[[SEQUENCE32:.*]] = kernel.load %[[SEQUENCES]][%[[ROW]]]
// CHECK-NEXT: %[[SEQUENCE:.*]] = arith.index_castui %[[SEQUENCE32]]
// CHECK-NEXT: %[[SLOT32:.*]] = kernel.load %[[SLOTS]][%[[SEQUENCE]]]
// CHECK-NEXT: %[[SLOT:.*]] = arith.index_castui %[[SLOT32]]
// CHECK-NEXT: %[[ID:.*]] = kernel.load %[[IDS]][%[[ROW]]]
// CHECK-NEXT: %[[POSITION32:.*]] = kernel.load %[[POSITIONS]][%[[ROW]]]
// CHECK-NEXT: %[[POSITION:.*]] = arith.index_castui %[[POSITION32]]
// CHECK-NEXT: kernel.store %[[ID]], %[[HISTORY]][%[[SLOT]], %[[POSITION]]]
lm.weight @head from ["head"] : tensor<16x64xf32> through [] : tensor<16x64xf32>
func.func @step(%ids: tensor<?xi32, #lm.dims<"T">>, %positions: tensor<?xi32, #lm.dims<"T">>,
                %sequences: tensor<?xi32, #lm.dims<"T">>, %rows: tensor<?xi32, #lm.dims<"R">>)
    -> tensor<?x64xf32, #lm.dims<"R", 64>> {
  lm.record %ids at %positions of %sequences : tensor<?xi32, #lm.dims<"T">>
  %h = lm.embed %ids, @head : tensor<?xi32, #lm.dims<"T">> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  %last = lm.take_rows %h, %rows
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"R">> -> tensor<?x64xf32, #lm.dims<"R", 64>>
  return %last : tensor<?x64xf32, #lm.dims<"R", 64>>
}
