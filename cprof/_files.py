"""Writing files."""

from __future__ import annotations

import contextlib
import os
import tempfile


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a file so that no reader ever sees half of it; an old one survives a failure.

    What is no regular file (/dev/stdout, a pipe) is written in place, and a symbolic link keeps
    pointing where it did. The mode is the old file's, else what open() would give.
    """
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        with open(target, "wb") as out:
            out.write(data)
        return
    if os.path.isfile(target) and not os.access(target, os.W_OK):
        raise PermissionError(13, "Permission denied", os.fspath(path))
    handle, temporary = tempfile.mkstemp(prefix=".cprof-", dir=os.path.dirname(target))
    try:
        with open(handle, "wb") as out:
            out.write(data)
            os.fchmod(out.fileno(), _mode(target))
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode & 0o7777
    except FileNotFoundError:
        # The umask can only be read by setting it, which other threads would notice.
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("Umask:"):
                    return 0o666 & ~int(line.split()[1], 8)
        return 0o644
