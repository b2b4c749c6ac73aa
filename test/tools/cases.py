# SPDX-License-Identifier: Apache-2.0
"""The project's own folders as users bring them: each is a copy of a model of the tests, changed as `change` says."""

import json
import pathlib
import shutil
from collections import namedtuple

import numpy as np

Case = namedtuple("Case", "name model does change options", defaults=((),))
LAYER = "language_model.model.layers."
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 7\n"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")


class Folder:
    """A checkpoint that can be changed."""

    def __init__(self, path):
        self.path = path

    def json(self, name, change):
        """`change` gets the parsed file and edits it in place; a file that is not there begins empty."""
        path = self.path / name
        content = json.loads(path.read_text()) if path.exists() else {}
        change(content)
        path.write_text(json.dumps(content))

    def config(self, change):
        self.json("config.json", lambda root: change(root.get("text_config", root)))

    def tensors(self):
        out = {}
        for path in sorted(self.path.glob("*.safetensors")):
            data = path.read_bytes()
            start = 8 + int.from_bytes(data[:8], "little")
            for name, entry in json.loads(data[8:start]).items():
                if name != "__metadata__":
                    begin, end = (start + offset for offset in entry["data_offsets"])
                    bits = np.frombuffer(data[begin:end], np.uint16 if entry["dtype"] == "BF16" else np.uint32)
                    out[name] = bits.reshape(entry["shape"])
        return out

    def save(self, tensors, metadata=None):
        """One model.safetensors of the tensors, BF16 or F32 by the width of their elements."""
        for path in (*self.path.glob("*.safetensors"), *self.path.glob("*.index.json")):
            path.unlink()
        header, offset = {"__metadata__": metadata}, 0
        for name, bits in tensors.items():
            header[name] = {"dtype": "BF16" if bits.itemsize == 2 else "F32", "shape": bits.shape,
                            "data_offsets": [offset, offset + bits.nbytes]}
            offset += bits.nbytes
        text = json.dumps(header).encode()
        data = [np.ascontiguousarray(bits).tobytes() for bits in tensors.values()]
        (self.path / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"".join(data))

    def rename(self, name):
        self.save({name(old): bits for old, bits in self.tensors().items()})

    def add(self, **tensors):
        """Tensors whose names are written with __ for a point."""
        self.save({**self.tensors(), **{name.replace("__", "."): bits for name, bits in tensors.items()}})

    def write(self, name, content):
        (self.path / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    def remove(self, *names):
        for name in names:
            (self.path / name).unlink()

    def experts(self, layout):
        """`layout(gate, up, down)`, arrays [experts, out, in], gives tensors by the ends of their names."""
        tensors, out = self.tensors(), {}
        for name, bits in tensors.items():
            if name.endswith("experts.gate_up_proj"):
                gate, up = np.split(bits, 2, axis=2)
                down = tensors[name.replace("gate_up_proj", "down_proj")]
                new = layout(*(part.transpose(0, 2, 1) for part in (gate, up, down)))
                out |= {name.replace("gate_up_proj", end): part for end, part in new.items()}
            elif not name.endswith("experts.down_proj"):
                out[name] = bits
        self.save(out)


def row(*values):
    return np.array(values, np.uint16)


def poke(folder, value):
    tensors = folder.tensors()
    bits = tensors[LAYER + "1.self_attn.k_proj.weight"].copy()
    bits[3, 7] = value
    folder.save({**tensors, LAYER + "1.self_attn.k_proj.weight": bits})


def large(folder):
    """The largest float32 in a weight."""
    tensors = folder.tensors()
    name = next(name for name in tensors if "q_proj" in name)
    bits = tensors[name].copy()
    bits.flat[0] = 0x7F7FFFFF
    folder.save({**tensors, name: bits})


def newer_rope(text):
    """As transformers 5 writes it, with what the older spelling says left in place."""
    scaling = text["rope_scaling"]
    text["rope_parameters"] = {**{key: float(value) for key, value in scaling.items() if key != "rope_type"},
                               "rope_type": scaling["rope_type"], "rope_theta": text["rope_theta"]}
    text["rope_scaling"] = {**scaling, "type": scaling["rope_type"]}


def other_rope(text):
    newer_rope(text)
    text["rope_parameters"]["high_freq_factor"] = 7.5


def wrap_layers(name):
    return name.replace("layers.1.", "layers.1._fsdp_wrapped_module.").replace("self_attn.", "self_attn._orig_mod.")


def no_end(folder):
    folder.config(lambda text: text.update(eos_token_id=None))
    folder.json("generation_config.json", lambda root: root.pop("eos_token_id"))
    folder.json("tokenizer_config.json", lambda root: root.update(eos_token="</s>"))
    folder.remove("special_tokens_map.json")


def set_split(root):
    root["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = LLAMA3


def index_of_gone(folder):
    folder.remove("model-00002-of-00003.safetensors")


SCOUT, NANO = "parity/scout", "nano"
ALL = [
    Case("stacked-experts", SCOUT, f"same {SCOUT}", lambda f: f.experts(
        lambda gate, up, down: {"gate_proj.weight": gate, "up_proj.weight": up, "down_proj.weight": down})),
    Case("stacked-pairs", SCOUT, f"same {SCOUT}", lambda f: f.experts(
        lambda gate, up, down: {"gate_up_proj.weight": np.concatenate((gate, up), 1), "down_proj.weight": down})),
    Case("other-experts", SCOUT, "refused 4 gate_up_proj 'language_model.model.layers.0.feed_forward.experts.w1'",
         lambda f: f.experts(lambda gate, up, down: {"w1": gate, "w2": down, "w3": up})),
    Case("peft-prefix", SCOUT, f"same {SCOUT} 'base_model.model.'", lambda f: f.rename(lambda n: "base_model.model." + n)),
    Case("inner-wrappers", SCOUT, f"same {SCOUT} wrappers _orig_mod", lambda f: f.rename(wrap_layers)),
    Case("mixed-prefix", SCOUT, "refused 4 'module.' 'language_model.lm_head.weight'",
         lambda f: f.rename(lambda n: n if "lm_head" in n else "module." + n)),
    Case("other-prefix", SCOUT, "refused 4 'transformer.language_model.model.embed_tokens.weight'",
         lambda f: f.rename(lambda n: "transformer." + n)),
    Case("value-head", SCOUT, f"same {SCOUT} 2 tensors 'rotary.inv_freq'",
         lambda f: f.add(v_head__summary__weight=row(1, 2), rotary__inv_freq=row(3))),
    Case("lora-weights", SCOUT, "refused 4 lora_A.weight merge",
         lambda f: f.add(language_model__model__layers__0__self_attn__q_proj__lora_A__weight=row(1))),
    Case("layer-too-many", SCOUT, "refused 4 layers.9.input_layernorm.weight 'num_hidden_layers'",
         lambda f: f.add(language_model__model__layers__9__input_layernorm__weight=row(1))),
    Case("stray-tensor", SCOUT, "refused 4 'mtp.norm.weight'", lambda f: f.add(mtp__norm__weight=row(1))),
    Case("tied-and-equal", "parity/tied", "same parity/tied", lambda f: f.add(
        lm_head__weight=f.tensors()["model.embed_tokens.weight"])),
    Case("infinite-weight", SCOUT, "refused 4 layers.1.self_attn.k_proj.weight -Inf 199", lambda f: poke(f, 0xFF80)),
    Case("infinite-insisted", SCOUT, "not-finite", lambda f: poke(f, 0x7F80), ("--allow-nonfinite",)),
    Case("large-for-bf16", "parity/top2", "refused 4 q_proj rounds element 0", large, ("--precision", "bf16")),
    Case("large-in-f32", "parity/top2", "noted", large),
    Case("rope-as-transformers-5", SCOUT, f"same {SCOUT}", lambda f: f.config(newer_rope)),
    Case("rope-that-differs", SCOUT, "refused 4 rope_parameters.high_freq_factor 7.5 rope_scaling.high_freq_factor",
         lambda f: f.config(other_rope)),
    Case("numbers-of-python", SCOUT, f"same {SCOUT}", lambda f: f.config(lambda text: text.update(
        model_type="llama4", hidden_size=float(text["hidden_size"]), router_jitter_noise=float("-inf")))),
    Case("shard-gone", SCOUT, "refused 3 model-00002-of-00003.safetensors model.safetensors.index.json tensor",
         index_of_gone),
    Case("html-for-config", SCOUT, "refused 4 config.json web page", lambda f: f.write("config.json", "<!DOCTYPE html>\n")),
    Case("pointer-for-a-tokenizer", NANO, "refused 4 tokenizer.json Git LFS", lambda f: f.write("tokenizer.json", POINTER)),
    Case("archive-for-weights", SCOUT, "refused 4 zip", lambda f: f.write("model-00001-of-00003.safetensors", b"PK\3\4" + b"\0" * 60)),
    Case("gguf-alone", SCOUT, "refused 5 'scout.gguf' llama.cpp", lambda f: (f.remove(
        *(path.name for path in f.path.glob("*.safetensors*"))), f.write("scout.gguf", b"GGUF"))),
    Case("adapter-beside-a-model", SCOUT, "refused 4 adapter 'acme/base'",
         lambda f: f.json("adapter_config.json", lambda root: root.update(base_model_name_or_path="acme/base"))),
    Case("split-of-llama-3", NANO, "stops", lambda f: f.json("tokenizer.json", set_split)),
    Case("unigram", NANO, "noted model.type token ids alone",
         lambda f: f.json("tokenizer.json", lambda root: root["model"].update(type="Unigram"))),
    Case("tokenizer-model-alone", NANO, "noted tokenizer.model split", lambda f: f.remove("tokenizer.json")),
    Case("no-end-but-of-turns", NANO, "stops", no_end),
    Case("no-end-but-of-turns-said", NANO, "noted --prompt chats '<|eot|>'", no_end),
    Case("no-end", SCOUT, "noted names no token --max-new-tokens alone",
         lambda f: f.config(lambda text: text.update(eos_token_id=None))),
]


def make(case, models, out):
    """The folder of a case."""
    path = pathlib.Path(out) / case.name
    shutil.copytree(models / case.model, path, ignore=shutil.ignore_patterns("expected"))
    case.change(Folder(path))
    return path
