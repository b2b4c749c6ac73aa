# SPDX-License-Identifier: Apache-2.0
"""What a run of tools/gpu-check.sh found, as one page for a browser: it holds everything it needs and no script. The
same JSON gives the same page.

usage: report.py gpu-check.json [-o gpu-check.html]
"""

import argparse
import html
import json
import pathlib
import sys

import roofline
import svg

UNREADABLE, INVALID, CANNOT_WRITE = 3, 4, 7
HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
"""
VERDICTS = {True: "ok", False: "FAILED", None: "noted"}
STAND_IN = ("Run on a stand-in for the CUDA driver, which interprets: results are checked, times and rates say nothing "
            "of a GPU.")
PICTURE = ("Each mark is a kernel of a run that takes at least 1 % of its step: how many operations it does for a byte "
           "that it must move, and how fast it does them. The line is what this GPU was measured to allow, the dotted "
           "one half of it.")
STEPS = ("The floor of a step is the sum of its kernels', without anything between them. Steps are those of the "
         "profiled runs, whose kernels are launched one by one; tokens per second are of runs without a profiler.")
PEERS = ("How many times as long as ours another program takes on the same GPU for the same operation of one layer: "
         "above 1 ours is faster. Measured in turn; the ratio is the median of the rounds. Peers get rows sorted by "
         "expert and need not apply SwiGLU, except for the whole block.")


def escaped(text):
    return html.escape(str(text))


def microseconds(seconds):
    """Three digits and more, so that no two that differ by a percent look alike."""
    if seconds is None:
        return "–"
    value = seconds * 1e6
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percent(share):
    return "–" if share is None else f"{100 * share:.1f} %"


def meter(share):
    width = min(max(share or 0, 0), 1) * 100
    return f'{percent(share)}<span class="meter"><i style="width:{width:.1f}%"></i></span>'


def count(number):
    return f"{number:g}"


def two_lines(first, second):
    return f'{escaped(first)}<br><span class="faint">{escaped(second)}</span>'


def section(identifier, heading, note, content):
    note = f'<p class="note">{escaped(note)}</p>\n' if note else ""
    return f'<section id="{identifier}">\n<h2>{heading}</h2>\n{note}{content}</section>\n'


def table(name, headings, rows):
    """Headings that begin with ">" are of numbers; cells are markup, the first of a row names it."""
    out = [f'<div class="scroll" tabindex="0" role="region" aria-label="{escaped(name)}"><table><thead><tr>']
    for heading in headings:
        out.append(f'<th scope="col"{" class=n" if heading[0] == ">" else ""}>{escaped(heading.lstrip(">"))}</th>')
    out.append("</tr></thead><tbody>\n")
    for first, *cells in rows:
        out.append(f'<tr><th scope="row">{first}</th>')
        for heading, cell in zip(headings[1:], cells):
            kind = "n" if heading[0] == ">" else "long" if heading == "Found" else ""
            out.append(f"<td{f' class={kind}' if kind else ''}>{cell}</td>")
        out.append("</tr>\n")
    return "".join(out) + "</tbody></table></div>\n"


class Page:
    def __init__(self, found):
        self.found, self.results = found, found["results"]
        self.runs = [result for result in self.of("roofline") if "kernels" in result]
        self.pairs = [result for result in self.of("peer") if "ratios" in result]
        ceilings = {result["name"]: result.get("found", {}) for result in self.of("ceiling") if result["ok"]}
        self.bandwidth = ceilings.get("read bandwidth", {}).get("bytes_per_s")
        self.flops = ceilings.get("cuBLAS", {}).get("flops")

    def of(self, kind):
        return [result for result in self.results if result["kind"] == kind]

    def counted(self, verdict):
        return sum(result["ok"] is verdict for result in self.results)

    def header(self):
        name, *facts = [word.strip() for word in self.found["device"].split(",")]
        name = name or ("A stand-in for the driver" if self.found["driver"] else "A GPU")
        more = f" Driver {facts[0]}, {facts[1]}, at most {facts[2]}." if len(facts) >= 3 else ""
        capability = self.found["capability"]
        out = (f'<header>\n<p class="eyebrow">Yupana GPU check</p>\n<h1>{escaped(name)}</h1>\n<p class="lede">'
               f'Compute capability {capability // 10}.{capability % 10}.{escaped(more)} '
               f'{escaped(self.found["date"])}, {count(self.found["seconds"])} s.</p>\n')
        if self.found["driver"]:
            out += f'<p class="warn">{STAND_IN}</p>\n'
        for result in self.results:
            if result["ok"] is False:
                out += (f'<p class="warn bad"><span class="FAILED">FAILED</span> {escaped(result["kind"])} '
                        f'{escaped(result["name"])}: {escaped(result["detail"])}</p>\n')
        return out + "</header>\n<main>\n" + self.facts()

    def facts(self):
        rate = lambda value, unit: "not measured" if not value else f"{value / 1e12:.3g} {unit}"
        entries = [("Checks passed", count(self.counted(True)), f"{self.counted(None)} noted"),
                   ("Failed", count(self.counted(False)), ""),
                   ("Read bandwidth", rate(self.bandwidth, "TB/s"), "by a kernel that only reads"),
                   ("Arithmetic peak", rate(self.flops, "TFLOP/s"), "of cuBLAS in bf16, 8192 cubed")]
        if self.found["driver"]:
            entries[3] = (*entries[3][:2], "of cuBLAS in bf16")
        small = lambda more: f" <small>{more}</small>" if more else ""
        cells = "".join(f"<div><dt>{name}</dt><dd>{value}{small(more)}</dd></div>\n" for name, value, more in entries)
        return f'<dl class="facts">\n{cells}</dl>\n'

    def picture(self):
        if not self.runs or not self.bandwidth:
            return ""
        return section("roofline", "Roofline", PICTURE, svg.picture(self.runs, self.bandwidth, self.flops))

    def steps(self):
        if not self.runs:
            return ""
        rows = [(two_lines(run["plan"], run["run"]), microseconds(run["seconds"]), microseconds(run["floor"]),
                 meter(run["share"]), f'{run["tokens_per_s"]:,.0f}') for run in self.runs]
        steps = table("Steps", ["Run", ">Step, µs", ">Floor, µs", ">Share", ">Tokens/s"], rows)
        return section("steps", "Steps", STEPS, steps + "".join(map(self.kernels, self.runs)))

    def kernels(self, run):
        rows = [(escaped(kernel["on"] or kernel["kernel"]), f'<code>{escaped(kernel["kernel"])}</code>',
                 count(kernel["launches"]), microseconds(kernel["seconds"]), microseconds(kernel["floor"]),
                 meter(kernel["share"]), escaped(kernel["bound"] or "–")) for kernel in run["kernels"]]
        rows.append(("between kernels", "", "", microseconds(run["between"]), "–", "–", ""))
        headings = ["On", "Kernel", ">Launches", ">µs", ">Floor, µs", ">Share", "Bound by"]
        return (f'<details><summary>{escaped(run["plan"])} <span>{escaped(run["run"])}, {len(run["kernels"])} kernels'
                f'</span></summary>\n{table(run["plan"] + " " + run["run"], headings, rows)}</details>\n')

    def peers(self):
        if not self.pairs:
            return ""
        rows = []
        for pair in self.pairs:
            ours, theirs = (roofline.median(pair[side]) for side in ("ours", "theirs"))
            least, most = min(pair["ratios"]), max(pair["ratios"])
            rows.append((two_lines(pair["op"], f'{pair["plan"]} {pair["run"]}'),
                         escaped(pair["peer"]), f'{pair["median"]:.2f}', f'{least:.2f} to {most:.2f}',
                         microseconds(ours), microseconds(theirs)))
        headings = ["Operation", "Peer", ">Ratio", ">Rounds", ">Ours, µs", ">Theirs, µs"]
        return section("peers", "Beside others", PEERS, table("Peers", headings, rows))

    def checks(self):
        rows = [(escaped(result["name"]), escaped(result["kind"]),
                 f'<span class="{VERDICTS[result["ok"]]}">{VERDICTS[result["ok"]]}</span>', escaped(result["detail"]))
                for result in self.results]
        return section("checks", "Checks", "", table("Checks", ["Name", "Kind", "Verdict", "Found"], rows))

    def whole(self):
        style = pathlib.Path(__file__).with_name("page.css").read_text()
        return (f"{HEAD}<title>GPU check · Yupana</title>\n<style>{style}</style>\n</head>\n<body>\n{self.header()}"
                f"{self.picture()}{self.steps()}{self.peers()}{self.checks()}</main>\n"
                "<footer>Made of gpu-check.json, which has every number.</footer>\n</body>\n</html>\n")


def page(found):
    return Page(found).whole()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("json", type=pathlib.Path)
    parser.add_argument("-o", dest="out", type=pathlib.Path, help="the page (default: beside the JSON)")
    arguments = parser.parse_args()

    def fail(code, sentence):
        print(f"report.py: {sentence}", file=sys.stderr)
        sys.exit(code)
    try:
        text = arguments.json.read_text()
    except (OSError, ValueError) as error:
        fail(UNREADABLE, f"{arguments.json}: cannot be read: {error}")
    try:
        made = page(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        fail(INVALID, f"{arguments.json}: is not what check.py writes: {type(error).__name__}: {error}")
    out = arguments.out or arguments.json.with_suffix(".html")
    try:
        out.write_text(made)
    except OSError as error:
        fail(CANNOT_WRITE, f"{out}: cannot be written: {error}")


if __name__ == "__main__":
    main()
