# SPDX-License-Identifier: Apache-2.0
"""No test is forgotten: every textual test has a RUN line and lies where lit looks, every test source is in a
CMakeLists.txt above it, every Python script that is a test is named by one or run by a textual test."""

import re

import common

TEST = common.ROOT / "test"


def lit_lists(name):
    return re.findall(r'"([^"]+)"', re.search(rf"config\.{name} = \[(.*?)\]", (TEST / "lit.cfg.py").read_text()).group(1))


def expanded(text):
    """The text of a CMakeLists.txt with the bodies of its loops written out."""
    for variable, items, body in re.findall(r"^foreach\((\w+)((?:\s+[\w.-]+)+)\)(.*?)^endforeach", text, re.S | re.M):
        text += "".join(body.replace(f"${{{variable}}}", item) for item in items.split())
    return text


def listed(path):
    """True if a CMakeLists.txt between the file and test/ names the file, or a glob or loop for its kind."""
    folder = path.parent
    while True:
        lists = folder / "CMakeLists.txt"
        if lists.exists():
            text = expanded(lists.read_text())
            relative = str(path.relative_to(folder))
            if re.search(rf"(?<![\w.-]){re.escape(relative)}(?!\w)", text) or re.search(
                    rf"(?<![\w.-]){re.escape(path.stem)}(?![\w-])", text):
                return True
        if folder == TEST:
            return False
        folder = folder.parent


def main():
    faults, looked = common.Faults(), 0
    suffixes, excluded = set(lit_lists("suffixes")), set(lit_lists("excludes"))
    for path in common.files("test", suffixes=suffixes):
        inside = path.relative_to(TEST).parts
        looked += 1
        left_out, runs = bool(excluded & set(inside)), "RUN:" in path.read_text()
        if left_out and runs:
            faults.add(path, 1, "has a RUN line and lies in a folder that lit leaves out")
        if not left_out and not runs:
            faults.add(path, 1, "has no RUN line")
    for path in common.files("test", suffixes={".cpp", ".cc"}):
        looked += 1
        if not listed(path):
            faults.add(path, 1, "is in no CMakeLists.txt")
    for path in common.files("test", suffixes={".py"}):
        if "__main__" in path.read_text() and path.name not in ("summary.py", "lit.cfg.py"):
            looked += 1
            others = [other for other in common.files("test", suffixes={".py", ".test"}) if other != path]
            called = any(path.stem in other.read_text() for other in others)
            if not listed(path) and not called:
                faults.add(path, 1, "is run by nothing")
    faults.exit(looked)


if __name__ == "__main__":
    main()
