# SPDX-License-Identifier: Apache-2.0
"""Holds the logits of one checkpoint to truth with each fusing pass left out, and with all of them.

Every plan keeps the contract of its precision (compare.py) on the best target of this machine: no pass is needed for
the result, none spoils it, and none relies on another. Passes that run for other targets alone are switched on instead,
each and together; sorting rows leaves every bit as it was. Most kernels are the same whatever is left out.
"""

import pathlib
import re
import subprocess
import sys

import tools

COMPARE = pathlib.Path(__file__).with_name("compare.py")


def fusion_names(arguments, option):
    """The names that an option knows, as its help lists them."""
    text = tools.run([arguments.compiler, "compile", "--help"]).decode()
    listed = re.search(option + r" .*\n((?: +[a-z-]+\n)+)", text)
    return listed.group(1).split() if listed else sys.exit(f"the help of {option} names no pass")


def check(cases, arguments, precision, disabled, enabled=()):
    """One plan without the passes `disabled` and with those `enabled`; returns its bytes and its logits'."""
    plan, out = arguments.work / "fusions.yplan", arguments.work / "logits.npy"
    switches = ["--disable-fusion", ",".join(disabled)] if disabled else []
    switches += ["--enable-fusion", ",".join(enabled)] if enabled else []
    tools.run([arguments.compiler, "compile", arguments.model, "-o", plan, "--precision", precision, "--cache",
               arguments.kernels, "--target", arguments.target, *switches])
    out.unlink(missing_ok=True)
    tools.run([arguments.runner, plan, "--tokens", arguments.model / "expected/tokens.json", "--logits", out])
    expected = arguments.model / "expected"
    peer = ["--peer", expected / "hf_bf16.npy"] if precision == "bf16" else []
    held = subprocess.run([sys.executable, "-B", COMPARE, out, expected / "truth.npy", "--precision", precision, *peer],
                          capture_output=True, text=True, timeout=60)
    name = "all passes" if not disabled else f"without {disabled[0]}" if len(disabled) == 1 else "without any"
    name += f" but {', '.join(enabled)}" if disabled and enabled else f" and {', '.join(enabled)}" if enabled else ""
    cases.check(f"{precision} {name}", held.returncode == 0, (held.stdout + held.stderr).strip())
    return plan.read_bytes(), out.read_bytes()


def check_refused(cases, arguments, title, switches, words):
    """A choice of passes that is none is refused, with these words in the sentence."""
    done = subprocess.run([arguments.compiler, "compile", arguments.model, "-o", arguments.work / "none.yplan",
                           *switches], capture_output=True, text=True, timeout=60)
    cases.check(title, done.returncode == 2 and all(word in done.stderr for word in words), done.stderr.strip())


def check_chosen(cases, arguments, precision, fused, others, chosen):
    """The passes that only other targets ask for, and the others left out around them."""
    plan, logits = fused
    for name in chosen:
        own_plan, own_logits = check(cases, arguments, precision, [], [name])
        cases.check(f"{precision} {name} changes the plan", own_plan != plan)
        if name == "sort-rows-by-expert":
            cases.check(f"{precision} {name} changes no bit", own_logits == logits)
    check(cases, arguments, precision, [], chosen)
    check(cases, arguments, precision, others, chosen)


def main():
    parser = tools.parser(__doc__)
    parser.add_argument("model", type=pathlib.Path, help="a checkpoint with truth.npy and hf_bf16.npy in expected/")
    arguments = parser.parse_args()
    tools.work_folder(arguments)
    arguments.target = tools.host_targets(arguments)[-1]
    cases = tools.Cases()
    names, chosen = (fusion_names(arguments, option) for option in ("--disable-fusion", "--enable-fusion"))
    others = [name for name in names if name not in chosen]
    unknown = "fuse-everything"
    check_refused(cases, arguments, "an unknown pass", ["--disable-fusion", unknown], [unknown, *names])
    check_refused(cases, arguments, "an unknown pass to enable", ["--enable-fusion", others[0]], [others[0], *chosen])
    check_refused(cases, arguments, "a pass on and off",
                  ["--enable-fusion", chosen[0], "--disable-fusion", chosen[0]], [chosen[0], "enabled and disabled"])
    for precision in ("f32", "bf16"):
        fused = check(cases, arguments, precision, [])
        for name in others:
            check(cases, arguments, precision, [name])
        unfused = check(cases, arguments, precision, names)
        cases.check(f"{precision} passes change the plan", fused[0] != unfused[0])
        check_chosen(cases, arguments, precision, fused, others, chosen)
    cases.exit()


if __name__ == "__main__":
    main()
