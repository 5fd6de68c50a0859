"""Starting a program in place of this process, as if this process had never been.

The environment is what this process was given, not what Python has made of it since, with the
preloaded stub's variables added; `compose` is the only place that knows these (door/preload.c
reads them).
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Iterator, Mapping
from typing import NamedTuple, NoReturn

from cprof import _profilable

Environment = list[tuple[bytes, bytes]]
"""In order, and with names given twice: both are the program's to see."""

ANY_PORT = "127.0.0.1:0"
_SEPARATORS = b": "  # the loader's, in LD_PRELOAD

# Parents that hand on what they ignore; others, such as Python, node and sshd, restore defaults in
# their children. systemd has IgnoreSIGPIPE=yes as its default.
_HANDING_ON = {
    *("sh", "dash", "bash", "zsh", "ksh", "mksh", "ash", "busybox", "systemd"),
    *("make", "timeout", "xargs"),
}


class Wishes(NamedTuple):
    """What the stub is to do."""

    stub: str
    """Path of libcprof_preload.so."""
    output: str | None = None
    """Absolute, with %p and %% still in it."""
    http: str | None = None
    allow_remote: str | None = None
    """As CPROF_ALLOW_REMOTE has it."""
    token_file: str | None = None
    allow_host: str | None = None
    follow: bool = False
    cpu_hz: int | None = None


def given_environment() -> Environment:
    """The environment as exec passed it. os.environ is not that: in the C locale Python adds
    LC_CTYPE to it (PEP 538), and it has each name once."""
    try:
        with open("/proc/self/environ", "rb") as file:  # noqa: PTH123
            entries = file.read().split(b"\0")[:-1]
    except OSError:  # no /proc
        return list(os.environb.items())
    pairs = []
    for entry in entries:
        end = entry.find(b"=", 1)
        if end > 0:  # else it is no variable, and os.execve cannot pass it on
            pairs.append((entry[:end], entry[end + 1 :]))
    return pairs


def get(env: Environment, name: bytes) -> bytes | None:
    """As getenv(3): the first of several."""
    return next((value for key, value in env if key == name), None)


def is_disabled(env: Environment) -> bool:
    return (get(env, b"CPROF_DISABLE") or b"0") != b"0"


def say(message: str, env: Environment) -> None:
    """One line where CPROF_LOG wants it: nowhere, at the end of a file, or on stderr."""
    line = os.fsencode("cprof: " + " ".join(message.split()) + "\n")
    log = get(env, b"CPROF_LOG")
    if log == b"off":
        return
    with contextlib.suppress(OSError):
        if log:
            with open(log, "ab") as file:  # noqa: PTH123
                file.write(line)
            return
    with contextlib.suppress(OSError):  # nobody reading is no reason not to run
        os.write(2, line)


def compose(env: Environment, wishes: Wishes, pid: int) -> Environment:
    """The environment in which the program runs with the stub."""
    http = wishes.http
    if http is None and wishes.output is None:
        http = os.fsdecode(get(env, b"CPROF_HTTP") or os.fsencode(ANY_PORT))
    ours: dict[str, str | None] = {
        "CPROF_RUN_PID": str(pid),
        "CPROF_RUN_GENERATION": "0",
        "CPROF_RUN_FOLLOW": str(int(wishes.follow)),
        "CPROF_RUN_CPU_HZ": str(wishes.cpu_hz) if wishes.cpu_hz else None,
        "CPROF_RUN_HTTP": http,
        "CPROF_RUN_ALLOW_REMOTE": wishes.allow_remote,
        "CPROF_RUN_TOKEN_FILE": wishes.token_file,
        "CPROF_RUN_ALLOW_HOST": wishes.allow_host,
        "CPROF_RUN_OUTPUT": wishes.output,
    }
    kept = [
        (name, value)
        for name, value in env
        # CPROF_HTTP would start a second server in a program that is linked with cprof.
        if name not in (b"LD_PRELOAD", b"CPROF_HTTP") and not name.startswith(b"CPROF_RUN_")
    ]
    preload = _with_stub(get(env, b"LD_PRELOAD") or b"", os.fsencode(wishes.stub))
    return [
        *kept,
        (b"LD_PRELOAD", preload),
        *((os.fsencode(name), os.fsencode(value)) for name, value in ours.items() if value),
    ]


def _with_stub(preload: bytes, stub: bytes) -> bytes:
    """Ours in front, once; what else was there as it was."""
    others = preloaded(preload)
    if stub in others:
        preload = b":".join(name for name in others if name != stub)
    return stub + b":" + preload if preload else stub


def preloaded(value: bytes) -> list[bytes]:
    """The libraries that a value of LD_PRELOAD names."""
    return [name for name in value.replace(b" ", b":").split(b":") if name]


def why_unprofiled(path: bytes, env: Environment, stub: str) -> str:
    """Why this program has to run without the stub, as the end of a sentence; "" if it need not."""
    host = _profilable.this_host()
    if reason := _profilable.why_not(path, get(env, b"PATH"), host):
        return reason
    for library in preloaded(get(env, b"LD_PRELOAD") or b""):
        if sanitizer := _profilable.sanitizer_of(library):
            return f"LD_PRELOAD brings {sanitizer}"
    if not os.access(stub, os.R_OK):
        return f"this installation of cprof has no {stub}"
    if any(c in _SEPARATORS for c in os.fsencode(stub)):
        return f"LD_PRELOAD cannot name {stub}, which has a blank or a colon in it"
    return ""


def restore_signals() -> None:
    """Undoes what the interpreter did at its start: SIGPIPE and SIGXFSZ ignored. Whether they
    were ignored before can only be told where the parent certainly handed that on."""
    ignored = _ignored_by_parent()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        if number not in ignored:
            signal.signal(number, signal.SIG_DFL)


def let_interrupts_kill() -> None:
    """From here on Ctrl-C does what it does to the program. Handlers end with the exec; what was
    ignored at our start has no handler, and stays."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _ignored_by_parent() -> set[int]:
    try:
        with open(f"/proc/{os.getppid()}/status", errors="replace") as file:  # noqa: PTH123
            fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        mask = int(fields["SigIgn"], 16) if fields["Name"] in _HANDING_ON else 0
    except (OSError, KeyError, ValueError):  # no /proc, or a parent outside our namespace
        return set()
    return {number for number in signal.valid_signals() if mask >> (number - 1) & 1}


def execute(path: bytes, arguments: list[bytes], env: Environment) -> NoReturn:
    """As execvp(3) with a found path: a file that is no binary and has no #! is the shell's.
    OSError if nothing could be started."""
    restore_signals()
    try:
        os.execve(path, arguments, _Pairs(env))
    except OSError as why:
        if why.errno != errno.ENOEXEC:
            raise
        shell = _profilable.SHELL
        os.execve(shell, [shell, path, *arguments[1:]], _Pairs(env))


class _Pairs(Mapping[bytes, bytes]):
    """What os.execve takes, with names that are there twice."""

    def __init__(self, pairs: Environment) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[bytes]:
        return iter([name for name, _ in self.pairs])

    def __getitem__(self, name: bytes) -> bytes:
        return dict(self.pairs)[name]

    def keys(self) -> list[bytes]:  # type: ignore[override]
        return [name for name, _ in self.pairs]

    def values(self) -> list[bytes]:  # type: ignore[override]
        return [value for _, value in self.pairs]

    def items(self) -> list[tuple[bytes, bytes]]:  # type: ignore[override]
        return self.pairs
