# SPDX-License-Identifier: Apache-2.0
"""Long work shows a bar on a terminal, which is gone when the work is done, and nothing in a pipe.

usage: progress_test.py YUPANA YUPANA_RUN MODELS
"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

from notes import split_notes
from terminal import run_on_terminal

YUPANA, RUN, MODELS = map(pathlib.Path, sys.argv[1:4])
REMOVE = "\r\x1b[K"


class Progress(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.plan = pathlib.Path(cls.scratch.name) / "model.yplan"
        cls.compile = [YUPANA, "compile", MODELS / "parity/odd", "-o", cls.plan, "--precision", "f32"]
        subprocess.run(cls.compile, check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def commands(self):
        return {"weights": self.compile, "verify": [YUPANA, "verify", self.plan],
                "loading": [RUN, self.plan, "--tokens", "1,2", "--max-new-tokens", "1", "--json"]}

    @staticmethod
    def drawn(words, **options):
        """What is written to the terminal but for notes."""
        code, written = run_on_terminal(words, **options)
        return code, split_notes(written.replace("\r\n", "\n"))[1]

    def test_terminal(self):
        for label, words in self.commands().items():
            code, written = self.drawn(words)
            self.assertEqual(code, 0, written)
            self.assertRegex(written, rf"\r\x1b\[K{label} \[[#.]{{30}}\] \S+ \S+ of \S+ \S+, \S+ \S+/s, \S+ left")
            self.assertTrue(written.endswith(REMOVE), repr(written[-200:]))
            # Every drawing starts by removing the one before: nothing else is ever written.
            self.assertTrue(all(not part or part.startswith(label) for part in written.split(REMOVE)), repr(written))

    def test_narrow_terminal(self):
        for label, words in self.commands().items():
            _, written = self.drawn(words, columns=40)
            lines = [part for part in written.split(REMOVE) if part]
            self.assertTrue(lines and all(len(line) < 40 and line.startswith(label + " ") for line in lines), lines)

    def test_pipe(self):
        for words in self.commands().values():
            done = subprocess.run(words, capture_output=True)
            self.assertEqual((done.returncode, split_notes(done.stderr.decode())[1]), (0, ""), words)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
