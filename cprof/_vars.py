"""What a program publishes for /debug/vars: cprof.Int, Float, String, Map, publish."""

from __future__ import annotations

from cprof._errors import core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cprof._core import Float, Int, Map, String
else:
    Float, Int, Map, String = (getattr(core(), n) for n in ("Float", "Int", "Map", "String"))


def publish(name: str, x: Int | Float | String | Map | Callable[[], object]) -> None:
    """Serves x in /debug/vars under a name: a variable, or a callable, which is called at each
    reading and returns what json can encode.

    >>> cprof.publish("threads", threading.active_count)        # doctest: +SKIP

    It is called on a thread of cprof's, with the GIL. What it raises, and NaN or an infinity in
    what it returns, is null; so is one that has not come back after two seconds. A name is
    published once, by whatever language: `VarError` says `Reuse of exported var name: NAME`.
    """
    core().publish(name, x, _encoder() if callable(x) else None)


def _encoder() -> Callable[[object], str]:
    """JSON as Go's: compact, sorted. A surrogate is no character, and would be no UTF-8."""
    import re
    from json import JSONEncoder

    json = JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    surrogate = re.compile("[\ud800-\udfff]")
    return lambda value: surrogate.sub("\ufffd", json.encode(value))
