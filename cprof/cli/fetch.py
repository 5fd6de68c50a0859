"""`cprof fetch TARGET -o FILE`: saves a profile, byte for byte as the server sent it."""

from __future__ import annotations

import sys
import time

from cprof._errors import decode
from cprof.cli import _options


def run(arguments: list[str]) -> int:
    parser = _options.parser("fetch", "Saves a profile of a running program.")
    parser.add_argument("target", metavar="TARGET", help=_options.TARGET)
    _options.add_target_options(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="the default is cprof.KIND.TIME.pb.gz; - is stdout"
    )
    options = parser.parse_args(arguments)
    _options.check_files(parser, options, options.target)
    kind = options.profile or "cpu"
    is_trace = kind == "trace"
    suffix = "trace" if is_trace else "pb.gz"
    output = options.output or f"cprof.{_plain(kind)}.{time.strftime('%Y%m%d-%H%M%S')}.{suffix}"
    if output != "-":
        _options.check_writable(output)

    from cprof._fetch import fetch_bytes

    data, source = fetch_bytes(
        options.target,
        options.profile,
        options.seconds,
        _options.PROGRESS[options.progress],
        options.timeout,
        dict(options.header),
    )
    if not is_trace:
        decode(data, source)
    if output == "-":
        sys.stdout.buffer.write(data)
        return 0
    _options.write(output, data)
    if not options.output:
        print(output)
    return 0


def _plain(kind: str) -> str:
    """A custom profile's name as part of a file name."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in kind)
