# SPDX-License-Identifier: Apache-2.0
"""tools/gpu-check.sh end to end, rehearsed on the stand-in for the driver: a bundle is made and passes; with code that
does another thing than its vector, logits that differ, memory that is not all read, a wrong product of cuBLAS or a bench
that fails, it fails. A stand-in for peers gives known times. Skipped without ptxas.

usage: gpu_check.py BUILD SIMDRIVER SCRIPT
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD, DRIVER, SCRIPT = map(os.path.abspath, sys.argv[1:4])
SKIPPED = 77
COMPILER = os.environ.get("CC") or shutil.which("cc") or shutil.which("clang-22") or "clang"


def run(code, *words, environment=None):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=300,
                          env=os.environ | (environment or {}))
    assert done.returncode == code, f"{words}: exit code {done.returncode}: {done.stdout} {done.stderr}"
    return done


class GpuCheck(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.bundle = cls.folder / "bundle"
        run(0, SCRIPT, "--bundle", cls.bundle, "--targets", "sm_80", "--models", "nano,small,small-stack",
            "--precisions", "bf16", "--build", BUILD)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def check(self, code, *more, driver=DRIVER):
        """A bundle needs nothing of the place where it was made. Returns its results by name."""
        # Nothing is in doubt but what is checked here: the interpreter's fast mode.
        fast = {"YUPANA_SIM_RACES": "0", "YUPANA_SIM_UNDEFINED": "0"}
        done = run(code, self.bundle / "gpu-check.sh", "--driver", driver, "--quick", "--out", self.folder, *more,
                   environment=fast)
        if code == 6:
            return done.stderr
        report = json.loads((self.folder / "gpu-check.json").read_text())
        self.assertEqual(report["capability"], 90)
        return {result["name"]: result for result in report["results"]}

    def changed(self, name, change):
        """Puts back afterwards what it changes."""
        path = self.bundle / name
        before = path.read_bytes()
        self.addCleanup(path.write_bytes, before)
        path.write_bytes(change(before))
        self.assertNotEqual(path.read_bytes(), before)

    def test_passes(self):
        results = self.check(0)
        kinds = [result["kind"] for result in results.values()]
        self.assertEqual([kinds.count(kind) for kind in ("vector", "text", "logits", "time")], [17, 1, 1, 1], results)
        # Sums in matrix instructions are recorded, word for word.
        order = results["wgmma-order"]
        self.assertIsNone(order["ok"])
        self.assertEqual(order["found"], order["expected"])
        self.assertGreater(results["small.bf16 batch 1"]["report"]["decode"]["tokens_per_s"]["median"], 0)
        self.check_performance(results)
        page = (self.folder / "gpu-check.html").read_text()
        for part in ("Run on a stand-in", "<svg", "small-stack-2.bf16", "experts.down"):
            self.assertIn(part, page)

    def check_performance(self, results):
        self.assertIs(results["read bandwidth"]["ok"], True)
        self.assertIsNone(results["cuBLAS"]["ok"])
        self.assertIn("not found", results["cuBLAS"]["detail"])
        bandwidth = results["read bandwidth"]["found"]["bytes_per_s"]
        # Of the stacks the deeper one fits.
        for name, layers in (("small.bf16 decode T=1", 4), ("small-stack-2.bf16 prefill 3", 2)):
            found = results[name]
            self.assertEqual(sum(k["launches"] for k in found["kernels"] if k["on"] == "o"), layers)
            for kernel in found["kernels"]:
                self.assertAlmostEqual(kernel["floor"], kernel["bytes"] / bandwidth)
                self.assertAlmostEqual(kernel["share"], kernel["floor"] / kernel["seconds"])
            self.assertAlmostEqual(found["floor"], sum(kernel["floor"] for kernel in found["kernels"]))
        self.assertLess((sum(path.stat().st_size for path in self.bundle.rglob("*") if path.is_file())), 40 << 20)

    def test_words_that_are_not_read_fail(self):
        self.changed("ceilings.ptx", lambda text: text.replace(b"xor.b32 %sum, %sum, %r28;", b""))
        results = self.check(1, "--only", "roofline")
        self.assertEqual(list(results), ["read bandwidth", "cuBLAS"])
        self.assertIs(results["read bandwidth"]["ok"], False)
        self.assertIn("words are missing", results["read bandwidth"]["detail"])

    def test_a_wrong_product_fails(self):
        source, library = self.folder / "cublas.c", self.folder / "libcublas.so"
        source.write_text("int cublasCreate_v2(void **h) { *h = 0; return 0; }\nint cublasDestroy_v2(void *h) { return 0; }\n"
                          "int cublasGemmEx(void) { return 0; }\n")
        run(0, COMPILER, "-shared", "-fPIC", source, "-o", library)
        results = self.check(1, "--only", "ceiling", "--cublas", library)
        self.assertIs(results["cuBLAS"]["ok"], False)
        self.assertIn("a wrong product", results["cuBLAS"]["detail"])

    def test_a_bench_that_fails(self):
        self.changed("bin/yupana-bench", lambda _: b"#!/bin/sh\necho broken >&2\nexit 1\n")
        results = self.check(1, "--only", "roofline")
        self.assertEqual(results["small.bf16 decode T=1"]["detail"], "exit code 1: broken")

    def peers(self, answer):
        """Takes the place of the Python that has torch."""
        path = self.folder / "python"
        path.write_text("#!/bin/sh\necho '{\"torch\": \"0\", \"rehearsed\": true}'\n" + answer)
        path.chmod(0o755)
        return path

    def test_peers_are_paired_by_round(self):
        answer = json.dumps({"seconds": {"qkv": {"F.linear": 2.0}, "block": {"other": 0.5}}, "notes": ["left out"]})
        results = self.check(0, "--only", "peer", "--python", self.peers(f"while read -r line; do echo '{answer}'; done\n"))
        pair = results["small.bf16 decode T=1 qkv"]
        self.assertEqual((pair["theirs"], len(pair["ours"])), ([2.0, 2.0], 2))
        self.assertEqual(pair["ratios"], [2.0 / ours for ours in pair["ours"]])
        self.assertEqual(pair["median"], sum(pair["ratios"]) / 2)
        self.assertIn("small.bf16 decode T=1 block", results)
        self.assertIn("Beside others", (self.folder / "gpu-check.html").read_text())

    def test_peers_that_end_are_noted(self):
        results = self.check(0, "--only", "peer", "--python", self.peers("exit 3\n"))
        self.assertIsNone(results["decode T=1"]["ok"])
        self.assertIn("exit code 3", results["decode T=1"]["detail"])
        self.assertIn("small-stack-2.bf16 prefill 3", results)
        results = self.check(0, "--only", "peer", "--python", self.folder / "nowhere")
        self.assertIn("no peers", results["torch"]["detail"])

    def test_another_shift_fails(self):
        self.changed("vectors/arithmetic.ptx", lambda text: text.replace(b"shr.s32", b"shr.u32"))
        results = self.check(1, "--only", "vector")
        self.assertEqual([name for name, result in results.items() if result["ok"] is False], ["shifts"])
        self.assertIn("expected 0xc0000000", results["shifts"]["detail"])

    def test_other_logits_fail(self):
        self.changed("expected/nano/tokens.json", lambda text: json.dumps(json.loads(text)[::-1]).encode())
        results = self.check(1, "--only", "logits")
        self.assertIs(results["nano.bf16 all a step"]["ok"], False)

    def test_no_driver(self):
        self.assertIn("none.so", self.check(6, driver=self.folder / "none.so"))


def has_ptxas():
    home = os.environ.get("CUDA_HOME")
    return bool(home and os.access(os.path.join(home, "bin", "ptxas"), os.X_OK)) or bool(shutil.which("ptxas"))


if __name__ == "__main__":
    if not has_ptxas():
        print("skipped: there is no ptxas")
        sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1], verbosity=2)
