// RUN: yupana-opt %s | yupana-opt | FileCheck %s
// RUN: yupana-opt %s -mlir-print-op-generic | yupana-opt | FileCheck %s
// RUN: yupana-opt %s -emit-bytecode | yupana-opt | FileCheck %s

lm.weight @gate from ["gate"] : tensor<16x32x64xf32> through [] : tensor<16x32x64xf32>
lm.weight @up from ["up"] : tensor<16x32x64xf32> through [] : tensor<16x32x64xf32>
lm.weight @down from ["down"] : tensor<16x64x32xf32> through [] : tensor<16x64x32xf32>
lm.weight @shared.gate from ["s.gate"] : tensor<48x64xf32> through [] : tensor<48x64xf32>
lm.weight @shared.up from ["s.up"] : tensor<48x64xf32> through [] : tensor<48x64xf32>
lm.weight @shared.down from ["s.down"] : tensor<64x48xf32> through [] : tensor<64x48xf32>

// One expert per token, the score on its input: Llama 4.
// CHECK-LABEL: func.func @top_one
func.func @top_one(%logits: tensor<?x16xf32, #lm.dims<"T", 16>>, %x: tensor<?x64xf32, #lm.dims<"T", 64>>)
    -> tensor<?x64xf32, #lm.dims<"T", 64>> {
  // CHECK: moe.route %{{.*}} top 1 score sigmoid : tensor<?x16xf32, #lm.dims<"T", 16>>
  // CHECK-SAME: -> tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x1xf32, #lm.dims<"T", 1>>
  %experts, %scores = moe.route %logits top 1 score sigmoid
    : tensor<?x16xf32, #lm.dims<"T", 16>> -> tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x1xf32, #lm.dims<"T", 1>>
  // CHECK: moe.dispatch %{{.*}} to %{{.*}} scaled %{{.*}} :
  // CHECK-SAME: -> tensor<?x64xf32, #lm.dims<"T", 64>>
  %rows = moe.dispatch %x to %experts scaled %scores
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x1xf32, #lm.dims<"T", 1>>
    -> tensor<?x64xf32, #lm.dims<"T", 64>>
  // CHECK: moe.experts %{{.*}} by %{{.*}} gate @gate up @up down @down activation silu :
  // CHECK-SAME: tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x1xi32, #lm.dims<"T", 1>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  %y = moe.experts %rows by %experts gate @gate up @up down @down activation silu
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x1xi32, #lm.dims<"T", 1>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  // CHECK: moe.shared_expert %{{.*}} gate @shared.gate up @shared.up down @shared.down activation silu :
  %s = moe.shared_expert %x gate @shared.gate up @shared.up down @shared.down activation silu
    : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  // CHECK: moe.combine %{{.*}} shared %{{.*}} :
  // CHECK-SAME: shared tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  %z = moe.combine %y shared %s
    : tensor<?x64xf32, #lm.dims<"T", 64>> shared tensor<?x64xf32, #lm.dims<"T", 64>>
    -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return %z : tensor<?x64xf32, #lm.dims<"T", 64>>
}

// Two experts per token, normalised softmax scores on the output, no shared expert: the Mixtral shape.
// CHECK-LABEL: func.func @top_two
func.func @top_two(%logits: tensor<?x16xf32, #lm.dims<"T", 16>>, %x: tensor<?x64xf32, #lm.dims<"T", 64>>)
    -> tensor<?x64xf32, #lm.dims<"T", 64>> {
  // CHECK: moe.route %{{.*}} top 2 score softmax normalize :
  %experts, %scores = moe.route %logits top 2 score softmax normalize
    : tensor<?x16xf32, #lm.dims<"T", 16>> -> tensor<?x2xi32, #lm.dims<"T", 2>>, tensor<?x2xf32, #lm.dims<"T", 2>>
  // CHECK: moe.dispatch %{{.*}} to %{{[^ ]*}} :
  // CHECK-SAME: -> tensor<?x64xf32, #lm.dims<"2*T", 64>>
  %rows = moe.dispatch %x to %experts
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x2xi32, #lm.dims<"T", 2>> -> tensor<?x64xf32, #lm.dims<"2*T", 64>>
  // CHECK: moe.experts {{.*}} activation gelu :
  %y = moe.experts %rows by %experts gate @gate up @up down @down activation gelu
    : tensor<?x64xf32, #lm.dims<"2*T", 64>>, tensor<?x2xi32, #lm.dims<"T", 2>> -> tensor<?x64xf32, #lm.dims<"2*T", 64>>
  // CHECK: moe.combine %{{.*}} scaled %{{.*}} : {{.*}} scaled tensor<?x2xf32, #lm.dims<"T", 2>>
  %z = moe.combine %y scaled %scores
    : tensor<?x64xf32, #lm.dims<"2*T", 64>> scaled tensor<?x2xf32, #lm.dims<"T", 2>>
    -> tensor<?x64xf32, #lm.dims<"T", 64>>
  // Neither scores nor a shared expert.
  // CHECK: moe.combine %{{[^ ]*}} : tensor<?x64xf32, #lm.dims<"2*T", 64>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  %plain = moe.combine %y : tensor<?x64xf32, #lm.dims<"2*T", 64>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return %z : tensor<?x64xf32, #lm.dims<"T", 64>>
}

// Rows in bfloat16, scores and logits never.
// CHECK-LABEL: func.func @half
func.func @half(%logits: tensor<?x16xf32, #lm.dims<"T", 16>>, %x: tensor<?x64xbf16, #lm.dims<"T", 64>>)
    -> tensor<?x64xbf16, #lm.dims<"T", 64>> {
  %experts, %scores = moe.route %logits top 1 score sigmoid
    : tensor<?x16xf32, #lm.dims<"T", 16>> -> tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x1xf32, #lm.dims<"T", 1>>
  // CHECK: moe.dispatch {{.*}} -> tensor<?x64xbf16, #lm.dims<"T", 64>>
  %rows = moe.dispatch %x to %experts scaled %scores
    : tensor<?x64xbf16, #lm.dims<"T", 64>>, tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x1xf32, #lm.dims<"T", 1>>
    -> tensor<?x64xbf16, #lm.dims<"T", 64>>
  // CHECK: moe.combine {{.*}} -> tensor<?x64xbf16, #lm.dims<"T", 64>>
  %z = moe.combine %rows : tensor<?x64xbf16, #lm.dims<"T", 64>> -> tensor<?x64xbf16, #lm.dims<"T", 64>>
  return %z : tensor<?x64xbf16, #lm.dims<"T", 64>>
}
