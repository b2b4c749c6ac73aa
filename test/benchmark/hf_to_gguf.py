# SPDX-License-Identifier: Apache-2.0
"""Writes the weights of a Llama 4 checkpoint as a GGUF file that llama.cpp reads, value for value.

usage: hf_to_gguf.py CHECKPOINT OUT.gguf

Matrices keep their type (BF16, F16 or F32); the router, the norms and other vectors become F32, which holds every value
of the narrower types. What differs between the two forms:
* `gate_up_proj` [E, H, 2I] holds gate before up; each becomes [E, I, H]. `down_proj` [E, I, H] becomes [E, H, I].
* Rows of the query and key matrices stay where they are: llama.cpp rotates neighbouring pairs in this architecture,
  too.
* There is no tokenizer: both programs are given ids.
What llama.cpp's code takes for granted of a Llama 4 is checked, and a checkpoint that is another model is refused. Runs
where the package gguf is installed.
"""

import json
import pathlib
import struct
import sys

import gguf
import numpy as np

KINDS = {"BF16": gguf.GGMLQuantizationType.BF16, "F16": gguf.GGMLQuantizationType.F16, "F32": gguf.GGMLQuantizationType.F32}
WORDS = {"BF16": np.uint16, "F16": np.float16, "F32": np.float32}


class Checkpoint:
    """Tensors as they are stored, mapped from their files. BF16 comes as uint16."""

    def __init__(self, folder):
        self.tensors = {}
        index = folder / "model.safetensors.index.json"
        files = sorted(set(json.loads(index.read_text())["weight_map"].values())) if index.exists() else ["model.safetensors"]
        for name in files:
            data = np.memmap(folder / name, np.uint8, "r")
            size = struct.unpack("<Q", data[:8].tobytes())[0]
            for tensor, entry in json.loads(data[8:8 + size].tobytes()).items():
                if tensor != "__metadata__":
                    begin, end = (8 + size + offset for offset in entry["data_offsets"])
                    words = data[begin:end].view(WORDS[entry["dtype"]])
                    self.tensors[tensor] = (entry["dtype"], words.reshape(entry["shape"]))

    def __getitem__(self, name):
        return self.tensors[name]

    def __contains__(self, name):
        return name in self.tensors


def widened(kind, words):
    """float32 of the same values."""
    return (words.astype(np.uint32) << 16).view(np.float32) if kind == "BF16" else words.astype(np.float32)


def text_config(folder):
    config = json.loads((folder / "config.json").read_text())
    return config.get("text_config", config)


def refuse_what_llama_cpp_would_compute_otherwise(config):
    experts, layers = config["num_local_experts"], config["num_hidden_layers"]
    rotated = config.get("no_rope_layers") or [int((i + 1) % config.get("no_rope_layer_interval", 4) != 0) for i in range(layers)]
    fixed = [("rope_scaling", config.get("rope_scaling"), None), ("rope_parameters", config.get("rope_parameters"), None),
             ("attention_chunk_size", config.get("attention_chunk_size", 8192), 8192),
             ("no_rope_layers", rotated, [int((i + 1) % 4 != 0) for i in range(layers)]),
             ("attn_temperature_tuning", bool(config.get("attn_temperature_tuning", True)), True),
             ("floor_scale", config.get("floor_scale", 8192), 8192), ("attn_scale", config.get("attn_scale", 0.1), 0.1),
             ("use_qk_norm", config.get("use_qk_norm", True), experts != 128),
             ("moe_layers", config.get("moe_layers"), None), ("attention_bias", bool(config.get("attention_bias")), False)]
    for field, found, expected in fixed:
        if found != expected:
            sys.exit(f"config.json: {field} is {found}, llama.cpp computes with {expected}")
    if not experts:
        sys.exit("config.json: num_local_experts is 0, llama.cpp expects a mixture of experts")


def describe(writer, config):
    """The metadata: dimensions, and that there is no tokenizer."""
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_name("benchmark")
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size_mlp"])
    writer.add_expert_feed_forward_length(config["intermediate_size"])
    writer.add_expert_count(config["num_local_experts"])
    writer.add_expert_used_count(config["num_experts_per_tok"])
    writer.add_interleave_moe_layer_step(config.get("interleave_moe_layer_step", 1))
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(config.get("rope_theta", 500000.0))
    writer.add_layer_norm_rms_eps(config.get("rms_norm_eps", 1e-5))
    writer.add_tokenizer_model("none")


def tensors_of(checkpoint, config):
    """(name in GGUF, name in the checkpoint, change): `change` takes and gives words."""
    same = lambda words: words
    yield "token_embd", "model.embed_tokens.weight", same
    for layer in range(config["num_hidden_layers"]):
        ours, theirs = f"model.layers.{layer}.", f"blk.{layer}."
        yield theirs + "attn_norm", ours + "input_layernorm.weight", same
        for short in "qkv":
            yield f"{theirs}attn_{short}", f"{ours}self_attn.{short}_proj.weight", same
        yield theirs + "attn_output", ours + "self_attn.o_proj.weight", same
        yield theirs + "ffn_norm", ours + "post_attention_layernorm.weight", same
        ours += "feed_forward."
        if ours + "router.weight" not in checkpoint:
            for part in ("gate", "up", "down"):
                yield f"{theirs}ffn_{part}", f"{ours}{part}_proj.weight", same
            continue
        width = config["intermediate_size"]
        yield theirs + "ffn_gate_inp", ours + "router.weight", same
        yield theirs + "ffn_gate_exps", ours + "experts.gate_up_proj", lambda words: words[:, :, :width].swapaxes(1, 2)
        yield theirs + "ffn_up_exps", ours + "experts.gate_up_proj", lambda words: words[:, :, width:].swapaxes(1, 2)
        yield theirs + "ffn_down_exps", ours + "experts.down_proj", lambda words: words.swapaxes(1, 2)
        for part in ("gate", "up", "down"):
            yield f"{theirs}ffn_{part}_shexp", f"{ours}shared_expert.{part}_proj.weight", same
    yield "output_norm", "model.norm.weight", same
    if "lm_head.weight" in checkpoint:
        yield "output", "lm_head.weight", same


def write(folder, out):
    """Streams: one tensor is in memory at a time."""
    config, checkpoint = text_config(folder), Checkpoint(folder)
    refuse_what_llama_cpp_would_compute_otherwise(config)
    writer = gguf.GGUFWriter(out, "llama4")
    describe(writer, config)
    jobs = []
    for theirs, ours, change in tensors_of(checkpoint, config):
        kind, words = checkpoint[ours]
        wide = words.ndim == 1 or theirs.endswith("ffn_gate_inp")
        stored = "F32" if wide else kind
        shape = change(words).shape
        size = int(np.prod(shape)) * np.dtype(WORDS[stored]).itemsize
        writer.add_tensor_info(theirs + ".weight", shape, np.dtype(WORDS[stored]), size, KINDS[stored])
        jobs.append((kind, words, change, wide))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for kind, words, change, wide in jobs:
        writer.write_tensor_data(np.ascontiguousarray(change(widened(kind, words) if wide else words)))
    writer.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: hf_to_gguf.py CHECKPOINT OUT.gguf")
    write(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
