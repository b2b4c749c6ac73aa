# SPDX-License-Identifier: Apache-2.0
"""The real tokenizer of Llama 4: ids of both of its file forms against Meta's own encoder, on texts of 45 scripts, emoji,
controls, code and long runs.

Runs in a virtual environment that tools/setup.sh --tokenizer makes; skipped without one.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

SKIPPED = 77
TEXTS = 6000
# Scripts and the code points their texts are drawn from.
SCRIPTS = {
    "latin": [(0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EFF)], "greek": [(0x370, 0x3FF), (0x1F00, 0x1FFF)],
    "cyrillic": [(0x400, 0x52F)], "armenian": [(0x531, 0x589)], "hebrew": [(0x591, 0x5F4)], "arabic": [(0x600, 0x6FF)],
    "syriac": [(0x700, 0x74F)], "thaana": [(0x780, 0x7B1)], "nko": [(0x7C0, 0x7FA)], "samaritan": [(0x800, 0x83E)],
    "devanagari": [(0x900, 0x97F)], "bengali": [(0x980, 0x9FE)], "gurmukhi": [(0xA01, 0xA76)], "gujarati": [(0xA81, 0xAFF)],
    "oriya": [(0xB01, 0xB77)], "tamil": [(0xB82, 0xBFA)], "telugu": [(0xC00, 0xC7F)], "kannada": [(0xC80, 0xCF3)],
    "malayalam": [(0xD00, 0xD7F)], "sinhala": [(0xD81, 0xDF4)], "thai": [(0xE01, 0xE5B)], "lao": [(0xE81, 0xEDF)],
    "tibetan": [(0xF00, 0xFDA)], "myanmar": [(0x1000, 0x109F)], "georgian": [(0x10A0, 0x10FF), (0x1C90, 0x1CBF)],
    "ethiopic": [(0x1200, 0x137C)], "cherokee": [(0x13A0, 0x13FD), (0xAB70, 0xABBF)], "canadian": [(0x1400, 0x167F)],
    "ogham": [(0x1680, 0x169C)], "runic": [(0x16A0, 0x16F8)], "khmer": [(0x1780, 0x17F9)], "mongolian": [(0x1800, 0x18AA)],
    "limbu": [(0x1900, 0x194F)], "balinese": [(0x1B00, 0x1B7E)], "lepcha": [(0x1C00, 0x1C4F)], "glagolitic": [(0x2C00, 0x2C5F)],
    "coptic": [(0x2C80, 0x2CFF)], "tifinagh": [(0x2D30, 0x2D7F)], "hiragana": [(0x3041, 0x309F)], "katakana": [(0x30A0, 0x30FF)],
    "bopomofo": [(0x3105, 0x312F)], "hangul": [(0xAC00, 0xD7A3), (0x1100, 0x11FF)], "han": [(0x4E00, 0x9FFF), (0x20000, 0x2A6DF)],
    "vai": [(0xA500, 0xA62B)], "deseret": [(0x10400, 0x1044F)],
}
SYMBOLS = [(0x20, 0x40), (0x5B, 0x60), (0x7B, 0x7E), (0x2000, 0x206F), (0x2190, 0x23FF), (0x3000, 0x303F)]
EMOJI = [(0x1F300, 0x1F64F), (0x1F680, 0x1F6FF), (0x1F900, 0x1F9FF), (0x2600, 0x27BF), (0x1F1E6, 0x1F1FF), (0xFE0F, 0xFE0F),
         (0x200D, 0x200D), (0x1F3FB, 0x1F3FF)]
CONTROLS = [(0x00, 0x1F), (0x7F, 0xA0), (0x1680, 0x1680), (0x2000, 0x200F), (0x2028, 0x202F), (0xFEFF, 0xFEFF), (0xFFF0, 0xFFFF)]
NUMBERS = [(0x30, 0x39), (0x660, 0x669), (0x966, 0x96F), (0x2150, 0x218B), (0x2460, 0x24FF), (0x1D7CE, 0x1D7FF)]
WORDS = ["I'm", "we'll", "they'RE", "don't", "x\u017f's", "HELLO", "Hello", "iPhone", "http://a.b/c", "e\u0301", "\r\n", "\n\n", "  ",
         " \t ", "///", "...", "1234567", "3.14", "<|eot|>", "<|begin_of_text|>", "<|header_start|>user<|header_end|>", "<|eo"]


def draw(random_, ranges, length):
    first_last = [random_.choice(ranges) for _ in range(length)]
    points = [random_.randint(*pair) for pair in first_last]
    return "".join(chr(point) for point in points if not 0xD800 <= point <= 0xDFFF)


def texts():
    """Six kinds in turn, the same ones each time."""
    random_ = random.Random(1)
    code = [path.read_text(encoding="utf-8") for path in sorted(pathlib.Path(__file__).parent.glob("*.py"))]
    scripts = list(SCRIPTS.values())
    for index in range(TEXTS):
        kind, script = index % 6, scripts[index // 6 % len(scripts)]
        length = random_.randint(1, 60)
        if kind == 0:
            yield " ".join(draw(random_, script, random_.randint(1, 9)) for _ in range(length // 4 + 1))
        elif kind == 1:
            yield draw(random_, script + SYMBOLS + NUMBERS, length)
        elif kind == 2:
            yield draw(random_, EMOJI + random_.choice(scripts), length)
        elif kind == 3:
            yield draw(random_, CONTROLS + script + SYMBOLS, length)
        elif kind == 4:
            file = random_.choice(code)
            start = random_.randrange(len(file))
            yield file[start:start + 12 * length] if random_.random() < 0.5 else "".join(random_.choices(WORDS, k=length))
        else:
            # Runs are shorter than 25,000 characters, where Meta's encoder cuts.
            unit = random_.choice([" ", "\n", "a", "A", "\u3042", "0", "!", "\t", " a", "\u0301", draw(random_, script, 3)])
            yield "x" + unit * (random_.randint(1000, 8000) if index % 60 == 5 else 5 * length) + random_.choice(["", "y", " "])


def byte_alphabet():
    """The characters that stand for bytes in a tokenizer.json."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(0x100 + i) for i, byte in enumerate(others)}


def halves(ranks, token):
    """The two tokens that merging makes `token` from: the pairs of lowest rank join until two parts are left."""
    parts = [token[i:i + 1] for i in range(len(token))]
    while len(parts) > 2:
        at = min(range(len(parts) - 1), key=lambda i: ranks.get(parts[i] + parts[i + 1], len(ranks)))
        parts[at:at + 2] = [parts[at] + parts[at + 1]]
    return parts


def make_json(ranks, pattern, specials):
    """The same tokenizer as the `tokenizers` library writes it."""
    alphabet = byte_alphabet()
    spelled = lambda token: "".join(alphabet[byte] for byte in token)
    merges = [[spelled(half) for half in halves(ranks, token)] for token in sorted(ranks, key=ranks.get) if len(token) > 1]
    return {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None,
        "added_tokens": [{"id": id, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for text, id in specials.items()],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]},
        "post_processor": None, "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": True,
                  "vocab": {spelled(token): rank for token, rank in ranks.items()}, "merges": merges},
    }


def compile_plan(arguments, name, files):
    """A plan without weights that has this tokenizer."""
    folder = arguments.work / name
    folder.mkdir()
    config = json.loads((arguments.model / "config.json").read_text())
    config["text_config"]["vocab_size"] = 202048
    (folder / "config.json").write_text(json.dumps(config))
    for file, content in files.items():
        (folder / file).write_bytes(content)
    plan = arguments.work / f"{name}.yplan"
    done = subprocess.run([arguments.compiler, "compile", folder, "-o", plan, "--strip-weights", "--target", "x86-64-v3"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return plan


def encode(arguments, plan, lines, *more):
    done = subprocess.run([arguments.runner, plan, "--tokenize", *more], input="".join(json.dumps(t) + "\n" for t in lines),
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(name, lines, ours, theirs):
    wrong = [i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
    detail = f", the first is {lines[wrong[0]]!r}: {ours[wrong[0]]}, expected {theirs[wrong[0]]}" if wrong else ""
    print(f"{'FAILED' if wrong else 'ok    '} {name}: {len(wrong)} of {len(lines)} texts differ{detail}", flush=True)
    return bool(wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for flag in ("--compiler", "--runner", "--environment", "--work"):
        parser.add_argument(flag, required=True, type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    arguments = parser.parse_args()
    python = arguments.environment / "bin/python3"
    if not python.exists():
        print(f"skipped: there is no {python}; tools/setup.sh --tokenizer makes it")
        sys.exit(SKIPPED)
    if pathlib.Path(sys.prefix).resolve() != arguments.environment.resolve():
        os.execv(python, [str(python), "-B", *sys.argv])

    from llama_models.llama4.tokenizer import Tokenizer
    import llama_models.llama4.tokenizer as reference
    file = pathlib.Path(reference.__file__).parent / "tokenizer.model"
    theirs = Tokenizer(file)
    ranks = theirs.model._mergeable_ranks
    shutil.rmtree(arguments.work, ignore_errors=True)
    arguments.work.mkdir(parents=True)
    content = make_json(ranks, Tokenizer.O200K_PATTERN, theirs.special_tokens)
    plans = {
        "tokenizer.model": compile_plan(arguments, "model", {"tokenizer.model": file.read_bytes()}),
        "tokenizer.json": compile_plan(arguments, "json", {"tokenizer.json": json.dumps(content).encode()}),
    }
    lines = list(texts())
    failed = False
    for parsed, more in ((True, []), (False, ["--no-special"])):
        wanted = [theirs.encode(text, bos=False, eos=False, allowed_special="all" if parsed else None) for text in lines]
        for name, plan in plans.items():
            failed |= compare(f"{name}, special tokens {'parsed' if parsed else 'as text'}", lines,
                              encode(arguments, plan, lines, *more), wanted)
    print(f"{len(SCRIPTS)} scripts, {sum(map(len, lines))} characters, {sum(map(len, wanted))} tokens")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
