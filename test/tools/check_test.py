# SPDX-License-Identifier: Apache-2.0
"""yupana check, and --for: what they say, how they end, and that a check reads neither code nor weights.

usage: check_test.py YUPANA MODELS
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

from notes import apart

YUPANA, MODELS = map(os.path.abspath, sys.argv[1:3])
LEVELS = ["x86-64-v3", "x86-64-v4"]


def run(*words):
    return apart(subprocess.run([YUPANA, *map(str, words)], capture_output=True, text=True, timeout=120))


def can_trace():
    """Whether this machine lets a process trace another: containers may not."""
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-f", "-e", "trace=execve", "true"], capture_output=True).returncode == 0


class Check(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.plan = cls.folder / "two.yplan"
        cls.compile(MODELS + "/parity/odd", cls.plan, LEVELS)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    @staticmethod
    def compile(model, plan, targets, *more):
        done = run("compile", model, "-o", plan, "--precision", "f32", "--target", ",".join(targets), *more)
        assert done.returncode == 0, done.stderr

    def fails(self, code, parts, *words):
        """One sentence on standard error that holds `parts`; returns standard output."""
        done = run(*words)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr)
        return done.stdout

    def test_this_machine(self):
        done = run("check", self.plan, "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        report = json.loads(done.stdout)
        inspected = json.loads(run("inspect", self.plan, "--json").stdout)
        best = [target for target in inspected["targets"] if target["fit"] != "incompatible"][-1]
        self.assertEqual((report["runs"], report["target"]), (True, best["name"]))
        self.assertEqual([target["name"] for target in report["targets"]], LEVELS)
        memory = report["memory"]
        for part in ("weights", "activations", "cache", "inputs", "code"):
            self.assertEqual(memory[part], best["memory"][part])
        self.assertEqual(memory["scratch"], best["memory"]["scratch_per_thread"] * report["threads"])
        self.assertEqual(memory["total"], best["memory"]["total"] + memory["scratch"])
        self.assertGreater(report["available_memory"], memory["total"])
        text = run("check", self.plan).stdout
        for part in ("runs on this machine, as " + best["name"], *LEVELS, "weights", "available"):
            self.assertIn(part, text)

    def test_another_machine(self):
        for level in LEVELS:
            done = run("check", self.plan, "--for", level, "--json")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            report = json.loads(done.stdout)
            self.assertEqual((report["target"], report["targets"]), (level, [{"name": level}]))
            # Facts of this machine say nothing about that one.
            self.assertFalse({"runs", "threads", "available_memory"} & set(report))
            self.assertIn("has code for " + level, run("check", self.plan, "--for", level).stdout)

    def test_a_target_that_is_not_there(self):
        for command in ("check", "verify"):
            self.fails(6, ["two.yplan", "x86-64-v3, x86-64-v4", "not for sm_90a"], command, self.plan, "--for", "sm_90a")
            self.fails(2, ['"z80"', "x86-64-v3, x86-64-v4"], command, self.plan, "--for", "z80")
            self.fails(2, ["--for"], command, self.plan, "--for", "")
        self.assertEqual(run("verify", self.plan, "--for", LEVELS[0]).returncode, 0)

    def test_no_target_fits(self):
        """A plan whose one target is a GPU, and no machine of these tests has one: a module with the name changed."""
        golden = sorted(pathlib.Path(__file__).parents[1].glob("golden/v*/minimal.mlir"))[-1]
        module, plan = self.folder / "gpu.mlir", self.folder / "gpu.yplan"
        text = re.sub(r'(plan\.target ")[\w-]+(")', r"\g<1>sm_90a\2", golden.read_text())
        text = text.replace("plan.image elf_x86_64", "plan.image cubin").replace('<"R"> [', '<"R"> threads 32 [')
        module.write_text(text)
        done = run("export", module, "-o", plan)
        self.assertEqual(done.returncode, 0, done.stderr)
        out = self.fails(6, ["gpu.yplan", "sm_90a", "this machine needs x86-64-v"], "check", plan, "--json")
        report = json.loads(out)
        self.assertEqual((report["runs"], report["target"]), (False, None))
        self.assertEqual(report["targets"][0]["fit"], "incompatible")
        self.assertIn("does not run on this machine", self.fails(6, ["gpu.yplan"], "check", plan))
        self.assertIn("sm_90a            exact", run("check", plan, "--for", "sm_90a").stdout)
        self.fails(6, ["not for sm_100a"], "check", plan, "--for", "sm_100a")

    def test_not_enough_memory(self):
        """A context of half a billion positions fits no machine that runs this test."""
        model, plan = self.folder / "long", self.folder / "long.yplan"
        shutil.copytree(MODELS + "/parity/odd", model, ignore=shutil.ignore_patterns("expected"))
        config = json.loads((model / "config.json").read_text())
        config["max_position_embeddings"] = 1 << 29
        config["floor_scale"] = 1 << 20
        (model / "config.json").write_text(json.dumps(config))
        self.compile(model, plan, LEVELS[:1], "--max-context", 1 << 29)
        out = self.fails(7, ["long.yplan", "available", "--kv-memory"], "check", plan)
        self.assertIn("has no room on this machine", out)
        report = json.loads(self.fails(7, [], "check", plan, "--json"))
        self.assertFalse(report["runs"])
        self.assertGreater(report["memory"]["cache"], 1 << 38)
        self.assertEqual(run("check", plan, "--for", LEVELS[0]).returncode, 0)

    def test_files(self):
        self.fails(3, ["nowhere"], "check", self.folder / "nowhere")
        bad = self.folder / "bad.yplan"
        bad.write_bytes(b"no plan" * 100)
        self.fails(4, ["bad.yplan"], "check", bad)
        data = bytearray(self.plan.read_bytes())
        sections = json.loads(run("inspect", self.plan, "--json").stdout)["sections"]
        data[next(s for s in sections if s["kind"] == "metadata")["offset"] + 100] ^= 1
        bad.write_bytes(data)
        self.fails(8, ["bad.yplan"], "check", bad)
        self.fails(2, ["PLAN"], "check")
        self.fails(2, ["--now"], "check", self.plan, "--now")

    @unittest.skipUnless(can_trace(), "strace cannot trace on this machine")
    def test_reads_neither_code_nor_weights(self):
        sections = json.loads(run("inspect", self.plan, "--json").stdout)["sections"]
        log = self.folder / "trace"
        subprocess.run(["strace", "-f", "-y", "-e", "trace=read,readv,pread64,preadv,preadv2,mmap", "-o", log, YUPANA, "check",
                        self.plan], check=True, capture_output=True)
        lines = [line for line in log.read_text().splitlines() if f"<{self.plan}>" in line]
        reads = [tuple(map(int, match.groups())) for line in lines
                 if (match := re.search(r"pread64\(.*, \d+, (\d+)\)\s+= (\d+)$", line))]
        self.assertEqual(len(reads), len(lines), "the plan is read by pread alone")
        covered = 0
        for section in sections:
            begin, end = section["offset"], section["offset"] + section["bytes"]
            overlap = sum(max(0, min(end, at + got) - max(begin, at)) for at, got in reads)
            covered += section["bytes"] if section["kind"] == "metadata" else 0
            self.assertEqual(overlap, section["bytes"] if section["kind"] == "metadata" else 0, section)
        self.assertGreater(covered, 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
