# SPDX-License-Identifier: Apache-2.0
"""Every example in a .td file is IR that yupana-opt reads: what stands between ```mlir and ``` in descriptions.

An example is cut at comments that begin with `// becomes`, and where it defines a name a second time. Each piece gets
the surroundings that its ops need; values that it uses without defining them become arguments, whose types the errors of
yupana-opt tell.
"""

import re
import subprocess
import sys

import common

EXAMPLE = re.compile(r"```mlir\n(.*?)```", re.S)
DEFINED = re.compile(r"^[ {]*((?:%[\w.]+(?::\d+)?, )*%[\w.]+)(?::\d+)? = |(%[\w.]+): ", re.M)
UNTYPED = re.compile(r"use of value '(%[\w.]+)' expects different type than prior uses: '(.*)' vs 'none'")
PLACE = re.compile(r"^<stdin>:(\d+):\d+: error: (.*)", re.M)
# What stands at the top of a module.
TOP = re.compile(r"(lm\.(model|weight|interleaved|table|cache)|kernel\.(program|cache_group|library)|"
                 r"plan\.(model|weight|cache_group|target)|func\.func|llvm\.func)\b")
TARGET = """plan.target "x86-64-v3" logits 0 sampled 1 {
plan.image elf_x86_64 "code"
plan.image cubin "other code"
plan.arena "arena" size 65536
plan.buffer "logits" arena 0 offset 0 size 64 live 0 to 1
plan.buffer "sampled" arena 0 offset 64 size 64 live 0 to 1
plan.kernel "example" scratch 0 arguments 2
"""
# Ops that stand inside others: text before and after them.
INSIDE = {
    "kernel.func": ('kernel.library @library target "x86-64-v3" {', "}"),
    "plan.launch": (TARGET + " plan.program function step max_tokens 2048 {", "} }"),
}
REGION = 'kernel.map rows "T" groups 1 width 16 { ^bb0(%row: index, %group: index, %lane: index):', "}"
INPUT = ('kernel.gemm rows "T" product { ^bb0(%row: index, %k: index):',
         '} times %w : !kernel.view<[64, 64], f32, "panel32"> { ^bb0(%acc: f32, %row: index, %feature: index): }')
for op in ("image", "arena", "buffer", "kernel", "program"):
    INSIDE["plan." + op] = TARGET, "}"
for op in ("load", "store", "append", "sum", "row_sum"):
    INSIDE["kernel." + op] = REGION
INSIDE["kernel.yield"] = INPUT


def statements(text):
    """Lines that begin at the left, each with those that go on from it."""
    lines = text.split("\n")
    width = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    result = []
    for line in (line[width:] for line in lines):
        if result and (not line.strip() or line[0] in " }^:"):
            result[-1] += "\n" + line
        elif line.strip():
            result.append(line)
    return result


def defined(text):
    """Names that a piece of IR defines anywhere: results and the arguments of blocks and functions."""
    lists = [match[1] or match[2] for match in DEFINED.finditer(text)]
    return {name.strip().split(":")[0] for names in lists for name in names.split(",")}


def results(statement):
    """Names that those behind a statement see."""
    match = re.match(r"((?:%[\w.]+(?:, )?)+) = ", statement)
    return defined(match[0]) if match else set()


def free(statement):
    return set(re.findall(r"%[A-Za-z_][\w.]*", statement)) - defined(statement)


def symbol(statement):
    """The symbol that a statement at the top of a module declares."""
    declares = TOP.match(statement) and not statement.startswith("plan.weight")
    match = declares and re.search(r"@(\"[^\"]*\"|[\w.]+)", statement)
    return {match[0]} if match else set()


def pieces(example):
    """Lists of statements without a name that is defined twice; attributes and types are pieces of their own."""
    for half in re.split(r"^\s*// becomes.*\n", example, flags=re.M):
        piece, names, inner = [], set(), set()
        for statement in statements(half):
            visible = results(statement) | symbol(statement)
            clash = names & (visible | defined(statement)) or inner & free(statement)
            if piece and (clash or statement[0] in "#!" or piece[0][0] in "#!"):
                yield piece
                piece, names, inner = [], set(), set()
            piece.append(statement)
            names |= visible | free(statement)
            inner |= defined(statement) - visible
        if piece:
            yield piece


class Piece:
    """One piece, as the module it is read in."""

    def __init__(self, path, line, statements, context):
        self.path, self.line, self.statements = path, line, statements
        names = set().union(*map(free, statements)) - set().union(*map(results, statements))
        self.types = dict.fromkeys(sorted(names), "none")
        named = set(re.findall(r"@(?:\"[^\"]*\"|[\w.]+)", "\n".join(statements)))
        named -= set().union(*map(symbol, statements))
        self.context = [declaration for name, declaration in context.items() if name in named]
        self.fault = ""

    def module(self):
        text = "\n".join(self.statements)
        if text[0] == "#":
            return f"func.func private @example() attributes {{example = {text}}}"
        if text[0] == "!" or text.startswith("tensor<"):
            return f"func.func private @example({text})"
        top, body, around = [], [], ("", "")
        for statement in self.statements:
            op = re.match(r"(?:%[^=\n]* = )?([\w.]+)", statement)[1]
            before, after = INSIDE.get(op, ("", ""))
            if TOP.match(statement) or op == "kernel.func" or op.startswith("plan."):
                top.append(f"{before}\n{statement}\n{after}")
            else:
                around = before, after
                body.append(statement)
        if body:
            # What surrounds them may define a name, or need one.
            names = self.types.keys() - defined(around[0])
            names |= free("".join(around)) - defined("".join(around))
            arguments = ", ".join(f"{name}: {self.types.setdefault(name, 'none')}" for name in sorted(names))
            top += [f"func.func @example({arguments}) {{", around[0], *body, around[1], "func.return", "}"]
        return "\n".join(self.context + top)


def read(pieces):
    """Reads all pieces in one run: learns types, and sets `fault` where an error is of another kind. True to go on."""
    text, starts = "", []
    for piece in pieces:
        starts.append(text.count("\n") + 1)
        text += piece.module() + "\n// -----\n"
    command = ["yupana-opt", "--split-input-file", "-", "-o", "/dev/null"]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    learned = False
    for match in PLACE.finditer(done.stderr):
        piece = pieces[max(i for i, start in enumerate(starts) if start <= int(match[1]))]
        untyped = UNTYPED.search(match[2])
        if untyped and piece.types.get(untyped[1]) == "none":
            piece.types[untyped[1]] = untyped[2]
            learned = True
        else:
            piece.fault = match[2]
    if done.returncode and not learned and not any(piece.fault for piece in pieces):
        sys.exit(done.stderr)
    return learned


def context_of(path):
    """Declarations that examples refer to, by the name they declare."""
    declarations = [text for text in statements(path.read_text()) if text[0] != "/"]
    return {re.search(r"@[\w.]+", text)[0]: text for text in declarations}


def main():
    context = context_of(common.ROOT / "test/style/Inputs/examples.mlir")
    found, faults = [], common.Faults()
    for path in common.files("compiler", "dialects", "passes", suffixes={".td"}):
        text = path.read_text()
        for example in EXAMPLE.finditer(text):
            line = text.count("\n", 0, example.start()) + 2
            found += [Piece(path, line, piece, context) for piece in pieces(example[1])]
    open_pieces = found
    while read(open_pieces):
        open_pieces = [piece for piece in open_pieces if not piece.fault]
    for piece in found:
        if piece.fault:
            faults.add(piece.path, piece.line, f"example is not read: {piece.fault}")
    faults.exit(len(found))


if __name__ == "__main__":
    main()
