// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_LM_IR_LMATTRS_TD
#define YUPANA_DIALECTS_LM_IR_LMATTRS_TD

include "dialects/LM/IR/LMDialect.td"
include "dialects/LM/IR/LMEnums.td"
include "dialects/LM/IR/LMInterfaces.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/TensorEncoding.td"

class LM_Attr<string name, string attrMnemonic, list<Trait> traits = []> : AttrDef<LM_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

//===----------------------------------------------------------------------===//
// Dimensions
//===----------------------------------------------------------------------===//

def LM_DimAttr : LM_Attr<"Dim", "dim"> {
  let summary = "The size of one dimension: a number, or a multiple of one of a step's sizes and a number more";
  let description = [{
    `"T"` is the tokens of a step, `"S"` its sequences, `"R"` the rows of logits asked for, `"N"` the sequences that can
    be alive; `"2*T"` is a multiple, and `"2*T+112"` has room for 112 more, whatever T is. Equal sizes are equal
    attributes. In lists (`#lm.dims`, `!kernel.view`, after `rows`) the bare form is written, `"T"` or `64`.

    ```mlir
    #lm.dim<"T">
    #lm.dim<"2*T+112">
    #lm.dim<64>
    ```
  }];
  let parameters = (ins EnumParameter<LM_DimSymbol>:$symbol, "int64_t":$factor, "int64_t":$addend);
  let builders = [
    AttrBuilder<(ins "int64_t":$size), [{ return $_get($_ctxt, ::yupana::lm::DimSymbol::None, size, 0); }]>,
    AttrBuilder<(ins "::yupana::lm::DimSymbol":$symbol), [{ return $_get($_ctxt, symbol, 1, 0); }]>
  ];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    bool isStatic() const { return getSymbol() == ::yupana::lm::DimSymbol::None; }
    /// The size of a static dimension, ShapedType::kDynamic of any other.
    int64_t getSize() const { return isStatic() ? getFactor() : ::mlir::ShapedType::kDynamic; }
    /// The dimension `count` times as large; `count` is at least 1.
    DimAttr times(int64_t count) const {
      return get(getContext(), getSymbol(), getFactor() * count, getAddend() * count);
    }
    /// The dimension `count` larger; `count` is at least 0.
    DimAttr plus(int64_t count) const {
      return isStatic() ? get(getContext(), getFactor() + count)
                        : get(getContext(), getSymbol(), getFactor(), getAddend() + count);
    }
    /// The bare form, quoted where it is a name.
    std::string str() const;
  }];
}

def LM_DimsAttr : LM_Attr<"Dims", "dims",
    [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "Names of a tensor's dynamic dimensions";
  let description = [{
    A tensor encoding with one `#lm.dim` per dimension. Two dynamic dimensions are equal when their names are.

    ```mlir
    tensor<?x5120xf32, #lm.dims<"T", 5120>>
    ```
  }];
  let parameters = (ins ArrayRefParameter<"::yupana::lm::DimAttr">:$entries);
  let hasCustomAssemblyFormat = 1;
}

//===----------------------------------------------------------------------===//
// Transformation chains of weights
//===----------------------------------------------------------------------===//

class LM_Transform<string name, string mnemonic>
    : LM_Attr<name, mnemonic, [DeclareAttrInterfaceMethods<LM_TransformInterface>]>;

def LM_StackAttr : LM_Transform<"Stack", "stack"> {
  let summary = "Stacks the sources of a weight along a new leading dimension";
  let description = [{ `n` sources of shape `[a, b]` become one tensor `[n, a, b]`; always the first link. }];
  let parameters = (ins "int64_t":$count);
  let assemblyFormat = "`<` $count `>`";
}

def LM_SliceAttr : LM_Transform<"Slice", "slice"> {
  let summary = "Keeps `size` indices of one axis: offset, offset + step, ..";
  let parameters = (ins "int64_t":$axis, "int64_t":$offset, "int64_t":$size,
                        DefaultValuedParameter<"int64_t", "1">:$step);
  let assemblyFormat = [{
    `<` `axis` `=` $axis `,` `offset` `=` $offset `,` `size` `=` $size (`,` `step` `=` $step^)? `>`
  }];
}

def LM_TransposeAttr : LM_Transform<"Transpose", "transpose"> {
  let summary = "Permutes the axes: axis i of the result is axis permutation[i] of the input";
  let parameters = (ins ArrayRefParameter<"int64_t">:$permutation);
  let assemblyFormat = "`<` $permutation `>`";
}

def LM_ConvertAttr : LM_Transform<"Convert", "convert"> {
  let summary = "Converts the elements, rounding to nearest even where bits are lost";
  let parameters = (ins "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $elementType `>`";
}

def LM_PackAttr : LM_Transform<"Pack", "pack"> {
  let summary = "Lays the elements out in a named packed form; always the last link";
  let description = [{
    The logical shape stays; `layout` names how the bytes lie, by the id of one of the forms of weights in
    `runtime/schema/forms.h`: there are addresses, padding and sizes of each. Rows and columns that fill up the last
    tiles are zero.
  }];
  let parameters = (ins StringRefParameter<>:$layout);
  let assemblyFormat = "`<` $layout `>`";
  let genVerifyDecl = 1;
}

//===----------------------------------------------------------------------===//
// Tables computed at compile time
//===----------------------------------------------------------------------===//

def LM_RopeScalingAttr : LM_Attr<"RopeScaling", "rope_scaling"> {
  let summary = "The \"llama3\" scaling of rotary frequencies";
  let description = [{
    With wavelength w = 2π / frequency: unchanged where w < original / high, divided by `factor` where
    w > original / low, interpolated between (reference: transformers `_compute_llama3_parameters`).
  }];
  let parameters = (ins "::mlir::FloatAttr":$factor, "::mlir::FloatAttr":$low, "::mlir::FloatAttr":$high,
                        "int64_t":$original);
  let assemblyFormat = [{
    `<` `factor` `=` $factor `,` `low` `=` $low `,` `high` `=` $high `,` `original` `=` $original `>`
  }];
}

def LM_RopeAttr : LM_Attr<"Rope", "rope"> {
  let summary = "Rotary frequencies: theta, optional scaling";
  let description = [{ Pair i of a head of `dim` features turns by position · theta^(-2i/dim) radians. }];
  let parameters = (ins "::mlir::FloatAttr":$theta, OptionalParameter<"::yupana::lm::RopeScalingAttr">:$scaling);
  let assemblyFormat = "`<` `theta` `=` $theta (`,` `scaling` `=` $scaling^)? `>`";
}

def LM_RopeTableAttr : LM_Attr<"RopeTable", "rope_table", [DeclareAttrInterfaceMethods<LM_GeneratorInterface>]> {
  let summary = "Generates [count, dim / 2, 2] cosines and sines of (row · step) · frequency";
  let parameters = (ins "::yupana::lm::RopeAttr":$rope, "int64_t":$dim, "int64_t":$count, "int64_t":$step);
  let assemblyFormat = [{
    `<` qualified($rope) `,` `dim` `=` $dim `,` `count` `=` $count `,` `step` `=` $step `>`
  }];
}

def LM_TemperatureTableAttr : LM_Attr<"TemperatureTable", "temperature_table",
    [DeclareAttrInterfaceMethods<LM_GeneratorInterface>]> {
  let summary = "Generates [count] factors 1 + scale · ln(1 + row)";
  let parameters = (ins "::mlir::FloatAttr":$scale, "int64_t":$count);
  let assemblyFormat = "`<` `scale` `=` $scale `,` `count` `=` $count `>`";
}

//===----------------------------------------------------------------------===//
// How tokens are chosen unless the user says otherwise
//===----------------------------------------------------------------------===//

def LM_GenerationAttr : LM_Attr<"Generation", "generation"> {
  let summary = "How a model's authors would have tokens chosen";
  let description = [{
    The fields of generation_config.json that `lm.sample` knows. Without `do_sample` the best token is taken, and the
    others but the penalty are for a user who asks for draws. In the ranges of `lm.sample`, with `top_p` above 0.
  }];
  let parameters = (ins "::mlir::BoolAttr":$do_sample, "::mlir::FloatAttr":$temperature, "int64_t":$top_k,
                        "::mlir::FloatAttr":$top_p, "::mlir::FloatAttr":$min_p,
                        "::mlir::FloatAttr":$repetition_penalty);
  let assemblyFormat = [{
    `<` `do_sample` `=` $do_sample `,` `temperature` `=` $temperature `,` `top_k` `=` $top_k `,` `top_p` `=` $top_p `,`
        `min_p` `=` $min_p `,` `repetition_penalty` `=` $repetition_penalty `>`
  }];
  let genVerifyDecl = 1;
}

#endif
