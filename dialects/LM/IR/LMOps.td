// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_LM_IR_LMOPS_TD
#define YUPANA_DIALECTS_LM_IR_LMOPS_TD

include "dialects/LM/IR/LMAttrs.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class LM_Op<string mnemonic, list<Trait> traits = []> : Op<LM_Dialect, mnemonic, traits> {
  let hasVerifier = 1;
}

/// Reads parameters by symbol: the verifier of the symbol uses compares shapes with theirs.
class LM_ParameterOp<string mnemonic, list<Trait> traits = []>
    : Op<LM_Dialect, mnemonic, !listconcat([Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>], traits)>;

def LM_FloatTensor : RankedTensorOf<[F32, BF16]>;
def LM_IndexTensor : RankedTensorOf<[I32]>;
def LM_KeyTensor : RankedTensorOf<[I64]>;

//===----------------------------------------------------------------------===//
// Parameters and state
//===----------------------------------------------------------------------===//

def LM_ParameterDocs : OpDocGroup {
  let summary = "Parameters and state";
  let description = [{ Symbols of the module: what a model reads and what it remembers. }];
}

let opDocGroup = LM_ParameterDocs in {

def LM_ModelOp : Op<LM_Dialect, "model"> {
  let summary = "Describes the checkpoint a module was imported from";
  let description = [{
    For people and for the text layer; no pass decides by it what a kernel does. `active` counts the parameters that
    take part in one token: all but the experts it is not sent to.

    ```mlir
    lm.model "nano" architecture "Llama4ForConditionalGeneration" vocabulary 1536 hidden 128 layers 4
      parameters 2300000 active 900000 begin 1472 stop [1473, 1479, 1480]
      generation <do_sample = true, temperature = 0.6, top_k = 50, top_p = 0.9, min_p = 0.0, repetition_penalty = 1.0>
    ```
  }];
  let arguments = (ins StrAttr:$name, StrAttr:$architecture, I64Attr:$vocabulary, I64Attr:$hidden, I64Attr:$layers,
                       I64Attr:$parameters, I64Attr:$begin_token, DenseI64ArrayAttr:$stop_tokens,
                       OptionalAttr<LM_GenerationAttr>:$generation, OptionalAttr<I64Attr>:$active_parameters);
  let assemblyFormat = [{
    $name `architecture` $architecture `vocabulary` $vocabulary `hidden` $hidden `layers` $layers
    `parameters` $parameters (`active` $active_parameters^)? `begin` $begin_token `stop` $stop_tokens
    (`generation` $generation^)? attr-dict
  }];
}

def LM_WeightOp : LM_Op<"weight", [Symbol]> {
  let summary = "Names a weight: checkpoint tensors and the chain that leads to what kernels read";
  let description = [{
    A weight is never a constant of the IR: it is the name of one or more checkpoint tensors of one type and a chain
    of transformations. Passes extend the chain; the exporter streams each tensor through it. `type` is the type after
    the whole chain.

    ```mlir
    lm.weight @layers.0.up from ["model.layers.0.feed_forward.experts.gate_up_proj"] : tensor<16x64x64xbf16>
      through [#lm.slice<axis = 2, offset = 32, size = 32>, #lm.transpose<0, 2, 1>, #lm.convert<f32>]
      : tensor<16x32x64xf32>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrArrayAttr:$sources, TypeAttrOf<AnyRankedTensor>:$source_type,
                       ArrayAttr:$chain, TypeAttrOf<AnyRankedTensor>:$type);
  let assemblyFormat = [{
    $sym_name `from` $sources `:` $source_type `through` $chain `:` $type attr-dict
  }];
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() { return ::mlir::cast<::mlir::RankedTensorType>(getType()); }
    /// The packed form, empty before the layout phase.
    ::llvm::StringRef getLayout();
  }];
}

def LM_InterleavedOp : LM_Op<"interleaved", [Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Names a weight whose rows alternate between two others, `by` at a time";
  let description = [{
    Kernels that need a row of both at once (gate and up, the two features of a rotated pair) find them in one panel. Of
    parts [.., N, K], rows i·by .. are those of the first, then the same of the second; both are padded with zeros to
    whole runs, so the result is [.., 2 · align(N, by), K]. The parts keep their own chains and are not packed.

    ```mlir
    lm.interleaved @gate_up of @gate, @up by 16 : tensor<16x64x64xf32>
    lm.interleaved @gate_up of @gate, @up by 16 layout "panel32" : tensor<16x64x64xf32>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefAttr:$first, FlatSymbolRefAttr:$second, I64Attr:$by,
                       OptionalAttr<StrAttr>:$layout, TypeAttrOf<AnyRankedTensor>:$type);
  let assemblyFormat = [{
    $sym_name `of` $first `,` $second `by` $by (`layout` $layout^)? `:` $type attr-dict
  }];
}

def LM_TableOp : LM_Op<"table", [Symbol]> {
  let summary = "Names a table computed at compile time in float64 and rounded once";
  let description = [{
    ```mlir
    lm.table @rope.48 from #lm.rope_table<#lm.rope<theta = 5.0e5>, dim = 16, count = 48, step = 1>
      as tensor<48x8x2xf32>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, LM_GeneratorAttr:$generator, TypeAttrOf<AnyRankedTensor>:$type);
  let assemblyFormat = "$sym_name `from` $generator `as` $type attr-dict";
}

def LM_CacheOp : LM_Op<"cache", [Symbol]> {
  let summary = "Declares the keys and values that one layer remembers of a sequence";
  let description = [{
    With `chunk` C, only positions of the current chunk (position div C) are ever read again.

    ```mlir
    lm.cache @layers.0 layer 0 heads 2 width 16 chunk 48 : f32
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$layer, I64Attr:$heads, I64Attr:$width,
                       OptionalAttr<I64Attr>:$chunk, TypeAttr:$element_type);
  let assemblyFormat = [{
    $sym_name `layer` $layer `heads` $heads `width` $width (`chunk` $chunk^)? `:` $element_type attr-dict
  }];
}

} // opDocGroup

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

def LM_LayerDocs : OpDocGroup {
  let summary = "Layers";
  let description = [{ The steps of a transformer. }];
}

let opDocGroup = LM_LayerDocs in {

def LM_EmbedOp : LM_ParameterOp<"embed"> {
  let summary = "Gathers the rows of an embedding table [vocabulary, H] by token id";
  let description = [{
    ```mlir
    %h = lm.embed %ids, @embed : tensor<?xi32, #lm.dims<"T">> -> tensor<?x64xf32, #lm.dims<"T", 64>>
    ```
  }];
  let arguments = (ins LM_IndexTensor:$ids, FlatSymbolRefAttr:$weight);
  let results = (outs LM_FloatTensor:$result);
  let assemblyFormat = "$ids `,` $weight attr-dict `:` type($ids) `->` type($result)";
}

def LM_RMSNormOp : LM_ParameterOp<"rms_norm", [AllTypesMatch<["input", "result"]>]> {
  let summary = "Root-mean-square normalisation over groups of `width` features, with an optional gain";
  let description = [{
    y = x / sqrt(mean(x²) + epsilon) · gain, the mean over each run of `width` adjacent features: the whole row for a
    layer's norm, one head for QK-norm.

    ```mlir
    %y = lm.rms_norm %x, @layers.0.input_norm width 64 epsilon 1.0e-5 : tensor<?x64xf32, #lm.dims<"T", 64>>
    ```
  }];
  let arguments = (ins LM_FloatTensor:$input, OptionalAttr<FlatSymbolRefAttr>:$gain, I64Attr:$width, F64Attr:$epsilon);
  let results = (outs LM_FloatTensor:$result);
  let assemblyFormat = [{
    $input (`,` $gain^)? `width` $width `epsilon` $epsilon attr-dict `:` type($input)
  }];
}

def LM_LinearOp : LM_ParameterOp<"linear"> {
  let summary = "Multiplies by a weight [N, K] and adds an optional bias [N]";
  let description = [{
    y[t, n] = Σ_k x[t, k] · weight[n, k] + bias[n], accumulated in float32.

    ```mlir
    %q = lm.linear %x, @layers.0.q : tensor<?x64xf32, #lm.dims<"T", 64>> -> tensor<?x64xf32, #lm.dims<"T", 64>>
    ```
  }];
  let arguments = (ins LM_FloatTensor:$input, FlatSymbolRefAttr:$weight, OptionalAttr<FlatSymbolRefAttr>:$bias);
  let results = (outs LM_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? attr-dict `:` type($input) `->` type($result)
  }];
}

def LM_RopeOp : LM_ParameterOp<"rope", [AllTypesMatch<["input", "result"]>]> {
  let summary = "Rotates adjacent pairs of every head by position";
  let description = [{
    Pair (2i, 2i + 1) of each head of `width` features turns by the angle of its position. `period` C states that only
    differences within a chunk of C positions matter, so position mod C may be used. Tables appear once
    `materialize-tables` has run: one table of `period` rows, or two of which the first is indexed by
    position div 256 and the second by position mod 256.

    ```mlir
    %r = lm.rope %q, %positions width 16 <theta = 5.0e5> period 48
      : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
    ```
  }];
  let arguments = (ins LM_FloatTensor:$input, LM_IndexTensor:$positions, I64Attr:$width, LM_RopeAttr:$rope,
                       OptionalAttr<I64Attr>:$period,
                       OptionalAttr<TypedArrayAttrBase<FlatSymbolRefAttr, "symbols">>:$tables);
  let results = (outs LM_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $positions `width` $width $rope (`period` $period^)? (`tables` $tables^)? attr-dict
    `:` type($input) `,` type($positions)
  }];
}

def LM_AttentionTemperatureOp : LM_ParameterOp<"attention_temperature", [AllTypesMatch<["input", "result"]>]> {
  let summary = "Scales queries by 1 + scale · ln(1 + floor((position + 1) / floor_scale))";
  let description = [{
    ```mlir
    %s = lm.attention_temperature %q, %positions scale 1.0e-1 floor_scale 8192
      : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"T">>
    ```
  }];
  let arguments = (ins LM_FloatTensor:$input, LM_IndexTensor:$positions, F64Attr:$scale, I64Attr:$floor_scale,
                       OptionalAttr<FlatSymbolRefAttr>:$table);
  let results = (outs LM_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $positions `scale` $scale `floor_scale` $floor_scale (`table` $table^)? attr-dict
    `:` type($input) `,` type($positions)
  }];
}

def LM_AttentionOp
    : Op<LM_Dialect, "attention", [DeclareOpInterfaceMethods<SymbolUserOpInterface>, AllTypesMatch<["query", "result"]>,
                                      AllTypesMatch<["key", "value"]>, AllTypesMatch<["positions", "sequences"]>]> {
  let summary = "Appends keys and values to a cache and attends to it causally";
  let description = [{
    Query head j reads key head j div (query heads / cache heads). A token at position p of sequence s attends to the
    positions 0..p of s in the cache; when the cache has a chunk C, to those of its own chunk (position div C) alone.

    ```mlir
    %o = lm.attention %q, %k, %v at %positions of %sequences cache @layers.0 scale 2.5e-1
      : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?x32xf32, #lm.dims<"T", 32>>, tensor<?xi32, #lm.dims<"T">>
    ```
  }];
  let arguments = (ins LM_FloatTensor:$query, LM_FloatTensor:$key, LM_FloatTensor:$value, LM_IndexTensor:$positions,
                       LM_IndexTensor:$sequences, FlatSymbolRefAttr:$cache, F64Attr:$scale);
  let results = (outs LM_FloatTensor:$result);
  let assemblyFormat = [{
    $query `,` $key `,` $value `at` $positions `of` $sequences `cache` $cache `scale` $scale attr-dict
    `:` type($query) `,` type($key) `,` type($positions)
  }];
}

def LM_GatedOp : LM_Op<"gated", [Pure, AllTypesMatch<["gate", "up", "result"]>]> {
  let summary = "activation(gate) · up, element by element";
  let description = [{
    ```mlir
    %y = lm.gated %gate, %up activation silu : tensor<?x32xf32, #lm.dims<"T", 32>>
    ```
  }];
  let arguments = (ins LM_FloatTensor:$gate, LM_FloatTensor:$up, LM_Activation:$activation);
  let results = (outs LM_FloatTensor:$result);
  let assemblyFormat = "$gate `,` $up `activation` $activation attr-dict `:` type($result)";
}

def LM_AddOp : LM_Op<"add", [Pure, SameOperandsAndResultType]> {
  let summary = "Adds two tensors: the residual stream";
  let description = [{
    ```mlir
    %y = lm.add %h, %x : tensor<?x64xf32, #lm.dims<"T", 64>>
    ```
  }];
  let arguments = (ins LM_FloatTensor:$lhs, LM_FloatTensor:$rhs);
  let results = (outs LM_FloatTensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($result)";
}

def LM_TakeRowsOp : LM_Op<"take_rows", [Pure]> {
  let summary = "Gathers rows by index: the tokens whose logits were asked for";
  let description = [{
    ```mlir
    %y = lm.take_rows %x, %rows
      : tensor<?x64xf32, #lm.dims<"T", 64>>, tensor<?xi32, #lm.dims<"R">> -> tensor<?x64xf32, #lm.dims<"R", 64>>
    ```
  }];
  let arguments = (ins LM_FloatTensor:$input, LM_IndexTensor:$rows);
  let results = (outs LM_FloatTensor:$result);
  let assemblyFormat = "$input `,` $rows attr-dict `:` type($input) `,` type($rows) `->` type($result)";
}

} // opDocGroup

def LM_RecordOp : LM_Op<"record", [SameTypeOperands]> {
  let summary = "Writes the tokens of a step into the history of their sequences";
  let description = [{
    history[slot of sequences[t], positions[t]] = ids[t]. There is one history, which `lm.sample` reads; a sequence
    keeps its row, called its slot, for as long as it lives, and what stands at its length and beyond is never read.

    ```mlir
    lm.record %ids at %positions of %sequences : tensor<?xi32, #lm.dims<"T">>
    ```
  }];
  let arguments = (ins LM_IndexTensor:$ids, LM_IndexTensor:$positions, LM_IndexTensor:$sequences);
  let assemblyFormat = "$ids `at` $positions `of` $sequences attr-dict `:` type($ids)";
}

def LM_SampleOp : LM_Op<"sample", [AllTypesMatch<["seeds", "sequences"]>,
                                   AllTypesMatch<["temperatures", "top_p", "min_p", "penalties"]>,
                                   AllTypesMatch<["positions", "top_k", "slots"]>]> {
  let summary = "Draws one token id from each row of logits";
  let description = [{
    Every device draws the same id from the same row: what follows fixes every bit. Floats are float32 and each
    operation rounds once, to nearest even; nothing depends on whether a device flushes subnormal numbers. A logit of
    magnitude below 2^-100 counts as 0. The parameters of a row are applied in the order of transformers' logits
    processors:

    * `penalties`, 1 for none: a logit x whose id is in the history of the row's slot at a position below the row's
      becomes x / penalty if it is above 0, else x · penalty, once, however often the id occurs (Keskar et al., "CTRL",
      2019). A penalty below 2^-100 counts as 2^-100, and again a result of magnitude below 2^-100 as 0;
    * a row in which a logit is now NaN or +infinity yields the id 0xFFFFFFFF and ends here;
    * `temperatures`: one that is NaN or below 2^-126, such as 0, takes the largest logit, the lowest id on ties, and
      ends here, as does a row whose logits are all -infinity. Else each id has a mass, which is an integer, so that
      masses may be added in any order: floor(2^40 · e^y), where y = (x - largest) / temperature;
    * `top_k`, 0 for none: keeps the k largest logits, lower ids first on ties. One that is negative or not below the
      size of the vocabulary keeps all;
    * `top_p`, 1 for none: of what is left, keeps the fewest of the largest logits, lower ids first on ties, whose
      masses reach max(1, floor(P · M / 2^32)), where M is the sum of all masses left and P is floor(2^32 · max(p, 0))
      (Holtzman et al., "The curious case of neural text degeneration", 2020). One that is not below 1 keeps all;
    * `min_p`, 0 for none: keeps ids whose mass is at least floor(2^40 · min(max(p, 0), 1)), where max(NaN, 0) is 0
      (Nguyen et al., "Turning up the heat", 2024).

    The best id is always kept. Let r be the 64 bits of the first two words, the first on top, that Philox 4x32-10 gives
    for key = seed and counter = (sequence, position, 0) (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
    SC 2011), so that a sequence's text does not depend on what else is in the batch. With M the sum of all masses left,
    the id is the lowest for which the masses of all ids up to it add up to more than floor(r · M / 2^64).

    e^y is 0 unless y > -28. Else it is p · 2^n, with a magic number m = 1.5 · 2^23:

        t = fma(y, 0x1.715476p0, m)
        n = t - m
        s = fma(n, -0x1.c85fep-10, fma(n, -0x1.62p-1, y))
        p = 0x1.6a23dp-10, then p = fma(p, s, c) for c = 0x1.123a2p-7, 0x1.5558f2p-5, 0x1.555492p-3, 0x1.fffffcp-2, 1, 1

    ```mlir
    %ids = lm.sample %logits temperatures %t top_k %k top_p %p min_p %m penalties %r seeds %s sequences %n positions %x
      slots %h : tensor<?x256xf32, #lm.dims<"R", 256>>, tensor<?xf32, #lm.dims<"R">>, tensor<?xi64, #lm.dims<"R">>,
                 tensor<?xi32, #lm.dims<"R">> -> tensor<?xi32, #lm.dims<"R">>
    ```
  }];
  let arguments = (ins LM_FloatTensor:$logits, RankedTensorOf<[F32]>:$temperatures, LM_IndexTensor:$top_k,
                       RankedTensorOf<[F32]>:$top_p, RankedTensorOf<[F32]>:$min_p, RankedTensorOf<[F32]>:$penalties,
                       LM_KeyTensor:$seeds, LM_KeyTensor:$sequences, LM_IndexTensor:$positions, LM_IndexTensor:$slots);
  let results = (outs LM_IndexTensor:$ids);
  let assemblyFormat = [{
    $logits `temperatures` $temperatures `top_k` $top_k `top_p` $top_p `min_p` $min_p `penalties` $penalties
    `seeds` $seeds `sequences` $sequences `positions` $positions `slots` $slots attr-dict
    `:` type($logits) `,` type($temperatures) `,` type($seeds) `,` type($positions) `->` type($ids)
  }];
}

#endif
