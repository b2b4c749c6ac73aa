# SPDX-License-Identifier: Apache-2.0
"""Documents name files that exist: every `path/in/code.spans` of a .md file that starts with a room of the project."""

import re

import common

PATH = re.compile(r"`((?:" + "|".join(common.ROOMS) + r")/[\w./*<>-]*)`")


def main():
    faults, looked = common.Faults(), 0
    documents = [common.ROOT / "README.md", common.ROOT / "CONTRIBUTING.md", *common.files(suffixes={".md"})]
    for path in documents:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for named in PATH.findall(line):
                looked += 1
                # `<X>` stands for any name.
                pattern = re.sub(r"<\w+>", "*", named).rstrip("/")
                # A file named without its ending stands for its header and its source.
                if "*" in named and "<" in named and "." in named:
                    pattern = pattern.rsplit("/", 1)[0]
                if not any(common.ROOT.glob(pattern)) and not any(common.ROOT.glob(pattern + ".*")):
                    faults.add(path, number, f"{named} does not exist")
    faults.exit(looked)


if __name__ == "__main__":
    main()
