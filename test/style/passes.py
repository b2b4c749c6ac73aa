# SPDX-License-Identifier: Apache-2.0
"""Passes: one record per file, a summary, a description of three lines, one positive and one negative test by name.

`def FooBarPass` with the flag `yupana-foo-bar` lies in FooBar.cpp, is tested by test/passes/<Phase>/foo-bar.mlir and
foo-bar-invalid.mlir (test/compiler/Codegen/CPU for the passes of code generation), and only compiler/Pipelines runs passes.
"""

import re

import common

TESTS = common.ROOT / "test"


def kebab(name):
    """FuseRMSNorm -> fuse-rms-norm, X86ToLLVM -> x86-to-llvm."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def field(body, key):
    match = re.search(rf"let {key} = (?:\[\{{(.*?)\}}\]|\"((?:\\.|[^\"\\])*)\")", body, re.S)
    return (match.group(1) or match.group(2) or "").strip() if match else ""


def check_tests(flag, td, line, faults):
    stem = flag.removeprefix("yupana-")
    for file in (f"{stem}.mlir", f"{stem}-invalid.mlir"):
        found = [path for path in TESTS.rglob(file)]
        if not found:
            faults.add(td, line, f"--{flag} has no test {file} below test/")
        elif not re.search(rf"RUN:.*--?{re.escape(flag)}\b", found[0].read_text()):
            faults.add(found[0], 1, f"has no RUN line with --{flag}")


def check_file(td, faults):
    text, count = td.read_text(), 0
    sources = {path.stem for path in td.parent.glob("*.cpp")}
    for name, line, head, body in common.records(text):
        flag = re.search(r":\s*Pass<\s*\"([\w-]+)\"", head)
        if not flag:
            continue
        count += 1
        stem = name.removesuffix("Pass")
        if flag.group(1) != f"yupana-{kebab(stem)}":
            faults.add(td, line, f"{name} has the flag {flag.group(1)}, expected yupana-{kebab(stem)}")
        if stem not in sources:
            faults.add(td, line, f"{name} has no {stem}.cpp beside this file")
        if not field(body, "summary"):
            faults.add(td, line, f"{name} has no summary")
        if len([row for row in field(body, "description").splitlines() if row.strip()]) < 3:
            faults.add(td, line, f"{name} has a description of less than three lines")
        check_tests(flag.group(1), td, line, faults)
    return count


def check_adders(faults):
    for path in common.files("compiler", "passes", "tools", "frontends", "dialects", suffixes={".cpp", ".h"}):
        # A code generator lowers one library to LLVM in a pipeline of its own, which no phase knows of.
        if re.match(r"compiler/(Pipelines/|Codegen/\w+/Lower\.cpp)", common.name(path)):
            continue
        for number, row in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"\baddPass\(|\baddNestedPass<", row):
                faults.add(path, number, "only compiler/Pipelines adds passes")


def check_records(faults):
    """A pass written in C++ alone has no description and no generated options."""
    for path in common.files("compiler", "passes", "tools", suffixes={".cpp", ".h"}):
        for number, row in enumerate(path.read_text().splitlines(), 1):
            if flag := re.search(r"StringRef getArgument\(\) const .*\"(yupana-[\w-]+)\"", row):
                faults.add(path, number, f"--{flag.group(1)} has no record in a Passes.td")


def main():
    faults = common.Faults()
    looked = sum(check_file(td, faults) for room in ("passes", "compiler") for td in (common.ROOT / room).rglob("Passes.td"))
    check_records(faults)
    check_adders(faults)
    faults.exit(looked)


if __name__ == "__main__":
    main()
