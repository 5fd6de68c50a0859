"""Options that several commands have, and how they are obeyed."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from cprof._errors import UnsupportedError

if TYPE_CHECKING:
    from cprof._profile import Profile

TARGET = "a URL, host:port, unix:/path, the PID of a program that serves, or a file"
PROGRESS = {"auto": None, "always": True, "never": False}


class Parser(argparse.ArgumentParser):
    """Complains in one line: the whole usage would bury what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} ({self.prog} --help tells more)\n")


def parser(name: str, description: str) -> Parser:
    made = Parser(prog=f"cprof {name}", description=description, allow_abbrev=False)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    return made


def add_target_options(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "--profile",
        metavar="KIND",
        help="cpu (the default) or another profile that the server's index lists; a Go program "
        "has heap, allocs, block, mutex, thread and threadcreate",
    )
    to.add_argument(
        "--seconds",
        type=seconds,
        metavar="N",
        help="length of the window; 30 for cpu and wall, none for the others",
    )
    to.add_argument(
        "--progress",
        choices=list(PROGRESS),
        default="auto",
        help="a bar on stderr while the window is taken: auto is on a terminal only",
    )
    to.add_argument(
        "--timeout",
        type=timeout,
        metavar="S",
        help="give up where the whole answer has not come after S seconds",
    )
    to.add_argument(
        "--header",
        action="append",
        type=header,
        default=[],
        metavar="'NAME: VALUE'",
        help="send this along; may be repeated",
    )


def add_top_options(to: argparse.ArgumentParser) -> None:
    to.add_argument("-n", type=count, metavar="N", help="show N rows; all that matter by default")
    to.add_argument("--cum", action="store_true", help="sort by cum, not by flat")
    add_sample_index(to)
    to.add_argument(
        "--granularity",
        choices=["functions", "filefunctions", "files", "lines", "addresses"],
        default="functions",
        help="what a row is",
    )
    to.add_argument("--json", action="store_true", help="print JSON")


def add_sample_index(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "--sample-index", metavar="NAME", help="which of the sample types, by name or number"
    )


def check_files(to: Parser, options: argparse.Namespace, *targets: str) -> None:
    """Refuses what only a server could obey, where there is none among the targets."""
    from cprof._target import is_file

    if not all(map(is_file, targets)):
        return
    for name in ("seconds", "profile"):
        if getattr(options, name) is not None:
            what = "is a file" if len(targets) == 1 else "are files"
            to.error(f"--{name} goes with a server, and {' and '.join(targets)} {what}")


def check_sample_index(to: Parser, profile: Profile, options: argparse.Namespace) -> None:
    """A name that is not there is a slip of whoever typed it, and not the profile's fault."""
    from cprof._errors import ProfileError

    try:
        profile.sample_type_index(options.sample_index)
    except ProfileError as why:
        if not profile.sample_types:
            raise
        to.error(f"--sample-index: {why}")


def get(target: str, options: argparse.Namespace) -> Profile:
    """The profile that target and the target options stand for."""
    from cprof._fetch import fetch

    return fetch(
        target,
        options.profile,
        seconds=options.seconds,
        progress=PROGRESS[options.progress],
        timeout=options.timeout,
        headers=dict(options.header),
    )


def print_top(profile: Profile, options: argparse.Namespace) -> None:
    table = profile.top(
        options.n, "cum" if options.cum else "flat", options.sample_index, options.granularity
    )
    if not options.json:
        print(table.text())
        return
    import json

    print(json.dumps(table.to_dict(), indent=1))


def write(path: str, data: bytes) -> None:
    """Writes an output file; what forbids it is something that is missing, exit code 3."""
    from cprof._files import write_whole

    try:
        write_whole(path, data)
    except OSError as why:
        raise UnsupportedError(f"cannot write {path}: {why.strerror or why}") from why


def check_writable(path: str) -> None:
    """Finds out before a window is taken, not after it."""
    real = Path(path).resolve()
    if real.is_dir():
        raise UnsupportedError(f"cannot write {path}: Is a directory")
    if not real.parent.is_dir():
        raise UnsupportedError(f"cannot write {path}: no directory {real.parent}")
    checked = real if real.exists() else real.parent
    if not os.access(checked, os.W_OK):
        raise UnsupportedError(f"cannot write {path}: Permission denied")


def seconds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of seconds, 1 or more")
    return int(text)


def timeout(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return number


def count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of rows, 1 or more")
    return int(text)


def header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or "\n" in text or "\r" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not a header, as 'Name: value'")
    return name.strip(), value.strip()
