# SPDX-License-Identifier: Apache-2.0
"""Runs a bundle of tools/gpu-check.sh: golden vectors, text and logits of every plan against what is expected, times,
and kernels against what the GPU reaches and against what others do on it.

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
import tarfile
import tempfile
import time

import driver
import performance
import report
import vectors

HERE = pathlib.Path(__file__).resolve().parent
DOES_NOT_FIT, OUT_OF_SPACE = 6, 7  # Exit codes, those of the programs.
KINDS = ["vector", "text", "logits", "sanitizer", "time", "ceiling", "roofline", "peer"]
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
        self.plans, self.weightless = [], {}
        self.results, self.begin, self.device, self.capability = [], time.time(), device_line(), None

    def unpack(self):
        """Plans share much of their code, so they are packed together: plans/ and weightless/."""
        with tarfile.open(self.bundle / "plans.tar.xz") as archive:
            for member in filter(tarfile.TarInfo.isfile, archive):
                path = self.work / member.name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(archive.extractfile(member).read())
        self.weightless = {path.stem: path for path in (self.work / "weightless").glob("*.yplan")}
        self.plans = sorted((self.work / "plans").glob("*.yplan"))

    def run(self, program, *words, wrapper=(), limit=1200):
        command = [*wrapper, self.bundle / "bin" / program, *words, *self.where]
        return subprocess.run([str(word) for word in command], capture_output=True, timeout=limit)

    def note(self, kind, name, ok, detail, **more):
        """`ok` is None for what is measured or recorded and not judged."""
        self.results.append({"kind": kind, "name": name, "ok": ok, "detail": detail, **more})
        print(f"{ {True: 'ok', False: 'FAILED', None: 'noted'}[ok]:6} {kind:9} {name:28} {detail}", flush=True)
        self.write()

    def write(self):
        """JSON and page with what is known so far: a machine may be taken back before the end."""
        found = {"device": self.device, "driver": self.arguments.driver, "capability": self.capability,
                 "seconds": round(time.time() - self.begin, 1), "date": time.strftime("%Y-%m-%d", time.gmtime()),
                 "results": self.results}
        out = self.arguments.out
        out.mkdir(parents=True, exist_ok=True)
        for name, text in (("json", json.dumps(found, indent=1) + "\n"), ("html", report.page(found))):
            part = out / f"gpu-check.{name}.part"
            part.write_text(text)
            part.replace(out / f"gpu-check.{name}")

    def failed(self, kind, name, done):
        text = done.stderr.decode(errors="replace").strip().splitlines()
        self.note(kind, name, False, f"exit code {done.returncode}: {text[-1] if text else 'no message'}")

    def vector(self, vector, capability):
        """In a process of its own: a fault ends the context of the process, and a barrier may never open."""
        if not vector.runs_on(capability):
            return
        command = [sys.executable, "-B", HERE / "vectors.py", vector.name]
        try:
            done = subprocess.run([*map(str, command), *([self.arguments.driver] if self.arguments.driver else [])],
                                  capture_output=True, timeout=120)
        except subprocess.TimeoutExpired:
            return self.note("vector", vector.name, False, "did not end within 120 s")
        if done.returncode:
            return self.failed("vector", vector.name, done)
        outcome = json.loads(done.stdout)
        if "error" in outcome:
            return self.note("vector", vector.name, False, outcome["error"])
        ok, detail = vector.judge(outcome["found"])
        self.note("vector", vector.name, ok, detail, found=outcome["found"], expected=vector.expected)

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
        entries = json.loads((self.bundle / "expected/nano/greedy.json").read_text())
        entries = [entry for entry in entries if "prompt" in entry]
        for entry in entries[:1] if self.arguments.quick else entries:
            sure = [step for step, gap in enumerate(entry["gaps"]) if ".bf16." in plan.name and gap < CLOSE]
            count = min(sure, default=len(entry["tokens"]))
            name = f"{plan.stem} {entry['prompt'][:40]!r}"
            length = count if self.arguments.quick else len(entry["tokens"])
            done = self.run("yupana-run", plan, "--prompt", entry["prompt"], "--max-new-tokens", length,
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

    def time(self, plan, *words):
        done = self.run("yupana-bench", plan, "--json", *words)
        if done.returncode == OUT_OF_SPACE:
            return self.note("time", plan.stem, None, f"not timed: {done.stderr.decode(errors='replace').strip()}")
        if done.returncode:
            return self.failed("time", plan.stem, done)
        report = json.loads(done.stdout)
        prefill, decode = report["prefill"]["tokens_per_s"]["median"], report["decode"]["tokens_per_s"]["median"]
        self.note("time", f"{plan.stem} batch {report['batch']}", None,
                  f"load {report['load_s']:.2f} s, prompt {prefill:.0f}, decode {decode:.0f} tokens/s", report=report)

    def times(self, nano):
        """Plans without weights get random ones; on a stand-in for a driver, which interprets, the small one alone."""
        small, full = (self.weightless.get(name) for name in ("small.bf16", "scout-4.bf16"))
        if self.arguments.driver:
            print("layers of Scout's dimensions run on a GPU alone; this driver gets small ones", flush=True)
            if small:
                self.time(small, "--random-weights", "--prompt-tokens", 12, "--max-new-tokens", 2, "--repetitions", 1,
                          "--warmup", 0)
        if self.arguments.quick:
            return
        for plan in nano:
            self.time(plan, "--prompt-tokens", 128, "--max-new-tokens", 64)
        if full and not self.arguments.driver:
            for batch in (1, 8):
                self.time(full, "--random-weights", "--prompt-tokens", 512, "--max-new-tokens", 64, "--batch", batch,
                          "--repetitions", 3)

    def everything(self, capability):
        quick, only = self.arguments.quick, self.arguments.only
        if only != ["vector"]:
            self.unpack()
        nano = [plan for plan in self.plans if plan.name.startswith("nano.")]
        for vector in vectors.all_vectors() if "vector" in only else []:
            self.vector(vector, capability)
        for plan in nano if "text" in only else []:
            self.text(plan)
        for plan in self.plans if "logits" in only else []:
            # The prompt of one is of thousands of tokens.
            long = plan.name.startswith("border")
            for step in [] if long and quick else [None] if long or quick else [None, 7, 1]:
                self.logits(plan, step)
        for tool in ("memcheck", "racecheck", "synccheck") if nano and "sanitizer" in only else []:
            self.sanitize(nano[0], tool)
        if "time" in only:
            self.times(nano)
        if {"ceiling", "roofline", "peer"} & set(only):
            performance.measure(self, only)


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
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path.cwd(),
                        help="where gpu-check.json and gpu-check.html go")
    parser.add_argument("--cublas", help="the shared object of cuBLAS, where it is not found by itself")
    parser.add_argument("--python", default=sys.executable, help="the Python that has torch, for peers")
    parser.add_argument("--only", type=lambda text: text.split(","), default=KINDS, help="of " + ", ".join(KINDS))
    parser.add_argument("--quick", action="store_true", help="one text, whole prompts, no times of checkpoints")
    arguments = parser.parse_args()
    if unknown := set(arguments.only) - set(KINDS):
        parser.error(f"--only: found {', '.join(sorted(unknown))}, expected some of {', '.join(KINDS)}")
    check = Check(arguments)
    print(check.device or "no nvidia-smi", flush=True)
    try:
        check.capability = driver.Driver(arguments.driver).capability()
    except driver.DriverError as error:
        print(f"check.py: {error}", file=sys.stderr)
        sys.exit(DOES_NOT_FIT)
    check.everything(check.capability)
    shutil.rmtree(check.work)
    failed = sum(result["ok"] is False for result in check.results)
    noted = sum(result["ok"] is None for result in check.results)
    check.write()
    print(f"{len(check.results) - failed - noted} passed, {failed} failed, {noted} noted")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
