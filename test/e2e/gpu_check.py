# SPDX-License-Identifier: Apache-2.0
"""tools/gpu-check.sh end to end, rehearsed on the stand-in for the driver: a bundle is made and passes; with code that
does another thing than its vector, or logits that differ, it fails. Skipped without ptxas.

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


def run(code, *words):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=300)
    assert done.returncode == code, f"{words}: exit code {done.returncode}: {done.stdout} {done.stderr}"
    return done


class GpuCheck(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.bundle = cls.folder / "bundle"
        run(0, SCRIPT, "--bundle", cls.bundle, "--targets", "sm_80", "--models", "nano,small", "--precisions", "bf16",
            "--build", BUILD)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def check(self, code, *more, driver=DRIVER):
        """A bundle needs nothing of the place where it was made. Returns its results by name."""
        done = run(code, self.bundle / "gpu-check.sh", "--driver", driver, "--quick", "--out", self.folder, *more)
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
        self.assertEqual([kinds.count(kind) for kind in ("vector", "text", "logits", "time")], [15, 1, 1, 1], results)
        # Sums in matrix instructions are recorded, word for word.
        order = results["wgmma-order"]
        self.assertIsNone(order["ok"])
        self.assertEqual(order["found"], order["expected"])
        self.assertGreater(results["small.bf16 batch 1"]["report"]["decode"]["tokens_per_s"]["median"], 0)

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
