# SPDX-License-Identifier: Apache-2.0
"""Holds the logits of one checkpoint to truth with each fusing pass left out, and with all of them.

Every plan keeps the contract of its precision (compare.py) on the best target of this machine: no pass is needed for
the result, none spoils it, and none relies on another. Compiling takes most of the time, about a second and a half a
plan on two cores.
"""

import pathlib
import re
import subprocess
import sys

import tools

COMPARE = pathlib.Path(__file__).with_name("compare.py")


def fusion_names(arguments):
    """The names that --disable-fusion knows, as its help lists them."""
    text = tools.run([arguments.compiler, "compile", "--help"]).decode()
    listed = re.search(r"--disable-fusion .*\n((?: +[a-z-]+\n)+)", text)
    return listed.group(1).split() if listed else sys.exit("the help of --disable-fusion names no pass")


def check(cases, arguments, precision, disabled):
    """One plan without the passes `disabled`; returns its bytes."""
    plan, out = arguments.work / "fusions.yplan", arguments.work / "logits.npy"
    without = ["--disable-fusion", ",".join(disabled)] if disabled else []
    tools.run([arguments.compiler, "compile", arguments.model, "-o", plan, "--precision", precision, *without])
    out.unlink(missing_ok=True)
    tools.run([arguments.runner, plan, "--tokens", arguments.model / "expected/tokens.json", "--logits", out])
    expected = arguments.model / "expected"
    peer = ["--peer", expected / "hf_bf16.npy"] if precision == "bf16" else []
    held = subprocess.run([sys.executable, "-B", COMPARE, out, expected / "truth.npy", "--precision", precision, *peer],
                          capture_output=True, text=True, timeout=60)
    name = "all passes" if not disabled else f"without {disabled[0]}" if len(disabled) == 1 else "without any"
    cases.check(f"{precision} {name}", held.returncode == 0, (held.stdout + held.stderr).strip())
    return plan.read_bytes()


def check_unknown(cases, arguments, names):
    """A name that is no pass is refused, and the names that are stand in the sentence."""
    done = subprocess.run([arguments.compiler, "compile", arguments.model, "-o", arguments.work / "none.yplan",
                           "--disable-fusion", "fuse-everything"], capture_output=True, text=True, timeout=60)
    refused = done.returncode == 2 and all(name in done.stderr for name in ["fuse-everything", *names])
    cases.check("an unknown pass", refused, done.stderr.strip())


def main():
    parser = tools.parser(__doc__)
    parser.add_argument("model", type=pathlib.Path, help="a checkpoint with truth.npy and hf_bf16.npy in expected/")
    arguments = parser.parse_args()
    tools.work_folder(arguments)
    cases = tools.Cases()
    names = fusion_names(arguments)
    check_unknown(cases, arguments, names)
    for precision in ("f32", "bf16"):
        fused = check(cases, arguments, precision, [])
        for name in names:
            check(cases, arguments, precision, [name])
        unfused = check(cases, arguments, precision, names)
        cases.check(f"{precision} passes change the plan", fused != unfused)
    cases.exit()


if __name__ == "__main__":
    main()
