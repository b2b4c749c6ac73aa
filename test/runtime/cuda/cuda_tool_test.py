# SPDX-License-Identifier: Apache-2.0
"""The programs with --device and --driver: a plan of literal PTX on the stand-in for the CUDA driver.

usage: cuda_tool_test.py YUPANA_RUN YUPANA_BENCH WRITE_PTX_PLAN SIMDRIVER NVTX_PROFILER [YUPANA]
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy

RUN, BENCH, WRITE_PLAN, DRIVER, PROFILER = map(os.path.abspath, sys.argv[1:6])
YUPANA = os.path.abspath(sys.argv[6]) if len(sys.argv) > 6 else None
CHUNK = 6  # of the test model


def expected_logits(tokens):
    """As test/runtime/code/kernels.c computes them."""
    values = numpy.array(tokens) + 1
    rows = []
    for position in range(len(tokens)):
        chunk = values[position // CHUNK * CHUNK : position + 1].sum()
        rows.append(values[: position + 1].sum() + 1000 * chunk + numpy.arange(16))
    return numpy.array(rows, numpy.float32)


class CudaTool(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.plan = cls.folder / "ptx.yplan"
        subprocess.run([WRITE_PLAN, cls.plan], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def ends(self, code, *words, **settings):
        """The program's standard output, and its standard error if `code` is not 0, which then is one sentence."""
        environment = {**os.environ, **{f"YUPANA_SIM_{name}": str(value) for name, value in settings.items()}}
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=120, env=environment)
        self.assertEqual(done.returncode, code, done.stderr)
        if code:
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.stderr if code else done.stdout

    def on_gpu(self, code, *words, program=RUN, **settings):
        return self.ends(code, program, self.plan, "--device", "cuda", "--driver", DRIVER, *words, **settings)

    def test_logits(self):
        tokens = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
        ids = ",".join(map(str, tokens))
        path = self.folder / "logits.npy"
        for step_tokens in (1, 4, 24):
            self.on_gpu(0, "--tokens", ids, "--logits", path, "--step-tokens", step_tokens)
            numpy.testing.assert_array_equal(numpy.load(path), expected_logits(tokens))
        # A plan for GPUs alone finds one by itself.
        self.ends(0, RUN, self.plan, "--driver", DRIVER, "--tokens", ids, "--logits", path)
        numpy.testing.assert_array_equal(numpy.load(path), expected_logits(tokens))

    def test_tokens(self):
        best = ["--temperature", 0, "--repetition-penalty", 1, "--top-k", 0, "--top-p", 1, "--min-p", 0]
        out = json.loads(self.on_gpu(0, "--tokens", "3,4", "--max-new-tokens", 3, "--json", *best))
        self.assertEqual(out["tokens"], [15, 15, 15])

    def ranges(self, *words, profiler=PROFILER):
        """The ranges of a run of three prompt tokens and three new ones, indented by how deep they lie."""
        path = self.folder / "ranges.txt"
        path.unlink(missing_ok=True)
        environment = {**os.environ, "NVTX_INJECTION64_PATH": str(profiler), "YUPANA_TEST_RANGES": str(path)}
        subprocess.run([RUN, self.plan, "--device", "cuda", "--driver", DRIVER, "--tokens", "3,4,5", "--max-new-tokens",
                        "3", "--temperature", "0", *words], check=True, capture_output=True, env=environment)
        return path.read_text().splitlines() if path.exists() else None

    def test_ranges_for_profilers(self):
        found = self.ranges()
        self.assertEqual(found[0], "yupana: weights")
        steps = [line for line in found if line.startswith("yupana: step")]
        self.assertEqual(steps, ["yupana: step, 3 tokens", "yupana: step, 1 token", "yupana: step, 1 token"])
        self.assertEqual(found.count("yupana: wait for a step"), 3)
        self.assertIn("yupana: capture of a step, 1 token", found)
        self.assertFalse([line for line in found if line.startswith(" ") or "nobody" in line], found)
        # A profiled run gives launches to the driver one by one, which are named, too.
        profiled = self.ranges("--profile", self.folder / "trace.json")
        first = profiled.index("yupana: step, 3 tokens")
        self.assertTrue(profiled[first + 1].startswith(" yupana: "), profiled)
        # What is no profiler is none.
        for other in ("", self.folder / "none.so", DRIVER):
            self.assertIsNone(self.ranges(profiler=other))

    def test_what_is_lacking(self):
        words = ["--tokens", "3", "--max-new-tokens", 1, "--json"]
        lacking = self.ends(6, RUN, self.plan, "--device", "cuda", "--driver", self.folder / "none.so", *words)
        for part in ("ptx.yplan", "target 'sm_80' needs a GPU", "none.so"):
            self.assertIn(part, lacking)
        self.assertIn("no GPU 1; the CUDA driver finds 1",
                      self.ends(6, RUN, self.plan, "--device", "cuda:1", "--driver", DRIVER, *words))
        self.assertIn("does not run on GPU 0", self.on_gpu(6, *words, CAPABILITY=75))
        self.assertIn("no memory on GPU 0", self.on_gpu(7, *words, MEMORY="1K"))
        self.assertIn("cannot map weights", self.on_gpu(2, *words, "--mmap"))
        self.ends(6, RUN, self.plan, "--device", "cpu", *words)

    def test_bench(self):
        out = json.loads(self.on_gpu(0, "--prompt-tokens", 8, "--max-new-tokens", 2, "--repetitions", 1, "--json",
                                     program=BENCH))
        self.assertEqual(out["target"], "sm_80")
        self.assertGreater(out["prefill"]["tokens_per_s"]["median"], 0)
        # The processor that would be measured is not what ran.
        self.assertIsNone(out["prefill"]["share_of_flops"])
        self.assertIsNone(out["machine"]["read_bandwidth"])
        self.ends(2, BENCH, self.plan, "--device", "cuda:99")

    @unittest.skipUnless(YUPANA, "the compiler is not built")
    def test_check(self):
        check = ["check", self.plan, "--json"]
        found = json.loads(self.ends(0, YUPANA, *check, "--device", "cuda", "--driver", DRIVER))
        self.assertEqual((found["runs"], found["targets"][0]["fit"]), (True, "by PTX"))
        self.assertIn("by PTX", self.ends(0, YUPANA, "check", self.plan, "--driver", DRIVER))
        self.assertIn("does not run on GPU 0", self.ends(6, YUPANA, "check", self.plan, "--device", "cuda", "--driver",
                                                         DRIVER, CAPABILITY=75))
        for name, fit in (("sm_80", "by PTX"), ("sm_89", "by PTX"), ("sm_90a", "by PTX"), ("sm_120", "by PTX")):
            found = json.loads(self.ends(0, YUPANA, *check, "--for", name))
            self.assertEqual((found["target"], found["targets"][0]["fit"]), ("sm_80", fit), name)
        self.assertIn("not for sm_75", self.ends(6, YUPANA, "check", self.plan, "--for", "sm_75"))
        self.ends(6, YUPANA, "check", self.plan, "--device", "cpu")
        self.ends(2, YUPANA, "check", self.plan, "--device", "tpu")
        self.ends(2, YUPANA, "check", self.plan, "--device", "cuda", "--for", "sm_80")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
