"""Profiles of the program's own: cprof.CustomProfile."""

from __future__ import annotations

import itertools

from cprof._errors import RecordError, core, disabled, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from contextlib import AbstractContextManager
    from typing import TypeVar

    from cprof import _core

    H = TypeVar("H", bound=Hashable)


class CustomProfile:
    """Which stacks have put the values that are in it there: connections, files, locks held.

    >>> connections = cprof.CustomProfile("connections")        # doctest: +SKIP
    >>> connections.add(conn)                                   # doctest: +SKIP
    >>> connections.remove(conn)                                # doctest: +SKIP
    >>> with connections.track(conn):                           # doctest: +SKIP
    ...     use(conn)

    It is served as /debug/pprof/connections, lives as long as the process, and holds its values:
    what is added must be removed. Values are told apart as keys of a dict are. A name that is empty
    or taken, also by a profile that is built in, is a `ValueError`. With CPROF_DISABLE=1 in the
    environment nothing is kept.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._core: _core.CustomProfile | None = None
        self._numbers: dict[Hashable, int] = {}
        self._next = itertools.count(1)
        if disabled():
            return
        module = core()
        try:
            self._core = module.CustomProfile.make(name)
        except module.CoreError as why:
            raise refused(why, RecordError) from None

    def add(self, value: Hashable, skip: int = 1) -> None:
        """Adds a value with the stack of this thread, 32 native frames at most; `ValueError` where
        it is there already. skip is as in Go: how many of the innermost frames are left out, the
        core's own being the first."""
        hash(value)  # a TypeError before anything has changed
        if self._core is None:
            return
        number = next(self._next)
        self._add_number(self._core, number, skip)
        # After the core: a remove on another thread finds both or nothing.
        try:
            if self._numbers.setdefault(value, number) == number:
                return
        except BaseException:
            self._core.remove(number)
            raise
        self._core.remove(number)
        raise ValueError("pprof: Profile.Add of duplicate value")

    def remove(self, value: Hashable) -> None:
        """Takes a value out; one that is not there is no error."""
        number = self._numbers.pop(value, 0)
        if number and self._core is not None:
            self._core.remove(number)

    def count(self) -> int:
        """How many values there are."""
        return self._core.count() if self._core is not None else 0

    def track(self, value: H) -> AbstractContextManager[H]:
        """The value is in while a `with` block runs, which has it as its target."""
        from contextlib import contextmanager

        @contextmanager
        def block() -> Iterator[H]:
            self.add(value)
            try:
                yield value
            finally:
                self.remove(value)

        return block()

    def __repr__(self) -> str:
        return f"<cprof.CustomProfile: {self.name}, {self.count()} values>"

    @staticmethod
    def _add_number(to: _core.CustomProfile, number: int, skip: int) -> None:
        try:
            to.add(number, skip)
        except core().CoreError as why:
            raise refused(why, RecordError) from None
