// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_KERNEL_IR_KERNELENUMS_TD
#define YUPANA_DIALECTS_KERNEL_IR_KERNELENUMS_TD

include "mlir/IR/EnumAttr.td"

class Kernel_Enum<string name, string summary, list<I32EnumAttrCase> cases> : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::yupana::kernel";
}

/// The same names and numbers as `StepInput` of the plan schema.
def Kernel_StepInput : Kernel_Enum<"StepInput", "what the runtime writes before a step", [
    I32EnumAttrCase<"TokenIds", 0, "token_ids">,
    I32EnumAttrCase<"TokenPositions", 1, "token_positions">,
    I32EnumAttrCase<"TokenSequences", 2, "token_sequences">,
    I32EnumAttrCase<"SequenceStarts", 3, "sequence_starts">,
    I32EnumAttrCase<"LogitRows", 4, "logit_rows">,
    I32EnumAttrCase<"RowTemperatures", 5, "row_temperatures">,
    I32EnumAttrCase<"RowSeeds", 6, "row_seeds">,
    I32EnumAttrCase<"RowSequences", 7, "row_sequences">,
    I32EnumAttrCase<"RowPositions", 8, "row_positions">,
    I32EnumAttrCase<"SequenceSlots", 9, "sequence_slots">,
    I32EnumAttrCase<"RowSlots", 10, "row_slots">,
    I32EnumAttrCase<"RowTopK", 11, "row_top_k">,
    I32EnumAttrCase<"RowTopP", 12, "row_top_p">,
    I32EnumAttrCase<"RowMinP", 13, "row_min_p">,
    I32EnumAttrCase<"RowPenalties", 14, "row_penalties">]>;

def Kernel_Function : Kernel_Enum<"Function", "which function of the model a program computes", [
    I32EnumAttrCase<"Step", 0, "step">,
    I32EnumAttrCase<"Sample", 1, "sample">]>;

def Kernel_Result : Kernel_Enum<"ResultKind", "what the runtime reads after a step", [
    I32EnumAttrCase<"Logits", 0, "logits">,
    I32EnumAttrCase<"Sampled", 1, "sampled">]>;

def Kernel_CachePart : Kernel_Enum<"CachePart", "half of a layer's cache", [
    I32EnumAttrCase<"Key", 0, "key">,
    I32EnumAttrCase<"Value", 1, "value">]>;

def Kernel_SumOrder : Kernel_Enum<"SumOrder", "in which order a product adds over k", [
    I32EnumAttrCase<"Ascending", 0, "ascending">,
    I32EnumAttrCase<"OddFirstPairs", 1, "odd_first_pairs">,
    I32EnumAttrCase<"MatrixBlocks", 2, "matrix_blocks">,
    I32EnumAttrCase<"EvenOddBlocks", 3, "even_odd_blocks">]>;

def Kernel_GPUForm : Kernel_Enum<"GPUForm", "which template of the GPU a launched op is compiled by", [
    I32EnumAttrCase<"MMA", 0, "mma">,
    I32EnumAttrCase<"WGMMA", 1, "wgmma">,
    I32EnumAttrCase<"Decode", 2, "decode">,
    I32EnumAttrCase<"SIMT", 3, "simt">,
    I32EnumAttrCase<"PingPong", 4, "pingpong">]>;

/// A term of a postfix grid expression, by the text it is written as.
def Kernel_GridOp : Kernel_Enum<"GridOp", "term of a grid", [
    I32EnumAttrCase<"Constant", 0, "constant">,
    I32EnumAttrCase<"Tokens", 1, "T">,
    I32EnumAttrCase<"Sequences", 2, "S">,
    I32EnumAttrCase<"LogitRows", 3, "R">,
    I32EnumAttrCase<"Add", 4, "+">,
    I32EnumAttrCase<"Mul", 5, "*">,
    I32EnumAttrCase<"CeilDiv", 6, "ceildiv">,
    I32EnumAttrCase<"Min", 7, "min">,
    I32EnumAttrCase<"Max", 8, "max">,
    I32EnumAttrCase<"SMs", 9, "sms">]>;

#endif
