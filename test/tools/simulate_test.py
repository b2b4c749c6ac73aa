# SPDX-License-Identifier: Apache-2.0
"""yupana verify --simulate: GPU code on the stand-in for the driver, right, faulty and wrong, and what cannot be run.

usage: simulate_test.py YUPANA SIMDRIVER MODELS
"""

import hashlib
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

YUPANA, DRIVER, MODELS = map(os.path.abspath, sys.argv[1:4])
DEVICE_CODE = 6


def run(*words):
    return subprocess.run([YUPANA, *map(str, words)], capture_output=True, text=True, timeout=120)


def compile_model(plan, targets, *more):
    done = run("compile", MODELS + "/parity/dense", "-o", plan, "--precision", "f32", "--target", targets, "--cache",
               plan.parent / "kernels", *more)
    assert done.returncode == 0, done.stderr


def change_code(plan, before, after):
    """Replaces text in every image for GPUs by as much other text, and makes digests and sums of the frame right."""
    assert len(before) == len(after)
    data, changes = bytearray(plan.read_bytes()), 0
    count = struct.unpack_from("<I", data, 20)[0]
    for entry in range(64, 64 + 80 * count, 80):
        kind, _, offset, size = struct.unpack_from("<IIQQ", data, entry)
        if kind == DEVICE_CODE:
            code = bytes(data[offset:offset + size])
            changes += code.count(before)
            data[offset:offset + size] = code.replace(before, after)
            data[entry + 32:entry + 64] = hashlib.sha256(data[offset:offset + size]).digest()
    struct.pack_into("<I", data, 48, zlib.crc32(data[64:64 + 80 * count]))
    struct.pack_into("<I", data, 60, zlib.crc32(data[:60]))
    plan.write_bytes(data)
    return changes


class Simulate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.plan = cls.folder / "both.yplan"
        compile_model(cls.plan, "x86-64-v3,sm_80,sm_89", "--emit", "ptx")

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def fails(self, code, parts, *words):
        """One sentence on standard error that holds `parts`; returns standard output."""
        done = run("verify", *words)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr)
        return done.stdout

    def changed(self, before, after):
        copy = self.folder / "changed.yplan"
        shutil.copyfile(self.plan, copy)
        self.assertGreater(change_code(copy, before, after), 0)
        self.assertEqual(run("verify", copy).returncode, 0)
        return copy

    def test_good_code(self):
        done = run("verify", self.plan, "--simulate")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        _, *lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 2, done.stdout)
        for line, target in zip(lines, ("sm_80", "sm_89")):
            self.assertIn(f"{target}: simulated 4 steps, nothing found; 26 rows of logits, ", line)
            self.assertIn(" of their range from those of x86-64-v3, ", line)
        done = run("verify", self.plan, "--simulate", "--for", "sm_89", "--driver", DRIVER)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertNotIn("sm_80", done.stdout)

    def test_a_short_context_has_steps_of_every_kind(self):
        plan = self.folder / "short.yplan"
        compile_model(plan, "x86-64-v3,sm_80", "--emit", "ptx", "--max-context", "4")
        done = run("verify", plan, "--simulate")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("sm_80: simulated 3 steps, nothing found; 8 rows of logits, ", done.stdout)

    def test_a_missing_barrier_is_a_race(self):
        plan = self.changed(b"bar.sync \t0", b"//r.sync \t0")
        report = self.fails(4, ["changed.yplan", "target sm_80 is faulty", "race"], plan, "--simulate", "--for", "sm_80")
        # Kernel, line and text of the instruction.
        self.assertIn("shared", report)
        self.assertRegex(report, r"kernel \w+|_\d+")

    def test_wrong_numbers_differ(self):
        plan = self.changed(b"sub.rn.f32", b"add.rn.f32")
        self.fails(4, ["logits of target sm_80 differ from those of x86-64-v3", "expected at most 2.0e-05"], plan,
                   "--simulate", "--for", "sm_80")

    def test_numbers_that_are_not_finite(self):
        plan = self.changed(b"sqrt.rn.f32", b"rcp.rn.f32 ")
        self.fails(4, ["changed.yplan", "target sm_80", "not finite"], plan, "--simulate", "--for", "sm_80")

    def test_code_that_cannot_be_read(self):
        plan = self.changed(b"sqrt.rn.f32", b"sqrx.rn.f32")
        self.fails(4, ["sm_80", "sqrx.rn.f32"], plan, "--simulate", "--for", "sm_80")

    def test_what_cannot_be_simulated(self):
        plan = self.folder / "cpu.yplan"
        compile_model(plan, "x86-64-v3")
        self.fails(6, ["cpu.yplan", "x86-64-v3", "--target sm_90a"], plan, "--simulate")
        compile_model(plan, "x86-64-v3,sm_80", "--emit", "ptx", "--strip-weights")
        self.fails(4, ["lacks", "weights", "yupana refit"], plan, "--simulate")
        self.fails(6, ["x86-64-v3"], self.plan, "--simulate", "--for", "x86-64-v3")
        self.fails(6, ["sm_90a"], self.plan, "--simulate", "--for", "sm_90a")

    def test_the_stand_in(self):
        self.fails(3, ["none.so", "--driver"], self.plan, "--simulate", "--driver", self.folder / "none.so")
        self.fails(2, [YUPANA, "not the stand-in"], self.plan, "--simulate", "--driver", YUPANA)
        self.fails(2, ["--simulate"], self.plan, "--driver", DRIVER)
        self.assertIn("--simulate", run("verify", "--help").stdout)

    def test_a_gpu_without_room(self):
        environment = {**os.environ, "YUPANA_SIM_MEMORY": "64K"}
        done = subprocess.run([YUPANA, "verify", self.plan, "--simulate"], capture_output=True, text=True, timeout=120,
                              env=environment)
        self.assertEqual(done.returncode, 7, done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
