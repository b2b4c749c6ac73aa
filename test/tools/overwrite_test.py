# SPDX-License-Identifier: Apache-2.0
"""No program writes over a file it reads: under its own name, through a symbolic link or as a hard link, such an output
is refused with exit code 2 and one sentence, and every input keeps its bytes.

usage: overwrite_test.py YUPANA YUPANA-RUN YUPANA-OPT MODELS
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from notes import apart

YUPANA, RUN, OPT, MODELS = map(os.path.abspath, sys.argv[1:5])
TEMPLATE = "{% for message in messages %}{% endfor %}"
# What a checkpoint may hold beside what nano has.
MORE_FILES = {"chat_template.json": json.dumps({"chat_template": TEMPLATE}), "special_tokens_map.json": "{}",
              "tokenizer.model": "AA== 0\n"}
MODULE = """
plan.model "m" architecture "a" vocabulary 8 hidden 4 layers 1 parameters 0 precision "f32" begin -1 stop []
  maxima context 64 batch 1 tokens 4 rows 4
"""


def links(target, folder):
    """The file under its name, under another path, through a symbolic link, a chain of them, and as a hard link."""
    symbolic, chain, hard = folder / "symbolic", folder / "chain", folder / "hard"
    for path in (symbolic, chain, hard):
        path.unlink(missing_ok=True)
    symbolic.symlink_to(target)
    chain.symlink_to(symbolic)
    hard.hardlink_to(target)
    return {"name": target, "dots": target.parent / "." / ".." / target.parent.name / target.name, "symbolic": symbolic,
            "chain": chain, "hard": hard}


def contents(folder):
    """The bytes of the files of a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


class Overwrite(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.links = self.folder / "links"
        self.links.mkdir()

    def copy_checkpoint(self):
        copy = self.folder / "nano"
        shutil.copytree(os.path.join(MODELS, "nano"), copy, ignore=shutil.ignore_patterns("expected"))
        for name, text in MORE_FILES.items():
            if not (copy / name).exists():
                (copy / name).write_text(text)
        return copy

    def refuses(self, tool, output, *words, stdin=None):
        done = apart(subprocess.run([tool, *map(str, words)], capture_output=True, text=True, stdin=stdin, timeout=120))
        self.assertEqual(done.returncode, 2, (output, done.stderr))
        self.assertEqual(done.stderr.count("\n"), 1, "one sentence: " + done.stderr)
        self.assertTrue(done.stderr.startswith(f"{os.path.basename(tool)}: {output}: "), done.stderr)

    def refuses_each_name(self, tool, target, words, stdin=None):
        """`words` makes the command line from the name of the output."""
        for kind, output in links(target, self.links).items():
            with self.subTest(target=target.name, kind=kind):
                before = contents(target.parent)
                self.refuses(tool, output, *words(output), stdin=stdin)
                self.assertEqual(contents(target.parent), before)

    def test_compile(self):
        """Every file of a checkpoint, also those that nothing reads."""
        checkpoint = self.copy_checkpoint()
        names = set(contents(checkpoint))
        self.assertLessEqual({"config.json", "generation_config.json", "tokenizer.json", "tokenizer.model",
                              "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
                              "chat_template.json", "preprocessor_config.json"}, names)
        self.assertTrue(any(name.endswith(".safetensors") for name in names), names)
        for name in sorted(names):
            self.refuses_each_name(YUPANA, checkpoint / name,
                                   lambda output: ["compile", checkpoint, "-o", output, "--target", "x86-64-v3"])

    def test_compile_beside_a_checkpoint(self):
        """A plan in the checkpoint's folder may be compiled again: it is no input."""
        checkpoint = self.folder / "top2"
        shutil.copytree(os.path.join(MODELS, "parity", "top2"), checkpoint)
        for _ in range(2):
            done = apart(subprocess.run([YUPANA, "compile", checkpoint, "-o", checkpoint / "model.yplan", "--target",
                                         "x86-64-v3"], capture_output=True, text=True, timeout=120))
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_compile_links(self):
        """A checkpoint whose files are links, as download caches have them."""
        checkpoint = self.copy_checkpoint()
        blobs = self.folder / "blobs"
        blobs.mkdir()
        for path in list(checkpoint.iterdir()):
            path.rename(blobs / path.name)
            path.symlink_to(blobs / path.name)
        for target in [*blobs.glob("*.safetensors"), blobs / "model.safetensors.index.json"]:
            self.refuses_each_name(YUPANA, target, lambda output: ["compile", checkpoint, "-o", output])
            before = contents(blobs)
            self.refuses(YUPANA, checkpoint / target.name, "compile", checkpoint, "-o", checkpoint / target.name)
            self.assertTrue((checkpoint / target.name).is_symlink())
            self.assertEqual(contents(blobs), before)

    def test_dump_ir(self):
        """The files of --dump-ir, of phases and of kernels, are opened by name: a link among them leads to its target."""
        checkpoint = self.copy_checkpoint()
        for place in ("01-import.mlir", "kernels.x86-64-v3/gemm_0.o", "kernels.x86-64-v3/gemm_0.ll"):
            for make in (os.symlink, os.link):
                dumps = self.folder / "dumps"
                shutil.rmtree(dumps, ignore_errors=True)
                (dumps / place).parent.mkdir(parents=True, exist_ok=True)
                make(checkpoint / "config.json", dumps / place)
                before = contents(checkpoint)
                self.refuses(YUPANA, dumps / place, "compile", checkpoint, "-o", self.folder / "out.yplan", "--target",
                             "x86-64-v3", "--dump-ir", dumps)
                self.assertEqual(contents(checkpoint), before)
                self.assertFalse((self.folder / "out.yplan").exists())

    def test_export(self):
        module = self.folder / "module.mlir"
        module.write_text(MODULE)
        self.refuses_each_name(YUPANA, module, lambda output: ["export", module, "-o", output])

    def test_opt(self):
        module = self.folder / "module.mlir"
        module.write_text(MODULE)
        self.refuses_each_name(OPT, module, lambda output: [module, "-o", output])
        with module.open() as stdin:
            self.refuses_each_name(OPT, module, lambda output: ["-", "-o", output], stdin)

    def test_opt_output_that_is_lost(self):
        module = self.folder / "module.mlir"
        module.write_text(MODULE)
        full = open("/dev/full", "w")
        self.addCleanup(full.close)
        for words, stdout, name in ((["-o", "/dev/full"], subprocess.PIPE, "/dev/full"), ([], full, "standard output")):
            done = subprocess.run([OPT, module, *words], stdout=stdout, stderr=subprocess.PIPE, text=True)
            self.assertEqual((done.returncode, done.stderr),
                             (7, f"yupana-opt: {name}: cannot be written: No space left on device\n"))

    def test_run(self):
        plans = self.folder / "plans"
        plans.mkdir()
        plan, tokens, prompt = plans / "nano.yplan", plans / "tokens.json", plans / "prompt.txt"
        done = apart(subprocess.run([YUPANA, "compile", os.path.join(MODELS, "nano"), "-o", plan], capture_output=True,
                                    text=True))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        tokens.write_text("[1, 2, 3]")
        prompt.write_text("Once")
        self.refuses_each_name(RUN, plan, lambda output: [plan, "--tokens", "1,2", "--logits", output])
        self.refuses_each_name(RUN, tokens, lambda output: [plan, "--tokens", "1", "--tokens", tokens, "--logits", output])
        for flag in ("--prompt", "--user"):
            with prompt.open() as stdin:
                self.refuses_each_name(RUN, prompt, lambda output: [plan, flag, "-", "--logits", output], stdin)
        # Another file that stands there is replaced, as ever.
        logits = plans / "logits.npy"
        for _ in range(2):
            done = subprocess.run([RUN, plan, "--tokens", tokens, "--logits", logits], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
