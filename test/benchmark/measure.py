# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: running programs, paired ratios, tables, facts about the machine, results as JSON.

A machine that is shared is faster in one minute than in the next, so two programs are compared only within a round, in
which they run one right after the other. A round gives one ratio; the result is the median of the ratios, never the
ratio of two medians. Which of the two goes first changes from round to round.
"""

import datetime
import json
import os
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(command, timeout=3600):
    """Runs a program to its end and returns its standard output and error; a failure ends the benchmark."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        sys.exit(f"exit code {done.returncode}: {shlex.join(words)}\n{(done.stdout + done.stderr).strip()}")
    return done.stdout, done.stderr


def seconds(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def in_turn(sides, round_number):
    """The names of what is compared, in the order of this round: every other round is the other way round."""
    return list(sides) if round_number % 2 == 0 else list(reversed(sides))


def spread(values):
    """Median and extremes of at least one value."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def paired(ours, base, less_is_better=False):
    """The ratios of two series of the same rounds, above 1 where ours is better, and their spread."""
    if len(ours) != len(base) or not ours:
        raise ValueError(f"{len(ours)} measurements cannot be paired with {len(base)}")
    ratios = [b / a if less_is_better else a / b for a, b in zip(ours, base)]
    return {"ratios": ratios, **spread(ratios)}


def table(rows):
    """Lines of text; the first row is the heading, the first column is aligned left, the others right."""
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [str(cell).rjust(width) for cell, width in zip(row, widths)]
        lines.append("  ".join([str(row[0]).ljust(widths[0]), *cells[1:]]).rstrip())
    return "\n".join(lines)


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def cpu_features(interesting=("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16")):
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return [flag for flag in interesting if flag in line.split()]
    return []


class Others:
    """How quiet the machine was from here on: the share of all cores' time that went to programs other than this one and
    its ended children, and the share that the host of a virtual machine kept for itself."""

    def __init__(self):
        self.begin = self.now()

    @staticmethod
    def now():
        words = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        user, nice, system, idle, iowait, irq, softirq, steal = (int(word) for word in words[:8])
        ticks = os.sysconf("SC_CLK_TCK")
        own = sum(os.times()[:4]) * ticks
        busy = user + nice + system + irq + softirq
        return busy + idle + iowait + steal, busy - own, steal

    def shares(self):
        whole, others, stolen = (end - begin for begin, end in zip(self.begin, self.now()))
        return {"other_programs": max(0.0, others / max(whole, 1)), "stolen": stolen / max(whole, 1)}


def machine(remark, others):
    """What a reader needs to know of this machine, and nothing that names it; `others` as of the measured time."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"cpu": cpu_model(), "cores": len(os.sched_getaffinity(0)), "features": cpu_features(),
            "memory_bytes": memory, "kernel": platform.release(), "remark": remark, "shares_of_core_time": others}


def today():
    return datetime.date.today().isoformat()


def commit():
    """The commit of the sources beside this file, marked where they were changed."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=7", "--match", "-"]
    done = subprocess.run(words, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def rounded(value):
    """Measurements with five digits: what follows is noise."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return value


def write_result(path, result):
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(rounded(result), indent=1) + "\n")
