# SPDX-License-Identifier: Apache-2.0
"""The command line of yupana: exit codes, sentences, and that a plan depends on nothing but its checkpoint.

usage: tool_test.py YUPANA MODELS
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from notes import apart

YUPANA, MODELS = map(os.path.abspath, sys.argv[1:3])
NANO = os.path.join(MODELS, "nano")
SMALL = os.path.join(MODELS, "parity", "top2")
EXPORTS = """
plan.model "m" architecture "a" vocabulary 8 hidden 4 layers 1 parameters 0 precision "f32" begin -1 stop []
  maxima context 64 batch 1 tokens 4 rows 4
lm.table @t from #lm.temperature_table<scale = 0.1, count = 9> as tensor<9xf32>
plan.weight @t layout "row-major"
"""


def run(*words, cwd=None):
    return apart(subprocess.run([YUPANA, *words], capture_output=True, text=True, errors="backslashreplace", cwd=cwd,
                                timeout=120))


class Tool(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def fails(self, code, part, *words, cwd=None):
        done = run(*words, cwd=cwd)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(part, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, "one sentence: " + done.stderr)
        self.assertTrue(done.stderr.startswith("yupana: "), done.stderr)

    def test_help(self):
        for words in (["--help"], ["compile", "--help"], ["check", "--help"], ["inspect", "--help"],
                      ["verify", "--help"], ["export", "--help"], ["refit", "--help"], ["targets", "--help"],
                      ["version", "--help"]):
            done = run(*words)
            self.assertEqual((done.returncode, done.stderr), (0, ""), words)
            self.assertIn("usage: yupana", done.stdout)
        self.assertEqual(run().returncode, 2)

    def test_version(self):
        self.assertRegex(run("version").stdout, r"^yupana \d+\.\d+\.\d+ \(plan format \d+\.\d+, LLVM 22")
        self.assertEqual(run("--version").stdout, run("version").stdout)

    def test_targets(self):
        targets = json.loads(run("targets", "--json").stdout)
        known = {target["name"]: target for target in targets}
        self.assertEqual([name for name in known if known[name]["kind"] == "cpu"],
                         ["x86-64-v3", "x86-64-v4", "x86-64-v4-bf16", "x86-64-v4-amx"])
        self.assertEqual(known["sm_90a"]["kind"], "gpu")
        self.assertTrue(known["x86-64-v3"]["code_generator"])
        self.assertTrue(known["x86-64-v4-amx"]["code_generator"])
        # What runs here is what the machine says of itself, and each level needs those below it.
        with open("/proc/cpuinfo") as cpuinfo:
            features = cpuinfo.read()
        self.assertEqual(known["x86-64-v4-bf16"]["runs_here"], "avx512_bf16" in features)
        self.assertEqual(known["x86-64-v4-amx"]["runs_here"], "amx_bf16" in features)
        levels = [target["runs_here"] for target in targets if target["kind"] == "cpu" and target["code_generator"]]
        self.assertEqual(levels, sorted(levels, reverse=True))
        for line, target in zip(run("targets").stdout.splitlines()[1:], targets, strict=True):
            self.assertEqual(line.split(), [target["name"], target["kind"], "yes" if target["code_generator"] else "no",
                                            "yes" if target["runs_here"] else "no"])
        self.fails(2, "expected nothing after targets", "targets", "x86-64-v3")

    def test_usage(self):
        out = self.path("p.yplan")
        self.fails(2, "'conpile'", "conpile")
        self.fails(2, "empty argument", "compile", "", "-o", out)
        self.fails(2, "empty argument", "inspect", "")
        self.fails(2, "empty argument", "refit", out, "", "-o", out)
        self.fails(2, "--name", "compile", SMALL, "-o", out, "--name", "")
        self.fails(2, "--name is 'a\\xff'", "compile", SMALL, "-o", out, b"--name=a\xff")
        self.fails(2, "'--fast'", "compile", SMALL, "-o", out, "--fast")
        self.fails(2, "-o", "compile", SMALL)
        self.fails(2, "FOLDER", "compile", "-o", out)
        self.fails(2, "twice", "compile", SMALL, "-o", out, "-o", out)
        self.fails(2, "needs a value", "compile", SMALL, "-o")
        self.fails(2, "--max-batch", "compile", SMALL, "-o", out, "--max-batch", "0")
        self.fails(2, "'eight'", "compile", SMALL, "-o", out, "--max-batch", "eight")
        self.fails(2, "'f31'", "compile", SMALL, "-o", out, "--precision", "f31")
        self.fails(2, "'sparc'", "compile", SMALL, "-o", out, "--target", "sparc", "--precision", "f32")
        self.fails(2, "takes no value", "inspect", out, "--json=yes")
        self.fails(2, "--emit", "compile", SMALL, "-o", out, "--target", "x86-64-v3", "--emit=ptx")
        self.fails(2, "--cache", "compile", SMALL, "-o", out, "--cache", "")
        self.fails(2, "--max-step-tokens", "compile", SMALL, "-o", out, "--precision", "f32", "--max-batch", "9",
                   "--max-step-tokens", "8")
        self.assertEqual(os.listdir(self.folder), [])

    def test_not_in_this_version(self):
        out = self.path("p.yplan")
        self.fails(5, "--quantize", "compile", SMALL, "-o", out, "--quantize", "fp8")

    def test_files(self):
        out = self.path("p.yplan")
        self.fails(3, "nowhere", "compile", self.path("nowhere"), "-o", out, "--precision", "f32")
        self.fails(3, "nowhere", "inspect", self.path("nowhere"))
        self.fails(3, "nowhere", "verify", self.path("nowhere"))
        self.fails(3, "nowhere", "export", self.path("nowhere"), "-o", out)
        with open(out, "wb") as file:
            file.write(b"no plan" * 100)
        self.fails(4, "p.yplan", "inspect", out)

    def test_export_refuses(self):
        module, out = self.path("m.mlir"), self.path("p.yplan")
        for text, part in (("plan.", "m.mlir"), (EXPORTS, "plan.target"),
                           (EXPORTS.replace("lm.table", "lm.tible"), "tible")):
            with open(module, "w") as file:
                file.write(text)
            self.fails(4, part, "export", module, "-o", out)

    def test_plan_is_the_same(self):
        """-j, the working folder, the way a path is written and what stood there before do not matter, nor does
        --batch-invariant on a CPU."""
        first = self.path("first.yplan")
        done = run("compile", SMALL, "-o", first, "--precision", "f32", "--target", "x86-64-v3", "-j", "1")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        copy = self.path(os.path.basename(SMALL))
        shutil.copytree(SMALL, copy)
        done = run("compile", "./" + os.path.basename(SMALL) + "/", "-o", "second.yplan", "--precision=f32",
                   "--target=x86-64-v3", "-j3", "--batch-invariant", cwd=self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        with open(first, "rb") as a, open(self.path("second.yplan"), "rb") as b:
            self.assertEqual(a.read(), b.read())
        self.assertEqual(run("verify", first).returncode, 0)

    def test_cache(self):
        """Kernels are taken from --cache, and the plan does not show it."""
        cache, plans = self.path("cache"), []
        words = ("compile", SMALL, "--precision", "f32", "--target", "x86-64-v3")
        for name, more in (("without", ()), ("empty", ("--cache", cache)), ("full", ("--cache", cache))):
            plan = self.path(name + ".yplan")
            done = run(*words, "-o", plan, *more)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            with open(plan, "rb") as file:
                plans.append(file.read())
            kept = {entry: os.stat(os.path.join(cache, entry)).st_mtime_ns for entry in os.listdir(cache)} if more else {}
            if name == "full":
                self.assertEqual(kept, first)
            first = kept
        self.assertGreater(len(first), 3)
        self.assertEqual(plans[0], plans[1])
        self.assertEqual(plans[0], plans[2])
        with open(self.path("file"), "w") as file:
            file.write("x")
        self.fails(3, self.path("file"), *words, "-o", self.path("p.yplan"), "--cache", self.path("file/cache"))

    def test_precision(self):
        """Without being told, a checkpoint is stored in float32 if all of it is, else in bfloat16; half the bytes."""
        rounded, plain = self.path("rounded.yplan"), self.path("plain.yplan")
        full = self.path("full.yplan")
        ties = os.path.join(MODELS, "parity", "ties")
        for model, plan, more in ((ties, rounded, ()), (ties, full, ("--precision", "f32")), (SMALL, plain, ())):
            self.assertEqual(run("compile", model, "-o", plan, "--target", "x86-64-v3", *more).returncode, 0)
        reports = [json.loads(run("inspect", plan, "--json").stdout) for plan in (rounded, full, plain)]
        self.assertEqual([report["model"]["precision"] for report in reports], ["bf16", "f32", "f32"])
        elements = [{weight["name"]: weight["element"] for weight in report["weights"]} for report in reports]
        self.assertEqual(elements[0]["embedding"], "bf16")
        self.assertEqual(set(elements[1].values()), {"f32"})
        groups = [sum(group["page_bytes"] for group in report["cache_groups"]) for report in reports]
        self.assertEqual(groups[1], 2 * groups[0])
        text = run("inspect", rounded).stdout
        for part in ("bf16", "panel32x2"):
            self.assertIn(part, text)
        self.assertEqual(run("verify", rounded).returncode, 0)

    def name_of(self, folder, *more, cwd=None):
        plan = self.path("named.yplan")
        done = run("compile", folder, "-o", plan, "--target", "x86-64-v3", "--strip-weights", *more, cwd=cwd)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(run("inspect", plan, "--json").stdout)["model"]["name"]

    def test_name(self):
        """What a plan calls its model: as told, else as the folder, or as the repository in a cache of the hub."""
        config = os.path.join(SMALL, "config.json")
        cached = self.path("models--acme--Tiny-Llama/snapshots/0123abcd")
        for folder in (cached, self.path("snapshots/plain")):
            os.makedirs(folder)
            shutil.copy(config, folder)
        self.assertEqual(self.name_of(cached), "Tiny-Llama")
        self.assertEqual(self.name_of(".", cwd=cached), "Tiny-Llama")
        self.assertEqual(self.name_of(cached + "/", "--name", "mine"), "mine")
        self.assertEqual(self.name_of(self.path("snapshots/plain")), "plain")
        strange = self.path("odd") + os.fsdecode(b"\xff")
        shutil.copytree(cached, strange)
        self.assertEqual(self.name_of(strange), "odd\ufffd")

    def test_inspect_and_damage(self):
        plan = self.path("p.yplan")
        ir = self.path("ir")
        done = run("compile", SMALL, "-o", plan, "--precision", "f32", "--target", "x86-64-v4,x86-64-v3",
                   "--dump-ir", ir, "--max-context", "128")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        names = os.listdir(ir)
        for name in ("01-import.mlir", "02-to-kernel.x86-64-v3.mlir", "04-fuse.x86-64-v4.mlir", "08-plan.mlir"):
            self.assertIn(name, names)
        report = json.loads(run("inspect", plan, "--json").stdout)
        self.assertEqual([target["name"] for target in report["targets"]], ["x86-64-v3", "x86-64-v4"])
        self.assertEqual(report["limits"]["max_context"], 128)
        # Two of eight experts take part in a token, and everything else.
        routed = sum(64 * 32 * 8 * 3 for _ in range(report["model"]["layers"]))
        self.assertEqual(report["model"]["active_parameters"], report["model"]["parameters"] - routed * 6 // 8)
        self.assertEqual(report["bytes"], os.path.getsize(plan))
        self.assertNotIn("tokenizer", report)
        for target in report["targets"]:
            memory = target["memory"]
            parts = ("weights", "activations", "cache", "inputs", "code")
            self.assertEqual(memory["total"], sum(memory[part] for part in parts))
            for arena in target["arenas"]:
                self.assertLessEqual(arena["peak_bytes"], arena["bytes"])
            # Launches stand in the order of the layers, and every layer has some.
            step = next(program for program in target["programs"] if program["function"] == "step")
            layers = [launch["layer"] for launch in step["launches"] if "layer" in launch]
            self.assertEqual(layers, sorted(layers))
            self.assertEqual(set(layers), set(range(report["model"]["layers"])))
            self.assertNotIn("layer", step["launches"][-1], "the head")
        # One packed form for both targets: every weight is stored once.
        self.assertEqual(len({weight["name"] for weight in report["weights"]}), len(report["weights"]))
        text = run("inspect", plan).stdout
        for part in ("tokenizer    none", "Target x86-64-v3", "Target x86-64-v4", "panel32", "per layer", "layers 0 1 2: ",
                     "layer 3: ", "outside layers: ", "arena activations"):
            self.assertIn(part, text)

        weights = next(section for section in report["sections"] if section["kind"] == "weights")
        with open(plan, "r+b") as file:
            file.seek(weights["offset"] + weights["bytes"] // 2)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 1]))
        self.fails(8, "p.yplan", "verify", plan)

    def test_interrupt(self):
        """Ctrl-C ends with 130 and leaves neither a plan nor a temporary file, whenever it comes."""
        for delay in (0.0, 0.02, 0.1, 0.3):
            plan = self.path("p.yplan")
            process = subprocess.Popen([YUPANA, "compile", NANO, "-o", plan, "--precision", "f32"],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            process.stderr.readline()  # the target is printed: the work has begun
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            self.assertIn(process.returncode, (0, 130))
            left = os.listdir(self.folder)
            self.assertEqual(left, [] if process.returncode else ["p.yplan"])
            if left:
                os.remove(plan)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
