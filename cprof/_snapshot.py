"""Profiles of this process as they stand: cprof.snapshot."""

from __future__ import annotations

from cprof._errors import RecordError, core, decode, disabled, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cprof._profile import Profile


def snapshot(kind: str) -> Profile:
    """A profile of this process as it stands, without a server: "heap", "allocs", "block", "mutex",
    "thread" (or "goroutine"), "threadcreate", or one of the program's own by its name.

    >>> print(cprof.snapshot("thread").top())                   # doctest: +SKIP

    "cpu" takes a while and is recorded: `cprof.record`. With CPROF_DISABLE=1 in the environment the
    profile is an empty one.
    """
    from cprof._profile import Profile

    if disabled():
        from cprof._record import EMPTY

        return Profile(decode(EMPTY, "the snapshot"))
    if kind in ("cpu", "profile"):
        raise ValueError("a cpu profile takes a while: with cprof.record() as r: ...; r.profile")
    module = core()
    try:
        data = module.snapshot(kind, 0)
    except module.CoreError as why:
        raise _explained(refused(why, RecordError), kind) from None
    return Profile(decode(data, "the snapshot"))


def _explained(error: Exception, kind: str) -> Exception:
    if not isinstance(error, ValueError):
        return error
    from cprof._target import KINDS, did_you_mean

    return ValueError(f"{error}{did_you_mean(kind, KINDS)}")
