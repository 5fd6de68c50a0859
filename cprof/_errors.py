"""What can go wrong, and the one place where the C core's refusals become Python exceptions."""

from __future__ import annotations

import importlib
import os
import sys

TYPE_CHECKING = False  # as type checkers know it; typing costs more than the rest of a start
if TYPE_CHECKING:
    from typing import Any

    from cprof import _core
    from cprof._server import Server


class Error(Exception):
    """The base of every exception this package raises on purpose."""


class FetchError(Error):
    """A target could not be reached, refused, or stopped answering half-way."""


class ProfileError(Error):
    """What was received or loaded is not a profile, or two profiles do not fit together."""


class ServeError(Error):
    """The server could not be started: its address is taken, cannot be read or is not allowed, or
    this process has a server already."""

    server: Server | None = None
    """The server that runs already, where that is the reason and `cprof.serve` had opened it."""


class RecordError(Error):
    """A profile of this process could not be taken, or was asked for before it had ended."""


class VarError(Error, ValueError):
    """A name in /debug/vars is taken: `Reuse of exported var name: NAME`."""


class UnsupportedError(Error):
    """Something needed is not there: a feature, an optional package, the compiled core."""


def core() -> Any:
    """The compiled module, imported when a profile is first looked at and not before."""
    try:
        module = _import_core()
    except ImportError as why:
        raise UnsupportedError(
            f"the compiled core of cprof cannot be loaded ({why}); install cprof with pip, "
            "or build it in place with `make`"
        ) from why
    return module


def _import_core() -> Any:
    """Never with RTLD_GLOBAL, which a program may have set for a plugin of its own: what the core
    is linked against would join the symbols of the whole process."""
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags & ~os.RTLD_GLOBAL)
    try:
        return importlib.import_module("cprof._core")
    finally:
        sys.setdlopenflags(flags)


def decode(data: bytes | bytearray | memoryview, source: str) -> _core.Model:
    """The columns of a profile.proto, or a ProfileError that names its source."""
    module = core()
    try:
        model: _core.Model = module.Model.decode(data)
    except module.CoreError as why:
        raise ProfileError(f"{source}: {sentence(why)}") from why
    return model


def sentence(why: BaseException) -> str:
    """The sentence of a CoreError, whose args are (status name, sentence)."""
    return str(why.args[-1]) if why.args else type(why).__name__


def refused(why: BaseException, failure: type[Error]) -> Exception:
    """What to raise for a CoreError of the doors: failure, where nothing fits better."""
    name, text = why.args[0], sentence(why)
    if name == "INVALID":
        return ValueError(text)
    if name in ("UNSUPPORTED", "NO_CORE"):
        return UnsupportedError(text)
    return failure(text)


def disabled() -> bool:
    """Whether CPROF_DISABLE makes every door inert."""
    return os.environ.get("CPROF_DISABLE", "") not in ("", "0")
