"""A bar on stderr while a window is taken."""

from __future__ import annotations

import math
import shutil
import sys
import threading
import time
from types import TracebackType
from typing import TextIO, Union

Mode = Union[bool, None]  # always, never, or where it is seen

LOG_CELLS = 10
PERIOD_SECONDS = 0.1


def bar(seconds: int | None, mode: Mode) -> Bar:
    """The bar for a window, or one that stays silent: for a profile that comes at once, for
    mode False, and for None where nobody would see it move."""
    out = sys.stderr
    if not seconds or mode is False or out is None:
        return Bar(None, 0)
    if _is_live(out):
        return _LiveBar(out, seconds)
    return _LogBar(out, seconds) if mode else Bar(None, 0)


def _is_live(out: TextIO) -> bool:
    """A terminal, or a notebook's stderr, which knows carriage returns too."""
    if out.isatty():
        return True
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


class Bar:
    """A bar that draws nothing, and what the others share.

    It is drawn by a thread of its own: the one that fetches sits in recv, where it has to stay
    so that Ctrl-C ends the window at once.
    """

    def __init__(self, out: TextIO | None, seconds: int) -> None:
        self.out = out
        self.seconds = seconds
        self.began = time.monotonic()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Bar:
        if self.out is not None:
            self._thread = threading.Thread(target=self._run, name="cprof progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread is None:
            return
        self._done.set()
        self._thread.join()
        if kind is None:
            self.finish("done")
        else:
            self.finish("interrupted" if issubclass(kind, KeyboardInterrupt) else "failed")

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    @property
    def fraction(self) -> float:
        return min(1.0, self.elapsed / self.seconds)

    def draw(self) -> None:
        """Brings the bar up to date."""

    def finish(self, word: str) -> None:
        """Ends it: word is done, failed or interrupted."""

    def _run(self) -> None:
        try:
            self.draw()
            while not self._done.wait(PERIOD_SECONDS):
                self.draw()
        except (OSError, ValueError):  # stderr went away: the profile matters more
            self._done.set()

    def write(self, text: str) -> None:
        if self.out is not None:
            self.out.write(text)
            self.out.flush()


class _LogBar(Bar):
    """`profiling 5s [##########] done`: only ever appended to, so a log file can hold it."""

    drawn = -1

    def draw(self) -> None:
        if self.drawn < 0:
            self.write(f"profiling {self.seconds}s [")
            self.drawn = 0
        self._fill(int(self.fraction * LOG_CELLS))

    def finish(self, word: str) -> None:
        try:
            if word == "done":
                self._fill(LOG_CELLS)
            self.write(f"] {word}\n")
        except (OSError, ValueError):
            self.out = None

    def _fill(self, cells: int) -> None:
        if cells > self.drawn:
            self.write("#" * (cells - self.drawn))
            self.drawn = cells


class _LiveBar(Bar):
    """One line that is redrawn, and gone when the window is over."""

    width = 0

    def draw(self) -> None:
        left = math.ceil(self.seconds - self.elapsed)
        head = f"profiling {self.seconds}s "
        tail = f" {left}s left" if left > 0 else " reading"
        room = max(0, min(40, shutil.get_terminal_size().columns - len(head) - len(tail) - 3))
        self._show(head + self._cells(room) + tail if room >= 5 else head.rstrip() + tail)

    def finish(self, word: str) -> None:
        try:
            self._show("")
            self.write("\r")
        except (OSError, ValueError):
            self.out = None

    def _cells(self, room: int) -> str:
        encoding = (getattr(self.out, "encoding", None) or "ascii").lower()
        if not encoding.startswith("utf"):
            full = int(self.fraction * room)
            return "[" + "#" * full + "." * (room - full) + "]"
        full, eighths = divmod(int(self.fraction * room * 8), 8)
        partial = " ▏▎▍▌▋▊▉"[eighths] if full < room else ""
        return "▕" + ("█" * full + partial).ljust(room) + "▏"

    def _show(self, line: str) -> None:
        # Overwriting with blanks clears a line on terminals that know no escape codes.
        self.write("\r" + line.ljust(self.width))
        self.width = len(line)
