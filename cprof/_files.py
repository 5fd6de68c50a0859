"""Writing files."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a file so that no reader ever sees half of it; an old one survives a failure.

    What is no regular file (/dev/stdout, a pipe) is written in place, and a symbolic link keeps
    pointing where it did. The mode is the old file's, else what open() would give.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        with target.open("wb") as out:
            out.write(data)
        return
    if target.is_file() and not os.access(target, os.W_OK):
        raise PermissionError(13, "Permission denied", os.fspath(path))
    handle, name = tempfile.mkstemp(prefix=".cprof-", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            os.fchmod(out.fileno(), _mode(target))
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o7777
    except FileNotFoundError:
        # The umask can only be read by setting it, which other threads would notice.
        for line in Path("/proc/self/status").read_text(errors="replace").splitlines():
            if line.startswith("Umask:"):
                return 0o666 & ~int(line.split()[1], 8)
        return 0o644
