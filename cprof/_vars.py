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
    if callable(x):
        from json import JSONEncoder

        encode = JSONEncoder(
            ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
        ).encode
        core().publish(name, x, encode)
    else:
        core().publish(name, x, None)
