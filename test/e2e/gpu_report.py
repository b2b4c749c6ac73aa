# SPDX-License-Identifier: Apache-2.0
"""What tools/gpu-check decides and shows without a GPU: floors, shares, pairs, the stack that fits, what peers multiply,
and the page, which is made from numbers that are MADE UP HERE and measured nowhere.

usage: gpu_report.py GPU_CHECK_FOLDER TEST_TOOLS_FOLDER [PAGE]     PAGE is written, to be looked at
"""

import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest

FOLDER, TOOLS = map(os.path.abspath, sys.argv[1:3])
sys.path[:0] = [FOLDER, TOOLS]
import ceilings
import check
import page
import peers
import performance
import report
import roofline
import svg

BANDWIDTH, FLOPS = 4e12, 8e14
# On what, launches, bytes and FLOPs of a step of one token of four layers, and a made-up part of the roofline.
KERNELS = [("history of tokens", 1, 20, 0, 0.001), ("embedding", 1, 20e3, 0, 0.01), ("q, k, v", 3, 220e6, 220e6, 0.81),
           ("cache chunk8192", 3, 100e6, 500e6, 0.62), ("o", 4, 210e6, 210e6, 0.77), ("router", 4, 1e6, 1e6, 0.05),
           ("experts.gate+up, shared.gate+up", 4, 1342e6, 1342e6, 0.9), ("experts.down", 4, 335e6, 335e6, 0.88),
           ("shared.down", 4, 335e6, 335e6, 0.86), ("cache full", 1, 33e6, 168e6, 0.6), ("lm_head", 1, 2069e6, 2069e6, 0.93)]


def made_up_report(tokens, phase, slower=1.0):
    """As yupana-bench prints it."""
    kernels = []
    for number, (on, launches, size, flops, share) in enumerate(KERNELS):
        work = {"bytes": size, "flops": flops * tokens}
        seconds = roofline.floor(work, BANDWIDTH, FLOPS)[0] / share * slower
        kernels.append({"kernel": f"kernel_{number}", "on": on, "launches": launches, "seconds": seconds, **work})
    whole = sum(kernel["seconds"] for kernel in kernels)
    return {phase: {"tokens_per_s": {"median": tokens / whole}},
            "kernels": {phase: {"seconds": whole + 40e-6, "seconds_between": 40e-6, "kernels": kernels}}}


def made_up_result():
    """As check.py writes it."""
    results = [
        {"kind": "vector", "name": "shifts", "ok": True, "detail": "24 words as expected"},
        {"kind": "logits", "name": "nano.bf16 all a step", "ok": False, "detail": "median 3.10 <b>times</b> the peer's"},
        {"kind": "ceiling", "name": "read bandwidth", "ok": True, "detail": "made up", "found": {"bytes_per_s": BANDWIDTH}},
        {"kind": "ceiling", "name": "cuBLAS", "ok": True, "detail": "made up", "found": {"flops": FLOPS}}]
    for tokens, phase in ((1, "decode"), (64, "decode"), (2048, "prefill"), (8192, "prefill")):
        run = f"{phase} T={tokens}" if phase == "decode" else f"{phase} {tokens}"
        joined = roofline.join(made_up_report(tokens, phase), phase, BANDWIDTH, FLOPS)
        results.append({"kind": "roofline", "name": f"scout-4.bf16 {run}", "ok": None, "detail": "made up", "run": run,
                        "plan": "scout-4.bf16", "phase": phase, "tokens": tokens, "context": 0, **joined})
        own = roofline.operations(joined["kernels"])
        for op, peer, factor in (("gate_up", "F.linear on the chosen", 0.96), ("gate_up", "grouped_mm", 3.2),
                                 ("block", "Llama4TextMoe, compiled", 7.5)):
            ours, theirs = [own[op]] * 2, [own[op] * factor, own[op] * factor * 1.02]
            results.append({"kind": "peer", "name": f"scout-4.bf16 {run} {op}", "ok": None, "detail": "made up", "run": run,
                            "plan": "scout-4.bf16", "op": op, "peer": peer, "ours": ours, "theirs": theirs,
                            **roofline.paired(ours, theirs)})
    return {"device": "MADE-UP NUMBERS, 000.00, 0 MiB, 0 MHz", "driver": None, "capability": 90, "seconds": 321.5,
            "date": "2000-01-01", "results": results}


class Rooflines(unittest.TestCase):
    def test_floor(self):
        self.assertEqual(roofline.floor({"bytes": 4e12, "flops": 8e14 - 1}, BANDWIDTH, FLOPS), (1, "memory"))
        self.assertEqual(roofline.floor({"bytes": 1, "flops": 1.6e15}, BANDWIDTH, FLOPS), (2, "arithmetic"))
        self.assertEqual(roofline.floor({"bytes": 4e12, "flops": 8e13}, BANDWIDTH, None), (1, "memory"))
        # Without a peak nothing is known of what may compute for longer than it reads.
        self.assertEqual(roofline.floor({"bytes": 4e12, "flops": 9e13}, BANDWIDTH, None), (None, None))

    def test_join(self):
        found = roofline.join(made_up_report(1, "decode"), "decode", BANDWIDTH, FLOPS)
        for kernel, (on, *_, share) in zip(found["kernels"], KERNELS):
            self.assertEqual(kernel["on"], on)
            self.assertAlmostEqual(kernel["share"], share)
        self.assertAlmostEqual(found["floor"], sum(size for _, _, size, _, _ in KERNELS) / BANDWIDTH)
        self.assertAlmostEqual(found["share"], found["floor"] / found["seconds"])
        without = roofline.join(made_up_report(2048, "prefill"), "prefill", BANDWIDTH, None)
        self.assertIsNone(without["share"])
        self.assertEqual([kernel["share"] is None for kernel in without["kernels"][:3]], [False, False, True])

    def test_operations_are_those_of_one_layer(self):
        kernels = [{"on": on, "launches": launches, "seconds": seconds} for on, launches, seconds in
                   (("q, k, v", 3, 3.0), ("q, k, v", 1, 1.0), ("o", 4, 8.0), ("router", 4, 0.4), ("cache full", 1, 5.0),
                    ("cache chunk8192", 3, 9.0), ("experts.gate+up, shared.gate+up", 4, 16.0), ("experts.down", 4, 4.0),
                    ("shared.down", 4, 2.0), ("lm_head", 1, 7.0))]
        self.assertEqual(roofline.operations(kernels), {"qkv": 1, "o": 2, "router": 0.1, "attention": 5, "gate_up": 4,
                                                        "down": 1.5, "block": 5.6})
        # One kernel for all of it is not laid at one operation's door.
        fused = [{"on": "o", "launches": 4, "seconds": 8.0},
                 {"on": "experts.gate+up, experts.down", "launches": 4, "seconds": 8.0}]
        self.assertEqual(roofline.operations(fused), {"o": 2})
        for on in ("mlp.gate+up", "mlp.down", "logits", "", "q, k, v, o"):
            self.assertIsNone(roofline.operation(on), on)

    def test_pairs(self):
        self.assertEqual(roofline.paired([1, 2, 4], [2, 2, 2]), {"ratios": [2, 1, 0.5], "median": 1})
        self.assertEqual(roofline.paired([1, None, 4], [2, 2, None])["ratios"], [2])
        self.assertIsNone(roofline.paired([None], [2]))
        self.assertEqual([roofline.in_turn(("a", "b"), number) for number in range(3)], [["a", "b"], ["b", "a"], ["a", "b"]])
        self.assertEqual(roofline.median_round([{"seconds": 3}, {"seconds": 1}, {"seconds": 2}]), {"seconds": 2})

    def test_the_deepest_stack_that_fits(self):
        sizes = {f"scout-stack-{layers}.bf16": (4 + 4.4 * layers) * 1e9 for layers in (8, 16, 28, 32, 48)}
        sizes["scout-4.bf16"] = 1
        self.assertEqual(roofline.choose_stack(sizes, "scout-stack", 150e9), "scout-stack-28.bf16")
        self.assertEqual(roofline.choose_stack(sizes, "scout-stack", 85e9), "scout-stack-16.bf16")
        self.assertEqual(roofline.choose_stack(sizes, "scout-stack", 300e9), "scout-stack-48.bf16")
        self.assertIsNone(roofline.choose_stack(sizes, "scout-stack", 30e9))
        self.assertIsNone(roofline.choose_stack(sizes, "other", 300e9))

    def test_runs_are_ones_that_the_plans_allow(self):
        """And those with peers come first, whose memory the stack then gets."""
        for run in roofline.FULL:
            words = dict(zip(run.words[::2], run.words[1::2]))
            self.assertLessEqual(int(words["--prompt-tokens"]) + int(words["--max-new-tokens"]), roofline.CONTEXT)
            self.assertLessEqual(int(words.get("--batch", 1)), 64)
        with_peers = [bool(run.peers) for run in roofline.FULL]
        self.assertEqual(with_peers, sorted(with_peers, reverse=True))
        self.assertFalse(roofline.FULL[-1].peers)


class Runs(unittest.TestCase):
    def measured(self, outcome):
        """What is noted of a run whose bench ends in `outcome`: an exit code, or an exception."""
        notes = []

        def run(*words, limit):
            if isinstance(outcome, Exception):
                raise outcome
            return subprocess.CompletedProcess(words, outcome, b"", b"why\n")
        one = types.SimpleNamespace(
            run=run, weightless={"scout-4.bf16": "plan"}, bundle=pathlib.Path("/nowhere"),
            arguments=types.SimpleNamespace(driver=None, quick=False), note=lambda *words, **more: notes.append(words),
            failed=lambda kind, name, done: notes.append((kind, name, False, done.returncode)))
        found = {"read": {"bytes_per_s": BANDWIDTH}, "memory": [1, 1]}
        performance.Rooflines(one, found, performance.NoWorker()).measure(roofline.FULL[0])
        return notes

    def test_runs_that_do_not_end_well(self):
        name = "scout-4.bf16 decode T=1"
        self.assertEqual(self.measured(subprocess.TimeoutExpired("bench", 1)),
                         [("roofline", name, False, f"did not end within {performance.LIMIT} s")])
        self.assertEqual(self.measured(1), [("roofline", name, False, 1)])
        # A GPU that is too small has no fault.
        self.assertEqual(self.measured(7), [("roofline", name, None, "not run: why")])


class Peers(unittest.TestCase):
    """What can be seen of them without torch."""

    def test_matrices_of_scout(self):
        self.assertEqual([peers.SCOUT.matrix(op) for op in ("qkv", "o", "gate_up", "down")],
                         [(7168, 5120), (5120, 5120), (16384, 5120), (5120, 8192)])

    def test_weights_are_cold(self):
        l2 = 60 << 20
        for op in ("qkv", "o", "gate_up", "down"):
            n, k = peers.SCOUT.matrix(op)
            count = peers.copies(2 * n * k, l2)
            # What lies between two meetings of one of them.
            self.assertGreaterEqual((count - 1) * 2 * n * k, 3 * l2)
        self.assertLessEqual(peers.copies(1, l2), 64)

    def test_routing(self):
        for tokens in (1, 8, 64, 2048):
            counts = peers.routing(tokens, 16)
            self.assertEqual((sum(counts), peers.routing(tokens, 16)), (tokens, counts))
            self.assertEqual(peers.ends_of(counts)[-1], tokens)
        self.assertTrue(all(90 < count < 170 for count in counts), counts)

    def test_calls_of_a_graph(self):
        self.assertEqual([peers.calls_of_graph(seconds) for seconds in (1e-6, 1e-4, 1.0)], [48, 20, 2])

    def test_without_torch(self):
        with tempfile.TemporaryDirectory() as scratch:
            pathlib.Path(scratch, "torch.py").write_text("raise ImportError('nothing here')\n")
            done = subprocess.run([sys.executable, "-B", f"{FOLDER}/peers.py"], input="", capture_output=True, text=True,
                                  env=os.environ | {"PYTHONPATH": scratch})
        self.assertEqual((done.returncode, json.loads(done.stdout)),
                         (0, {"error": "no torch: ImportError: nothing here"}))

    def test_a_peer_that_is_wrong_or_fails_is_left_out(self):
        """On a stand-in for the few things that the gate needs of a tensor."""
        class Rows(list):
            shape = property(lambda self: (len(self),))
            float = lambda self: self
            abs = lambda self: Rows(map(abs, self))
            __sub__ = lambda self, other: Rows(a - b for a, b in zip(self, other))
            __getitem__ = lambda self, key: Rows(list(self)[key])
            max = lambda self: Value(max(self, key=lambda value: float("inf") if value != value else value))

        class Value(float):
            __truediv__ = lambda self, other: Value(float(self) / float(other))
            item = lambda self: float(self)

        one = peers.Peers.__new__(peers.Peers)
        one.approved, one.notes = {}, []
        truth = lambda: Rows([1.0, -2.0])
        self.assertTrue(one.is_near(("good", "o", 1, 0), lambda i: Rows([1.01, -2.0]), truth))
        for name, values in (("bad", [1.1, -2.0]), ("nan", [1.0, float("nan")])):
            self.assertFalse(one.is_near((name, "o", 1, 0), lambda i: Rows(values), truth))
        self.assertEqual([note.split()[0] for note in one.notes], ["bad", "nan"])


class Ceilings(unittest.TestCase):
    def test_numbers(self):
        self.assertEqual(ceilings.exclusive_or([5, 3, 5]), 3)
        self.assertEqual([ceilings.bf16(bytes([0x80, 0x3f, 0x00, 0xc0]), i) for i in range(2)], [1.0, -2.0])

    def test_named_library_is_the_only_one(self):
        self.assertEqual(ceilings.cublas_names("/x/libcublas.so.9"), ["/x/libcublas.so.9"])
        self.assertIsNone(ceilings.load_cublas("/nowhere/libcublas.so"))
        self.assertIn("libcublas.so.13", ceilings.cublas_names(None))


class Written(unittest.TestCase):
    def test_what_is_known_is_there_before_the_end(self):
        """And a file that is read meanwhile is whole."""
        with tempfile.TemporaryDirectory() as scratch:
            out = pathlib.Path(scratch, "out")
            one = check.Check(types.SimpleNamespace(bundle=pathlib.Path(scratch), driver="none.so", out=out))
            one.capability = 90
            with contextlib.redirect_stdout(io.StringIO()):
                for number, ok in enumerate((True, False, None)):
                    one.note("vector", f"v{number}", ok, "as made up")
                    found = json.loads((out / "gpu-check.json").read_text())
                    self.assertEqual([result["name"] for result in found["results"]], ["v0", "v1", "v2"][:number + 1])
                    self.assertTrue(f">v{number}<" in (out / "gpu-check.html").read_text())
            self.assertEqual(sorted(path.name for path in out.iterdir()), ["gpu-check.html", "gpu-check.json"])
            one.work.rmdir()


class Page(unittest.TestCase):
    maxDiff = 1000

    def setUp(self):
        self.made = report.page(made_up_result())

    def test_is_well_formed_and_the_same_again(self):
        page.Page(self.made)
        self.assertEqual(self.made, report.page(json.loads(json.dumps(made_up_result()))))
        self.assertNotIn("<script", self.made)
        if len(sys.argv) > 3:
            pathlib.Path(sys.argv[3]).write_text(self.made)

    def test_says_what_was_found(self):
        for part in ("MADE-UP NUMBERS", "4 TB/s", "800 TFLOP/s", "scout-4.bf16", "F.linear on the chosen", "93.0 %",
                     '<span class="FAILED">FAILED</span> logits', "&lt;b&gt;times&lt;/b&gt;", ">0.97<", ">7.58<"):
            self.assertTrue(part in self.made, part)
        self.assertNotIn("stand-in", self.made)
        self.assertNotIn("<b>", self.made)

    def test_every_kernel_of_weight_is_a_mark(self):
        runs = [result for result in made_up_result()["results"] if result["kind"] == "roofline"]
        marks = svg.marks_of(runs)
        self.assertEqual(self.made.count('class="mark '), len(marks))
        self.assertTrue(all(kernel["on"] not in ("history of tokens", "embedding") for _, kernel, _, _ in marks))
        # A kernel at half the bandwidth lies halfway up to the line, in the scale of powers of ten.
        up = svg.Scale([1e9, 1e15])
        self.assertEqual([up.part(value) for value in (1e9, 1e12, 1e15)], [0, 0.5, 1])

    def test_without_measurements_or_peak(self):
        found = made_up_result()
        found["results"] = found["results"][:2]
        short = report.page(found)
        page.Page(short)
        self.assertNotIn("<svg", short)
        self.assertIn("not measured", short)
        found = made_up_result()
        found["results"] = [result for result in found["results"] if result["name"] != "cuBLAS"]
        page.Page(report.page(found))

    def test_command(self):
        with tempfile.TemporaryDirectory() as scratch:
            source = pathlib.Path(scratch, "found.json")
            source.write_text(json.dumps(made_up_result()))
            out = pathlib.Path(scratch, "found.html")
            command = [sys.executable, "-B", f"{FOLDER}/report.py"]
            subprocess.run([*command, source], check=True)
            self.assertEqual(out.read_text(), self.made)
            source.write_text('{"results": 3}')
            for code, words in ((3, [f"{scratch}/nothing"]), (4, [source]), (2, [])):
                done = subprocess.run([*command, *words], capture_output=True, text=True)
                self.assertEqual(done.returncode, code, done.stderr)
            source.write_text(json.dumps(made_up_result()))
            done = subprocess.run([*command, source, "-o", f"{scratch}/no/page.html"], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (7, 1))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
