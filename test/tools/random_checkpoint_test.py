# SPDX-License-Identifier: Apache-2.0
"""tools/random-checkpoint: the files it writes are a checkpoint that compiles and agrees with float64 truth, the same
for the same seed; its presets have the published sizes; what it refuses leaves nothing behind.

usage: random_checkpoint_test.py SCRIPT YUPANA YUPANA_RUN MODELS PARITY
"""

import hashlib
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import numpy as np

from terminal import run_on_terminal

SCRIPT, YUPANA, RUN, MODELS, PARITY = (pathlib.Path(word).resolve() for word in sys.argv[1:6])
sys.path.insert(0, str(PARITY))
import compare
import reference

SMALL = ["--preset", "mini", "--layers", 4, "--hidden-size", 64, "--intermediate-size", 48, "--intermediate-size-mlp", 80,
         "--vocab-size", 300, "--num-attention-heads", 4, "--head-dim", 16, "--num-local-experts", 6,
         "--attention-chunk-size", 16]


def command(*words):
    return [sys.executable, "-B", str(SCRIPT), *map(str, words)]


def run(*words):
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=120)


def read_shard(path):
    """{name: (type, shape, bytes)}; the ranges of the header follow each other and end with the file."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header, end, tensors = json.loads(data[8 : 8 + length]), 0, {}
    header.pop("__metadata__")
    for name, entry in header.items():
        begin, stop = entry["data_offsets"]
        assert begin == end and (8 + length) % 8 == 0, name
        tensors[name], end = (entry["dtype"], entry["shape"], data[8 + length + begin : 8 + length + stop]), stop
    assert 8 + length + end == len(data), path
    return tensors


def read_all(folder):
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= read_shard(path)
    return tensors


def load_script():
    loader = importlib.machinery.SourceFileLoader("random_checkpoint", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


class RandomCheckpoint(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.folder = pathlib.Path(self.scratch.name)

    def make(self, name, *more):
        done = run(self.folder / name, *SMALL, *more)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return self.folder / name

    def fails(self, code, part, *words):
        done = run(*words)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(part, done.stderr)
        self.assertEqual([path.name for path in self.folder.iterdir() if "tmp" in path.name], [])

    def check_parity(self, model):
        plan, logits = self.folder / "model.yplan", self.folder / "logits.npy"
        subprocess.run([YUPANA, "compile", model, "-o", plan, "--precision", "f32"], check=True, capture_output=True)
        tokens = [int(t) for t in np.random.default_rng(5).integers(0, 300, 40)]
        truth = reference.forward(str(model), tokens)
        # Activations keep their size: logits are neither flat nor out of range.
        self.assertTrue(0.3 < truth.std() < 3, truth.std())
        subprocess.run([RUN, plan, "--tokens", ",".join(map(str, tokens)), "--logits", logits], check=True)
        error = compare.errors(np.load(logits).astype(np.float64), truth)
        self.assertLessEqual(error.max(), 1e-5)

    def test_compiles_and_agrees_with_truth(self):
        self.check_parity(self.make("mixture", "--num-experts-per-tok", 2))
        self.check_parity(self.make("alternating", "--interleave-moe-layer-step", 2, "--dtype", "f32"))
        self.check_parity(self.make("dense", "--num-local-experts", 0, "--tie-word-embeddings"))

    def test_configuration_alone_gives_the_same_code(self):
        whole, alone = self.make("whole"), self.make("alone", "--config-only")
        self.assertEqual(sorted(path.name for path in alone.iterdir()), ["config.json", "generation_config.json"])
        for name in ("config.json", "generation_config.json"):
            self.assertEqual((alone / name).read_bytes(), (whole / name).read_bytes())
        subprocess.run([YUPANA, "compile", alone, "-o", self.folder / "code.yplan", "--strip-weights"], check=True,
                       capture_output=True)

    def test_seed_decides_the_bytes(self):
        digest = lambda name, *more: hashlib.sha256((self.make(name, *more) / "model.safetensors").read_bytes()).hexdigest()
        first = digest("a")
        self.assertEqual(digest("b", "--seed", 0), first)
        self.assertNotEqual(digest("c", "--seed", 1), first)

    def test_shards_change_no_tensor(self):
        """The tensors of a layer lie in several files, and every file but those of one tensor keeps to the size."""
        whole, parts = self.make("whole"), self.make("parts", "--shard-size", "100K")
        names = sorted(path.name for path in parts.glob("*.safetensors"))
        self.assertEqual(names, [f"model-{i + 1:05d}-of-{len(names):05d}.safetensors" for i in range(len(names))])
        index = json.loads((parts / "model.safetensors.index.json").read_text())
        homes = {}
        for name in names:
            shard = read_shard(parts / name)
            size = sum(len(data) for _, _, data in shard.values())
            self.assertTrue(size <= 100 << 10 or len(shard) == 1, name)
            homes |= {tensor: name for tensor in shard}
        self.assertEqual(index["weight_map"], homes)
        self.assertGreater(len({home for tensor, home in homes.items() if ".layers.1." in tensor}), 1)
        tensors = read_all(parts)
        self.assertEqual(index["metadata"]["total_size"], sum(len(data) for _, _, data in tensors.values()))
        self.assertEqual(tensors, read_all(whole))
        self.check_parity(parts)

    def test_values(self):
        """Means and deviations are those of test models; bf16 is f32 rounded to nearest even."""
        wide = read_all(self.make("wide", "--dtype", "f32", "--hidden-size", 256))
        narrow = read_all(self.make("narrow", "--hidden-size", 256))
        expected = {"layers.1.self_attn.q_proj": (0, 2 / 16), "layers.1.self_attn.k_proj": (0, 1 / 16),
                    "layers.1.feed_forward.router": (0, 4 / 16), "layers.1.feed_forward.experts.gate_up_proj": (0, 1.5 / 16),
                    "layers.1.input_layernorm": (1, 0.1), "embed_tokens": (0, 1), "lm_head": (0, 1 / 16)}
        for name, (kind, shape, data) in wide.items():
            values = np.frombuffer(data, "<f4")
            self.assertEqual((kind, values.size), ("F32", np.prod(shape)))
            bits = np.frombuffer(data, "<u4").astype(np.uint64)
            rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")
            self.assertEqual((narrow[name][0], narrow[name][2]), ("BF16", rounded.tobytes()), name)
            for part, (mean, std) in expected.items():
                if part in name:
                    self.assertAlmostEqual(values.mean(), mean, delta=6 * std / values.size ** 0.5, msg=name)
                    self.assertAlmostEqual(values.std(), std, delta=6 * std / values.size ** 0.5, msg=name)
        self.assertEqual(len({data[:64] for _, _, data in wide.values()}), len(wide), "no two tensors begin alike")

    def test_presets_have_the_published_sizes(self):
        """Parameters of the text models, and of the model of the CPU benchmarks."""
        script = load_script()
        for preset, parameters in (("scout", 107_769_861_120), ("maverick", 400_711_848_960), ("mini", 738_944_000)):
            config = script.make_config(script.parse_options(["x", "--preset", preset]))
            self.assertEqual(sum(tensor.elements for tensor in script.all_tensors(config)), parameters, preset)
        config = script.make_config(script.parse_options(["x", "--preset", "maverick", "--layers", "2"]))
        names = [tensor.name for tensor in script.all_tensors(config)]
        self.assertIn("model.layers.0.feed_forward.gate_proj.weight", names)
        self.assertIn("model.layers.1.feed_forward.experts.gate_up_proj", names)
        self.assertFalse(any(".layers.2." in name for name in names))

    def test_tokenizer(self):
        nano = MODELS / "nano"
        out = self.make("text", "--tokenizer", nano, "--vocab-size", 1536)
        self.assertEqual((out / "tokenizer.json").read_bytes(), (nano / "tokenizer.json").read_bytes())
        tokens = json.loads((nano / "generation_config.json").read_text())
        config = json.loads((out / "config.json").read_text())
        self.assertEqual(config["eos_token_id"], tokens["eos_token_id"])
        plan = self.folder / "text.yplan"
        subprocess.run([YUPANA, "compile", out, "-o", plan, "--precision", "f32"], check=True, capture_output=True)
        subprocess.run([RUN, plan, "--prompt", "Hello", "--max-new-tokens", "2"], check=True, capture_output=True)
        self.fails(4, "give --vocab-size", self.folder / "x", *SMALL, "--tokenizer", nano)
        self.fails(3, "nowhere", self.folder / "x", *SMALL, "--tokenizer", self.folder / "nowhere")

    def test_refused(self):
        out = self.folder / "x"
        self.fails(2, "--preset", out)
        self.fails(2, "'huge'", out, "--preset", "huge")
        self.fails(2, "--frobnicate", out, *SMALL, "--frobnicate")
        self.fails(2, "OUT", "--preset", "mini")
        self.fails(2, "'f8'", out, *SMALL, "--dtype", "f8")
        self.fails(2, "'two'", out, *SMALL, "--layers", "two")
        self.fails(2, "--layers: found 0", out, *SMALL, "--layers", 0)
        self.fails(2, "'0'", out, *SMALL, "--shard-size", 0)
        self.fails(2, "multiple of the 3", out, *SMALL, "--num-key-value-heads", 3)
        self.fails(2, "--head-dim: found 7", out, *SMALL, "--head-dim", 7)
        self.fails(2, "at most the 6 experts", out, *SMALL, "--num-experts-per-tok", 7)
        self.fails(7, "the disk has", out, "--preset", "maverick", "--vocab-size", (1 << 31) - 1, "--hidden-size", 1 << 20)
        self.assertFalse(out.exists())
        out.mkdir()
        (out / "mine").write_text("")
        self.fails(2, "exists", out, *SMALL)
        self.assertEqual(os.listdir(out), ["mine"])

    def test_help_and_version(self):
        self.assertIn("--num-local-experts", run("--help").stdout)
        self.assertRegex(run("--version").stdout, r"^random-checkpoint \d+\.\d+\.\d+\n$")

    def test_interrupted(self):
        process = subprocess.Popen(command(self.folder / "x", "--preset", "mini"), stderr=subprocess.PIPE)
        while not any(self.folder.glob("x.tmp.*/*.safetensors")):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        self.assertEqual((process.returncode, error), (130, b""))
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_progress(self):
        code, written = run_on_terminal(command(self.folder / "x", *SMALL))
        self.assertEqual(code, 0)
        self.assertRegex(written, r"\r\x1b\[Kwriting \[[#.]{30}\] \S+ \S+ of \S+ \S+, \S+ \S+/s, \S+ left")
        self.assertTrue(written.endswith("\r\x1b[K"), repr(written))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
