# SPDX-License-Identifier: Apache-2.0
"""yupana tune: a folder that the runtime alone times, a file of what was the fastest, and a plan that takes it: with the
same bits as before. On the processor times are real; on the stand-in for a CUDA driver they mean nothing and the way is
the same.

usage: tune_test.py YUPANA YUPANA_RUN YUPANA_BENCH MODELS [SIMDRIVER]
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

YUPANA, RUN, BENCH, MODELS = map(pathlib.Path, sys.argv[1:5])
SIMDRIVER = sys.argv[5] if len(sys.argv) > 5 else None
TOKENS = "1472,3,5,7,9,11,200,31,77,15,4,8"
SMALL = ["--max-context", 64, "--max-batch", 2, "--max-step-tokens", 16]


def run(*words, **environment):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=240,
                          env={**os.environ, **environment})


class Tune(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def done(self, *words, **environment):
        done = run(*words, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def fails(self, code, part, *words):
        done = run(*words)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (code, 1), done.stderr)
        self.assertIn(part, done.stderr)

    def prepare(self, target, candidates, *options):
        self.tuned = self.folder / "tuned"
        self.done(YUPANA, "tune", "--prepare", MODELS / "nano", "--target", target, "-o", self.tuned, "--candidates",
                  candidates, *SMALL, *options)
        return json.loads((self.tuned / "tune.json").read_text())

    def compile(self, name, target, *options):
        plan = self.folder / name
        done = self.done(YUPANA, "compile", MODELS / "nano", "-o", plan, "--target", target, "--cache",
                         self.folder / "cache", *SMALL, *options)
        return plan, done.stderr

    def logits(self, plan, *options):
        path = self.folder / "logits.npy"
        self.done(RUN, plan, "--tokens", TOKENS, "--step-tokens", 9, "--max-new-tokens", 2, "--temperature", 0,
                  "--logits", path, *options)
        return path.read_bytes()

    def force(self, timings, tune):
        """Says of every kernel that the last candidate was the fastest; how many differ from the first."""
        first, last = ({k["signature"]: k["configs"] for k in tune["candidates"][i]["kernels"]} for i in (0, -1))
        content = json.loads(timings.read_text())
        for entry in content["entries"]:
            entry["configs"] = last[entry["signature"]]
        timings.write_text(json.dumps(content))
        return sum(first[entry["signature"]] != entry["configs"] for entry in content["entries"])

    def check_way(self, target, candidates, options, device):
        """From a checkpoint to a plan with other configs and the same logits."""
        tune = self.prepare(target, candidates, "--rounds", 2, *options)
        self.assertEqual(len(tune["candidates"]), candidates)
        self.assertEqual([k["signature"] for k in tune["candidates"][0]["kernels"]],
                         [k["signature"] for k in tune["candidates"][1]["kernels"]])
        self.assertEqual(sorted(p.name for p in self.tuned.iterdir()),
                         [f"candidate-{i:02}.yplan" for i in range(candidates)] + ["time.sh", "tune.json"])
        self.done(self.tuned / "time.sh", *device, YUPANA_BENCH=str(BENCH))
        timings = self.folder / "timings.json"
        told = self.done(YUPANA, "tune", "--merge", self.tuned, "-o", timings).stdout
        entries = json.loads(timings.read_text())["entries"]
        # What samples for the model runs behind each step and belongs to it; every kernel was timed.
        timed = {entry["signature"] for entry in entries}
        self.assertEqual(timed, {k["signature"] for k in tune["candidates"][0]["kernels"]})
        self.assertIn(f"{len(entries)} kernels were timed", told)
        for entry in entries:
            self.assertEqual(entry["target"], target)
            self.assertRegex(entry["date"], r"^\d{4}-\d\d-\d\d$")
            self.assertTrue(entry["device"])
            self.assertTrue(entry["measured"])
            for shape in entry["measured"]:
                self.assertGreaterEqual(shape["samples"], 2)
                # Other configs were chosen because they are faster.
                self.assertGreater(shape["microseconds"], 0)
        # The same results again change nothing.
        text = timings.read_text()
        self.done(YUPANA, "tune", "--merge", self.tuned, "-o", timings)
        self.assertEqual(timings.read_text(), text)

        plain, _ = self.compile("plain.yplan", target, *options)
        tuned, notes = self.compile("tuned.yplan", target, "--timing-cache", timings, *options)
        self.assertIn(f"timings: {len(entries)} of {len(entries)} kernels of {target} configured from {timings}", notes)
        logits = self.logits(plain, *device)
        self.assertEqual(self.logits(tuned, *device), logits)
        self.assertGreater(self.force(timings, tune), 3)
        dumps = self.folder / "dumps"
        forced, _ = self.compile("forced.yplan", target, "--timing-cache", timings, "--dump-ir", dumps, *options)
        self.assertEqual(self.logits(forced, *device), logits)
        schedule = next(dumps.glob("*-schedule.mlir")).read_text()
        self.assertNotIn("kernel.signature", schedule)
        for config in {c for k in tune["candidates"][-1]["kernels"] for c in k["configs"]}:
            self.assertIn(config, schedule)
        return tune, timings

    def test_processor(self):
        tune, timings = self.check_way("x86-64-v3", 2, [], [])
        self.check_stale(tune)
        self.check_timing_files(timings)

    @unittest.skipUnless(SIMDRIVER, "no stand-in for the CUDA driver")
    def test_gpu(self):
        self.check_way("sm_80", 2, ["--emit", "ptx"], ["--device", "cuda", "--driver", SIMDRIVER])

    def check_stale(self, tune):
        merge = [YUPANA, "tune", "--merge", self.tuned, "-o", self.folder / "other.json"]
        result = self.tuned / "results/candidate-01.shape-0.round-0.json"
        text = result.read_text()
        for change, part in ((lambda r: r.update(plan_id="0" * 16), "run time.sh again"),
                             (lambda r: r.update(batch=9), ".batch: found 9"),
                             (lambda r: r.update(target="x86-64-v4"), "expected x86-64-v3"),
                             (lambda r: r.pop("kernels"), ".kernels: missing"),
                             (lambda r: r["kernels"]["decode"]["kernels"][0].update(kernel="spin"), "'spin'")):
            changed = json.loads(text)
            change(changed)
            result.write_text(json.dumps(changed))
            self.fails(4, part, *merge)
        self.assertFalse((self.folder / "other.json").exists())
        # A round that did not come to its end counts as far as it came.
        result.unlink()
        self.assertIn("7 of 8 results are there", self.done(*merge).stderr)
        for path in (self.tuned / "results").glob("candidate-*"):
            path.unlink()
        self.fails(3, "has no results", *merge)

    def check_timing_files(self, timings):
        path = self.folder / "changed.json"
        compiling = [YUPANA, "compile", MODELS / "nano", "-o", self.folder / "none.yplan", "--target", "x86-64-v3",
                     "--timing-cache", path]
        self.fails(3, str(path), *compiling)
        path.write_text("{")
        self.fails(4, str(path), *compiling)
        for change, part in (
                (lambda c: c.update(format="other"), 'format "yupana timings"'),
                (lambda c: c.update(version=2), "has version 2"),
                (lambda c: c["entries"][0].update(target="pdp-11"), "'pdp-11', expected one of"),
                (lambda c: c["entries"][0].update(target="sm_80"), "found one for x86-64-v3, expected sm_80"),
                (lambda c: c["entries"][0].update(configs=["#kernel.x86<1>"]), "which is no config"),
                (lambda c: c["entries"][0].update(configs=["7"]), "which is no config"),
                (lambda c: c["entries"][0].update(configs=[]), "at least one config"),
                (lambda c: c["entries"][0].update(signature="1f"), "64 lower-case hexadecimal digits"),
                (lambda c: c["entries"][0].pop("tokens"), "entries[0].tokens: missing"),
                (lambda c: c["entries"][0]["measured"][0].update(microseconds=0), "a number above zero"),
                (lambda c: c["entries"].append(c["entries"][0]), "a second entry")):
            content = json.loads(timings.read_text())
            change(content)
            path.write_text(json.dumps(content))
            self.fails(4, part, *compiling)
        self.assertFalse((self.folder / "none.yplan").exists())
        # A kernel of another model, and a config that is no candidate: left aside, and said.
        content = json.loads(timings.read_text())
        extra = dict(content["entries"][0], signature="0" * 64)
        content["entries"][0]["configs"] = ['#kernel.x86<"x86-64-v3", tile = 1 x 16, rows = 1>'] * len(
            content["entries"][0]["configs"])
        content["entries"].append(extra)
        path.write_text(json.dumps(content))
        _, notes = self.compile("partly.yplan", "x86-64-v3", "--timing-cache", path)
        count = len(content["entries"]) - 1
        self.assertIn(f"timings: {count - 1} of {count} kernels", notes)
        self.assertIn("in which 1 entry matches no kernel; 1 has configs", notes)

    def test_usage(self):
        self.fails(2, "neither", YUPANA, "tune", "-o", self.folder / "x")
        self.fails(2, "both", YUPANA, "tune", "--prepare", "--merge", "-o", self.folder / "x")
        self.fails(2, "option -o: missing, expected -o DIR", YUPANA, "tune", "--prepare", MODELS / "nano")
        self.fails(2, "option -o: missing, expected -o FILE", YUPANA, "tune", "--merge", self.folder)
        self.fails(2, "--rounds: is for --prepare", YUPANA, "tune", "--merge", self.folder, "-o", self.folder / "x",
                   "--rounds", 2)
        self.fails(2, "found 2 targets", YUPANA, "tune", "--prepare", MODELS / "nano", "-o", self.folder / "x",
                   "--target", "x86-64-v3,x86-64-v4")
        self.fails(2, "'sm_99'", YUPANA, "tune", "--prepare", MODELS / "nano", "-o", self.folder / "x", "--target",
                   "sm_99")
        self.assertFalse((self.folder / "x").exists())
        (self.folder / "file").write_text("")
        self.fails(2, "not an empty folder", YUPANA, "tune", "--prepare", MODELS / "nano", "-o", self.folder,
                   "--target", "x86-64-v3")
        self.fails(3, "tune.json", YUPANA, "tune", "--merge", self.folder, "-o", self.folder / "x")
        self.fails(2, "needs the name of a file", YUPANA, "compile", MODELS / "nano", "-o", self.folder / "x",
                   "--timing-cache=")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
