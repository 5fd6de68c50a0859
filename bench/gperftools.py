"""gperftools' CPU profile files: native words, header, one record per distinct stack, trailer.

header    0, 3, 0, period in microseconds, 0
record    samples, depth, pc... (leaf first)
trailer   0, 1, 0, then the text of /proc/self/maps
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple


class Record(NamedTuple):
    samples: int
    pcs: tuple[int, ...]


class Profile(NamedTuple):
    period_us: int
    records: list[Record]

    @property
    def samples(self) -> int:
        return sum(record.samples for record in self.records)


def load(path: Path) -> Profile:
    data = path.read_bytes()
    n = len(data) // 8
    words = struct.unpack(f"={n}Q", data[: n * 8])
    if n < 5 or words[:2] != (0, 3):
        raise ValueError(f"{path.name} is not a profile of gperftools")
    records: list[Record] = []
    at = 2 + words[1]
    while at + 2 < n:
        samples, depth = words[at], words[at + 1]
        if (samples, depth, words[at + 2]) == (0, 1, 0):
            return Profile(words[3], records)
        if depth > n - at - 2:
            break
        records.append(Record(samples, words[at + 2 : at + 2 + depth]))
        at += 2 + depth
    raise ValueError(f"{path.name} ends without its trailer")
