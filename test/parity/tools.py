# SPDX-License-Identifier: Apache-2.0
"""Running the programs under test, and a list of cases that names what failed."""

import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys

import numpy as np

SKIPPED = 77  # Exit code of a test that could not run here and has said why.
PRECISIONS = ("f32", "bf16")


def host_targets(arguments):
    """The CPU targets that this machine runs, lowest first."""
    targets = json.loads(run([arguments.compiler, "targets", "--json"]))
    return [target["name"] for target in targets if target["kind"] == "cpu" and target["runs_here"]]


def order_of_sums(precision, target):
    """Targets of one order have the same bits. Tile registers have one of their own."""
    return "even_odd_blocks" if precision == "bf16" and target.endswith("-amx") else "chains"


def parser(doc):
    """The arguments that all parity tests share."""
    result = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--compiler", required=True, help="the program yupana")
    result.add_argument("--runner", required=True, help="the program yupana-run")
    result.add_argument("--kernels", required=True, type=pathlib.Path, help="a folder of compiled kernels, for all tests")
    result.add_argument("--work", required=True, type=pathlib.Path, help="a folder for plans and logits")
    return result


def run(command, timeout=300, **options):
    """Runs a program to its end; a failure shows its command line and what it wrote, and ends the test."""
    done = subprocess.run([str(word) for word in command], capture_output=True, timeout=timeout, **options)
    if done.returncode != 0:
        text = (done.stdout + done.stderr).decode(errors="replace").strip()
        sys.exit(f"exit code {done.returncode}: {shlex.join(str(word) for word in command)}\n{text}")
    return done.stdout


def compile_plan(arguments, model, plan, precision, targets, *more):
    """Compiles a checkpoint to one plan for all of `targets`, with kernels that other tests have compiled."""
    plan.parent.mkdir(parents=True, exist_ok=True)
    run([arguments.compiler, "compile", model, "-o", plan, "--precision", precision, "--target", ",".join(targets), "--cache",
         arguments.kernels, *more])
    return plan


def read_tokens(model):
    return json.loads((model / "expected/tokens.json").read_text())


class Runner:
    """Runs one target of a plan, with `more` words on the command line; logits come back as [tokens, vocabulary] per
    sequence."""

    def __init__(self, arguments, plan, target, more=(), timeout=300):
        self.timeout = timeout
        self.program, self.plan, self.target, self.work = arguments.runner, plan, target, arguments.work
        self.more = list(more)

    def logits(self, *sequences, threads=2, step=None):
        words = []
        for index, tokens in enumerate(sequences):
            path = self.work / f"tokens.{index}.json"
            path.write_text(json.dumps(tokens))
            words += ["--tokens", path]
        if step:
            words += ["--step-tokens", step]
        out = self.work / "logits.npy"
        out.unlink(missing_ok=True)
        # Room for every sequence, however many there are.
        run([self.program, self.plan, "--for", self.target, *self.more, *words, "--logits", out, "--threads", threads,
             "--kv-memory", "512M"], self.timeout)
        rows = np.load(out)
        ends = np.cumsum([len(tokens) for tokens in sequences])
        assert rows.dtype == np.float32 and len(rows) == ends[-1], f"{out} is {rows.dtype} {rows.shape}"
        return np.split(rows, ends[:-1])


class Cases:
    """Collects results and prints each; the exit code says whether all passed."""

    def __init__(self):
        self.failed = 0

    def check(self, name, ok, detail=""):
        self.failed += not ok
        print(f"{'ok    ' if ok else 'FAILED'} {name}{': ' + detail if detail else ''}", flush=True)

    def same(self, name, ours, base):
        """Two arrays have the same bits."""
        bits, wanted = (np.ascontiguousarray(a).view(np.uint32) for a in (ours, base))
        if bits.shape != wanted.shape:
            return self.check(name, False, f"shape {bits.shape}, expected {wanted.shape}")
        rows = np.flatnonzero((bits != wanted).any(axis=-1))
        detail = "" if not rows.size else (
            f"{rows.size} of {len(bits)} tokens differ, the first is {rows[0]}, by {np.abs(ours - base).max():.2e} at most")
        return self.check(name, not rows.size, detail)

    def exit(self):
        sys.exit(1 if self.failed else 0)


def work_folder(arguments):
    arguments.work.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    return arguments.work
