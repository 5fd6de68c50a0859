"""Which files run when a program is started, and whether a library can be preloaded into each.

Asked before the exec, since afterwards it is too late: the loader ignores LD_PRELOAD, or the
program aborts because of it. Nothing here changes or starts anything.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from cprof import _elf

SHELL = b"/bin/sh"
_DEFAULT_PATH = b"/bin:/usr/bin"  # glibc's, where PATH is unset
_HEAD_BYTES = 256  # BINPRM_BUF_SIZE: the kernel looks no further for the end of a #! line
_CHAIN_MAX = 4
_SANITIZERS = {
    "asan": "AddressSanitizer",
    "hwasan": "HWAddressSanitizer",
    "tsan": "ThreadSanitizer",
    "msan": "MemorySanitizer",
    "lsan": "LeakSanitizer",
}
# A runtime that is linked statically shows by this: it exports its entry.
_ENTRIES = {f"__{kind}_init".encode(): name for kind, name in _SANITIZERS.items()}
# gcc's does not, but it asks for this hook, and stands in for libc's pthread_create (UBSan's, which
# minds nobody, does not).
_HOOK, _STAND_IN = b"__sanitizer_symbolize_flush", b"pthread_create"


class Host(NamedTuple):
    """What a program has to have in common with this process."""

    machine: int
    interpreter: bytes | None
    """The C library's loader; None in a statically linked Python."""


def this_host() -> Host | None:
    elf = _elf.read("/proc/self/exe")
    return Host(elf.machine, elf.interpreter) if elf else None


def find(name: bytes, search: bytes | None) -> bytes:
    """The file that execvp(3) would start; OSError with its errno if there is none."""
    if not name:
        raise _error(errno.ENOENT)
    if b"/" in name:
        _check_executable(name)
        return name
    denied = None
    for directory in (_DEFAULT_PATH if search is None else search).split(b":"):
        path = os.path.join(directory, name)  # noqa: PTH118  (bytes, and "" stays "")
        try:
            _check_executable(path)
        except PermissionError as why:
            denied = why
        except OSError:
            continue
        else:
            return path
    raise denied or _error(errno.ENOENT)


def _check_executable(path: bytes) -> None:
    if not stat.S_ISREG(os.stat(path).st_mode) or not os.access(path, os.X_OK):  # noqa: PTH116
        raise _error(errno.EACCES)


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def files_run(path: bytes, search: bytes | None) -> Iterator[bytes]:
    """The binaries that exec in place one after the other when path is started: itself, or the
    interpreter of its #! line; env, and then what env starts; the shell for a bare text."""
    for _ in range(_CHAIN_MAX):
        head = _head(path)
        if head.startswith(_elf.MAGIC) or not head:
            yield path
            return
        if not head.startswith(b"#!"):
            if _is_text(head):
                yield SHELL
            return
        words = head[2:].split(b"\n", 1)[0].split(None, 1)
        if not words:
            yield SHELL
            return
        path = words[0]
        started = env_starts(words[1]) if _is_env(words) else b""
        if started:
            yield path
            try:
                path = find(started, search)
            except OSError:
                return


def _head(path: bytes) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.read(fd, _HEAD_BYTES)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _is_text(head: bytes) -> bool:
    """Others are for the kernel's binfmt_misc to know."""
    return b"\0" not in head


def _is_env(words: list[bytes]) -> bool:
    return len(words) == 2 and words[0].rpartition(b"/")[2] == b"env"


def env_starts(argument: bytes) -> bytes:
    """What `#!/usr/bin/env ARGUMENT` starts, or nothing where only env itself can tell."""
    words = argument.split()
    if words[0] in (b"-S", b"--split-string"):
        words = words[1:]
    elif words[0].startswith(b"-S"):
        words[0] = words[0][2:]
    else:
        words = [argument.strip()]  # one argument, blanks and all
    while words and b"=" in words[0] and not words[0].startswith(b"-"):
        words = words[1:]
    return words[0] if words and not words[0].startswith((b"-", b"'", b'"')) else b""


def why_not(path: bytes, search: bytes | None, host: Host | None) -> str:
    """Why nothing can be preloaded into this program, as the end of a sentence; "" if it can."""
    for file in files_run(path, search):
        if reason := _why_not_file(file, host):
            who = "it" if file == path else f"its interpreter {os.fsdecode(file)}"
            return f"{who} {reason}"
    return ""


def _why_not_file(file: bytes, host: Host | None) -> str:
    elf = _elf.read(file, (*_ENTRIES, _HOOK, _STAND_IN))
    return (elf and _why_not_elf(elf, host)) or _why_not_trusted(file)


def _why_not_elf(elf: _elf.Elf, host: Host | None) -> str:
    if elf.bits != 64:
        return "is a 32-bit program"
    if host and elf.machine != host.machine:
        return "is built for another machine"
    if not elf.interpreter:
        return "is statically linked"
    loader = elf.interpreter.rpartition(b"/")[2]
    if not _exists(elf.interpreter):
        return ""  # it cannot be started either: exec finds the words for that
    if loader.startswith(b"ld-musl"):
        return "is built with musl"
    if host and host.interpreter and not _same(elf.interpreter, host.interpreter):
        return f"brings its own C library ({os.fsdecode(elf.interpreter)})"
    return _sanitizer(elf)


def _sanitizer(elf: _elf.Elf) -> str:
    found = [name for entry, name in _ENTRIES.items() if entry in elf.defined]
    found += filter(None, (sanitizer_of(name) for name in elf.needed))
    if not found and _HOOK in elf.wanted and _STAND_IN in elf.defined:
        found = ["a sanitizer"]
    return f"is built with {found[0]}" if found else ""


def sanitizer_of(library: bytes) -> str:
    """ "AddressSanitizer" for libasan.so.8 and libclang_rt.asan-x86_64.so, "" for others."""
    base = os.fsdecode(library.rpartition(b"/")[2])
    stem = base.partition(".so")[0].partition("-")[0]
    for prefix in ("libclang_rt.", "lib"):
        if stem.startswith(prefix):
            return _SANITIZERS.get(stem[len(prefix) :], "")
    return ""


def _why_not_trusted(file: bytes) -> str:
    """What makes the kernel set AT_SECURE, in which mode the loader ignores the environment: an
    effective id after the exec that is not the real one, or capabilities from the file."""
    try:
        status = os.stat(file)  # noqa: PTH116
    except OSError:
        return ""
    user = status.st_uid if status.st_mode & stat.S_ISUID else os.geteuid()
    # Without execute permission for the group the bit means mandatory locking, and no more.
    setgid = stat.S_ISGID | stat.S_IXGRP
    group = status.st_gid if status.st_mode & setgid == setgid else os.getegid()
    if user != os.getuid():
        return "runs as another user (setuid)"
    if group != os.getgid():
        return "runs as another group (setgid)"
    if os.getuid() and _has_capabilities(file):
        return "has file capabilities"
    return ""


def _has_capabilities(file: bytes) -> bool:
    try:
        return bool(os.getxattr(file, "security.capability"))
    except OSError:
        return False


def _exists(path: bytes) -> bool:
    return os.access(path, os.F_OK)


def _same(one: bytes, other: bytes) -> bool:
    try:
        return os.path.samefile(one, other)  # noqa: PTH121
    except OSError:
        return False
