"""Profiles of C, C++ and Python programs, in the format of Go's pprof.

Let this program be looked at while it runs, at http://127.0.0.1:6060/debug/pprof/:

>>> import cprof
>>> server = cprof.serve()  # "127.0.0.1:0" is any free port    # doctest: +SKIP
>>> server.url, server.close()                              # doctest: +SKIP

A program that only says `import cprof` is switched on from outside: `CPROF_HTTP=1 python app.py`,
where 1 is 127.0.0.1:6060, and any address is fine. Children by fork have no server; they may call
`cprof.serve`. Of a reloader's two processes (Flask, Django) the one that serves has it.

Or take a profile of a part of it, without a server:

>>> with cprof.record("cpu") as r:                          # doctest: +SKIP
...     work()
>>> r.profile.save("work.pb.gz")                            # doctest: +SKIP

Or look at what is there now, and count what the program itself opens and closes:

>>> print(cprof.snapshot("thread").top())                   # doctest: +SKIP
>>> connections = cprof.CustomProfile("connections")        # doctest: +SKIP
>>> with connections.track(conn):                           # doctest: +SKIP
...     use(conn)

Count what it does; /debug/vars and /debug/metrics serve it as Go's expvar does:

>>> requests = cprof.Int("requests")                        # doctest: +SKIP
>>> requests.add()          # atomic, 20 ns                 # doctest: +SKIP
>>> by_path = cprof.Map("requests.by_path")                 # doctest: +SKIP
>>> by_path.add("/cart")                                    # doctest: +SKIP
>>> cprof.publish("threads", threading.active_count)        # doctest: +SKIP

Take one from another running program, or read it from a file:

>>> p = cprof.fetch("127.0.0.1:6060", "cpu", seconds=5)     # doctest: +SKIP
>>> p = cprof.load("cpu.pb.gz")                             # doctest: +SKIP

Look at it:

>>> print(p.top(10))                                        # doctest: +SKIP
>>> p.flamegraph("cpu.html")                                # doctest: +SKIP
>>> p.plot(10)              # needs cprof[plot]             # doctest: +SKIP
>>> for sample in p.samples:                                # doctest: +SKIP
...     print(sample.frames[0].name, sample.values, sample.labels)

In a notebook a profile shows itself as a flame graph, and `p.top()` as a table. `top` prints
what `go tool pprof -top` prints; its rows are `p.top().rows`, or `p.top().to_dicts()` for pandas.

Compare two, or add up many:

>>> print(cprof.diff(before, after).top())                  # doctest: +SKIP
>>> cprof.merge(profiles).save("all.pb.gz")                 # doctest: +SKIP

What can be fetched: "cpu", "wall", "heap", "allocs", "block", "mutex", "thread",
"threadcreate", and the program's own profiles by name. A profile with several sample types
(heap has four) takes `sample_type="inuse_space"` wherever one is looked at.

What goes wrong is a `cprof.Error`: `FetchError` (unreachable, refused, broken off),
`ProfileError` (not a profile, or two that do not fit together), `ServeError` (address taken or
not to be had), `RecordError` (no profile of this process), `VarError` (a name is taken),
`UnsupportedError` (something needed is missing). CPROF_DISABLE=1 in the environment makes `serve`
and `record` do nothing, without an error. The command `cprof` does the same from a shell.
"""

from __future__ import annotations

from os import environ as _environ

from cprof._version import __version__ as __version__

TYPE_CHECKING = False  # as type checkers know it; importing typing would cost most of our import
if TYPE_CHECKING:
    from cprof._core import Float as Float
    from cprof._core import Int as Int
    from cprof._core import Map as Map
    from cprof._core import String as String
    from cprof._custom import CustomProfile as CustomProfile
    from cprof._diff import diff as diff
    from cprof._diff import merge as merge
    from cprof._errors import Error as Error
    from cprof._errors import FetchError as FetchError
    from cprof._errors import ProfileError as ProfileError
    from cprof._errors import RecordError as RecordError
    from cprof._errors import ServeError as ServeError
    from cprof._errors import UnsupportedError as UnsupportedError
    from cprof._errors import VarError as VarError
    from cprof._fetch import fetch as fetch
    from cprof._flame import FlameGraph as FlameGraph
    from cprof._load import load as load
    from cprof._profile import Frame as Frame
    from cprof._profile import Label as Label
    from cprof._profile import Profile as Profile
    from cprof._profile import Sample as Sample
    from cprof._record import Recording as Recording
    from cprof._record import record as record
    from cprof._report import Row as Row
    from cprof._report import Table as Table
    from cprof._server import Server as Server
    from cprof._server import serve as serve
    from cprof._snapshot import snapshot as snapshot
    from cprof._vars import publish as publish

__all__ = [
    "CustomProfile",
    "Error",
    "FetchError",
    "FlameGraph",
    "Float",
    "Frame",
    "Int",
    "Label",
    "Map",
    "Profile",
    "ProfileError",
    "RecordError",
    "Recording",
    "Row",
    "Sample",
    "ServeError",
    "Server",
    "String",
    "Table",
    "UnsupportedError",
    "VarError",
    "diff",
    "fetch",
    "load",
    "merge",
    "publish",
    "record",
    "serve",
    "snapshot",
]

_HOME = {
    "CustomProfile": "_custom",
    "Error": "_errors",
    "FetchError": "_errors",
    "FlameGraph": "_flame",
    "Float": "_vars",
    "Frame": "_profile",
    "Int": "_vars",
    "Label": "_profile",
    "Map": "_vars",
    "Profile": "_profile",
    "ProfileError": "_errors",
    "RecordError": "_errors",
    "Recording": "_record",
    "Row": "_report",
    "Sample": "_profile",
    "ServeError": "_errors",
    "Server": "_server",
    "String": "_vars",
    "Table": "_report",
    "UnsupportedError": "_errors",
    "VarError": "_errors",
    "diff": "_diff",
    "fetch": "_fetch",
    "load": "_load",
    "merge": "_diff",
    "publish": "_vars",
    "record": "_record",
    "serve": "_server",
    "snapshot": "_snapshot",
}


if not TYPE_CHECKING:  # with it, type checkers would take any misspelt name

    def __getattr__(name: str):
        """Imports a public name when first used: `import cprof` alone costs next to nothing."""
        home = _HOME.get(name)
        if home is None:
            raise AttributeError(f"module 'cprof' has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"cprof.{home}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if _environ.get("CPROF_HTTP"):  # the only thing that `import cprof` may switch on
    from cprof._outside import serve_from_environment as _serve_from_environment

    _serve_from_environment(_environ["CPROF_HTTP"])
