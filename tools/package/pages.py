#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes man pages and shell completions from what the programs say to --help, so that each option is described once.

    pages.py OUTPUT PROGRAM...

OUTPUT gets man/*.1, bash/*, zsh/* and fish/*. A program whose help lists commands gets a page for each of them. What is
understood of a help text: it starts with `usage:`; an entry is indented by two columns and has its text in a column
further right; a line that is indented deeper than that column stands as it is; a line before entries is their heading.
"""

import pathlib
import re
import subprocess
import sys
from collections import namedtuple

# An option or command: its names ("--target"), what they take ("A,B", or "") and lines of text.
Entry = namedtuple("Entry", "names value text")
INDENT = "  "


class Help:
    """A help text, parsed: usage lines, and blocks that are either paragraphs (str) or lists of entries."""

    def __init__(self, command):
        self.command = command
        run = subprocess.run([*command, "--help"], stdout=subprocess.PIPE, check=True, text=True)
        paragraphs = [block.split("\n") for block in run.stdout.strip("\n").split("\n\n")]
        self.usage = [re.sub(r"^(usage:)?\s+", "", line) for line in paragraphs[0]]
        self.blocks = [part for lines in paragraphs[1:] for part in self.parts(lines)]

    @staticmethod
    def parts(lines):
        first = next((i for i, line in enumerate(lines) if re.match(r"  \S", line)), len(lines))
        if first:
            yield " ".join(lines[:first])
        if first < len(lines):
            yield list(entries(lines[first:]))

    @property
    def name(self):
        return "-".join([pathlib.Path(self.command[0]).name, *self.command[1:]])

    def entries(self, is_option):
        return [entry for block in self.blocks if isinstance(block, list) for entry in block
                if entry.names[0].startswith("-") == is_option]

    def options(self):
        """Each option once, with the first text it has."""
        found = {}
        for entry in self.entries(True):
            found.setdefault(entry.names[-1], entry)
        return list(found.values())

    def paragraphs(self, start):
        return [block for block in self.blocks if isinstance(block, str) and block.startswith(start)]


def entries(lines):
    """The entries of a list. Their text begins in the column where most lines have it."""
    starts = [match.end() for line in lines if (match := re.match(r"  \S+(?: \S+)*  +(?=\S)|   +(?=\S)", line))]
    column = max(set(starts), key=starts.count)
    entry = None
    for line in lines:
        if re.match(r"  \S", line):
            if entry:
                yield entry
            match = re.match(r"  (\S+(?: \S+)*)  +(\S.*)$", line)
            head, text = match.groups() if match else (line[2:column], line[column:])
            names, value = signature(head.strip())
            entry = Entry(names, value, [text] if text.strip() else [])
        else:
            indent = len(line) - len(line.lstrip())
            entry.text.append(line[column:] if indent > column else line.strip())
    yield entry


def signature(head):
    """`--device DEVICE` or `--emit=A,B` or `compile FOLDER -o PLAN`: names, and what follows them."""
    match = re.match(r"(-[\w-]+(?: \| -[\w-]+| , -[\w-]+)*|\w[\w-]*)(?:[ =](.*))?$", head)
    return re.split(r" [|,] ", match.group(1)), match.group(2) or ""


# ---- man

def roff(text):
    """`text` as roff: nothing in it is a request, code in backquotes is bold."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = re.sub(r"`([^`]*)`", r"\\fB\1\\fR", text)
    return re.sub(r"^([.'])", r"\\&\1", text)


def man_entry(entry):
    value = f" \\fI{roff(entry.value)}\\fR" if entry.value else ""
    lines = [".TP", ", ".join(f"\\fB{roff(name)}\\fR" for name in entry.names) + value]
    for text in entry.text:
        lines += [".br", roff(text.strip())] if text.startswith(INDENT) else [roff(text)]
    return lines


def man(page, summary, version, others):
    title = " ".join([pathlib.Path(page.command[0]).name, *page.command[1:]])
    ends = {"Exit codes:": "EXIT STATUS", "Example:": "EXAMPLES"}
    lines = [f'.TH {page.name.upper()} 1 "" "{version}" "User Commands"', ".SH NAME",
             f"{roff(page.name)} \\- {roff(summary)}", ".SH SYNOPSIS"]
    for i, usage in enumerate(page.usage):
        lines += [".br"] * bool(i) + [roff(usage).replace(roff(title), f"\\fB{roff(title)}\\fR", 1)]
    lines.append(".SH DESCRIPTION")
    last = None
    for block in page.blocks:
        if isinstance(block, list):
            lines += [line for entry in block for line in man_entry(entry)]
        elif not any(block.startswith(start) for start in ends):
            lines += [".PP" if last is None or isinstance(last, str) else ".P", roff(block)]
        last = block
    for start, heading in ends.items():
        if found := page.paragraphs(start):
            lines.append(f".SH {heading}")
            lines += [roff(block[len(start):].strip()) for block in found]
    lines += [".SH SEE ALSO", ", ".join(f"\\fB{roff(other)}\\fR(1)" for other in others if other != page.name)]
    return "\n".join(lines) + "\n"


# ---- completions

def one_line(entry):
    return re.split(r" \(|[.;:?](?: |$)", " ".join(entry.text))[0].strip()


def bash(pages):
    """Words that start with a dash are options, the first word of a program with commands is one of them; every other
    word is left to the shell, which completes names of files."""
    name, commands = pages[0].name, pages[0].entries(False)
    function = "_" + name.replace("-", "_")
    lines = [f"# bash completion for {name}, made from its help", f"{function}() {{", "  COMPREPLY=()",
             '  local word=${COMP_WORDS[COMP_CWORD]} words=']
    if commands:
        lines += ["  if [ \"$COMP_CWORD\" -eq 1 ]; then",
                  f"    words='{' '.join(entry.names[0] for entry in commands)} --help'",
                  "  elif [[ $word == -* ]]; then", "    case ${COMP_WORDS[1]} in"]
        lines += [f"      {page.command[1]}) words='{options(page)}' ;;" for page in pages[1:]]
        lines += ["    esac", "  fi"]
    else:
        lines += [f"  [[ $word != -* ]] || words='{options(pages[0])}'"]
    lines += ["  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")", "}",
              f"complete -o default -F {function} {name}"]
    return "\n".join(lines) + "\n"


def options(page):
    return " ".join(name for entry in page.options() for name in entry.names)


def zsh(pages):
    name = pages[0].name

    def arguments(page):
        for entry in page.options():
            text = re.sub(r"([\[\]:'\\])", "", one_line(entry))
            value = f":{entry.value.replace(':', '')}:_files" if entry.value else ""
            for option in entry.names:
                yield f"    '*{option}[{text}]{value}'"
        yield "    '*:file:_files'"

    lines = [f"#compdef {name}", f"# zsh completion for {name}, made from its help"]
    if len(pages) == 1:
        return "\n".join([*lines, "_arguments \\", " \\\n".join(arguments(pages[0]))]) + "\n"
    lines += ["if (( CURRENT == 2 )); then", "  local -a commands=("]
    lines += [f"    '{entry.names[0]}:{one_line(entry)}'".replace("`", "") for entry in pages[0].entries(False)]
    lines += ["  )", "  _describe command commands", "  return", "fi", "local command=$words[2]", "shift words",
              "(( CURRENT-- ))", "case $command in"]
    for page in pages[1:]:
        lines += [f"  {page.command[1]})", "    _arguments \\", " \\\n".join(arguments(page)), "    ;;"]
    return "\n".join([*lines, "esac"]) + "\n"


def fish(pages):
    name = pages[0].name
    lines = [f"# fish completion for {name}, made from its help"]

    def quoted(entry):
        return "'" + one_line(entry).replace("\\", "").replace("'", "") + "'"

    for entry in pages[0].entries(False):
        lines.append(f"complete -c {name} -n __fish_use_subcommand -f -a {entry.names[0]} -d {quoted(entry)}")
    for page in pages[1:] or pages:
        condition = f" -n '__fish_seen_subcommand_from {page.command[1]}'" if len(page.command) > 1 else ""
        for entry in page.options():
            for option in entry.names:
                flag = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
                lines.append(f"complete -c {name}{condition} {flag}{' -r' if entry.value else ''} -d {quoted(entry)}")
    return "\n".join(lines) + "\n"


def main():
    output, programs = pathlib.Path(sys.argv[1]), sys.argv[2:]
    everything = {}
    for program in programs:
        top = Help([program])
        commands = [entry.names[0] for entry in top.entries(False)]
        everything[program] = [top] + [Help([program, command]) for command in commands if command != "version"]
    names = [page.name for pages in everything.values() for page in pages]
    for folder in ("man", "bash", "zsh", "fish"):
        (output / folder).mkdir(parents=True, exist_ok=True)
    for program, pages in everything.items():
        version = subprocess.run([program, "--version"], stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
        summaries = {entry.names[0]: one_line(entry) for entry in pages[0].entries(False)}
        for page in pages:
            first = re.split(r"(?<=\w)\. |[.,:]$", page.blocks[0])[0].rstrip(".")
            summary = summaries.get(page.command[-1], first[0].lower() + first[1:])
            (output / "man" / f"{page.name}.1").write_text(man(page, summary, version, names))
        name = pages[0].name
        (output / "bash" / name).write_text(bash(pages))
        (output / "zsh" / f"_{name}").write_text(zsh(pages))
        (output / "fish" / f"{name}.fish").write_text(fish(pages))


if __name__ == "__main__":
    main()
