# SPDX-License-Identifier: Apache-2.0
"""What `cmake --install` gives is whole, names no folder of this machine and works where it was moved to: programs, man
pages and completions that know every option, and libraries that C programs find by pkg-config and by find_package and
that need no LLVM. The C program of README.md is true.

    install_test.py BUILD PLAN WORK
"""

import pathlib
import re
import shlex
import shutil
import sys

from common import PROMPT, ROOT, clean_environment, expect, expected_text, readme_block, run

COMMANDS = ["compile", "refit", "check", "inspect", "verify", "targets", "tune"]
PROGRAMS = ["yupana", "yupana-run", "yupana-bench"]
# What a program that only runs plans may need.
PLAIN = r"linux-vdso|libyupana\.so|libc\.so|libm\.so|ld-linux|libstdc\+\+|libgcc_s"


def install(build, work):
    """Installs to one folder and moves it to another."""
    shutil.rmtree(work, ignore_errors=True)
    first, prefix = work / "first", work / "moved" / "prefix"
    run("cmake", "--install", build, "--prefix", first, "--strip")
    prefix.parent.mkdir(parents=True)
    first.rename(prefix)
    return prefix


def check_files(prefix, build):
    for name in [*(f"bin/{program}" for program in PROGRAMS), "include/yupana/yupana.h", "include/yupana/text.h",
                 "lib/libyupana.a", "lib/libyupana.so", "lib/libyupana.so.0.1", "lib/libyupana-simdriver.so",
                 "lib/pkgconfig/yupana.pc", "lib/cmake/Yupana/YupanaConfig.cmake", "lib/cmake/Yupana/YupanaTargets.cmake",
                 *(f"share/man/man1/{page}.1" for page in PROGRAMS + [f"yupana-{command}" for command in COMMANDS])]:
        expect((prefix / name).exists(), f"{name} is installed")
    places = [str(ROOT).encode(), str(build.resolve()).encode(), str(prefix.parents[1]).encode()]
    for path in prefix.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            for place in places:
                expect(place + b"/" not in data, f"{path.relative_to(prefix)} does not name {place.decode()}")
    expect(b".symtab" not in (prefix / "bin/yupana-bench").read_bytes(), "programs are stripped")
    symbols = [line.split()[-1] for line in run("nm", "-D", "--defined-only", prefix / "lib/libyupana.so").splitlines()]
    headers = "".join(path.read_text() for path in (prefix / "include/yupana").iterdir())
    declared = set(re.findall(r"^YUPANA_API [^;(]*?(yupana_\w+)\(", headers, re.M))
    exported = {name.split("@")[0] for name in symbols} - {"YUPANA_0.1"}
    expect(len(declared) > 50 and exported == declared, f"the library exports what its headers declare, but for {exported ^ declared}")


def check_pages(prefix):
    """Every option of a help text is in its man page, as a heading, and is completed by bash."""
    looked = 0
    for command in [["yupana"], *(["yupana", name] for name in COMMANDS), ["yupana-run"], ["yupana-bench"]]:
        text = run(prefix / "bin" / command[0], *command[1:], "--help")
        options = set(re.findall(r"^  (-[\w-]+)", text, re.M))
        page = (prefix / f"share/man/man1/{'-'.join(command)}.1").read_text().replace("\\-", "-")
        headings = re.findall(r"\.TP\n(.*)", page)
        for option in options:
            expect(any(f"\\fB{option}\\fR" in heading for heading in headings), f"the man page of {command} has {option}")
        words = complete(prefix, command + ["-"])
        expect(len(command) == 1 and not options or set(words) >= options, f"bash completes {options - set(words)} of {command}")
        looked += len(options)
    expect(looked > 60, f"the help texts have options, but {looked} were found")
    expect(set(complete(prefix, ["yupana", ""])) >= set(COMMANDS), "bash completes commands")
    expect(complete(prefix, ["yupana", "compile", "--max-c"]) == ["--max-context"], "bash completes what was begun")
    if shutil.which("man"):
        environment = clean_environment(MANWIDTH="80", LC_ALL="C.UTF-8")
        for page in (prefix / "share/man/man1").iterdir():
            text = run("man", "--warnings", page, env=environment)
            expect("EXIT STATUS" in text or "SEE ALSO" in text, f"{page.name} can be read")
    if shutil.which("zsh"):
        for path in (prefix / "share/zsh/vendor-completions").iterdir():
            run("zsh", "-n", path)


def complete(prefix, words):
    script = (f'source "$1/share/bash-completion/completions/{words[0]}"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1));'
              f' _{words[0].replace("-", "_")}; printf "%s\\n" "${{COMPREPLY[@]}}"')
    return run("bash", "-c", script, "bash", prefix, *words).split()


def check_embedding(prefix, plan, work):
    """The programs that embed the runtime write what yupana-run writes."""
    expected = expected_text(prefix / "bin/yupana-run", plan)
    compiler = shutil.which("clang-22") or "cc"
    packages = clean_environment(PKG_CONFIG_PATH=str(prefix / "lib/pkgconfig"))
    flags = run("pkg-config", "--cflags", "--libs", "yupana", env=packages).split()
    rpath = f"-Wl,-rpath,{prefix / 'lib'}"
    (work / "readme.c").write_text(readme_block("c"))
    programs = []
    for source in (ROOT / "test/package/embed.c", work / "readme.c"):
        programs.append(work / source.stem)
        run(compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", source, *flags, rpath, "-o", programs[-1], env=packages)
    project = work / "find-package"
    run("cmake", "-G", "Ninja", "-S", ROOT / "test/package/find-package", "-B", project, f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DEMBED_SOURCE={ROOT / 'test/package/embed.c'}", f"-DCMAKE_C_COMPILER={compiler}", env=clean_environment())
    run("ninja", "-C", project, env=clean_environment())
    programs += [project / "embed-runtime", project / "embed-runtime_static"]
    # That of README.md draws tokens as the checkpoint recommends.
    drawn = run(prefix / "bin/yupana-run", plan, "--prompt", PROMPT)
    expect(drawn != expected, "the checkpoint recommends to draw")
    for program in programs:
        text, wanted = run(program, plan, PROMPT, env=clean_environment()), drawn if program.stem == "readme" else expected
        expect(text == wanted, f"{program.name} writes {wanted!r}, but wrote {text!r}")
        needs = [line.strip() for line in run("ldd", program).splitlines()]
        expect(all(re.match(rf"(/\S*/)?({PLAIN})", need) for need in needs), f"{program.name} needs nothing but {needs}")
        symbols = run("nm", "-D", program)
        expect("llvm" not in symbols and "mlir" not in symbols, f"{program.name} refers to no LLVM")
    missing = run(programs[0], work / "none.yplan", PROMPT, code=3)
    expect(missing == "", "a plan that is not there gives no text")


def check_first_screen(prefix, plan):
    """The example that README.md begins with shows what the program writes."""
    lines = readme_block("console").splitlines()
    shown = [line for line in lines if line.startswith("$ yupana-run model.yplan ")]
    expect(len(shown) == 1 and lines[-2] == shown[0], "the example ends with a run and its one line")
    command = shlex.split(shown[0][2:].replace("model.yplan", str(plan)))
    text = run(prefix / "bin" / command[0], *command[1:])
    expect(text == lines[-1] + "\n", f"README.md shows {lines[-1]!r}, but it is {text!r}")


def main():
    build, plan, work = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    prefix = install(build, work)
    check_files(prefix, build)
    check_pages(prefix)
    check_embedding(prefix, plan, work)
    check_first_screen(prefix, plan)
    # The stand-in is looked for first: without it the exit code is 3, with it 6, since there is no code to simulate.
    run(prefix / "bin/yupana", "verify", plan, "--simulate", code=6)


if __name__ == "__main__":
    main()
