# SPDX-License-Identifier: Apache-2.0
"""Ops, attributes and types: a summary, an example in every op's description, a round trip, and a negative test for
every verifier."""

import re

import common
import passes


def op_class(head):
    """The mnemonic of an op's record, or None: `def X : Some_Op<"mnemonic", ...` or `Op<Dialect, "mnemonic", ...`."""
    match = re.search(r":\s*(?:\w*Op<\s*|Op<\s*\w+,\s*)\"(\w+)\"", head)
    return match.group(1) if match else None


def has_verifier(folder, head, body):
    """True if the record, or the class it comes from, asks for a verifier of its own."""
    if re.search(r"hasVerifier = 1|hasRegionVerifier = 1|SymbolUserOpInterface", head + body):
        return True
    parent = re.search(r":\s*(\w+)<", head).group(1)
    text = "".join(td.read_text() for td in sorted(folder.glob("*.td")))
    base = re.search(rf"^class {parent}\b.*?(?=^(?:def|class|let) )", text, re.S | re.M)
    return bool(base and re.search(r"hasVerifier = 1|SymbolUserOpInterface", base.group()))


def check_ops(dialect, prefix, td, faults):
    text, tests = td.read_text(), common.ROOT / "test/dialects" / dialect
    good, bad = (tests / "ops.mlir").read_text(), (tests / "invalid.mlir").read_text()
    count = 0
    for name, line, head, body in common.records(text):
        mnemonic = op_class(head)
        if not mnemonic:
            continue
        count += 1
        full = f"{prefix}.{mnemonic}"
        if not passes.field(body, "summary"):
            faults.add(td, line, f"{full} has no summary")
        description = passes.field(body, "description")
        implicit = mnemonic == "end"
        if not implicit and not re.search(rf"```mlir.*{re.escape(full)}\b.*```", description, re.S):
            faults.add(td, line, f"{full} has no example of itself in its description")
        if not re.search(rf"^(?!\s*//).*\b{re.escape(full)}\b", good, re.M):
            faults.add(td, line, f"{full} is not in test/dialects/{dialect}/ops.mlir")
        if has_verifier(td.parent, head, body) and not negative(full, bad):
            faults.add(td, line, f"{full} has a verifier and no case in test/dialects/{dialect}/invalid.mlir")
    return count


def negative(full, bad):
    """True if a diagnostic is expected at the op itself."""
    return re.search(rf"expected-error[^\n]*\n\s*(?:%[\w, %]+ = )?\"?{re.escape(full)}\b", bad)


def check_parameters(dialect, prefix, td, faults):
    """Attributes and types."""
    text = td.read_text()
    tests = "".join((common.ROOT / "test/dialects" / dialect / file).read_text() for file in ("ops.mlir", "types-attrs.mlir"))
    count = 0
    for name, line, head, body in common.records(text):
        mnemonic = re.search(r"let mnemonic = \"(\w+)\"", body) or re.search(
            r":\s*\w+_(?:Attr|Transform|Type)<\s*\"\w+\",\s*\"(\w+)\"", head)
        if not mnemonic:
            continue
        count += 1
        full = f"{prefix}.{mnemonic.group(1)}"
        if not passes.field(body, "summary"):
            faults.add(td, line, f"#{full} has no summary")
        if not re.search(rf"[#!]{re.escape(full)}\b", tests):
            faults.add(td, line, f"{full} is not in test/dialects/{dialect}/types-attrs.mlir")
    return count


def main():
    faults, looked = common.Faults(), 0
    for folder in sorted((common.ROOT / "dialects").iterdir()):
        if not folder.is_dir():
            continue
        dialect = folder.name
        prefix = re.search(r'let name = "(\w+)"', (folder / f"IR/{dialect}Dialect.td").read_text()).group(1)
        if not (folder / "Rationale.md").exists():
            faults.add(folder / "Rationale.md", 1, "is missing")
        for td in sorted((folder / "IR").glob("*.td")):
            looked += check_ops(dialect, prefix, td, faults) + check_parameters(dialect, prefix, td, faults)
    faults.exit(looked)


if __name__ == "__main__":
    main()
