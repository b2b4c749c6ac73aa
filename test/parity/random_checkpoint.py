#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw a small Llama 4 checkpoint of random shape, with tokens and float64 truth; numpy and nothing else.

usage: random_checkpoint.py --seed N --out FOLDER [--config-only]

The seed decides everything: sizes, layer patterns, RoPE variant, chunking, how the weights are stored, the weights and
the tokens. FOLDER receives config.json, safetensors (one file or shards with an index), expected/tokens.json and
expected/truth.npy ([tokens, vocab], float64 mathematics stored as float32). Prints the drawn shape in one line.

No token stands near a tie of two experts: choosing another expert than truth is a fault of the program under test.
--config-only stops before truth is computed.
"""
import argparse
import json
import os
import struct
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import reference

# Smallest accepted distance between the last chosen expert's logit and the next, in standard deviations of the layer's
# router logits. float32 arithmetic is exact to about 1e-6 of them.
ROUTER_GAP = 0.02
TYPE_NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def pick(rng, choices):
    """One of `choices`, as Python's own type."""
    return choices[int(rng.integers(len(choices)))]


def draw_rope(rng, text):
    """RoPE base and scaling, in the older or the newer spelling, or as the defaults of absent keys."""
    theta = pick(rng, [500000.0, 10000.0, 1234.5])
    rope = {}
    if rng.random() < 0.5:
        low, high = pick(rng, [(1.0, 1.0), (1.0, 4.0), (0.5, 2.0)])
        rope = dict(rope_type="llama3", factor=pick(rng, [2.0, 8.0, 16.0]), low_freq_factor=low, high_freq_factor=high,
                    original_max_position_embeddings=pick(rng, [16, 32, 64, 100]))
    if rng.random() < 0.4:
        text["rope_parameters"] = dict(rope or dict(rope_type="default"), rope_theta=theta)
    else:
        if theta != 500000.0:
            text["rope_theta"] = theta
        text["rope_scaling"] = rope or None


def draw_layers(rng, text):
    """Which layers are mixtures, use RoPE, see only their chunk, through every way that a file has to say it."""
    layers = text["num_hidden_layers"]
    experts = pick(rng, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    text["num_local_experts"] = experts
    text["num_experts_per_tok"] = min(pick(rng, [1, 1, 2, 3]), max(experts, 1))
    if experts == 0:
        text |= pick(rng, [dict(moe_layers=[], interleave_moe_layer_step=0), dict(interleave_moe_layer_step=0),
                           dict(moe_layers=[], interleave_moe_layer_step=1)])
    else:
        some = sorted(int(i) for i in rng.choice(layers, int(rng.integers(1, layers + 1)), replace=False))
        text |= pick(rng, [dict(), dict(interleave_moe_layer_step=1), dict(interleave_moe_layer_step=2),
                           dict(moe_layers=some, interleave_moe_layer_step=1),
                           dict(moe_layers=None, interleave_moe_layer_step=1)])
    some = [int(i) for i in rng.integers(0, 2, layers)]
    text |= pick(rng, [dict(no_rope_layers=[]), dict(no_rope_layers=None), dict(no_rope_layer_interval=2),
                       dict(no_rope_layers=some), dict(no_rope_layers=[1] * layers), dict(no_rope_layers=[0] * layers)])
    text["attention_chunk_size"] = pick(rng, [None, 5, 8, 13, 16, 19, 32, 48, 8192])
    if rng.random() < 0.3:
        text["layer_types"] = [pick(rng, ["chunked_attention", "full_attention"]) for _ in range(layers)]


def draw_text(rng):
    """text_config: a shape from ranges wide enough to leave tails everywhere, small enough for seconds."""
    kv_heads = pick(rng, [1, 1, 2, 2, 3, 4])
    text = dict(
        vocab_size=pick(rng, [96, 127, 131, 200, 256, 301]), hidden_size=8 * int(rng.integers(4, 21)),
        num_hidden_layers=int(rng.integers(1, 6)), num_attention_heads=kv_heads * int(rng.integers(1, 6)),
        num_key_value_heads=kv_heads, head_dim=pick(rng, [8, 10, 12, 16, 16, 24, 32, 40, 64]),
        intermediate_size=8 * int(rng.integers(1, 11)), intermediate_size_mlp=8 * int(rng.integers(2, 17)),
        max_position_embeddings=4096, rms_norm_eps=pick(rng, [1e-5, 1e-6, 1e-4]), hidden_act="silu",
        use_qk_norm=pick(rng, [True, False]), attention_bias=pick(rng, [False, False, True]),
        tie_word_embeddings=pick(rng, [False, False, True]), attn_temperature_tuning=pick(rng, [True, 4, False]),
        floor_scale=pick(rng, [3, 7, 16, 8192]), attn_scale=pick(rng, [0.1, 0.3]))
    if rng.random() < 0.25:
        text["intermediate_size_mlp"] = 1024  # Rows of 4 KiB in float32, which a CPU's plan pads.
    draw_rope(rng, text)
    draw_layers(rng, text)
    # Odd sizes: rows end with a single element behind whole vectors, and begin anywhere.
    for size in ("hidden_size", "intermediate_size", "intermediate_size_mlp"):
        if rng.random() < 0.3:
            text[size] += pick(rng, [1, 1, 3, 7])
    return text


def draw_weights(rng, text, is_moe):
    """Tensors by name, float32; activations stay near one and the router is decisive, as in trained models."""
    h, d = text["hidden_size"], text["head_dim"]
    q, kv = text["num_attention_heads"] * d, text["num_key_value_heads"] * d
    wide, narrow = text["intermediate_size_mlp"], text["intermediate_size"]
    experts, vocab = text["num_local_experts"], text["vocab_size"]
    noise = lambda *shape: rng.standard_normal(shape)
    linear = lambda rows, columns, gain=1.0: noise(rows, columns) * columns ** -0.5 * gain
    norm = lambda: 1 + 0.1 * noise(h)

    def swiglu(path, width):
        return {path + "gate_proj.weight": linear(width, h), path + "up_proj.weight": linear(width, h),
                path + "down_proj.weight": linear(h, width)}

    tied = text["tie_word_embeddings"]
    out = {"model.embed_tokens.weight": noise(vocab, h) * (h ** -0.5 if tied else 1)}
    for i in range(text["num_hidden_layers"]):
        p = f"model.layers.{i}."
        out |= {p + "input_layernorm.weight": norm(), p + "post_attention_layernorm.weight": norm()}
        for name, rows, columns, gain in (("q", q, h, 2), ("k", kv, h, 1), ("v", kv, h, 1), ("o", h, q, 1)):
            out[f"{p}self_attn.{name}_proj.weight"] = linear(rows, columns, gain)
            if text["attention_bias"]:
                out[f"{p}self_attn.{name}_proj.bias"] = 0.3 * noise(rows)
        f = p + "feed_forward."
        if i in is_moe:
            out[f + "router.weight"] = linear(experts, h, 4)
            out[f + "experts.gate_up_proj"] = noise(experts, h, 2 * narrow) * h ** -0.5 * 1.5
            out[f + "experts.down_proj"] = noise(experts, narrow, h) * narrow ** -0.5 * 1.5
            out |= swiglu(f + "shared_expert.", narrow)
        else:
            out |= swiglu(f, wide)
    out["model.norm.weight"] = norm()
    if not tied:
        out["lm_head.weight"] = linear(vocab, h)
    return {name: t.astype(np.float32) for name, t in out.items()}


def one_by_one(tensors):
    """The same weights with a matrix per expert, [out, in]."""
    out = {}
    for name, t in tensors.items():
        if name.endswith("experts.gate_up_proj"):
            root = name[: -len("gate_up_proj")]
            for e in range(len(t)):
                gate, up = np.split(t[e], 2, -1)
                out[f"{root}{e}.gate_proj.weight"], out[f"{root}{e}.up_proj.weight"] = gate.T, up.T
        elif name.endswith("experts.down_proj"):
            for e in range(len(t)):
                out[f"{name[: -len('down_proj')]}{e}.down_proj.weight"] = t[e].T
        else:
            out[name] = t
    return out


def stored_bytes(t, dtype):
    """Elements of `t` rounded to `dtype`, to nearest even, little-endian."""
    t = np.ascontiguousarray(t)
    if dtype == "F32":
        return t.astype("<f4").tobytes()
    if dtype == "F16":
        return t.astype("<f2").tobytes()
    bits = t.astype("<f4").view("<u4")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def write_file(path, tensors, dtype_of, padded):
    """One safetensors file; tensors stand in the order of the mapping."""
    header, data, end = {"__metadata__": {"format": "pt"}}, [], 0
    for name, t in tensors.items():
        data.append(stored_bytes(t, dtype_of[name]))
        header[name] = {"dtype": dtype_of[name], "shape": list(t.shape), "data_offsets": [end, end + len(data[-1])]}
        end += len(data[-1])
    text = json.dumps(header).encode()
    if padded:
        text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(data))


def store(rng, out, text, tensors):
    """config.json and safetensors, in one of the forms that checkpoints come in; returns a description of the form."""
    dtype = pick(rng, ["F32", "F16", "BF16", "BF16"])
    prefix = pick(rng, ["", "language_model."])
    if rng.random() < 0.3:
        tensors = one_by_one(tensors)
    tensors = {prefix + name: t for name, t in tensors.items()}
    # Some exports keep norms and routers in float32 beside narrower matrices.
    mixed = rng.random() < 0.25
    dtype_of = {n: "F32" if mixed and ("norm" in n or "router" in n) else dtype for n in tensors}
    config = dict(text, torch_dtype=TYPE_NAMES[dtype])
    if prefix:
        config = dict(architectures=["Llama4ForConditionalGeneration"], model_type="llama4", tie_word_embeddings=False,
                      torch_dtype=TYPE_NAMES[dtype], text_config=dict(config, model_type="llama4_text"))
    else:
        config = dict(architectures=["Llama4ForCausalLM"], model_type="llama4_text", **config)
    with open(f"{out}/config.json", "w") as f:
        json.dump(config, f, indent=2)

    names = list(tensors)
    rng.shuffle(names)
    shards = min(pick(rng, [1, 1, 2, 3]), len(names))
    padded = rng.random() < 0.5  # A header that is not padded leaves the data unaligned.
    if shards == 1:
        write_file(f"{out}/model.safetensors", {n: tensors[n] for n in names}, dtype_of, padded)
    else:
        weight_map = {}
        for i in range(shards):
            file = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
            part = names[i * len(names) // shards:(i + 1) * len(names) // shards]
            write_file(f"{out}/{file}", {n: tensors[n] for n in part}, dtype_of, padded)
            weight_map |= {n: file for n in part}
        with open(f"{out}/model.safetensors.index.json", "w") as f:
            json.dump({"metadata": {}, "weight_map": weight_map}, f, indent=1)
    return f"{dtype}{' with F32 norms' if mixed else ''}, {shards} file(s), prefix '{prefix}'"


def draw_tokens(rng, out, count, vocab):
    """[count] random tokens clear of router ties, and truth for them."""
    tokens = [int(t) for t in rng.integers(0, vocab, count)]
    for _ in range(20 * count):
        close = np.zeros(count, bool)

        def look(layer, residual, chosen, router):
            if router is not None and chosen.shape[1] < router.shape[1]:
                s = -np.sort(-router, -1)
                k = chosen.shape[1]
                close[:] |= s[:, k - 1] - s[:, k] < ROUTER_GAP * router.std()

        truth = reference.forward(out, tokens, look)
        if not close.any():
            return tokens, truth
        # Attention is causal: tokens before the first of these are settled, and those after it seldom move far.
        for i in np.flatnonzero(close):
            tokens[i] = int(rng.integers(0, vocab))
    sys.exit(f"{out}: no sequence free of ties found")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--config-only", action="store_true")
    arguments = parser.parse_args()
    out, rng = arguments.out, np.random.default_rng(arguments.seed)
    os.makedirs(f"{out}/expected", exist_ok=True)
    text = draw_text(rng)
    with open(f"{out}/config.json", "w") as f:
        json.dump(text, f)
    c = reference.text_config(out)
    form = store(rng, out, text, draw_weights(rng, text, c["moe"]))
    moe = [int(i in c["moe"]) for i in range(c["layers"])]
    print(f"seed {arguments.seed}: hidden {text['hidden_size']}, heads {c['heads']}/{c['kv_heads']} of "
          f"{c['head_dim']}, experts {text['num_local_experts']} top {c['top_k']} on {moe}, rope {c['rotary']}, "
          f"chunk {c['chunk']} on {[int(k) for k in c['chunked']]}, vocab {text['vocab_size']}, "
          f"bias {text['attention_bias']}, tied {c['tied']}, {form}")
    if arguments.config_only:
        return
    tokens, truth = draw_tokens(rng, out, int(rng.integers(40, 101)), text["vocab_size"])
    if not np.isfinite(truth).all():
        sys.exit(f"{out}: truth is not finite")
    with open(f"{out}/expected/tokens.json", "w") as f:
        json.dump(tokens, f)
    np.save(f"{out}/expected/truth.npy", truth.astype(np.float32))


if __name__ == "__main__":
    main()
