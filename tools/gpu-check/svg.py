# SPDX-License-Identifier: Apache-2.0
"""The roofline picture: operations per byte across, operations per second up, both by powers of ten. Places are given
in parts of the width and the height, so that marks keep their size on a screen of any width; words stand beside the
drawing as text."""

import html
import math

LEAST_OF_STEP = 0.01
KINDS = [("linear", "qkv, o, dense layers"), ("experts", "experts"), ("attention", "attention"), ("head", "head"),
         ("router", "router"), ("other", "other")]


def kind(on):
    words = [word.strip() for word in on.split(",")]
    if any(word.startswith(("experts.", "shared.")) for word in words):
        return "experts"
    if on.startswith("cache "):
        return "attention"
    if set(words) <= {"q", "k", "v", "o"} or on.startswith("mlp."):
        return "linear"
    return {"lm_head": "head", "router": "router"}.get(on, "other")


class Scale:
    """From a number to its part of an axis, and the powers of ten on it."""

    def __init__(self, values):
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)

    def part(self, value):
        return (math.log10(value) - self.low) / (self.high - self.low)

    def ticks(self):
        return [10.0 ** power for power in range(self.low, self.high + 1)]


def marks_of(runs):
    """(run, kernel, operations per byte, operations per second)"""
    return [(run, kernel, kernel["flops"] / kernel["bytes"], kernel["flops"] / kernel["seconds"])
            for run in runs for kernel in run["kernels"]
            if kernel["flops"] and kernel["bytes"] and kernel["seconds"] >= LEAST_OF_STEP * run["seconds"] > 0]


def short(value):
    """A power of ten in few letters, since a phone has little room beside the drawing."""
    for scale, unit in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.999 * scale:
            return f"{value / scale:g} {unit}"
    return f"{value:g}"


def place(part):
    return f"{100 * part:.2f}%"


def line(style, x1, y1, x2, y2):
    return (f'<line class="{style}" x1="{place(x1)}" y1="{place(1 - y1)}" x2="{place(x2)}" y2="{place(1 - y2)}"/>\n')


def roof(across, up, bandwidth, flops, share, style):
    """Two lines that meet where the bandwidth allows just the peak; without a peak the first alone. What leaves the
    picture is cut off by it."""
    left, right = 10.0 ** across.low, 10.0 ** across.high
    ridge = min(flops / bandwidth, right) if flops else right
    height = lambda intensity: up.part(share * bandwidth * intensity)
    out = line(style, 0, height(left), across.part(ridge), height(ridge))
    return out + (line(style, across.part(ridge), up.part(share * flops), 1, up.part(share * flops))
                  if flops and ridge < right else "")


def mark(run, kernel, x, y):
    share = "" if kernel["share"] is None else f', {100 * kernel["share"]:.1f} % of the roofline'
    title = f'{run["plan"]} {run["run"]}: {kernel["on"] or kernel["kernel"]}, {kernel["seconds"] * 1e6:.4g} µs{share}'
    style = f'class="mark c{[name for name, _ in KINDS].index(kind(kernel["on"]))}"'
    shape = f'<circle {style} cx="{place(x)}" cy="{place(1 - y)}" r="5">'
    end = "circle"
    if run["phase"] == "prefill":
        # Drawn around its place, whatever the size of the picture.
        shape = (f'<rect {style} x="{place(x)}" y="{place(1 - y)}" width="9" height="9" '
                 'transform="translate(-4.5 -4.5)">')
        end = "rect"
    return f"{shape}<title>{html.escape(title)}</title></{end}>\n"


def picture(runs, bandwidth, flops):
    marks = marks_of(runs)
    ridge = flops / bandwidth if flops else 1
    across = Scale([0.3, 30, ridge, *(x for _, _, x, _ in marks)])
    up = Scale([*(y for _, _, _, y in marks), *([flops] if flops else [bandwidth * 10.0 ** across.high])])
    out = ['<div class="plot"><svg role="img" aria-label="Roofline: operations per second by operations per byte">\n']
    out += [line("grid", across.part(tick), 0, across.part(tick), 1) for tick in across.ticks()]
    out += [line("grid", 0, up.part(tick), 1, up.part(tick)) for tick in up.ticks()]
    out.append(roof(across, up, bandwidth, flops, 0.5, "half"))
    out.append(roof(across, up, bandwidth, flops, 1, "roof"))
    out += [mark(run, kernel, across.part(x), up.part(y)) for run, kernel, x, y in marks]
    out.append("</svg>\n")
    out += [f'<span class="y" style="bottom:{place(up.part(tick))}">{short(tick)}</span>\n' for tick in up.ticks()]
    out.append("</div>\n<div class=\"xs\">")
    out += [f'<span style="left:{place(across.part(tick))}">{short(tick)}</span>' for tick in across.ticks()]
    out.append('</div>\n<p class="axis">Across: FLOPs per byte. Up: FLOP/s.</p>\n<ul class="keys">')
    used = {kind(kernel["on"]) for _, kernel, _, _ in marks}
    out += [f'<li><i class="c{number}"></i>{label}</li>' for number, (name, label) in enumerate(KINDS) if name in used]
    return "".join(out) + "<li>● decode</li><li>■ prefill</li></ul>\n"
