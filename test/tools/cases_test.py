# SPDX-License-Identifier: Apache-2.0
"""Folders as users bring them: what each compiles to, or the sentence it is refused with.

usage: cases_test.py YUPANA YUPANA_RUN MODELS WORK [SHARED]

SHARED is a folder of cases that others have written: SHARED/make.py OUT writes folders and OUT/cases.json, which says
of each what is right, in the words of `judge` below. Without it, the cases of cases.py are tried.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import cases
from notes import NOTE

YUPANA, RUN, MODELS, WORK = (pathlib.Path(word).resolve() for word in sys.argv[1:5])
QUESTION, ANSWER = "What is the capital of France?", "The capital of France is Paris."
SKIPPED = 77


def run(*words, stdin=""):
    return subprocess.run([str(word) for word in words], input=stdin, capture_output=True, text=True, timeout=120)


def compile_folder(folder, plan, *options):
    """Kernels are kept: most folders are of one model."""
    precision = () if "--precision" in options else ("--precision", "f32")
    return run(YUPANA, "compile", folder, "-o", plan, "--target", "x86-64-v3", *precision, "-j", "2", "--cache",
               WORK / "cache", *options)


def logits(plan, model):
    """The bytes of the logits that a plan gives for the tokens of a model's expected outputs."""
    out = plan.with_suffix(".npy")
    tokens = json.loads((MODELS / model / "expected" / "tokens.json").read_text())
    first = tokens if isinstance(tokens[0], int) else tokens[0]
    done = run(RUN, plan, "--tokens", ",".join(map(str, first[:64])), "--logits", out, "--threads", "2")
    return out.read_bytes() if done.returncode == 0 else done.stderr.encode()


class Judge:
    """Holds folders to what is right for them; plans of the models they must equal are compiled once."""

    def __init__(self):
        self.failed = 0
        self.wanted = {}

    def base(self, model):
        if model not in self.wanted:
            plan = WORK / "base.yplan"
            done = compile_folder(MODELS / model, plan)
            assert done.returncode == 0, done.stderr
            self.wanted[model] = logits(plan, model)
        return self.wanted[model]

    def fault(self, folder, does, options):
        """What is wrong with what the program does with `folder`; nothing if all is right. `does` is one of

        same MODEL [WORDS]     compiles with a note that holds WORDS, and gives the logits of MODEL, bit for bit
        stops                  compiles; a chat turn ends by itself
        refused N WORDS        compile ends with exit code N and one sentence that holds each of WORDS
        noted WORDS            compiles, and one note holds each of WORDS
        not-finite             compiles; generating ends with exit code 4 and one sentence
        """
        kind, *words = does.split(" ")
        plan = WORK / "case.yplan"
        plan.unlink(missing_ok=True)
        done = compile_folder(folder, plan, *options)
        said = done.stdout + done.stderr
        notes = [line for line in done.stderr.splitlines() if line.startswith(NOTE)]
        errors = [line for line in done.stderr.splitlines() if not line.startswith(NOTE)]
        if kind == "refused":
            code, *words = words
            is_one = len(errors) == 1 and errors[0].startswith("yupana: ")
            if done.returncode != int(code) or not is_one or plan.exists():
                return f"exit code {done.returncode}: {said}"
            return "" if all(word in errors[0] for word in words) else said
        if done.returncode != 0 or errors:
            return f"exit code {done.returncode}: {said}"
        model = words.pop(0) if kind == "same" else None
        if words and not any(all(word in line for word in words) for line in notes):
            return f"no such note among {said}"
        if model and logits(plan, model) != self.base(model):
            return "other logits"
        if kind == "not-finite":
            ended = run(RUN, plan, "--tokens", "1,2,3", "--max-new-tokens", "4")
            said = [line for line in ended.stderr.splitlines() if ": note: " not in line]
            is_one = len(said) == 1 and "not finite" in said[0]
            return "" if ended.returncode == 4 and is_one else f"exit code {ended.returncode}: {ended}"
        if kind == "stops":
            reply = run(RUN, plan, "--user", QUESTION, "--json", "--temperature", "0")
            if reply.returncode != 0:
                return reply.stderr
            reply = json.loads(reply.stdout)
            if (reply["stop"], reply["text"]) != ("eos", ANSWER):
                return str(reply)
            chat = run(RUN, plan, "--chat", "--temperature", "0", stdin=QUESTION + "\n")
            if (chat.returncode, chat.stdout) != (0, ANSWER + "\n"):
                return str(chat)
        return ""

    def check(self, name, folder, does, options=()):
        fault = self.fault(folder, does, options)
        self.failed += bool(fault)
        print(f"{'FAILED' if fault else 'ok    '} {name}: {does}{': ' + fault if fault else ''}", flush=True)


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    judge = Judge()
    if len(sys.argv) > 5:
        shared = pathlib.Path(sys.argv[5])
        if not (shared / "make.py").exists():
            print(f"skipped: there is no {shared / 'make.py'}")
            sys.exit(SKIPPED)
        made = subprocess.run([sys.executable, "-B", shared / "make.py", WORK / "folders"], cwd=shared)
        assert made.returncode == 0
        for case in json.loads((WORK / "folders" / "cases.json").read_text()):
            judge.check(case["case"], WORK / "folders" / case["case"], case["does"])
    else:
        for case in cases.ALL:
            folder = cases.make(case, MODELS, WORK / "folders")
            judge.check(case.name, folder, case.does, case.options)
            shutil.rmtree(folder)
    sys.exit(1 if judge.failed else 0)


if __name__ == "__main__":
    main()
