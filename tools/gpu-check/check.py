# SPDX-License-Identifier: Apache-2.0
"""Runs a bundle of tools/gpu-check.sh: text and logits of every plan against what is expected, then times.

Needs the programs of the bundle, a driver, and python3 without any package: arrays are read and compared here.
"""

import argparse
import array
import ast
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

CLOSE = 0.5  # A gap between the best two logits that rounding to bfloat16 may turn around.


def read_npy(path):
    """Rows of a two-dimensional array of float32 or float64 (NumPy's .npy, version 1)."""
    data = path.read_bytes()
    length = int.from_bytes(data[8:10], "little")
    header = ast.literal_eval(data[10:10 + length].decode())
    values = array.array({"<f4": "f", "<f8": "d"}[header["descr"]], data[10 + length:])
    rows, columns = header["shape"]
    return [values[row * columns:(row + 1) * columns] for row in range(rows)]


def errors(rows, truth):
    """Of each row the largest difference over the range of truth."""
    return [max(abs(a - b) for a, b in zip(row, true)) / (max(true) - min(true)) for row, true in zip(rows, truth)]


def best(row):
    return max(range(len(row)), key=row.__getitem__)


def contract(rows, truth, peer, median_only):
    """The numerical contract: (holds, what was found). Without a peer: float32's."""
    rows = rows[-len(truth):]
    if any(value - value != 0 for row in rows for value in row):
        return False, "values that are not finite"
    ours = errors(rows, truth)
    if peer is None:
        return max(ours) <= 1e-5, f"worst {max(ours):.1e}, limit 1e-5"
    theirs = errors(peer, truth)
    median, worst = statistics.median(ours) / statistics.median(theirs), max(ours) / max(theirs)
    wrong = 0
    for row, true in zip(rows, truth):
        first, second = sorted(true)[-1:-3:-1]
        if first - second > 2.2 * max(theirs) * (max(true) - min(true)):
            wrong += best(row) != best(true)
    ok = median <= 1.1 and (median_only or (worst <= 1.5 and not wrong))
    return ok, f"median {median:.2f}, worst {worst:.2f} times the peer's, {wrong} clear tokens differ"


class Check:
    """Runs the programs of a bundle and keeps what they gave."""

    def __init__(self, arguments):
        self.bundle, self.arguments = arguments.bundle, arguments
        self.where = ["--device", "cuda", *(["--driver", arguments.driver] if arguments.driver else [])]
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="gpu-check."))
        self.results = []

    def run(self, program, *words, wrapper=()):
        command = [*wrapper, self.bundle / "bin" / program, *words, *self.where]
        return subprocess.run([str(word) for word in command], capture_output=True, timeout=1200)

    def note(self, kind, name, ok, detail):
        self.results.append({"kind": kind, "name": name, "ok": ok, "detail": detail})
        print(f"{'ok    ' if ok else 'FAILED'} {kind:9} {name:28} {detail}", flush=True)

    def failed(self, kind, name, done):
        text = done.stderr.decode(errors="replace").strip().splitlines()
        self.note(kind, name, False, f"exit code {done.returncode}: {text[-1] if text else 'no message'}")

    def logits(self, plan, step):
        name = f"{plan.stem} {step or 'all'} a step"
        expected = self.bundle / "expected" / plan.name.split(".")[0]
        out = self.work / "logits.npy"
        done = self.run("yupana-run", plan, "--tokens", expected / "tokens.json", "--logits", out,
                        *(["--step-tokens", step] if step else []))
        if done.returncode:
            return self.failed("logits", name, done)
        peer = expected / "hf_bf16.npy"
        bf16 = ".bf16." in plan.name
        if bf16 and not peer.exists():
            rows = read_npy(out)
            finite = all(value - value == 0 for row in rows for value in row)
            return self.note("logits", name, finite, f"{len(rows)} rows, finite: no peer to compare with")
        ok, detail = contract(read_npy(out), read_npy(expected / "truth.npy"), read_npy(peer) if bf16 else None,
                              median_only=plan.name.startswith("nano"))
        self.note("logits", name, ok, detail)

    def text(self, plan):
        for entry in json.loads((self.bundle / "expected/nano/greedy.json").read_text()):
            if "prompt" not in entry:
                continue
            sure = [step for step, gap in enumerate(entry["gaps"]) if ".bf16." in plan.name and gap < CLOSE]
            count = min(sure, default=len(entry["tokens"]))
            name = f"{plan.stem} {entry['prompt'][:40]!r}"
            done = self.run("yupana-run", plan, "--prompt", entry["prompt"], "--max-new-tokens", len(entry["tokens"]),
                            "--temperature", 0, "--json")
            if done.returncode:
                self.failed("text", name, done)
                continue
            reply = json.loads(done.stdout)
            self.note("text", name, reply["tokens"][:count] == entry["tokens"][:count],
                      f"{count} tokens: {reply['text'][:40]!r}")

    def sanitize(self, plan, tool):
        program = shutil.which("compute-sanitizer")
        if not program or self.arguments.driver:
            return
        done = self.run("yupana-run", plan, "--tokens", "1,2,3,4,5,6,7,8,9", "--max-new-tokens", 3,
                        wrapper=[program, "--tool", tool, "--error-exitcode", "99"])
        lines = done.stdout.decode(errors="replace").strip().splitlines()
        self.note("sanitizer", f"{plan.stem} {tool}", done.returncode == 0, lines[-1] if lines else "")

    def time(self, plan):
        done = self.run("yupana-bench", plan, "--prompt-tokens", 128, "--max-new-tokens", 64, "--json")
        if done.returncode:
            return self.failed("time", plan.stem, done)
        report = json.loads(done.stdout)
        prefill, decode = report["prefill"]["tokens_per_s"]["median"], report["decode"]["tokens_per_s"]["median"]
        self.note("time", plan.stem, True,
                  f"load {report['load_s']:.2f} s, prompt {prefill:.0f}, decode {decode:.0f} tokens/s")
        self.results[-1]["report"] = report


def device_line():
    """What nvidia-smi says of the machine; empty where there is none."""
    if not shutil.which("nvidia-smi"):
        return ""
    fields = "name,driver_version,memory.total,clocks.max.sm"
    done = subprocess.run(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"], capture_output=True)
    return done.stdout.decode(errors="replace").strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=pathlib.Path)
    parser.add_argument("--driver", help="a shared object with the driver's entry points")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path.cwd(), help="where gpu-check.json goes")
    parser.add_argument("--quick", action="store_true", help="whole prompts alone, no timing")
    arguments = parser.parse_args()
    check, begin = Check(arguments), time.time()
    print(device_line() or "no nvidia-smi", flush=True)
    plans = sorted((arguments.bundle / "plans").glob("*.yplan"))
    nano = [plan for plan in plans if plan.name.startswith("nano.")]
    for plan in nano:
        check.text(plan)
    for plan in plans:
        # One prompt is of thousands of tokens.
        steps = [None] if arguments.quick or plan.name.startswith("border") else [None, 7, 1]
        if arguments.quick and plan.name.startswith("border"):
            continue
        for step in steps:
            check.logits(plan, step)
    if nano:
        for tool in ("memcheck", "racecheck", "synccheck"):
            check.sanitize(nano[0], tool)
    if not arguments.quick:
        for plan in nano:
            check.time(plan)
    shutil.rmtree(check.work)
    failed = sum(not result["ok"] for result in check.results)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "gpu-check.json").write_text(json.dumps(
        {"device": device_line(), "driver": arguments.driver, "seconds": round(time.time() - begin, 1),
         "results": check.results}, indent=1) + "\n")
    print(f"{len(check.results) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
