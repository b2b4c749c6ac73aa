# SPDX-License-Identifier: Apache-2.0
"""yupana-run --profile: a trace that viewers load, in which every launch of every step is there with what it moved and
computed, while neither text nor logits change; and how it fails.

usage: profile_test.py YUPANA YUPANA_RUN YUPANA_BENCH MODELS [SIMDRIVER]
"""

import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

YUPANA, RUN, BENCH, MODELS = map(pathlib.Path, sys.argv[1:5])
SIMDRIVER = sys.argv[5] if len(sys.argv) > 5 else None
PROMPT = ["--tokens", "1472,3,5,7,9,11", "--temperature", 0]


def run(*words, stdin=""):
    return subprocess.run([str(word) for word in (RUN, *words)], input=stdin, capture_output=True, text=True,
                          timeout=120)


class Profile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.plan = cls.folder / "nano.yplan"
        targets = "x86-64-v3" + (",sm_80" if SIMDRIVER else "")
        subprocess.run([YUPANA, "compile", MODELS / "nano", "-o", cls.plan, "--target", targets, "--emit=ptx"],
                       check=True, capture_output=True)
        cls.inspected = json.loads(subprocess.run([YUPANA, "inspect", "--json", cls.plan], check=True,
                                                  capture_output=True).stdout)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def profiled(self, *words, stdin=""):
        """What the run did and its events, after what holds for every trace has been checked."""
        path = self.folder / "trace.json"
        done = run(self.plan, *words, "--profile", path, stdin=stdin)
        self.assertEqual(done.returncode, 0, done.stderr)
        events = json.loads(path.read_text())["traceEvents"]
        path.unlink()
        lanes = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
        by_lane = collections.defaultdict(list)
        for event in events:
            if event["ph"] == "X":
                self.assertIn(event["tid"], lanes)
                self.assertEqual(event["pid"], 1)
                self.assertGreaterEqual(event["ts"], 0)
                self.assertGreaterEqual(event["dur"], 0)
                by_lane[lanes[event["tid"]]].append(event)
        for lane, spans in by_lane.items():
            # Nanoseconds, since sums of fractions are not exact; spans of a lane are apart or one within another.
            open_ends = []
            for span in sorted(spans, key=lambda e: (e["ts"], -e["dur"])):
                begin, end = round(span["ts"] * 1000), round((span["ts"] + span["dur"]) * 1000)
                while open_ends and open_ends[-1] <= begin:
                    open_ends.pop()
                if open_ends:
                    self.assertLessEqual(end, open_ends[-1], (lane, span))
                open_ends.append(end)
        return done.stdout, lanes, by_lane

    def check_launches(self, by_lane, target):
        """Of every step, all launches of its program with cells, in order, whose cells are each on one lane."""
        programs = {p["max_tokens"]: p for p in target["programs"] if p["function"] == "step"}
        steps = [e for e in by_lane["program"] if e["name"] == "forward"]
        kernels = sorted((e for lane, events in by_lane.items() if lane != "program" for e in events),
                         key=lambda e: e["ts"])
        for step in steps:
            begin, end = step["ts"], step["ts"] + step["dur"]
            inside = [e for e in kernels if begin <= e["ts"] and e["ts"] + e["dur"] <= end + 0.001]
            first = 0
            for program in target["programs"]:
                if program is programs[step["args"]["program_max_T"]]:
                    break
                first += len(program["launches"])
            cells = collections.Counter()
            for event in inside:
                launch = program["launches"][event["args"]["launch"] - first]
                self.assertEqual(event["name"], launch["kernel"])
                self.assertEqual(event["args"].get("layer"), launch.get("layer"))
                self.assertEqual(event["args"]["T"], step["args"]["T"])
                cells[event["args"]["launch"]] += event["args"]["cells"] / event["args"]["all_cells"]
            # A step in the middle of a prompt asks for no row of logits, so that the head has nothing to do.
            expected = [first + i for i, launch in enumerate(program["launches"])
                        if step["args"]["R"] or "R" not in launch["grid"].split()]
            self.assertEqual(sorted(cells), expected)
            for share in cells.values():
                self.assertAlmostEqual(share, 1)
        return steps, kernels

    def test_steps_of_a_run(self):
        words = [*PROMPT, "--max-new-tokens", 3, "--step-tokens", 4, "--threads", 2, "--json"]
        out, lanes, by_lane = self.profiled(*words)
        self.assertEqual(list(lanes.values()), ["program", "thread 0", "thread 1"])
        self.assertEqual(json.loads(out)["tokens"], json.loads(run(self.plan, *words).stdout)["tokens"])
        names = [e["name"] for e in by_lane["program"]]
        self.assertEqual(sorted(set(names)), ["forward", "load weights", "open", "prepare", "sampling", "step"])
        steps, kernels = self.check_launches(by_lane, self.inspected["targets"][0])
        self.assertEqual([e["args"]["T"] for e in steps], [4, 2, 1, 1])
        self.assertEqual([e["args"]["position"] for e in by_lane["program"] if e["name"] == "step"], [0, 4, 6, 7])
        self.assertEqual(names.count("sampling"), 3)
        # Both count from the same metadata, in different programs; the prompt is one step for the bench.
        report = json.loads(subprocess.run([BENCH, self.plan, "--prompt-tokens", "4", "--max-new-tokens", "0",
                                            "--repetitions", "1", "--warmup", "0", "--json"], check=True,
                                           capture_output=True).stdout)["prefill"]
        flops = sum(e["args"]["flops"] for e in kernels if e["args"]["T"] == 4)
        head = 2 * 128 * 1536
        expected = 4 * (report["flops_per_token"] + report["attention_flops_per_token"]) - head
        self.assertAlmostEqual(flops, expected, delta=len(kernels))

    def test_logits_are_the_same(self):
        files = [self.folder / "with.npy", self.folder / "without.npy"]
        self.profiled(*PROMPT, "--logits", files[0])
        self.assertEqual(run(self.plan, *PROMPT, "--logits", files[1]).returncode, 0)
        self.assertEqual(files[0].read_bytes(), files[1].read_bytes())

    def test_chat(self):
        out, _, by_lane = self.profiled("--chat", "--max-new-tokens", 2, stdin="Hello\nHello\n")
        self.assertGreaterEqual(len([e for e in by_lane["program"] if e["name"] == "step"]), 4)
        self.assertEqual(out, run(self.plan, "--chat", "--max-new-tokens", 2, stdin="Hello\nHello\n").stdout)

    @unittest.skipUnless(SIMDRIVER, "no stand-in for the CUDA driver")
    def test_gpu(self):
        words = ["--device", "cuda", "--driver", SIMDRIVER, "--tokens", "1472,3,5", "--temperature", 0,
                 "--max-new-tokens", 2]
        out, lanes, by_lane = self.profiled(*words)
        self.assertEqual(list(lanes.values()), ["program", "GPU"])
        self.assertEqual(out, run(self.plan, *words).stdout)
        steps, _ = self.check_launches(by_lane, self.inspected["targets"][1])
        self.assertEqual([e["args"]["T"] for e in steps], [3, 1])

    def fails(self, code, part, *words):
        done = run(*words)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(part, done.stderr)
        self.assertEqual([p.name for p in self.folder.iterdir() if "trace" in p.name], [])

    def test_refusals(self):
        trace = self.folder / "trace.json"
        self.fails(2, "--profile needs", self.plan, *PROMPT, "--profile", "")
        self.fails(2, "run none", self.plan, "--tokenize", "--profile", trace)
        self.fails(2, "would destroy the input", self.plan, *PROMPT, "--profile", self.plan)
        self.fails(2, "two names", self.plan, *PROMPT, "--profile", trace, "--logits", trace)
        self.fails(7, "nowhere/trace.json", self.plan, *PROMPT, "--profile", self.folder / "nowhere" / "trace.json")
        self.fails(3, "none.yplan", self.folder / "none.yplan", *PROMPT, "--profile", trace)
        self.fails(4, "vocabulary", self.plan, "--tokens", "99999999", "--profile", trace)
        done = run(self.plan, *PROMPT, "--max-new-tokens", 1, "--profile", "/dev/full")
        self.assertEqual(done.returncode, 7)
        self.assertIn("/dev/full: cannot be written", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
