"""`cprof version`."""

from __future__ import annotations

from cprof._version import __version__
from cprof.cli import _options


def run(arguments: list[str]) -> int:
    _options.parser("version", "Prints the version of cprof.").parse_args(arguments)
    print(f"cprof {__version__}")
    return 0
