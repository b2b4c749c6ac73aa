// SPDX-License-Identifier: Apache-2.0

#ifndef YUPANA_DIALECTS_KERNEL_IR_KERNELTYPES_TD
#define YUPANA_DIALECTS_KERNEL_IR_KERNELTYPES_TD

include "dialects/Kernel/IR/KernelDialect.td"
include "dialects/Kernel/IR/KernelEnums.td"
include "dialects/Kernel/IR/KernelInterfaces.td"
include "dialects/LM/IR/LMAttrs.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributes.td"

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

class Kernel_Type<string name, string typeMnemonic> : TypeDef<Kernel_Dialect, name> {
  let mnemonic = typeMnemonic;
}

def Kernel_ViewType : Kernel_Type<"View", "view"> {
  let summary = "A shaped piece of memory: a weight, a step input, or a buffer of an arena";
  let description = [{
    Dimensions are those of `#lm.dim`; at most the first is dynamic. Elements lie row-major unless a
    packed form of `runtime/schema/forms.h` is named: a form of weights, see `#lm.pack`, for a view of static
    dimensions, or the form of token rows, `"rows128"`, for a matrix. The rows of the latter are rounded up to 8 and its
    columns to 128 bytes. Columns beyond the last are zero in each row that has been stored; rows beyond the last hold
    anything.

    ```mlir
    !kernel.view<["T", 64], f32>
    !kernel.view<["T", 64], bf16, "rows128">
    !kernel.view<[16, 32, 64], f32, "panel32">
    !kernel.view<[16, 32, 64], bf16, "panel32x2">
    !kernel.view<[16, 64, 64], bf16, "tile64x128">
    ```
  }];
  let parameters = (ins ArrayRefParameter<"::yupana::lm::DimAttr">:$dims, "::mlir::Type":$elementType,
                        StringRefParameter<"packed form", "\"row-major\"">:$layout);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getRank() const { return getDims().size(); }
    /// The integer size of a static dimension, ShapedType::kDynamic of a named one.
    int64_t getDimSize(unsigned index) const;
    /// Bytes of one element.
    uint64_t getElementBytes() const;
    /// What the layout's id names in runtime/schema/forms.h.
    const ::yupana::schema::PackedForm &getForm() const;
    /// The view as packed forms count it; a dynamic dimension is 0.
    ::yupana::schema::PackedShape getPackedShape() const;
    bool isRowMajor() const { return &getForm() == &::yupana::schema::kRowMajor; }
  }];
}

def Kernel_CacheType : Kernel_Type<"Cache", "cache"> {
  let summary = "The keys or the values of one layer in the pages of a cache group";
  let description = [{
    The address of the part in page 0; page i lies i · page_bytes further. Within a page either part is an array
    `[heads][page_tokens][width]` in a form that `layout` chooses from the cache layouts of `runtime/schema/forms.h`.
    With `"keys32"`, which is meant where none is named, keys of float32 lie as panel32 and those of bfloat16 as
    panel32x2, positions being rows, and values row-major; with `"row-major"` both parts are row-major. Nothing is
    padded: `page_tokens` and `width` are multiples of the form's tile. `page_bytes` is 0 until the layer has been given
    its group. Without a type elements are float32.

    ```mlir
    !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 65536>
    !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 65536, bf16>
    !kernel.cache<key, heads = 2, width = 16, page_tokens = 64, page_bytes = 65536, bf16, layout = "row-major">
    ```
  }];
  let parameters = (ins EnumParameter<Kernel_CachePart>:$part, "int64_t":$heads, "int64_t":$width,
                        "int64_t":$page_tokens, "int64_t":$page_bytes,
                        DefaultValuedParameter<"::mlir::Type", "::mlir::Float32Type::get($_ctxt)">:$elementType,
                        StringRefParameter<"how keys and values lie", "\"keys32\"">:$layout);
  let assemblyFormat = [{
    `<` $part `,` `heads` `=` $heads `,` `width` `=` $width `,` `page_tokens` `=` $page_tokens `,`
    `page_bytes` `=` $page_bytes `` custom<CacheElements>($elementType, $layout) `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The form of this part in a page, [heads][page_tokens][width].
    const ::yupana::schema::PackedForm &getForm() const;
    ::yupana::schema::PackedShape getPackedShape() const;
    /// Bytes of this part in one page.
    int64_t getPartBytes() const { return getHeads() * getWidth() * getPageTokens() * getElementBytes(); }
    int64_t getElementBytes() const { return getElementType().getIntOrFloatBitWidth() / 8; }
  }];
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

def Kernel_X86Attr : AttrDef<Kernel_Dialect, "X86", [DeclareAttrInterfaceMethods<Kernel_ConfigInterface>]> {
  let mnemonic = "x86";
  let summary = "Choices for an x86 target";
  let description = [{
    `tile` is the register tile of a GEMM, token rows × outputs; `rows` is how many rows one cell of the grid covers.

    ```mlir
    #kernel.x86<"x86-64-v3", tile = 6 x 16, rows = 256>
    ```
  }];
  let parameters = (ins "::mlir::StringAttr":$isa, "int64_t":$tileRows, "int64_t":$tileColumns, "int64_t":$rows);
  let assemblyFormat = "`<` $isa `,` `tile` `=` $tileRows `x` $tileColumns `,` `rows` `=` $rows `>`";
  let genVerifyDecl = 1;
}

def Kernel_GPUAttr : AttrDef<Kernel_Dialect, "GPU", [DeclareAttrInterfaceMethods<Kernel_ConfigInterface>]> {
  let mnemonic = "gpu";
  let summary = "Choices for a GPU target";
  let description = [{
    `form` is the template. `mma` and `wgmma` multiply a `tile` of features × rows × elements of K at once, from a ring
    of `stages` such pieces in shared memory. `decode` streams weights of few rows through the ring: blocks take equal
    shares of all units of tile K, whatever cell they belong to. `simt` computes an element per thread and has neither
    tile nor stages (0 x 0 x 0 and 0). `threads` are those of one block, `blocks` how many blocks share a
    multiprocessor, and `rows` how many rows one cell of a `simt` kernel covers, 1 in the others. `cluster` blocks, 1
    where it is not written, run together and read each other's shared memory: in `wgmma` they share token rows.
    `pingpong` is `wgmma` with warpgroups that multiply whole tiles in turn, one while the other does what follows.

    In attention a tile is positions x query heads x features of a head, and with `decode`, where blocks share the
    segments of all tokens, x positions of a segment. Query heads are those of a key head of one token, or of as many
    tokens as the rows of a tile hold. Routing has no tile, and with `decode` blocks share the experts of each token.

    ```mlir
    #kernel.gpu<"sm_90a", form = wgmma, tile = 128 x 256 x 64, stages = 4, threads = 384, blocks = 1, rows = 1,
                cluster = 2>
    #kernel.gpu<"sm_90a", form = decode, tile = 64 x 8 x 256, stages = 8, threads = 160, blocks = 1, rows = 1>
    #kernel.gpu<"sm_80", form = simt, tile = 0 x 0 x 0, stages = 0, threads = 256, blocks = 4, rows = 8>
    ```
  }];
  let parameters = (ins "::mlir::StringAttr":$chip, EnumParameter<Kernel_GPUForm>:$form, "int64_t":$tileFeatures,
                        "int64_t":$tileRows, "int64_t":$tileDepth, "int64_t":$stages, "int64_t":$threads,
                        "int64_t":$blocks, "int64_t":$rows, DefaultValuedParameter<"int64_t", "1">:$cluster);
  let assemblyFormat = [{
    `<` $chip `,` `form` `=` $form `,` `tile` `=` $tileFeatures `x` $tileRows `x` $tileDepth `,` `stages` `=` $stages
    `,` `threads` `=` $threads `,` `blocks` `=` $blocks `,` `rows` `=` $rows (`,` `cluster` `=` $cluster^)? `>`
  }];
  let genVerifyDecl = 1;
}

def Kernel_SignatureAttr : AttrDef<Kernel_Dialect, "Signature"> {
  let mnemonic = "signature";
  let summary = "Which kernel a launched op is, whatever its config";
  let description = [{
    Stands as the discardable attribute `kernel.signature` on launched ops of a program that is compiled to be timed:
    the SHA-256 of the kernel's text without configs and grids, in lower-case hexadecimal digits, and the most `tokens`
    of the program's steps. `configs` says how many configs there are to be timed, of a `kernel.parallel` those of the
    member that has most.

    ```mlir
    kernel.map rows "T" groups 1 width 64 attributes {kernel.signature = #kernel.signature<
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", tokens = 8, configs = 5>} {
    ^bb0(%row: index, %group: index, %lane: index):
    }
    ```
  }];
  let parameters = (ins "::mlir::StringAttr":$digest, "int64_t":$tokens, "int64_t":$configs);
  let assemblyFormat = "`<` $digest `,` `tokens` `=` $tokens `,` `configs` `=` $configs `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Under which a launched op has it.
    static constexpr ::llvm::StringLiteral attributeName = "kernel.signature";
  }];
}

def Kernel_NumericsAttr : AttrDef<Kernel_Dialect, "Numerics"> {
  let mnemonic = "numerics";
  let summary = "The order in which a launched op adds";
  let description = [{
    Floating-point sums depend on their order, so the order is part of the op and of its result; a config never changes
    it. Every sum is float32. What an op does not do is not stated.

    *Products* over k: K is cut into ranges of `range` elements from k = 0 on, or is `all` one range. Each range is one
    chain of fused multiply-adds that begins at zero, in this `order`: `ascending` k, or `odd_first_pairs`, by ascending
    pairs (2i, 2i + 1) of which the odd one goes first, as dot-product instructions of x86 have it. The ranges are
    then added in ascending order. With `even_odd_blocks` a range is summed by blocks of 32 k, as tile registers of x86
    have it (Intel SDM, TDPBF16PS): the even k of a block are one chain that begins at zero and its odd k another, the
    two are added, and what that gives is added to the sum of the blocks before. With `matrix_blocks` a range is a chain
    of matrix instructions instead, by ascending blocks of 16 k: the order and the roundings of the additions inside one
    are those that the hardware has. Weights of a softmax are float32 and then go in as two bfloat16 numbers, the
    nearest and the nearest to what that leaves: every block of 16 positions is multiplied with the one and then with
    the other.

    *Sums* (`kernel.sum`, `kernel.row_sum`, the logits of `kernel.route`, the exponentials of a softmax) are `partials`
    P partial sums: element i is added to partial sum i mod P, by ascending i. Then partial sum i takes i + P/2 up,
    i + P/4 and so on down to i + 1.

    *Softmax* over positions runs online, in blocks of `block` positions at absolute multiples of `block`. With a
    `segment`, a multiple of `block`, positions are cut at absolute multiples of that, too: each segment is a softmax of
    its own, whose largest score m, sum of exponentials s and weighted values v begin at nothing. What all segments gave
    is merged by ascending segment, from m', s', v' = -inf, 0, 0 on. With M = max(m', m), f' = exp(m' - M) and
    f = exp(m - M) that is M, s'·f' + s·f and v'·f' + v·f, each operation rounded. So segments can be computed anywhere
    and in any order.

    ```mlir
    #kernel.numerics<range = all, order = odd_first_pairs, partials = 16>
    #kernel.numerics<range = 256, order = ascending, partials = 32>
    #kernel.numerics<range = all, order = even_odd_blocks, partials = 16>
    #kernel.numerics<range = all, order = matrix_blocks, partials = 32>
    #kernel.numerics<partials = 16>
    #kernel.numerics<range = all, order = ascending, partials = 16, block = 32>
    #kernel.numerics<range = all, order = matrix_blocks, partials = 64, block = 64, segment = 256>
    ```
  }];
  let parameters = (ins "int64_t":$range, EnumParameter<Kernel_SumOrder>:$order, "int64_t":$partials, "int64_t":$block,
                        "int64_t":$segment);
  // Without segments.
  let builders = [AttrBuilder<(ins "int64_t":$range, "::yupana::kernel::SumOrder":$order, "int64_t":$partials,
                               "int64_t":$block), "return $_get($_ctxt, range, order, partials, block, 0);">];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The `range` that stands for the whole K, and the one of an op without products.
    static constexpr int64_t kWhole = -1, kNone = 0;
    /// True if the order of products is stated; else `range` and `order` have no meaning.
    bool hasProducts() const { return getRange() != kNone; }
    /// True if the blocks of a softmax are stated.
    bool hasBlock() const { return getBlock() != 0; }
    /// True if the positions of a softmax are cut into segments; else all of them are one.
    bool hasSegments() const { return getSegment() != 0; }
  }];
}

def Kernel_GridAttr : AttrDef<Kernel_Dialect, "Grid"> {
  let mnemonic = "grid";
  let summary = "A number of cells as a postfix expression over the sizes of the step";
  let description = [{
    Terms are integers, the names `"T"`, `"S"`, `"R"`, and the operators `"+"`, `"*"`, `"ceildiv"`, `"min"`, `"max"`;
    `"sms"` is how many multiprocessors, or workers, the device has.

    ```mlir
    #kernel.grid<"T", 256, "ceildiv", 8, "*">
    #kernel.grid<"T", "sms", "min">
    ```
  }];
  let parameters = (ins ArrayRefParameter<"::yupana::kernel::GridTerm">:$terms);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

#endif
