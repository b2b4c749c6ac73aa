# SPDX-License-Identifier: Apache-2.0
"""Neither the runtime core nor the text layer multiplies tensors: their libraries hold no packed float multiply or
multiply-add. Whatever multiplies is in a plan."""

import argparse
import collections
import re
import subprocess
import sys

# Packed multiplies and fused multiply-adds of SSE, AVX and AVX-512, and the dot products of bfloat16 and int8.
FORBIDDEN = re.compile(r"\bv?(?:mulp[sdh]|dpp[sd]|fn?m(?:add|sub)\w*p[sdh]|fmaddsub\w*|fmsubadd\w*|dpbf16ps|dpb\w+|dpw\w+)\b")


def instructions(objdump, library):
    """Yields (member, function, instruction) for every line of code."""
    text = subprocess.run([objdump, "--disassemble", "--no-show-raw-insn", "--no-leading-addr", library],
                          check=True, capture_output=True, text=True).stdout
    member = function = "?"
    for line in text.splitlines():
        if header := re.match(r"(?:.*\()?([\w.-]+\.o)\)?:\s+file format", line):
            member = header.group(1)
        elif label := re.match(r"(?:[0-9a-f]+ )?<(.+)>:$", line):
            function = label.group(1)
        elif line.startswith((" ", "\t")):
            yield member, function, line.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objdump", required=True)
    parser.add_argument("libraries", nargs="+")
    arguments = parser.parse_args()
    found, looked = 0, collections.Counter()
    for library in arguments.libraries:
        for member, function, instruction in instructions(arguments.objdump, library):
            looked[library] += 1
            if FORBIDDEN.search(instruction):
                found += 1
                print(f"{library}: {member}: {function}: {instruction}")
    for library in arguments.libraries:
        print(f"{looked[library]} instructions in {library}")
    sys.exit(1 if found or any(not looked[library] for library in arguments.libraries) else 0)


if __name__ == "__main__":
    main()
