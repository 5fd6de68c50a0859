"""What can go wrong, and the one place where the C core's refusals become Python exceptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cprof import _core


class Error(Exception):
    """The base of every exception this package raises on purpose."""


class FetchError(Error):
    """A target could not be reached, refused, or stopped answering half-way."""


class ProfileError(Error):
    """What was received or loaded is not a profile, or two profiles do not fit together."""


class UnsupportedError(Error):
    """Something needed is not there: a feature, an optional package, the compiled core."""


def core() -> Any:
    """The compiled module, imported when a profile is first looked at and not before."""
    try:
        from cprof import _core as module
    except ImportError as why:
        raise UnsupportedError(
            f"the compiled core of cprof cannot be loaded ({why}); install cprof with pip, "
            "or build it in place with `make`"
        ) from why
    return module


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
