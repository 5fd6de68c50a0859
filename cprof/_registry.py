"""Which processes have a cprof server, and where: the files that csrc/http/registry.c writes.

A file may outlive its server, and stand in a folder that anybody can make: only files of the
process's own user are believed, and only after knocking at the address.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import re
import socket
import stat
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

KNOCK_SECONDS = 0.5
MAX_BYTES = 1 << 16
FIRST_LINE = "cprof 1"
STAT_STARTED = 22  # the field of /proc/PID/stat


class Entry(NamedTuple):
    """One process with a server."""

    pid: int
    started: int
    """In clock ticks since boot, as /proc/PID/stat has it."""
    addresses: list[str]
    """As TARGETs: "127.0.0.1:6060", "unix:/path"."""
    command: list[str]
    version: str

    @property
    def up_seconds(self) -> float:
        """How long the process has been running."""
        ticks = os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - self.started / ticks)


def running() -> list[Entry]:
    """This user's processes that serve, by pid. Files of those that do not any more are removed."""
    found = {entry.pid: entry for entry in _served(os.geteuid(), None)}
    return [found[pid] for pid in sorted(found)]


def find(pid: int) -> Entry | None:
    """The process's entry, if it serves; root finds everybody's."""
    mine = os.geteuid()
    users = [mine]
    theirs = owner_of(pid)
    if mine == 0 and theirs:
        users.append(theirs)
    return next((entry for uid in users for entry in _served(uid, pid)), None)


def obstacle(uid: int) -> str:
    """Why servers of this user may be missing from the list, as a sentence; "" where none are.

    A server writes no entry into a folder that somebody else could have made or can write to."""
    for path in _folders(uid):
        try:
            status = os.lstat(path)
        except OSError:
            continue
        mode = stat.S_IMODE(status.st_mode) & (stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or mode != stat.S_IRWXU:
            whose = "yours" if uid == os.geteuid() else f"user {uid}'s"
            return f"{path} is not {whose} alone, so what serves is not listed"
    return ""


def owner_of(pid: int) -> int | None:
    """The effective user of a process, None where there is no such process."""
    try:
        text = Path(f"/proc/{pid}/status").read_text("utf-8", "replace")
    except OSError:
        return None
    uids = re.search(r"^Uid:\s+\d+\s+(\d+)", text, re.MULTILINE)
    return int(uids.group(1)) if uids else None


def _folders(uid: int) -> list[str]:
    """Where a process of this user may have written: its environment need not be ours."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    candidates = [f"{runtime}/cprof"] if runtime.startswith("/") and uid == os.geteuid() else []
    return list(dict.fromkeys([*candidates, f"/run/user/{uid}/cprof", f"/tmp/cprof-{uid}"]))


def _served(uid: int, pid: int | None) -> Iterator[Entry]:
    for path in _folders(uid):
        try:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            if os.fstat(folder).st_uid == uid:
                yield from _served_in(folder, uid, pid)
        finally:
            os.close(folder)


def _served_in(folder: int, uid: int, pid: int | None) -> Iterator[Entry]:
    names = os.listdir(folder) if pid is None else [str(pid)]
    for name in names:
        if not (name.isascii() and name.isdecimal()):
            continue
        opened = _read(folder, name, uid)
        if opened is None:
            continue
        text, status = opened
        entry = _parse(text, int(name))
        if entry is None:  # of another version, or not ours at all
            continue
        if _is_started_as(entry):
            if not entry.addresses:  # none that we go to; it serves all the same
                continue
            open_now = [a for a in entry.addresses if _answers(a, entry.pid)]
            if open_now:
                yield entry._replace(addresses=open_now)
                continue
        _remove(folder, name, status)


def _read(folder: int, name: str, uid: int) -> tuple[str, os.stat_result] | None:
    """The text of a plain file of this user; a pipe or a device is never waited for."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != uid:
            return None
        return os.read(file, MAX_BYTES).decode("utf-8", "replace"), status
    except OSError:
        return None
    finally:
        os.close(file)


def _parse(text: str, pid: int) -> Entry | None:
    first, *lines = text.split("\n")
    pairs = [line.partition(": ")[::2] for line in lines if ": " in line]
    fields = dict(pairs)
    started = fields.get("start", "")
    if first != FIRST_LINE or fields.get("pid") != str(pid) or not started.isdecimal():
        return None
    addresses = [value for name, value in pairs if name == "address" and _is_local(value)]
    words = fields.get("command", "").split(" ")
    command = [_unescaped(word) for word in words] if words != [""] else []
    return Entry(pid, int(started), addresses, command, fields.get("version", ""))


def _is_local(address: str) -> bool:
    """What a server of ours can have: whoever else wrote the file sends us nowhere.

    Beyond loopback that is an address of this machine, or the one that stands for all of them."""
    if address.startswith("unix:/"):
        return True
    parts = re.fullmatch(r"(\d+(?:\.\d+){3}|\[[0-9a-f:.]+\]):\d{1,5}", address)
    return parts is not None and _is_this_machines(parts.group(1).strip("[]"))


def _is_this_machines(host: str) -> bool:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return True
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as own:
        own.bind((str(ip), 0))
        return True
    return False


def _unescaped(word: str) -> str:
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found.group(1), 16)), word)


def _is_started_as(entry: Entry) -> bool:
    """False where the pid is free, or has been given to another process since."""
    try:
        text = Path(f"/proc/{entry.pid}/stat").read_text("utf-8", "replace")
    except OSError as why:
        return why.errno not in (errno.ENOENT, errno.ESRCH)
    fields = text.rpartition(")")[2].split()  # from the third on: the second may hold anything
    return fields[STAT_STARTED - 3] == str(entry.started)


def _answers(address: str, pid: int) -> bool:
    """Does somebody listen? After an exec nobody does, though pid and start are the same."""
    is_unix = address.startswith("unix:")
    family = socket.AF_UNIX if is_unix else socket.AF_INET6 if address[0] == "[" else socket.AF_INET
    host, _, port = address.rpartition(":")
    with socket.socket(family, socket.SOCK_STREAM) as knocking:
        knocking.settimeout(KNOCK_SECONDS)
        try:
            knocking.connect(address[len("unix:") :] if is_unix else (host.strip("[]"), int(port)))
        except (ConnectionRefusedError, FileNotFoundError, OverflowError):
            return False
        except OSError:
            return True  # it is only slow, or not for us
        return not is_unix or _listener_of(knocking) in (0, pid)  # 0: beyond our view of processes


def _listener_of(connected: socket.socket) -> int:
    who = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid: int = struct.unpack("3i", who)[0]
    return pid


def _remove(folder: int, name: str, seen: os.stat_result) -> None:
    """Unless it has been written anew since."""
    try:
        now = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if (now.st_ino, now.st_mtime_ns) == (seen.st_ino, seen.st_mtime_ns):
            os.unlink(name, dir_fd=folder)
    except OSError:
        pass
