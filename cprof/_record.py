"""Profiles of this process without a server: cprof.record."""

from __future__ import annotations

import operator
import os

from cprof._errors import RecordError, UnsupportedError, core, decode, disabled, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from cprof import _core
    from cprof._profile import Profile

RECORDED = ("cpu", "profile")  # two names of one kind, as everywhere

# A profile of nothing, for programs that run with CPROF_DISABLE: no sample, the usual types.
_TEXTS = ("", "samples", "count", "cpu", "nanoseconds", "cprof: switched off by CPROF_DISABLE")
EMPTY = b"".join(
    (
        b"\x0a\x04\x08\x01\x10\x02",  # sample_type: samples, count
        b"\x0a\x04\x08\x03\x10\x04",  # sample_type: cpu, nanoseconds
        *(bytes((0x32, len(text))) + text.encode() for text in _TEXTS),  # string_table
        b"\x5a\x04\x08\x03\x10\x04",  # period_type: cpu, nanoseconds
        b"\x68\x05",  # comment
    )
)


class Recording:
    """A profile being taken of this process, made by `cprof.record`."""

    def __init__(self, kind: str = "cpu", hz: int | None = None) -> None:
        self.kind = kind
        self._hz = _checked(kind, hz)
        self._record: _core.Record | _Nothing | None = None
        self._pid = os.getpid()
        self._failure: Exception | None = None
        self._profile: Profile | None = None

    def start(self) -> Recording:
        """Begins it; once only. A `with` block does it by itself."""
        if self._record is not None:
            raise RecordError("it was started already; each recording is one profile")
        self._pid = os.getpid()
        self._record = _start(self.kind, self._hz)
        return self

    def stop(self) -> Profile:
        """Ends it and returns its profile; stopped again, the same one."""
        self._end()
        return self.profile

    @property
    def profile(self) -> Profile:
        """What was recorded; `RecordError` before the end."""
        if self._profile is None:
            if self._data is None:
                raise self._failure or RecordError(self._why_there_is_none())
            from cprof._profile import Profile

            self._profile = Profile(decode(self._data, "the recording"))
        return self._profile

    def __enter__(self) -> Recording:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """An exception of the block goes before ours, which `profile` still raises. Leaving the
        block in a child of fork is no error, although the recording is the parent's."""
        self._end()
        if self._failure is not None and error is None:
            raise self._failure

    def __repr__(self) -> str:
        return f"<cprof.Recording: {self.kind}, {self._state()}>"

    @property
    def _data(self) -> bytes | None:
        return self._record.data if self._record is not None else None

    @property
    def _mine(self) -> bool:
        return self._pid == os.getpid()

    def _end(self) -> None:
        if self._record is None:
            return
        try:
            self._record.stop()
        except core().CoreError as why:
            # Not running: another thread is just ending it, or it is the parent's.
            if why.args[0] != "NOT_RUNNING":
                self._failure = refused(why, RecordError)

    def _state(self) -> str:
        if self._data is not None:
            return "ended"
        if self._record is None:
            return "not started"
        if not self._mine:
            return f"of process {self._pid}"
        return "running" if self._failure is None else "failed"

    def _why_there_is_none(self) -> str:
        if self._record is None:
            return "there is no profile yet: the recording was not started"
        if not self._mine:
            return f"the recording belongs to process {self._pid}, the parent of this one"
        return "there is no profile yet: it still runs, until stop() or the end of `with`"


class _Nothing:
    """What stands for the core's record where CPROF_DISABLE is set."""

    data: bytes | None = None

    def stop(self) -> bytes:
        self.data = EMPTY
        return EMPTY


def record(kind: str = "cpu", hz: int | None = None) -> Recording:
    """Takes a profile of this process, all its threads, while a `with` block runs:

    >>> with cprof.record("cpu") as r:                          # doctest: +SKIP
    ...     work()
    >>> print(r.profile.top())                                  # doctest: +SKIP

    or from `r = cprof.record("cpu").start()` to `r.stop()`, which returns the profile. Any number
    may run at once, nested or on several threads, beside a server or without one.

    hz: how often per second of CPU time, else the set rate (100).

    An exception in the block ends the recording too, and its profile is there. In a child of fork
    an open recording is the parent's, and goes on there. With CPROF_DISABLE=1 in the environment
    nothing is recorded, and the profile is an empty one.
    """
    return Recording(kind, hz)


def _checked(kind: str, hz: int | None) -> int:
    """The rate for the core, where 0 is the set one."""
    if kind not in RECORDED:
        from cprof._target import KINDS, did_you_mean

        if kind in KINDS:
            raise UnsupportedError(f"{kind} cannot be recorded yet: cpu can")
        raise UnsupportedError(f"{kind!r} is not a kind of profile" + did_you_mean(kind, KINDS))
    rate = 0 if hz is None else operator.index(hz)
    if hz is not None and not 1 <= rate < 1 << 31:
        raise ValueError(f"hz is {hz}; it must be 1 or more")
    return rate


def _start(kind: str, hz: int) -> _core.Record | _Nothing:
    if disabled():
        return _Nothing()
    module = core()
    try:
        record: _core.Record = module.Record.start(kind, hz)
    except module.CoreError as why:
        raise refused(why, RecordError) from None
    return record
