"""`cprof diff BASE NEW`: what `go tool pprof -top -base BASE NEW` prints."""

from __future__ import annotations

from cprof.cli import _options


def run(arguments: list[str]) -> int:
    parser = _options.parser("diff", "Prints what grew and what shrank from BASE to NEW.")
    parser.add_argument("base", metavar="BASE", help=_options.TARGET)
    parser.add_argument("new", metavar="NEW", help="likewise")
    _options.add_top_options(parser)
    _options.add_target_options(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="save the difference as well")
    options = parser.parse_args(arguments)
    _options.check_files(parser, options, options.base, options.new)
    if options.output:
        _options.check_writable(options.output)

    from cprof._diff import diff

    base = _options.get(options.base, options)
    found = diff(base, _options.get(options.new, options))
    _options.check_sample_index(parser, found, options)
    if options.output:
        _options.write(options.output, found.to_bytes())
    _options.print_top(found, options)
    return 0
