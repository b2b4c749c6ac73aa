// RUN: yupana-opt %s -split-input-file -verify-diagnostics

// Route

// Logits are rows over the experts.
func.func @f(%l: tensor<?xf32, #lm.dims<"T">>) {
  // expected-error@+1 {{'moe.route' op chooses 1 experts by logits 'tensor<?xf32, #lm.dims<"T">>'}}
  %e, %s = moe.route %l top 1 score sigmoid
    : tensor<?xf32, #lm.dims<"T">> -> tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x1xf32, #lm.dims<"T", 1>>
  return
}

// -----

// A token goes to at least one expert.
func.func @f(%l: tensor<?x4xf32, #lm.dims<"T", 4>>) {
  // expected-error@+1 {{chooses 0 experts by logits 'tensor<?x4xf32, #lm.dims<"T", 4>>'}}
  %e, %s = moe.route %l top 0 score sigmoid
    : tensor<?x4xf32, #lm.dims<"T", 4>> -> tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x1xf32, #lm.dims<"T", 1>>
  return
}

// -----

// And to no more experts than there are.
func.func @f(%l: tensor<?x4xf32, #lm.dims<"T", 4>>) {
  // expected-error@+1 {{chooses 5 experts by logits 'tensor<?x4xf32, #lm.dims<"T", 4>>'}}
  %e, %s = moe.route %l top 5 score sigmoid
    : tensor<?x4xf32, #lm.dims<"T", 4>> -> tensor<?x5xi32, #lm.dims<"T", 5>>, tensor<?x5xf32, #lm.dims<"T", 5>>
  return
}

// -----

// k experts per token.
func.func @f(%l: tensor<?x4xf32, #lm.dims<"T", 4>>) {
  // expected-error@+1 {{experts is 'tensor<?x1xi32, #lm.dims<"T", 1>>', expected ["T", 2]}}
  %e, %s = moe.route %l top 2 score sigmoid
    : tensor<?x4xf32, #lm.dims<"T", 4>> -> tensor<?x1xi32, #lm.dims<"T", 1>>, tensor<?x2xf32, #lm.dims<"T", 2>>
  return
}

// -----

// k scores per token, of the same tokens.
func.func @f(%l: tensor<?x4xf32, #lm.dims<"T", 4>>) {
  // expected-error@+1 {{scores is 'tensor<?x2xf32, #lm.dims<"S", 2>>', expected ["T", 2]}}
  %e, %s = moe.route %l top 2 score sigmoid
    : tensor<?x4xf32, #lm.dims<"T", 4>> -> tensor<?x2xi32, #lm.dims<"T", 2>>, tensor<?x2xf32, #lm.dims<"S", 2>>
  return
}

// -----

// Dispatch

// The input is rows of features.
func.func @f(%x: tensor<?xf32, #lm.dims<"T">>, %e: tensor<?x1xi32, #lm.dims<"T", 1>>) {
  // expected-error@+1 {{'moe.dispatch' op dispatches 'tensor<?xf32, #lm.dims<"T">>' to}}
  %r = moe.dispatch %x to %e : tensor<?xf32, #lm.dims<"T">>, tensor<?x1xi32, #lm.dims<"T", 1>>
    -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// Experts are chosen for the tokens of the input.
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %e: tensor<?x1xi32, #lm.dims<"R", 1>>) {
  // expected-error@+1 {{experts is 'tensor<?x1xi32, #lm.dims<"R", 1>>', expected ["T", 1]}}
  %r = moe.dispatch %x to %e
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x1xi32, #lm.dims<"R", 1>>
    -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// A score per pair.
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %e: tensor<?x2xi32, #lm.dims<"T", 2>>,
             %w: tensor<?x1xf32, #lm.dims<"T", 1>>) {
  // expected-error@+1 {{scores is 'tensor<?x1xf32, #lm.dims<"T", 1>>', expected ["T", 2]}}
  %r = moe.dispatch %x to %e scaled %w
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x2xi32, #lm.dims<"T", 2>>, tensor<?x1xf32, #lm.dims<"T", 1>>
    -> tensor<?x64xf32, #lm.dims<"2*T", 64>>
  return
}

// -----

// A row per pair, not per token.
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %e: tensor<?x2xi32, #lm.dims<"T", 2>>) {
  // expected-error@+1 {{rows are 'tensor<?x64xf32, #lm.dims<"T", 64>>', expected one row of}}
  %r = moe.dispatch %x to %e
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x2xi32, #lm.dims<"T", 2>>
    -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// Rows keep their features.
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %e: tensor<?x1xi32, #lm.dims<"T", 1>>) {
  // expected-error@+1 {{rows are 'tensor<?x32xf32, #lm.dims<"T", 32>>', expected one row of}}
  %r = moe.dispatch %x to %e
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x1xi32, #lm.dims<"T", 1>>
    -> tensor<?x32xf32, #lm.dims<"T", 32>>
  return
}

// -----

// The number of experts per token is known.
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %e: tensor<?x?xi32, #lm.dims<"T", "T">>) {
  // expected-error@+1 {{rows are 'tensor<?x64xf32, #lm.dims<"T", 64>>', expected one row of}}
  %r = moe.dispatch %x to %e
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x?xi32, #lm.dims<"T", "T">>
    -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// Experts

// Pairs keep their features.
lm.weight @g from ["g"] : tensor<4x32x64xf32> through [] : tensor<4x32x64xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %o: tensor<?x1xi32, #lm.dims<"T", 1>>) {
  // expected-error@+1 {{'moe.experts' op turns 'tensor<?x64xf32, #lm.dims<"T", 64>>' into 'tensor<?x32xf32, #lm.dims<"T", 32>>', expected the same [pairs, features]}}
  %0 = moe.experts %x by %o gate @g up @g down @g activation silu
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x1xi32, #lm.dims<"T", 1>> -> tensor<?x32xf32, #lm.dims<"T", 32>>
  return
}

// -----

// An expert per row.
lm.weight @g from ["g"] : tensor<4x32x64xf32> through [] : tensor<4x32x64xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %o: tensor<?xi32, #lm.dims<"T">>) {
  // expected-error@+1 {{experts are 'tensor<?xi32, #lm.dims<"T">>', expected one per row of 'tensor<?x64xf32, #lm.dims<"T", 64>>'}}
  %0 = moe.experts %x by %o gate @g up @g down @g activation silu
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// Of the rows there are.
lm.weight @g from ["g"] : tensor<4x32x64xf32> through [] : tensor<4x32x64xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %o: tensor<?x2xi32, #lm.dims<"T", 2>>) {
  // expected-error@+1 {{experts are 'tensor<?x2xi32, #lm.dims<"T", 2>>', expected one per row of}}
  %0 = moe.experts %x by %o gate @g up @g down @g activation silu
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x2xi32, #lm.dims<"T", 2>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// Weights are declared.
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %o: tensor<?x1xi32, #lm.dims<"T", 1>>) {
  // expected-error@+1 {{uses @g, expected the name of an lm.weight or lm.table}}
  %0 = moe.experts %x by %o gate @g up @g down @g activation silu
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x1xi32, #lm.dims<"T", 1>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// A gate per expert.
// expected-note@+1 {{@g is declared here}}
lm.weight @g from ["g"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %o: tensor<?x1xi32, #lm.dims<"T", 1>>) {
  // expected-error@+1 {{gate @g is 'tensor<32x64xf32>', expected [0, 0, 64]}}
  %0 = moe.experts %x by %o gate @g up @g down @g activation silu
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x1xi32, #lm.dims<"T", 1>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// As many ups as gates.
lm.weight @g from ["g"] : tensor<4x32x64xf32> through [] : tensor<4x32x64xf32>
// expected-note@+1 {{@u is declared here}}
lm.weight @u from ["u"] : tensor<8x32x64xf32> through [] : tensor<8x32x64xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %o: tensor<?x1xi32, #lm.dims<"T", 1>>) {
  // expected-error@+1 {{up @u is 'tensor<8x32x64xf32>', expected [4, 32, 64]}}
  %0 = moe.experts %x by %o gate @g up @u down @g activation silu
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x1xi32, #lm.dims<"T", 1>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// Up has the shape of gate.
lm.weight @g from ["g"] : tensor<4x32x64xf32> through [] : tensor<4x32x64xf32>
// expected-note@+1 {{@u is declared here}}
lm.weight @u from ["u"] : tensor<4x48x64xf32> through [] : tensor<4x48x64xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %o: tensor<?x1xi32, #lm.dims<"T", 1>>) {
  // expected-error@+1 {{up @u is 'tensor<4x48x64xf32>', expected [4, 32, 64]}}
  %0 = moe.experts %x by %o gate @g up @u down @g activation silu
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x1xi32, #lm.dims<"T", 1>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// Down leads back.
// expected-note@+1 {{@g is declared here}}
lm.weight @g from ["g"] : tensor<4x32x64xf32> through [] : tensor<4x32x64xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>, %o: tensor<?x1xi32, #lm.dims<"T", 1>>) {
  // expected-error@+1 {{down @g is 'tensor<4x32x64xf32>', expected [4, 64, 32]}}
  %0 = moe.experts %x by %o gate @g up @g down @g activation silu
    : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x1xi32, #lm.dims<"T", 1>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// Shared expert

// Tokens keep their features.
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) {
  // expected-error@+1 {{'moe.shared_expert' op turns 'tensor<?x64xf32, #lm.dims<"T", 64>>' into 'tensor<?x64xf32, #lm.dims<"R", 64>>', expected the same [tokens, features]}}
  %0 = moe.shared_expert %x gate @g up @g down @g activation silu
    : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x64xf32, #lm.dims<"R", 64>>
  return
}

// -----

// Weights are declared.
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) {
  // expected-error@+1 {{uses @g, expected the name of an lm.weight or lm.table}}
  %0 = moe.shared_expert %x gate @g up @g down @g activation silu
    : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// A shared expert has no expert dimension.
// expected-note@+1 {{@g is declared here}}
lm.weight @g from ["g"] : tensor<4x32x64xf32> through [] : tensor<4x32x64xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) {
  // expected-error@+1 {{gate @g is 'tensor<4x32x64xf32>', expected [0, 64]}}
  %0 = moe.shared_expert %x gate @g up @g down @g activation silu
    : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// Up has the shape of gate.
lm.weight @g from ["g"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
// expected-note@+1 {{@u is declared here}}
lm.weight @u from ["u"] : tensor<48x64xf32> through [] : tensor<48x64xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) {
  // expected-error@+1 {{up @u is 'tensor<48x64xf32>', expected [32, 64]}}
  %0 = moe.shared_expert %x gate @g up @u down @g activation silu
    : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// Down leads back.
// expected-note@+1 {{@g is declared here}}
lm.weight @g from ["g"] : tensor<32x64xf32> through [] : tensor<32x64xf32>
func.func @f(%x: tensor<?x64xf32, #lm.dims<"T", 64>>) {
  // expected-error@+1 {{down @g is 'tensor<32x64xf32>', expected [64, 32]}}
  %0 = moe.shared_expert %x gate @g up @g down @g activation silu
    : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// Combine

// Rows have features.
func.func @f(%r: tensor<?xf32, #lm.dims<"T">>) {
  // expected-error@+1 {{'moe.combine' op combines 'tensor<?xf32, #lm.dims<"T">>' to 'tensor<?x64xf32, #lm.dims<"T", 64>>', expected k rows of features per token}}
  %0 = moe.combine %r : tensor<?xf32, #lm.dims<"T">> -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// k is a whole number.
func.func @f(%r: tensor<?x64xf32, #lm.dims<"3*T", 64>>) {
  // expected-error@+1 {{expected k rows of features per token}}
  %0 = moe.combine %r : tensor<?x64xf32, #lm.dims<"3*T", 64>> -> tensor<?x64xf32, #lm.dims<"2*T", 64>>
  return
}

// -----

// Rows and results are of the same tokens.
func.func @f(%r: tensor<?x64xf32, #lm.dims<"2*T", 64>>) {
  // expected-error@+1 {{expected k rows of features per token}}
  %0 = moe.combine %r : tensor<?x64xf32, #lm.dims<"2*T", 64>> -> tensor<?x64xf32, #lm.dims<"R", 64>>
  return
}

// -----

// A score per pair.
func.func @f(%r: tensor<?x64xf32, #lm.dims<"2*T", 64>>, %w: tensor<?x1xf32, #lm.dims<"T", 1>>) {
  // expected-error@+1 {{scores is 'tensor<?x1xf32, #lm.dims<"T", 1>>', expected ["T", 2]}}
  %0 = moe.combine %r scaled %w
    : tensor<?x64xf32, #lm.dims<"2*T", 64>> scaled tensor<?x1xf32, #lm.dims<"T", 1>>
    -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// The shared expert has a row per token.
func.func @f(%r: tensor<?x64xf32, #lm.dims<"2*T", 64>>) {
  // expected-error@+1 {{shared is 'tensor<?x64xf32, #lm.dims<"2*T", 64>>', expected ["T", 64]}}
  %0 = moe.combine %r shared %r
    : tensor<?x64xf32, #lm.dims<"2*T", 64>> shared tensor<?x64xf32, #lm.dims<"2*T", 64>>
    -> tensor<?x64xf32, #lm.dims<"T", 64>>
  return
}

// -----

// The result has the features of the rows.
func.func @f(%r: tensor<?x64xf32, #lm.dims<"2*T", 64>>) {
  // expected-error@+1 {{result is 'tensor<?x32xf32, #lm.dims<"T", 32>>', expected ["T", 64]}}
  %0 = moe.combine %r : tensor<?x64xf32, #lm.dims<"2*T", 64>> -> tensor<?x32xf32, #lm.dims<"T", 32>>
  return
}
