// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_PLAN_IR_PLANENUMS_TD
#define YUPANA_DIALECTS_PLAN_IR_PLANENUMS_TD

include "mlir/IR/EnumAttr.td"

/// The same names and numbers as `ArgumentKind` of the plan schema.
def Plan_ArgumentKind : I32EnumAttr<"ArgumentKind", "what an argument addresses", [
    I32EnumAttrCase<"Buffer", 0, "buffer">,
    I32EnumAttrCase<"Weight", 1, "weight">,
    I32EnumAttrCase<"Cache", 2, "cache">,
    I32EnumAttrCase<"PageTable", 3, "page_table">,
    I32EnumAttrCase<"Input", 4, "input">,
    I32EnumAttrCase<"History", 5, "history">]> {
  let cppNamespace = "::yupana::plan";
}

/// The same names and numbers as `ImageFormat` of the plan schema.
def Plan_ImageFormat : I32EnumAttr<"ImageFormat", "how the code of an image is written", [
    I32EnumAttrCase<"ElfX86", 0, "elf_x86_64">,
    I32EnumAttrCase<"Cubin", 1, "cubin">,
    I32EnumAttrCase<"Ptx", 2, "ptx">]> {
  let cppNamespace = "::yupana::plan";
}

#endif
