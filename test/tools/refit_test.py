# SPDX-License-Identifier: Apache-2.0
"""Plans without weights: what compile leaves out, refit puts back, to the byte, from any arrangement of the tensors; and
what the other programs say of such a plan.

usage: refit_test.py YUPANA YUPANA-RUN YUPANA-BENCH MODELS
"""

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np

from notes import apart

YUPANA, RUN, BENCH, MODELS = (pathlib.Path(word).resolve() for word in sys.argv[1:5])
NANO = MODELS / "nano"
TARGET = ["--target", "x86-64-v3"]
# Most plans here have the same kernels: each is compiled once.
KERNELS = pathlib.Path(tempfile.mkdtemp())
# Llama-4-Scout-17B-16E-Instruct, as published.
SCOUT = {
    "architectures": ["Llama4ForConditionalGeneration"],
    "model_type": "llama4",
    "text_config": {
        "model_type": "llama4_text", "vocab_size": 202048, "hidden_size": 5120, "intermediate_size": 8192,
        "intermediate_size_mlp": 16384, "num_hidden_layers": 48, "num_attention_heads": 40, "num_key_value_heads": 8,
        "head_dim": 128, "hidden_act": "silu", "max_position_embeddings": 10485760, "rms_norm_eps": 1e-5,
        "rope_theta": 500000.0, "num_local_experts": 16, "num_experts_per_tok": 1, "interleave_moe_layer_step": 1,
        "use_qk_norm": True, "no_rope_layers": [], "attention_chunk_size": 8192, "attention_bias": False,
        "bos_token_id": 200000, "eos_token_id": [200001, 200007, 200008], "pad_token_id": 200018,
        "rope_scaling": {"rope_type": "llama3", "factor": 16.0, "low_freq_factor": 1.0, "high_freq_factor": 1.0,
                         "original_max_position_embeddings": 8192},
    },
    "vision_config": {"model_type": "llama4_vision_model"},
    "torch_dtype": "bfloat16",
}


def call(program, *words):
    return apart(subprocess.run([str(word) for word in (program, *words)], capture_output=True, text=True, timeout=300))


def read_tensors(folder):
    """Every tensor of a checkpoint by name: its dtype and its bits."""
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        data = path.read_bytes()
        start = 8 + int.from_bytes(data[:8], "little")
        for name, entry in json.loads(data[8:start]).items():
            if name != "__metadata__":
                begin, end = entry["data_offsets"]
                bits = np.frombuffer(data[start + begin:start + end], {4: np.uint32, 2: np.uint16}[
                    4 if entry["dtype"] == "F32" else 2])
                tensors[name] = entry["dtype"], bits.reshape(entry["shape"])
    return tensors


def write_tensors(folder, tensors):
    """One file without an index."""
    for path in [*folder.glob("*.safetensors"), folder / "model.safetensors.index.json"]:
        path.unlink(missing_ok=True)
    header, data = {}, b""
    for name, (dtype, bits) in tensors.items():
        raw = np.ascontiguousarray(bits).tobytes()
        header[name] = {"dtype": dtype, "shape": list(bits.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)


def split_experts(tensors):
    """Fused experts [E, in, 2 * out] and [E, in, out] one by one, [out, in], as per-expert checkpoints have them."""
    out = {}
    for name, (dtype, bits) in tensors.items():
        if name.endswith("experts.gate_up_proj"):
            for expert, matrix in enumerate(bits):
                gate, up = np.split(matrix, 2, axis=1)
                stem = name.replace("gate_up_proj", f"{expert}.")
                out[stem + "gate_proj.weight"] = dtype, gate.T
                out[stem + "up_proj.weight"] = dtype, up.T
        elif name.endswith("experts.down_proj"):
            for expert, matrix in enumerate(bits):
                out[name.replace("down_proj", f"{expert}.down_proj.weight")] = dtype, matrix.T
        else:
            out[name] = dtype, bits
    return out


def without_prefix(tensors):
    return {name.replace("language_model.", ""): tensor for name, tensor in tensors.items()}


def widened(tensors):
    """BF16 as the F32 of the same value."""
    return {name: ("F32", bits.astype(np.uint32) << 16) if dtype == "BF16" else (dtype, bits)
            for name, (dtype, bits) in tensors.items()}


class Refit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.plans = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.plans)
        cls.addClassCleanup(shutil.rmtree, KERNELS)
        cls.full, cls.stripped = cls.plans / "full.yplan", cls.plans / "stripped.yplan"
        for plan, more in ((cls.full, ()), (cls.stripped, ("--strip-weights",))):
            done = call(YUPANA, "compile", NANO, "-o", plan, *TARGET, "--cache", KERNELS, *more)
            assert (done.returncode, done.stderr) == (0, ""), done.stderr

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def does(self, program, *words):
        done = call(program, *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        return done.stdout

    def fails(self, code, parts, program, *words):
        done = call(program, *words)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, "one sentence: " + done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr)

    def compile(self, model, plan, *more):
        path = self.folder / plan
        self.does(YUPANA, "compile", model, "-o", path, *TARGET, "--cache", KERNELS, *more)
        return path

    def refit(self, plan, model, *more):
        path = self.folder / "refitted.yplan"
        self.does(YUPANA, "refit", plan, model, "-o", path, *more)
        return path.read_bytes()

    def refuses(self, code, parts, plan, model, *more):
        self.fails(code, parts, YUPANA, "refit", plan, model, "-o", self.folder / "refused.yplan", *more)
        self.assertFalse([path for path in self.folder.iterdir() if path.name.startswith("refused")])

    def copy(self, model, name=None):
        """A checkpoint in a folder of the same name, since plans bear it."""
        path = self.folder / "copies" / (name or model.name)
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(model, path, ignore=shutil.ignore_patterns("expected"))
        return path

    def inspect(self, plan):
        return json.loads(self.does(YUPANA, "inspect", plan, "--json"))

    def test_every_checkpoint_comes_back(self):
        """With tensors at hand or without, from the same checkpoint, on one target and on two."""
        for model, more in ((NANO, ("--precision", "f32", "--target", "x86-64-v3,x86-64-v4-bf16")),
                            *((MODELS / "parity" / name, ()) for name in ("maverick", "tied", "per-expert"))):
            with self.subTest(model=model.name, more=more):
                target = () if "--target" in more else TARGET
                configuration = self.copy(model)
                for path in [*configuration.glob("*.safetensors"), *configuration.glob("*.index.json")]:
                    path.unlink()
                for plan, source, strip in (("full", model, []), ("with", model, ["--strip-weights"]),
                                            ("without", configuration, ["--strip-weights"])):
                    self.does(YUPANA, "compile", source, "-o", self.folder / plan, *target, "--cache", KERNELS,
                              *more, *strip)
                full = (self.folder / "full").read_bytes()
                self.assertEqual(self.refit(self.folder / "with", model, "--same-digests", "-j1"), full)
                self.assertEqual(self.refit(self.folder / "without", model, "-j3"), full)

    def test_what_is_left_out(self):
        self.assertLess(self.stripped.stat().st_size, 700_000)
        before, after = self.inspect(self.full), self.inspect(self.stripped)
        self.assertEqual(before["missing_weights"], 0)
        for whole, weight in zip(before["weights"], after["weights"], strict=True):
            self.assertEqual((whole["name"], whole["bytes"], whole["shape"]), (weight["name"], weight["bytes"], weight["shape"]))
            self.assertEqual(weight["section"] is not None, " table: " in weight["source"], weight["name"])
        self.assertEqual(after["missing_weights"], sum(weight["section"] is None for weight in after["weights"]))
        self.assertEqual(before["targets"][0]["memory"]["activations"], after["targets"][0]["memory"]["activations"])

    def test_digests(self):
        """Those of the packed bytes, for any number of threads."""
        stripped = self.stripped.read_bytes()
        for jobs in (1, 3):
            self.assertEqual(self.compile(NANO, "again.yplan", "--strip-weights", f"-j{jobs}").read_bytes(), stripped)
        report, data, checked = self.inspect(self.full), self.full.read_bytes(), 0
        for weight in report["weights"]:
            start = report["sections"][weight["section"]]["offset"] + weight["offset"]
            digest = hashlib.sha256(data[start:start + weight["bytes"]]).digest()
            self.assertEqual(digest in stripped, " table: " not in weight["source"], weight["name"])
            checked += 1
        self.assertGreater(checked, 30)

    def test_any_arrangement(self):
        """One file for three, no prefix, experts one by one, wider elements: the plan is the one that compiling just
        that checkpoint gives, and runs."""
        expected = self.folder / "expected.npy"
        self.does(RUN, self.full, "--tokens", "1,2,3,4,5", "--logits", expected)
        tensors = read_tensors(NANO)
        for name, arranged in (("one file", tensors), ("no prefix", without_prefix(tensors)),
                               ("split", split_experts(tensors)), ("wide", widened(tensors)),
                               ("all", widened(split_experts(without_prefix(tensors))))):
            with self.subTest(arrangement=name):
                copy = self.copy(NANO)
                write_tensors(copy, arranged)
                refitted = self.refit(self.stripped, copy, "--same-digests")
                if name in ("split", "all"):
                    self.assertEqual(refitted, self.compile(copy, "direct.yplan", "--precision", "bf16").read_bytes())
                logits = self.folder / "logits.npy"
                self.does(RUN, self.folder / "refitted.yplan", "--tokens", "1,2,3,4,5", "--logits", logits)
                self.assertEqual(logits.read_bytes(), expected.read_bytes())

    def test_name_and_tokenizer_are_the_plans(self):
        other = self.copy(NANO, "other-name")
        for path in [*other.glob("tokenizer*"), *other.glob("chat_template*"), other / "generation_config.json"]:
            path.unlink()
        self.assertEqual(self.refit(self.stripped, other), self.full.read_bytes())

    def test_wrong_shapes(self):
        tensors = read_tensors(NANO)
        narrow = self.copy(NANO)
        name = "language_model.model.layers.2.self_attn.k_proj.weight"
        write_tensors(narrow, {**tensors, name: (tensors[name][0], tensors[name][1][:-2])})
        self.refuses(4, [name, "[62, 128]", "[64, 128]"], self.stripped, narrow)
        for key, value, parts in (("vocab_size", 1600, ["embed_tokens", "[1600, 128]", "[1536, 128]"]),
                                  ("intermediate_size", 96, ["[16, 96, 128]", "[16, 64, 128]"]),
                                  ("num_local_experts", 8, ["[8, ", "[16, "])):
            with self.subTest(key=key):
                config = json.loads((NANO / "config.json").read_text())
                config["text_config"][key] = value
                other = self.copy(NANO)
                (other / "config.json").write_text(json.dumps(config))
                write_tensors(other, self.reshaped(tensors, key, value))
                # A model of its own, and a whole one.
                self.does(YUPANA, "compile", other, "-o", self.folder / "other.yplan", *TARGET, "--strip-weights")
                self.refuses(4, parts, self.stripped, other)
        self.refuses(4, ["scout"], self.stripped, MODELS / "parity" / "scout")

    def reshaped(self, tensors, key, value):
        """The tensors of a model in which one dimension of nano is another."""
        old = json.loads((NANO / "config.json").read_text())["text_config"][key]
        out = {}
        for name, (dtype, bits) in tensors.items():
            shape = list(bits.shape)
            if key == "vocab_size":
                shape = [value if extent == old else extent for extent in shape]
            elif key == "intermediate_size" and "gate_up_proj" in name:
                shape[2] = 2 * value
            elif key == "intermediate_size" and "experts.down_proj" in name:
                shape[1] = value
            elif key == "intermediate_size" and "shared_expert." in name:
                shape = [value if extent == old else extent for extent in shape]
            elif key == "num_local_experts" and ("experts." in name or "router" in name):
                shape[0] = value
            out[name] = dtype, np.resize(bits, shape)
        return out

    def test_tensors_the_plan_has_no_place_for(self):
        """A head of its own would be left out in silence where the plan's is tied."""
        tied = MODELS / "parity" / "tied"
        stripped = self.compile(tied, "stripped.yplan", "--strip-weights")
        untied = self.copy(tied)
        config = json.loads((tied / "config.json").read_text())
        (untied / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
        tensors = read_tensors(tied)
        write_tensors(untied, {**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"]})
        self.refuses(4, ["lm_head.weight"], stripped, untied)
        # A head that training has parted from its tied embedding is one of its own, too; one that equals it is not.
        dtype, bits = tensors["model.embed_tokens.weight"]
        parted = self.copy(tied)
        write_tensors(parted, {**tensors, "lm_head.weight": (dtype, bits ^ 1)})
        self.refuses(4, ["lm_head.weight"], stripped, parted)
        plan = self.compile(parted, "parted-stripped.yplan", "--strip-weights")
        self.refuses(4, ["parted-stripped.yplan", "lm_head.weight"], plan, tied)
        self.assertEqual(self.refit(plan, parted), self.compile(parted, "parted.yplan").read_bytes())

    def test_wrapped_names(self):
        """A plan of a checkpoint that training has wrapped takes one that it has not, and the other way."""
        tensors = read_tensors(NANO)
        wrapped = self.copy(NANO)
        write_tensors(wrapped, {"_orig_mod." + name: tensor for name, tensor in tensors.items()})
        self.assertEqual(self.refit(self.stripped, wrapped), self.compile(wrapped, "full.yplan").read_bytes())
        plan = self.compile(wrapped, "wrapped.yplan", "--strip-weights")
        self.refit(plan, NANO)
        self.refit(plan, wrapped)

    def test_values_that_are_not_finite(self):
        tensors, name = read_tensors(NANO), "language_model.model.layers.1.feed_forward.router.weight"
        bits = tensors[name][1].copy()
        bits[3, 5] = 0xFF80
        other = self.copy(NANO)
        write_tensors(other, {**tensors, name: (tensors[name][0], bits)})
        self.refuses(4, [name, "-Inf", f"element {3 * bits.shape[1] + 5}"], self.stripped, other)
        self.refit(self.stripped, other, "--allow-nonfinite")

    def test_other_values(self):
        tensors, name = read_tensors(NANO), "language_model.model.layers.1.feed_forward.router.weight"
        bits = tensors[name][1].copy()
        bits[3, 5] ^= 1
        other = self.copy(NANO)
        write_tensors(other, {**tensors, name: (tensors[name][0], bits)})
        self.refuses(8, ["layers.1.router", name, "stripped.yplan"], self.stripped, other, "--same-digests")
        self.assertNotEqual(self.refit(self.stripped, other), self.full.read_bytes())
        sized = self.copy(NANO)
        for path in sized.glob("*.safetensors"):
            path.unlink()
        plan = self.compile(sized, "sized.yplan", "--strip-weights")
        self.refuses(4, ["sized.yplan", "digest"], plan, NANO, "--same-digests")

    def test_what_refit_refuses(self):
        self.refuses(4, ["full.yplan", "--strip-weights"], self.full, NANO)
        self.refuses(3, ["nowhere"], self.folder / "nowhere", NANO)
        self.refuses(3, ["config.json"], self.stripped, self.folder)
        for word in (self.stripped, NANO / "config.json"):
            before = word.read_bytes()
            self.fails(2, [str(word)], YUPANA, "refit", self.stripped, NANO, "-o", word)
            self.assertEqual(word.read_bytes(), before)
        self.fails(2, ["PLAN"], YUPANA, "refit", self.stripped, "-o", "x")
        self.fails(2, ["-o"], YUPANA, "refit", self.stripped, NANO)
        data = bytearray(self.stripped.read_bytes())
        code = next(section for section in self.inspect(self.stripped)["sections"] if section["kind"] == "host_code")
        data[code["offset"] + code["bytes"] // 2] ^= 1
        damaged = self.folder / "damaged.yplan"
        damaged.write_bytes(data)
        self.refuses(8, ["damaged.yplan"], damaged, NANO)
        bare = self.copy(NANO)
        for path in bare.glob("*.safetensors"):
            path.unlink()
        self.refuses(3, ["safetensors"], self.stripped, bare)

    def test_other_programs(self):
        self.fails(4, ["stripped.yplan", "no weights", "yupana refit"], RUN, self.stripped, "--tokens", "1,2")
        self.fails(4, ["no weights", "--random-weights"], BENCH, self.stripped)
        self.assertIn("fill it with yupana refit", self.does(YUPANA, "inspect", self.stripped))
        self.assertIn("fill it with yupana refit", self.does(YUPANA, "verify", self.stripped))
        text, report = self.does(YUPANA, "check", self.stripped), json.loads(self.does(YUPANA, "check", self.stripped, "--json"))
        self.assertIn("fill it with yupana refit", text)
        self.assertGreater(report["missing_weights"], 30)
        whole = json.loads(self.does(YUPANA, "check", self.full, "--json"))
        self.assertEqual(whole["missing_weights"], 0)
        # What it needs is what it will need.
        self.assertLess(abs(whole["memory"]["weights"] - report["memory"]["weights"]), 1 << 20)
        self.fails(2, ["full.yplan", "--random-weights"], BENCH, self.full, "--random-weights")
        self.assertNotIn("refit", self.does(YUPANA, "check", self.full))

    def test_random_weights(self):
        """They are counted as real ones are, and steps run on them."""
        short = ["--repetitions", 1, "--warmup", 0, "--prompt-tokens", 20, "--max-new-tokens", 10, "--json"]
        odd = MODELS / "parity" / "odd"
        stripped, full = self.compile(odd, "s.yplan", "--strip-weights"), self.compile(odd, "full.yplan")
        random = json.loads(self.does(BENCH, stripped, "--random-weights", *short))
        real = json.loads(self.does(BENCH, full, *short))
        self.assertTrue(random["random_weights"])
        self.assertFalse(real["random_weights"])
        self.assertEqual(random["decode"]["bytes_per_token"], real["decode"]["bytes_per_token"])
        self.assertGreater(random["decode"]["tokens_per_s"]["median"], 0)

    def test_scout(self):
        """The released model of 218 GB, compiled from its configuration."""
        folder = self.folder / "Llama-4-Scout-17B-16E-Instruct"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(SCOUT))
        plan = self.compile(folder, "scout.yplan", "--strip-weights", "--max-context", "16384")
        self.assertLess(plan.stat().st_size, 20_000_000)
        report = self.inspect(plan)
        self.assertEqual(report["model"]["precision"], "bf16")
        self.assertEqual(report["model"]["parameters"], 107_769_861_120)
        self.assertGreater(sum(weight["bytes"] for weight in report["weights"]), 215_000_000_000)
        self.does(YUPANA, "verify", plan)
        self.refuses(4, ["scout.yplan"], plan, NANO)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
