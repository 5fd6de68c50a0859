"""`cprof config --cflags --libs`: how to compile and link against the installed C library."""

from __future__ import annotations

import shlex
from pathlib import Path

from cprof._errors import UnsupportedError
from cprof.cli import _options


def run(arguments: list[str]) -> int:
    parser = _options.parser("config", "Prints flags for cc, quoted for a shell.")
    parser.add_argument("--cflags", action="store_true", help="flags for compiling")
    parser.add_argument("--libs", action="store_true", help="flags for linking")
    parser.add_argument("--prefix", action="store_true", help="the directory they are in")
    options = parser.parse_args(arguments)
    if not (options.cflags or options.libs or options.prefix):
        parser.error("one of --cflags, --libs, --prefix is needed")
    home = package_directory()
    flags: list[str] = []
    if options.prefix:
        flags.append(home)
    if options.cflags:
        flags += cflags(home)
    if options.libs:
        flags += libs(home)
    print(" ".join(map(shlex.quote, flags)))
    return 0


def package_directory() -> str:
    import cprof

    return str(Path(cprof.__file__).resolve().parent)


def cflags(home: str) -> list[str]:
    _need(Path(home, "include", "cprof.h"))
    return [f"-I{home}/include"]


def libs(home: str) -> list[str]:
    """--no-as-needed: a program that only wants the environment door calls nothing of ours, and
    linkers that drop unused libraries would drop it."""
    for name in ("libcprof.so", "libcprof_core.so"):
        _need(Path(home, "lib", name))
    return [
        f"-L{home}/lib",
        *_linker("-rpath", f"{home}/lib"),
        *_linker("--push-state", "--no-as-needed"),
        "-lcprof",
        *_linker("--pop-state"),
    ]


def _linker(*words: str) -> list[str]:
    """-Wl separates at commas, so a directory with one goes the longer way."""
    if any("," in word for word in words):
        return [flag for word in words for flag in ("-Xlinker", word)]
    return [",".join(("-Wl", *words))]


def _need(path: Path) -> None:
    if not path.is_file():
        raise UnsupportedError(f"the C library is not part of this installation: no {path}")
