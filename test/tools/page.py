# SPDX-License-Identifier: Apache-2.0
"""Reading the page of `yupana inspect --html`, and refusing one that is not well formed or reaches outside itself; plans
whose names attack it."""

import html.parser
import pathlib
import subprocess

VOID = {"meta", "br", "hr", "img", "input", "link"}
# What would run in a browser that took a name for markup.
ATTACK = "\"'><script>document.title='owned'</script><img src=x onerror=alert(1)></title></style><svg/onload=alert(2)>&amp;"
# A mark that turns the direction of writing. Control characters no plan may have in a name.
BYTES = "\\E2\\80\\AEdesrever"


def quoted(text):
    """As it stands in a string of MLIR, whose escapes are two hexadecimal digits."""
    return text.replace("\\", "\\5C").replace('"', "\\22")


def write_attack(yupana, golden, folder):
    """A plan whose every free text is an attack."""
    name = quoted(ATTACK) + BYTES
    text = (golden / "full.mlir").read_text()
    for old in ('plan.model "full"', 'architecture "Golden"', 'plan.cache_group "chunk48"', 'plan.arena "activations"',
                'plan.buffer "h"'):
        assert old in text, old
        text = text.replace(old, old[:old.rindex('"', 0, -1) + 1] + name + '"')
    source = folder / "attack.mlir"
    source.write_text(text)
    plan = folder / "attack.yplan"
    subprocess.run([yupana, "export", source, "-o", plan, "--producer", ATTACK], check=True)
    return plan


class Cell:
    def __init__(self, attributes):
        self.attributes, self.text, self.values = attributes, "", []


class Page(html.parser.HTMLParser):
    """Tables by id, each a list of rows of cells, without headings; facts by id, likewise. Raises what is wrong."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.stack, self.tables, self.ids, self.links, self.rows, self.cell = [], {}, set(), [], None, None
        self.title, self.style, self.text, self.rectangles = "", "", "", []
        assert text.startswith("<!doctype html>\n") and text.endswith("</html>\n")
        self.feed(text)
        self.close()
        assert not self.stack, self.stack
        for link in self.links:
            assert link[0] == "#" and link[1:] in self.ids, link
        for word in ("url(", "@import", "expression(", "http:", "https:"):
            assert word not in self.style, word

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(set(names)) == len(names), (tag, attributes)
        attributes = dict(attributes)
        assert tag not in ("script", "img", "link", "iframe", "object", "embed", "base", "form"), tag
        for name, value in attributes.items():
            assert not name.startswith("on") and name not in ("src", "srcset", "action", "xlink:href"), (tag, name)
            assert name != "style" or "url" not in value, value
        if "href" in attributes:
            self.links.append(attributes["href"])
        if "id" in attributes:
            assert attributes["id"] not in self.ids, attributes["id"]
            self.ids.add(attributes["id"])
        if tag in ("table", "dl"):
            self.rows = self.tables.setdefault(attributes.get("id"), [])
        elif tag in ("tr", "dt"):
            self.rows.append([])
        elif tag in ("td", "th", "dd"):
            self.cell = Cell(attributes)
            self.rows[-1].append(self.cell)
        elif tag == "data" and self.cell:
            self.cell.values.append(int(attributes["value"]))
        elif tag == "rect":
            self.rectangles.append(attributes)
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag):
        assert self.stack and self.stack[-1] == tag, (tag, self.stack)
        self.stack.pop()
        if tag in ("td", "th", "dd"):
            self.cell = None
        elif tag == "thead":
            self.rows.clear()

    def handle_data(self, data):
        if self.stack[-1:] == ["title"] and "svg" not in self.stack:
            self.title += data
        elif self.stack[-1:] == ["style"]:
            self.style += data
        else:
            self.text += data
        if self.cell:
            self.cell.text += data

    def values(self, table):
        """The numbers of every row, the row's name first."""
        return [[row[0].text, *(value for cell in row[1:] for value in cell.values)] for row in self.tables[table]]


def make_page(yupana, plan):
    path = pathlib.Path(plan).with_suffix(".html")
    subprocess.run([yupana, "inspect", plan, "--html", path], check=True)
    return path
