# SPDX-License-Identifier: Apache-2.0
"""`yupana compile` starts no program but itself and lld: every execve of it and of its children is traced."""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys

ALLOWED = {"yupana", "lld", "ld.lld", "ld.lld-22", "lld-22"}
SKIPPED = 77


def can_trace():
    """Whether this machine lets a process trace another: containers may not."""
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-f", "-e", "trace=execve", "true"], capture_output=True).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("model")
    arguments = parser.parse_args()
    if not can_trace():
        print("skipped: strace cannot trace on this machine")
        sys.exit(SKIPPED)
    arguments.work.mkdir(parents=True, exist_ok=True)
    log = arguments.work / "execve.log"
    subprocess.run(["strace", "-f", "-qq", "-e", "trace=execve,execveat", "-o", log, arguments.compiler, "compile", arguments.model,
                    "-o", arguments.work / "traced.yplan", "--precision", "f32"], check=True)
    # A failed attempt, as of a search along PATH, starts nothing.
    started = re.findall(r'execve(?:at)?\((?:AT_FDCWD, )?"([^"]+)".*\) = 0$', log.read_text(), re.M)
    others = [path for path in started if pathlib.Path(path).name not in ALLOWED]
    print("started:", *started)
    if others or not started:
        print("not allowed:", *others)
        sys.exit(1)


if __name__ == "__main__":
    main()
