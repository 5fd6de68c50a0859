"""`cprof top TARGET`: what `go tool pprof -top` prints."""

from __future__ import annotations

from cprof.cli import _options


def run(arguments: list[str]) -> int:
    parser = _options.parser("top", "Prints the functions that cost most, as go tool pprof -top.")
    parser.add_argument("target", metavar="TARGET", help=_options.TARGET)
    _options.add_top_options(parser)
    _options.add_target_options(parser)
    options = parser.parse_args(arguments)
    _options.check_files(parser, options, options.target)
    profile = _options.get(options.target, options)
    _options.check_sample_index(parser, profile, options)
    _options.print_top(profile, options)
    return 0
