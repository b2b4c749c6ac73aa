# SPDX-License-Identifier: Apache-2.0
"""Files: length budgets, the licence line, no unfinished business, no path of one machine, no stray whitespace."""

import re

import common

LICENSED = {".h", ".cpp", ".cc", ".td", ".py", ".sh", ".fbs"}
TEXT = common.SOURCE | {".md", ".mlir", ".test", ".txt", ".in"}
COLUMNS = 120
# Words that admit to something unfinished; split so that this file passes.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
MACHINE_PATH = re.compile(r"(?<![\w.])/(work|home|root|Users|tmp/[a-z]\w*)/")
# A comment says what holds; one that asks leaves the answer to the reader.
QUESTION = re.compile(r"//[/<!]* *(Is|Has|Does|Do|May|Must|Can|Are|Have|Should|Did|Was|Were|Will|Would) [^\"]*\?( |$)")
DATA = ("test/models/", "test/golden/")


def budget(path):
    """The most lines a file may have."""
    source = common.name(path)
    if path.suffix == ".td":
        return 400
    if path.suffix == ".cpp" and source.startswith("passes/"):
        return 400
    if path.suffix == ".h":
        return 300 if not source.startswith("runtime/include/") else 600
    if path.suffix in (".cpp", ".cc", ".c", ".py"):
        return 800
    return None


def check(path, faults):
    source, text = common.name(path), path.read_text()
    lines = text.split("\n")
    limit = budget(path)
    if limit and len(lines) - 1 > limit:
        faults.add(path, limit, f"has {len(lines) - 1} lines, the budget is {limit}; split it by theme")
    if path.suffix in LICENSED and not any("SPDX-License-Identifier: Apache-2.0" in line for line in lines[:2]):
        faults.add(path, 1, "its first line lacks SPDX-License-Identifier: Apache-2.0")
    if text and not text.endswith("\n"):
        faults.add(path, len(lines), "does not end with a line end")
    for number, line in enumerate(lines, 1):
        if match := UNFINISHED.search(line):
            faults.add(path, number, f"'{match.group()}': finish it, or open an issue")
        if path.suffix in LICENSED and (match := QUESTION.search(line)):
            faults.add(path, number, f"'{match.group().strip()}' asks; write what holds, \"True if ...\"")
        if match := MACHINE_PATH.search(line):
            faults.add(path, number, f"'{match.group()}' is a path of one machine")
        if line != line.rstrip():
            faults.add(path, number, "ends with white space")
        # Tests may need long lines of IR and of diagnostics.
        if len(line) > COLUMNS and path.suffix in common.SOURCE and not source.startswith("test/"):
            faults.add(path, number, f"has {len(line)} columns, the limit is {COLUMNS}")


def main():
    faults, looked = common.Faults(), 0
    roots = [common.ROOT / name for name in ("CMakeLists.txt", "README.md", "CONTRIBUTING.md", ".ci/run", ".clang-tidy",
                                             "tools/random-checkpoint")]
    for path in [*common.files(suffixes=TEXT), *roots]:
        if not common.name(path).startswith(DATA):
            check(path, faults)
            looked += 1
    faults.exit(looked)


if __name__ == "__main__":
    main()
