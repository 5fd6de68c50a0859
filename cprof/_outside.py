"""The environment's door: what CPROF_HTTP does when cprof is imported.

Nobody who sets the variable may break the program by it: whatever goes wrong is at most one line,
on stderr or where CPROF_LOG says, and the program runs on.
"""

from __future__ import annotations

import os
import sys

from cprof._errors import core, disabled, sentence
from cprof._server import forget_gc_unless_served, url_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

ANCESTORS = 8  # how far up the holder of a taken port is looked for


def serve_from_environment(addr: str) -> None:
    if disabled() or _is_the_command():
        return
    try:
        _serve(addr)
    except Exception as why:
        _say(f"not serving on {addr}: {_cause(sentence(why), addr)}")


def _cause(text: str, addr: str) -> str:
    """The core's sentence, which mostly begins with the address, without it."""
    for start in (f"{addr} is ", f"{addr} ", f"cannot listen on {addr}: "):
        if text.startswith(start):
            return text[len(start) :]
    return text


def _serve(addr: str) -> None:
    module = core()
    if module.elevated():
        return
    if module.address_outside():  # the preload stub or the front came first
        module.watch_gc()
        module.hand_over()
        return
    module.watch_gc()
    try:
        address = module.serve_outside(
            addr,
            os.environ.get("CPROF_ALLOW_REMOTE"),
            os.environ.get("CPROF_TOKEN_FILE"),
            os.environ.get("CPROF_ALLOW_HOST"),
        )
    except module.CoreError as why:
        forget_gc_unless_served()
        if why.args[0] == "IN_USE" and _held_by_relative(addr):
            return
        raise
    module.hand_over()
    if addr.rpartition(":")[2] == "0":
        _say(f"serving {url_of(address)}/debug/pprof/")


def _is_the_command() -> bool:
    """`cprof top` and the like look at programs; they are none. Under `python -m cprof` sys.argv is
    not complete yet when the package is imported."""
    name = str((getattr(sys, "argv", None) or [""])[0])
    if name != "-m":
        return name.rpartition("/")[2] == "cprof"
    words = _read("/proc/self/cmdline").split(b"\0")
    return b"-mcprof" in words or (b"-m", b"cprof") in list(zip(words, words[1:]))


def _say(text: str) -> None:
    """To the descriptor, not to sys.stderr, which the program may have put something else for. A
    program that was started without a stderr may have anything at that number."""
    line = f"cprof: {text}\n".encode(errors="surrogateescape")
    log = os.environ.get("CPROF_LOG")
    if log == "off" or (log and _append(log, line)):
        return
    if sys.__stderr__ is not None:
        try:  # noqa: SIM105 (contextlib would be most of what this file costs a start)
            os.write(2, line)
        except OSError:
            pass


def _append(log: str, line: bytes) -> bool:
    try:
        with _path(log).open("ab", buffering=0) as file:
            file.write(line)
    except OSError:
        return False
    return True


# Who holds a port that is taken? A child of a process that serves on CPROF_HTTP inherits the
# variable, as do the workers of one pool: one of them has the server, and nothing is wrong.


def _held_by_relative(addr: str) -> bool:
    sockets = _listeners(addr)
    return bool(sockets) and any(not sockets.isdisjoint(_sockets_of(p)) for p in _relatives())


def _listeners(addr: str) -> set[str]:
    """Links as /proc/PID/fd has them, to the sockets that listen at addr."""
    if addr.startswith("unix:"):
        rows = [line.split(None, 7) for line in _read("/proc/net/unix").splitlines()]
        path = os.fsencode(addr[len("unix:") :])
        inodes = [row[6] for row in rows if len(row) == 8 and row[7] == path]
    else:
        port = b":%04X" % (6060 if addr == "1" else int(addr.rpartition(":")[2]))
        tables = _read("/proc/net/tcp"), _read("/proc/net/tcp6")
        rows = [line.split() for table in tables for line in table.splitlines()[1:]]
        inodes = [row[9] for row in rows if row[1].endswith(port) and row[3] == b"0A"]  # LISTEN
    return {f"socket:[{inode.decode()}]" for inode in inodes}


def _relatives() -> list[int]:
    """Ancestors, and siblings that run the same command line: workers of one pool."""
    ancestors = [os.getppid()]
    while len(ancestors) < ANCESTORS and ancestors[-1] > 1:
        ancestors.append(_parent_of(ancestors[-1]))
    mine = _command_line("self")
    siblings = [p for p in _children_of(ancestors[0]) if _command_line(str(p)) == mine]
    return [pid for pid in [*ancestors, *siblings] if pid > 0]


def _command_line(pid: str) -> bytes:
    """What multiprocessing spawns differs in the number of a pipe only."""
    line = _read(f"/proc/{pid}/cmdline")
    return line.translate(None, b"0123456789") if b"--multiprocessing-fork" in line else line


def _parent_of(pid: int) -> int:
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _children_of(pid: int) -> list[int]:
    tasks = _path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in _read(str(task)).split()]


def _sockets_of(pid: int) -> set[str]:
    """Those of its server's thread, which has a descriptor table of its own, and the process's
    own. None of another user's process: the kernel does not show them."""
    tasks = _path(f"/proc/{pid}/task").glob("*/comm")
    ours = [task.parent for task in tasks if _read(str(task)) == b"cprof-http\n"]
    return {_link(entry) for table in [*ours, _path(f"/proc/{pid}")] for entry in _entries(table)}


def _entries(table: Path) -> list[Path]:
    try:
        return list((table / "fd").iterdir())
    except OSError:
        return []


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _read(path: str) -> bytes:
    try:
        return _path(path).read_bytes()
    except OSError:
        return b""


def _path(text: str) -> Path:
    """Imported late: pathlib is half of what CPROF_HTTP adds to the start of a program."""
    from pathlib import Path

    return Path(text)
