"""`cprof flame TARGET -o FILE.html`: a flame graph that needs nothing but a browser."""

from __future__ import annotations

from cprof.cli import _options


def run(arguments: list[str]) -> int:
    parser = _options.parser("flame", "Writes a flame graph, as one self-contained HTML file.")
    parser.add_argument("target", metavar="TARGET", help=_options.TARGET)
    parser.add_argument("-o", "--output", metavar="FILE.html", required=True)
    parser.add_argument("--title", help="the default is the program's name and the sample type")
    _options.add_sample_index(parser)
    _options.add_target_options(parser)
    options = parser.parse_args(arguments)
    _options.check_files(parser, options, options.target)
    _options.check_writable(options.output)
    profile = _options.get(options.target, options)
    _options.check_sample_index(parser, profile, options)
    graph = profile.flamegraph(sample_type=options.sample_index, title=options.title)
    _options.write(options.output, graph.html.encode("utf-8", "replace"))
    return 0
