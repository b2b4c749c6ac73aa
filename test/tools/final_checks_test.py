# SPDX-License-Identifier: Apache-2.0
"""What `yupana compile` finds before the work or after it: models that no plan holds, names that no plan takes, outputs
that cannot be written, and checkpoints that change meanwhile. Nothing is left of a plan that was refused.

usage: final_checks_test.py YUPANA MODELS
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from notes import apart

YUPANA, MODELS = map(os.path.abspath, sys.argv[1:3])


class FinalChecks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # One compilation makes the kernels for all of them.
        cache = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cache)
        cls.common = ["--target", "x86-64-v3", "--cache", cache]

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.plan = self.folder / "out.yplan"

    def checkpoint(self, name="nano"):
        copy = os.path.join(os.fsencode(self.folder), os.fsencode(name))
        shutil.copytree(os.fsencode(os.path.join(MODELS, "nano")), copy, ignore=lambda *_: [b"expected"])
        return copy

    def compile(self, checkpoint, *options, plan=None):
        words = [YUPANA, "compile", checkpoint, "-o", plan or self.plan, *self.common, *options]
        return apart(subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=250))

    def refused(self, done, code, *parts):
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr)
        self.assertEqual([path.name for path in self.folder.iterdir() if "yplan" in path.name], [])

    def change_config(self, checkpoint, change):
        path = os.path.join(checkpoint, b"config.json")
        config = json.loads(pathlib.Path(os.fsdecode(path)).read_text())
        change(config)
        pathlib.Path(os.fsdecode(path)).write_text(json.dumps(config))

    def strip(self, checkpoint):
        """Leaves a configuration alone."""
        for name in os.listdir(checkpoint):
            if name != b"config.json":
                os.remove(os.path.join(checkpoint, name))
        return checkpoint

    def model_of(self, plan):
        done = subprocess.run([YUPANA, "inspect", plan, "--json"], capture_output=True, timeout=60, check=True)
        return json.loads(done.stdout)["model"]["name"]

    def test_names_of_folders(self):
        for name, found in ((b"na\xffno", "na\ufffdno"), (b"a\x1b[2Jb\nc", "a\ufffd[2Jb\ufffdc")):
            done = self.compile(self.checkpoint(name), "--strip-weights")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.model_of(self.plan), found)

    def test_names_given(self):
        checkpoint = self.checkpoint()
        self.refused(self.compile(checkpoint, "--name", "a\x1b[2J"), 2, "--name is 'a\\x1b[2J', expected UTF-8 without control")
        self.refused(self.compile(checkpoint, "--name", b"\xff"), 2, "--name is '\\xff', expected UTF-8")
        self.refused(self.compile(checkpoint, "--name", "n" * 4097), 2, "--name has 4097 bytes, expected at most 4096")

    def test_many_stop_tokens(self):
        checkpoint = self.strip(self.checkpoint())

        def change(config):
            config["text_config"]["vocab_size"] = 8192
            config["text_config"]["eos_token_id"] = list(range(5000))
        self.change_config(checkpoint, change)
        self.refused(self.compile(checkpoint, "--strip-weights"), 5, "eos_token_id names 5000 tokens", "at most 4096")

    def test_many_layers(self):
        checkpoint = self.strip(self.checkpoint())
        self.change_config(checkpoint, lambda config: config["text_config"].update(num_hidden_layers=4097))
        self.refused(self.compile(checkpoint, "--strip-weights"), 5, "num_hidden_layers is 4097, a plan holds at most 4096")

    def test_outputs(self):
        # A weight that is refused when it is read shows that the output was looked at before.
        checkpoint = self.checkpoint()
        for shard in pathlib.Path(os.fsdecode(checkpoint)).glob("*.safetensors"):
            data = bytearray(shard.read_bytes())
            start = 8 + int.from_bytes(data[:8], "little")
            for name, tensor in json.loads(data[8:start]).items():
                if name.endswith("layers.0.input_layernorm.weight"):
                    at = start + tensor["data_offsets"][0]
                    data[at:at + 4] = b"\xff" * 4
            shard.write_bytes(data)
        self.refused(self.compile(checkpoint), 4, "NaN")
        missing = self.folder / "missing" / "out"
        self.refused(self.compile(checkpoint, plan=missing), 3, f"{missing}: cannot create a file in its folder")
        self.refused(self.compile(checkpoint, plan=f"{self.folder}/"), 7, "is not a regular file")
        self.refused(self.compile(checkpoint, plan="/dev/full"), 7, "is not a regular file")

    def test_changed_meanwhile(self):
        def touch(path):
            os.utime(path, ns=(1, 1))

        def grow(path):
            with open(path, "ab") as file:
                file.write(b"\n")

        for number, (change, name, code, part) in enumerate((
                (touch, b"model-00002-of-00003.safetensors", 4, "was modified while it was compiled"),
                (grow, b"generation_config.json", 4, "changed while it was compiled, from"),
                (os.remove, b"tokenizer.json", 3, "was there when compiling began and is gone"))):
            checkpoint = self.checkpoint(f"nano{number}")
            dump = self.folder / f"dump{number}"
            words = [YUPANA, "compile", checkpoint, "-o", self.plan, *self.common, "--dump-ir", dump]
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            # The first phase is dumped long after the checkpoint was opened and long before the end.
            deadline = time.monotonic() + 60
            while not (dump.is_dir() and any(dump.iterdir())) and time.monotonic() < deadline:
                time.sleep(0.005)
            change(os.path.join(checkpoint, name))
            out, err = process.communicate(timeout=250)
            done = apart(subprocess.CompletedProcess(words, process.returncode, out, err))
            self.refused(done, code, os.fsdecode(name) + ": " + part, "no plan was written")

    def test_slow_template(self):
        checkpoint = self.checkpoint()
        text = "a" * 60000
        pathlib.Path(os.fsdecode(checkpoint), "chat_template.jinja").write_text(
            "{% set h='" + text + "' %}{% set n='" + text[30000:] + "b' %}" + "{% if n in h %}{% endif %}" * 1000)
        done = self.compile(checkpoint, "--strip-weights")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len([note for note in done.notes if "it takes more than" in note]), 1, done.notes)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
