# SPDX-License-Identifier: Apache-2.0
"""yupana-run --mmap: the same logits, from weights that are mapped and never read; damage is found all the same.

usage: mmap_test.py YUPANA YUPANA_RUN MODELS
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

YUPANA, RUN, MODELS = map(pathlib.Path, sys.argv[1:4])
TOKENS = ["--tokens", "5,6,7,8,9,10,11,12"]


def can_trace():
    """Whether this machine lets a process trace another: containers may not."""
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-f", "-e", "trace=execve", "true"], capture_output=True).returncode == 0


class Mmap(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.plan = cls.folder / "model.yplan"
        subprocess.run([YUPANA, "compile", MODELS / "parity/top2", "-o", cls.plan, "--precision", "f32"], check=True,
                       capture_output=True)
        sections = json.loads(subprocess.run([YUPANA, "inspect", "--json", cls.plan], check=True,
                                             capture_output=True).stdout)["sections"]
        cls.weights = next(section for section in sections if section["kind"] == "weights")

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def logits(self, *more):
        out = self.folder / "logits.npy"
        subprocess.run([RUN, self.plan, *TOKENS, "--logits", out, *more], check=True)
        return out.read_bytes()

    def test_logits_are_the_same(self):
        self.assertEqual(self.logits("--mmap"), self.logits())
        self.assertEqual(self.logits("--mmap", "--threads", "3"), self.logits())

    def test_damage_is_found(self):
        bad = self.folder / "bad.yplan"
        data = bytearray(self.plan.read_bytes())
        data[self.weights["offset"] + self.weights["bytes"] // 2] ^= 1
        bad.write_bytes(data)
        done = subprocess.run([RUN, bad, *TOKENS, "--mmap", "--json"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 8, done.stderr)
        self.assertIn("bad.yplan", done.stderr)

    @unittest.skipUnless(can_trace(), "strace cannot trace on this machine")
    def test_weights_are_not_read(self):
        # A sanitizer that looks for leaks cannot be traced.
        for more, mapped in ((["--mmap"], True), ([], False)):
            log = self.folder / "trace"
            subprocess.run(["strace", "-f", "-y", "-e", "trace=pread64,mmap", "-o", log, RUN, self.plan, *TOKENS, "--json", *more],
                           check=True, capture_output=True, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
            lines = [line for line in log.read_text().splitlines() if f"<{self.plan}>" in line]
            begin, end = self.weights["offset"], self.weights["offset"] + self.weights["bytes"]
            reads = [tuple(map(int, found.groups())) for line in lines
                     if (found := re.search(r"pread64\(.*, (\d+), (\d+)(?:\)| <unfinished)", line))]
            self.assertTrue(reads)
            touched = sum(max(0, min(end, at + size) - max(begin, at)) for size, at in reads)
            self.assertEqual(touched == 0, mapped, more)
            maps = [line for line in lines if re.search(rf"mmap\(NULL, \d+, PROT_READ, MAP_PRIVATE, .*, {begin:#x}\)", line)]
            self.assertEqual(len(maps), int(mapped), more)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
