# SPDX-License-Identifier: Apache-2.0
"""What the style checks share: the files of the project, and a list of faults with a place each."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = {".h", ".cpp", ".cc", ".c", ".td", ".py", ".sh", ".cmake", ".fbs"}
ROOMS = ["compiler", "dialects", "frontends", "passes", "runtime", "test", "tools"]


def files(*rooms, suffixes=SOURCE):
    """Every file with one of these endings in these rooms, or in all."""
    for room in rooms or ROOMS:
        for path in sorted((ROOT / room).rglob("*")):
            if path.is_file() and (not suffixes or path.suffix in suffixes) and "__pycache__" not in path.parts:
                yield path


def name(path):
    return str(path.relative_to(ROOT))


class Faults:
    """Prints `file:line: what` for each fault; the exit code says whether there was one."""

    def __init__(self):
        self.count = 0

    def add(self, path, line, what):
        self.count += 1
        print(f"{name(path) if isinstance(path, pathlib.Path) else path}:{line}: {what}")

    def exit(self, looked):
        """`looked` is how many things were checked: a check that finds nothing to check is broken."""
        print(f"{looked} checked, {self.count} faults")
        sys.exit(1 if self.count or not looked else 0)


def records(text, keyword="def"):
    """Yields (name, line number, head, body) of every record of a TableGen file, by its braces."""
    for start in re.finditer(rf"^{keyword} (\w+)", text, re.M):
        depth = 0
        opening = closing = None
        for mark in re.finditer(r"\[\{.*?\}\]|\"(?:\\.|[^\"\\])*\"|//[^\n]*|[{};]", text[start.start():], re.S):
            token = mark.group()
            if token == "{":
                opening = opening if depth else start.start() + mark.end()
                depth += 1
            elif token == "}":
                depth -= 1
            if (token == ";" and not depth) or (token == "}" and not depth):
                closing = start.start() + mark.start()
                break
        if opening is None:
            opening = closing
        line = text.count("\n", 0, start.start()) + 1
        yield start.group(1), line, text[start.start():opening], text[opening:closing]
