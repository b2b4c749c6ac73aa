#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures `yupana compile` against copying the checkpoint, and loading a plan against reading it, as paired ratios.

Example: tools/random-checkpoint mini --preset mini && test/benchmark/disk_speed.py --checkpoint mini

What is compared, and why that is fair:
* `cp` of the weights' files and then `sync`, against `yupana compile` and then `sync`, into the same folder, which is
  emptied and synchronised before each. Both read from the page cache (the files are read once before), both write as
  many bytes, and for both the time ends when those are on the disk. Compile also converts, packs and hashes every byte,
  and generates code.
* The time of code, which does not grow with the weights, is what compile itself prints; the weights' time is the rest,
  start and end of the program included. A compile of config.json alone with --strip-weights is measured once beside it.
* Loading is what yupana-bench says it took to read a plan and check the digest of every section, on all threads,
  against one thread that reads the same file from the page cache into memory that was never touched.
* With --touch-memory, more memory than each side fills is touched before it and given back when it begins; for compile,
  when four fifths of the time of its code have passed. In a virtual machine, memory that nobody has used for some
  seconds may have to come from the host again, which costs more than everything that is measured here. Results then
  spread less, but hide how a program takes memory: measure without it, too.
* A round does each once, copy and compile in an order that changes every round; results are medians of the rounds'
  ratios.

The floor of writing is bytes over the bandwidth of the disk, for which cp stands; that of loading is twice the bytes
(read from the cache, write to memory) over the bandwidth of memory.
"""

import argparse
import json
import mmap
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading

import measure

MADV_POPULATE_WRITE = 23  # of Linux; the module has no name for it
CODE_AND_WEIGHTS = re.compile(r"code took ([\d.]+) s, weights ([\d.]+) s")


def weight_files(checkpoint):
    return sorted(checkpoint.glob("*.safetensors"))


def read_once(files):
    """Fills the page cache."""
    for file in files:
        with open(file, "rb", buffering=0) as stream:
            while stream.read(1 << 24):
                pass


def large_pages(size):
    """Memory of large pages where the system has some, as that of the runtime."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def touched(size):
    """Memory that the host has given to the machine, and that the system hands out first once it is closed."""
    memory = large_pages(size)
    memory.madvise(MADV_POPULATE_WRITE)
    return memory


def read_into_memory(file):
    size = file.stat().st_size
    with open(file, "rb", buffering=0) as stream, large_pages(size) as memory:
        view, done = memoryview(memory), 0
        while done < size:
            done += stream.readinto(view[done:done + (1 << 24)])
        view.release()


class Bench:
    def __init__(self, options):
        self.options = options
        self.files, self.out = weight_files(options.checkpoint), options.work / "model.yplan"
        self.said, self.code_alone_s = "", 0
        self.size = sum(file.stat().st_size for file in self.files)
        # Twice is too little: the system does not take all of it first.
        self.touched_bytes = 3 * self.size if options.touch_memory else mmap.PAGESIZE

    def clean(self):
        shutil.rmtree(self.options.work, ignore_errors=True)
        self.options.work.mkdir(parents=True)
        os.sync()

    def copy(self):
        """Seconds of cp and sync."""
        self.clean()

        def action():
            subprocess.run(["cp", *map(str, self.files), str(self.options.work)], check=True)
            os.sync()
        touched(self.touched_bytes).close()
        return {"copy_s": measure.seconds(action)}

    def compile(self):
        """Seconds of compile and sync, and of the code in it."""
        self.clean()
        command = [self.options.programs / "yupana", "compile", self.options.checkpoint, "-o", self.out,
                   *(["--target", self.options.target] if self.options.target else [])]

        def action():
            out, error = measure.run(command)
            os.sync()
            self.said = out + error
        memory = touched(self.touched_bytes)
        timer = threading.Timer(0.8 * self.code_alone_s, memory.close)
        timer.start()
        whole = measure.seconds(action)
        timer.join()
        found = CODE_AND_WEIGHTS.search(self.said)
        if not found:
            sys.exit(f"compile does not say how long code and weights took: {self.said.strip()}")
        code = float(found[1])
        return {"compile_s": whole, "code_s": code, "weights_s": whole - code, "weights_said_s": float(found[2])}

    def code_alone(self):
        """Measures a compile of the configuration."""
        folder = self.options.work / "config"
        folder.mkdir(exist_ok=True)
        shutil.copy(self.options.checkpoint / "config.json", folder)
        command = [self.options.programs / "yupana", "compile", folder, "-o", self.options.work / "code.yplan",
                   "--strip-weights", *(["--target", self.options.target] if self.options.target else [])]
        self.code_alone_s = measure.seconds(lambda: measure.run(command))

    def load(self):
        """Seconds of yupana-bench's load and of a plain read of the plan that compile has written."""
        read_once([self.out])
        command = [self.options.programs / "yupana-bench", self.out, "--prompt-tokens", 1, "--max-new-tokens", 0,
                   "--repetitions", 1, "--warmup", 0, "--json"]
        touched(self.touched_bytes).close()
        load = json.loads(measure.run(command)[0])["load_s"]
        touched(self.touched_bytes).close()
        return {"load_s": load, "read_s": measure.seconds(lambda: read_into_memory(self.out))}

    def round(self, number):
        found, sides = {}, {"compile": self.compile, "copy": self.copy}
        for side in measure.in_turn(sides, number):
            found |= sides[side]()
            if side == "compile":
                found |= self.load()
                found["plan_bytes"] = self.out.stat().st_size
        return found


def summarise(rounds):
    series = lambda key: [entry[key] for entry in rounds]
    times = {key: measure.spread(series(key)) for key in rounds[0] if key.endswith("_s")}
    return {"weights_against_copy": measure.paired(series("weights_s"), series("copy_s"), less_is_better=True),
            "compile_against_copy": measure.paired(series("compile_s"), series("copy_s"), less_is_better=True),
            "load_against_read": measure.paired(series("load_s"), series("read_s"), less_is_better=True), "seconds": times}


def text_table(summary):
    second = lambda key: f"{summary['seconds'][key]['median']:.2f}"
    rows = [("", "seconds", "against", "seconds", "speed ratio", "least", "greatest")]
    for name, ours, base, label, key in (
            ("compile, its weights alone", "weights_s", "copy_s", "cp + sync", "weights_against_copy"),
            ("compile, code included", "compile_s", "copy_s", "cp + sync", "compile_against_copy"),
            ("load a plan", "load_s", "read_s", "plain read", "load_against_read")):
        ratio = summary[key]
        rows.append((name, second(ours), label, second(base), *(f"{ratio[which]:.2f}" for which in ("median", "min", "max"))))
    return measure.table(rows) + f"\ncode: {second('code_s')} s"


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    build = measure.ROOT / "build"
    parser.add_argument("--checkpoint", type=pathlib.Path, required=True, help="the folder of a checkpoint")
    parser.add_argument("--programs", type=pathlib.Path, default=build / "bin", help="where yupana and its tools are")
    parser.add_argument("--work", type=pathlib.Path, default=build / "disk-speed", help="a folder on that disk, removed")
    parser.add_argument("--target", help="what compile is for (default: native)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--touch-memory", action="store_true", help="before each side, as is said above")
    parser.add_argument("--commit", default=measure.commit(), help="what the programs were built from (default: HEAD)")
    parser.add_argument("--remark", default="", help="what else to know of the machine, for the result")
    parser.add_argument("--json", type=pathlib.Path, help="write every number here")
    return parser.parse_args()


def main():
    options = parse_options()
    bench = Bench(options)
    if not bench.files:
        sys.exit(f"{options.checkpoint}: there is no *.safetensors in it")
    bench.clean()
    bench.code_alone()
    read_once(bench.files)
    others, rounds = measure.Others(), []
    for number in range(options.rounds):
        rounds.append(bench.round(number))
        print(f"round {number + 1}: " + ", ".join(f"{key} {value:.4g}" for key, value in rounds[-1].items()),
              file=sys.stderr, flush=True)
    others = others.shares()
    shutil.rmtree(options.work)
    summary = summarise(rounds)
    target = f" --target {options.target}" if options.target else ""
    touch = " --touch-memory" if options.touch_memory else ""
    measure.write_result(options.json, {
        "date": measure.today(), "commit": options.commit, "machine": measure.machine(options.remark, others),
        "model": options.checkpoint.resolve().name, "checkpoint_bytes": bench.size,
        "commands": {"this": f"test/benchmark/disk_speed.py --checkpoint CHECKPOINT --rounds {options.rounds}{touch}{target}",
                     "copy": "cp CHECKPOINT/*.safetensors FOLDER; sync",
                     "compile": f"yupana compile CHECKPOINT -o FOLDER/model.yplan{target}; sync",
                     "load": "yupana-bench FOLDER/model.yplan --prompt-tokens 1 --max-new-tokens 0 --json"},
        "said": bench.said.strip().replace(str(options.work), "FOLDER").replace(str(options.checkpoint), "CHECKPOINT"),
        "strip_weights_s": bench.code_alone_s,
        "summary": summary, "rounds": rounds})
    print(f"{options.checkpoint.resolve().name}, {bench.size / 1e9:.2f} GB, {measure.cpu_model()}, {options.rounds} rounds, "
          f"{100 * others['other_programs']:.0f} % of the cores' time taken by other programs\n")
    print(text_table(summary) + f"; with --strip-weights {bench.code_alone_s:.2f} s in all")


if __name__ == "__main__":
    main()
