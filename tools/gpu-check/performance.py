# SPDX-License-Identifier: Apache-2.0
"""The part of check.py that measures: what the GPU reaches, each kernel of weightless plans against it, and peers in
turn with our own runs: ours, theirs, theirs, ours, so that a clock that sinks is both sides' clock."""

import json
import os
import pathlib
import subprocess
import sys
import threading

import roofline

HERE = pathlib.Path(__file__).resolve().parent
OUT_OF_SPACE = 7
LIMIT = 240  # Seconds for a run of ours: GPUs are lent by the minute, and what follows is worth as much.
PATIENCE = 600  # Seconds for an answer of peers, which may have to compile.


def ceilings(check):
    """What the GPU reaches, as noted; {} where it could not be measured."""
    arguments = check.arguments
    command = [sys.executable, "-B", HERE / "ceilings.py",
               *(["--cublas", arguments.cublas] if arguments.cublas else []),
               *(["--driver", arguments.driver, "--rehearse"] if arguments.driver else [])]
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, timeout=300)
    except subprocess.TimeoutExpired:
        check.note("ceiling", "read bandwidth", False, "did not end within 300 s")
        return {}
    if done.returncode:
        check.failed("ceiling", "read bandwidth", done)
        return {}
    found = json.loads(done.stdout)
    if "error" in found:
        check.note("ceiling", "cuBLAS" if "read" in found else "read bandwidth", False, found["error"])
    if read := found.get("read"):
        text = (f"{read['bytes_per_s'] / 1e12:.3f} TB/s of {read['bytes'] / 1e9:.3g} GB, "
                f"{read['blocks_per_sm']} blocks per SM")
        check.note("ceiling", "read bandwidth", read["ok"], text if read["ok"] else
                   f"words are missing with {read['wrong']} blocks per SM: {text}", found=read)
    if product := found.get("cublas"):
        text = f"{product['flops'] / 1e12:.1f} TFLOP/s, bf16, {product['size']} cubed"
        check.note("ceiling", "cuBLAS", product["ok"], text if product["ok"] else f"a wrong product: {text}",
                   found=product)
    elif "error" not in found:
        check.note("ceiling", "cuBLAS", None, "not found: kernels are held against the bandwidth alone")
    return found


class Worker:
    """The process of peers.py, which keeps weights from one question to the next."""

    def __init__(self, check):
        self.check, self.process = check, None
        arguments = check.arguments
        words = [arguments.python, "-B", HERE / "peers.py", *(["--rehearse"] if arguments.driver else [])]
        environment = os.environ | ({"TRITON_INTERPRET": "1"} if arguments.driver else {})
        try:
            self.process = subprocess.Popen(list(map(str, words)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.DEVNULL, text=True, env=environment)
        except OSError as error:
            return check.note("peer", "torch", None, f"no peers: {error}")
        hello = self.answer()
        if "error" in hello:
            self.close()
            return check.note("peer", "torch", None, f"no peers: {hello['error']}")
        check.note("peer", "torch", None, f"{hello['torch']}{', tiny shapes on the CPU' if hello['rehearsed'] else ''}")

    def answer(self):
        """One that does not come within its time ends the process."""
        late = threading.Timer(PATIENCE, self.process.kill)
        late.start()
        line = self.process.stdout.readline()
        late.cancel()
        if not line:
            return {"error": f"the process ended with exit code {self.process.wait()}"}
        return json.loads(line)

    def ask(self, run):
        """{operation: {peer: seconds}}; {} from a process that has ended, which is said once."""
        if not self.process:
            return {}
        try:
            print(json.dumps({"tokens": run.tokens, "context": run.context, "phase": run.phase, "ops": run.peers}),
                  file=self.process.stdin, flush=True)
        except OSError:
            pass  # It has ended, as its answer will tell.
        found = self.answer()
        if "error" in found:
            self.close()
            self.check.note("peer", run.name, None, f"no more peers: {found['error']}")
            return {}
        for note in found["notes"]:
            self.check.note("peer", run.name, None, note)
        return found["seconds"]

    def close(self):
        if not self.process:
            return
        try:
            self.process.stdin.close()
        except OSError:
            pass  # It has ended.
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


class NoWorker:
    """Peers that nobody asked for."""
    process = None

    def ask(self, run):
        return {}

    def close(self):
        pass


class Rooflines:
    def __init__(self, check, found, worker):
        self.check, self.worker = check, worker
        self.bandwidth = found["read"]["bytes_per_s"]
        self.flops = found.get("cublas", {}).get("flops")
        sizes = check.bundle / "weightless.json"
        self.sizes = json.loads(sizes.read_text()) if sizes.exists() else {}
        self.free = found["memory"][0]

    def plan(self, run):
        """The stem of a run's plan; None where the bundle has none or none fits."""
        if run.plan in self.check.weightless:
            return run.plan
        there = {stem: size for stem, size in self.sizes.items() if stem in self.check.weightless}
        return roofline.choose_stack(there, run.plan, self.free)

    def ours(self, stem, run):
        """A report of yupana-bench, joined with the ceilings; None where it failed, which is noted."""
        given = ["--bandwidth", self.bandwidth, "--flops", self.flops] if self.flops else []
        name = f"{stem} {run.name}"
        try:
            done = self.check.run("yupana-bench", self.check.weightless[stem], "--json", "--per-kernel",
                                  "--random-weights", *run.words, *given, limit=LIMIT)
        except subprocess.TimeoutExpired:
            self.check.note("roofline", name, False, f"did not end within {LIMIT} s")
            return None
        if done.returncode == OUT_OF_SPACE:
            self.check.note("roofline", name, None, f"not run: {done.stderr.decode(errors='replace').strip()}")
        elif done.returncode:
            self.check.failed("roofline", name, done)
        else:
            return roofline.join(json.loads(done.stdout), run.phase, self.bandwidth, self.flops)
        return None

    def measure(self, run):
        stem = self.plan(run)
        if not stem:
            return
        rounds = run.rounds if self.worker.process and run.peers else 1
        if self.check.arguments.driver or self.check.arguments.quick:
            rounds = min(rounds, 2)
        ours, theirs = [], []
        for number in range(rounds):
            for side in roofline.in_turn(("ours", "theirs"), number):
                if side == "theirs":
                    theirs.append(self.worker.ask(run) if run.peers else {})
                    continue
                found = self.ours(stem, run)
                if not found:
                    return
                ours.append(found)
        self.note(stem, run, roofline.median_round(ours))
        self.compare(stem, run, ours, theirs)

    def note(self, stem, run, found):
        text = f"a step of {found['seconds'] * 1e6:.1f} us"
        if found["share"] is not None:
            text += f", at least {found['floor'] * 1e6:.1f}: {100 * found['share']:.1f} %"
        self.check.note("roofline", f"{stem} {run.name}", None, text, plan=stem, run=run.name, phase=run.phase,
                        tokens=run.tokens, context=run.context, **found)

    def compare(self, stem, run, ours, theirs):
        own = [roofline.operations(found["kernels"]) for found in ours]
        names = {(op, peer) for found in theirs for op, peers in found.items() for peer in peers}
        for op, peer in sorted(names):
            series = [found.get(op) for found in own], [found.get(op, {}).get(peer) for found in theirs]
            pair = roofline.paired(*series)
            if pair:
                self.check.note("peer", f"{stem} {run.name} {op}", None, f"{peer}: {pair['median']:.2f} times ours",
                                run=run.name, plan=stem, op=op, peer=peer, ours=series[0], theirs=series[1], **pair)


def measure(check, only):
    found = ceilings(check)
    if not found.get("read", {}).get("ok") or not {"roofline", "peer"} & set(only):
        return
    worker = Worker(check) if "peer" in only else NoWorker()
    try:
        rooflines = Rooflines(check, found, worker)
        for run in roofline.REHEARSED if check.arguments.driver else roofline.FULL:
            if not run.peers:
                # Those with peers come first: what these held of the GPU's memory is for the stack.
                worker.close()
            rooflines.measure(run)
    finally:
        worker.close()
