"""Profiles from files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Union, cast

from cprof._errors import decode
from cprof._profile import Profile

Source = Union[str, "os.PathLike[str]", IO[bytes], bytes, bytearray, memoryview]


def load(source: Source) -> Profile:
    """Reads a profile.proto, gzipped or plain, from a path, a file object or bytes."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return Profile(decode(source, f"{len(source)} bytes"))
    if hasattr(source, "read"):
        data = cast("IO[bytes]", source).read()
        if not isinstance(data, bytes):
            raise TypeError("a profile is bytes: open the file in binary mode, as open(path, 'rb')")
        return Profile(decode(data, str(getattr(source, "name", "the file object"))))
    path = Path(cast("str", source))
    return Profile(decode(path.read_bytes(), str(path)))
