"""FILE of `cprof run -o FILE`, in which %p is the process id and %% a percent sign."""

from __future__ import annotations

import os
import re

_MARK = re.compile("%(.?)", re.DOTALL)


def stray(file: str) -> str:
    """The first % that means nothing, with what follows it; "" if there is none."""
    return next((found.group() for found in _MARK.finditer(file) if found[1] not in ("p", "%")), "")


def has_pid(file: str) -> bool:
    return any(found[1] == "p" for found in _MARK.finditer(file))


def expand(file: str, pid: int) -> str:
    return _MARK.sub(lambda found: str(pid) if found[1] == "p" else "%", file)


def absolute(file: str, directory: str) -> str:
    """The program may be elsewhere when it ends. `..` stays: behind a symbolic link it means
    something else. A directory may have a % in its name."""
    return os.path.join(directory.replace("%", "%%"), file)  # noqa: PTH118
