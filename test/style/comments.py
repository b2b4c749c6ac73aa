# SPDX-License-Identifier: Apache-2.0
"""Comments: a source opens by saying what it is for; passes and templates also why that is right and stands there."""

import common

ROOMS = ("compiler", "dialects", "frontends", "passes", "runtime", "tools")
# Lines of that comment, by the folder that a file lies in; elsewhere one. In a pass: what it matches, why that is
# legal, why it runs where it does.
LEAST = {"passes/": 5, "compiler/Codegen/CPU/": 3, "compiler/Codegen/Common/": 3, "compiler/Codegen/GPU/": 2}


def opening(text):
    """The lines with words of the comment that follows the licence."""
    block = []
    for line in text.splitlines()[1:]:
        if not line.startswith("//"):
            break
        if line.strip("/ "):
            block.append(line)
    return block


def main():
    faults, looked = common.Faults(), 0
    for path in common.files(*ROOMS, suffixes={".cpp", ".cc"}):
        name = common.name(path)
        least = next((lines for folder, lines in LEAST.items() if name.startswith(folder)), 1)
        looked += 1
        found = len(opening(path.read_text()))
        if found < least:
            faults.add(path, 2, f"opens with {found} lines of comment, expected at least {least}")
    faults.exit(looked)


if __name__ == "__main__":
    main()
