"""The command `cprof`. A file per command; only the one asked for is imported.

Exit codes: 0 fine, 2 wrong usage, 3 something needed is missing (also: the output cannot be
written), 4 the target is unreachable or not a profile, 130 interrupted. 1 is kept for commands
whose answer can be "no". `run` ends as its program does, or with 125 to 127, as env(1) has them,
where that could not be started.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

COMMANDS = {
    "run": "run a program with cprof in it",
    "fetch": "save a profile of a running program",
    "top": "the functions that cost most",
    "flame": "a flame graph, as one HTML file",
    "diff": "what changed between two profiles",
    "ps": "your processes that have a cprof server",
    "config": "compiler and linker flags for the C library",
    "version": "the version of cprof",
}
USAGE, MISSING, NO_PROFILE, INTERRUPTED = 2, 3, 4, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read us has seen enough. The interpreter flushes stdout once more at its end,
        # which must not find the pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as why:  # a full disk behind stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return complain(f"cannot write the output: {why.strerror or why}", MISSING)


def _run(arguments: list[str]) -> int:
    if not arguments:
        return complain("a command is needed: " + ", ".join(COMMANDS), USAGE)
    name, *rest = arguments
    if name in ("-h", "--help", "help"):
        if name == "help" and rest and rest[0] in COMMANDS:
            return _command(rest[0], ["--help"])
        print(_help())
        return 0
    if name in ("-V", "--version"):
        name = "version"
    if name not in COMMANDS:
        return complain(
            f"unknown {'option' if name[:1] == '-' else 'command'} {name!r}"
            + _near(name)
            + " (cprof --help lists them)",
            USAGE,
        )
    return _command(name, rest)


def _command(name: str, arguments: list[str]) -> int:
    from importlib import import_module

    from cprof._errors import Error, UnsupportedError

    command = import_module(f"cprof.cli.{name}")
    try:
        code: int = command.run(arguments)
    except SystemExit as end:  # argparse: 0 after --help, 2 after a complaint
        return end.code if isinstance(end.code, int) else USAGE
    except UnsupportedError as why:
        return complain(str(why), MISSING)
    except Error as why:
        return complain(str(why), NO_PROFILE)
    return code


def complain(message: str, code: int) -> int:
    """One line on stderr, whatever the message holds, and the exit code to return."""
    if sys.stderr is not None:  # closed by the caller; print() would then take stdout
        print("cprof: " + " ".join(message.split()), file=sys.stderr)
    return code


def _near(name: str) -> str:
    from cprof._target import did_you_mean

    return did_you_mean(name, list(COMMANDS))


def _help() -> str:
    lines = ["usage: cprof COMMAND [options]", ""]
    lines += [f"  {name:<8} {text}" for name, text in COMMANDS.items()]
    lines += [
        "",
        "`cprof COMMAND --help` tells more. A TARGET is a URL, host:port, unix:/path, PID or file.",
        "Exit codes: 0 fine, 1 kept for an answer that is no, 2 usage, 3 something needed is",
        "missing, 4 target unreachable or not a profile, 130 interrupted. `cprof run` ends as its",
        "program does; 125 to 127 are env's.",
    ]
    return "\n".join(lines)
