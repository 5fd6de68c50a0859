"""Writes the seeds of tests/fuzz/corpus/pprof_read: python3 tests/fuzz/make_corpus.py

Messages are put together by hand, so that the seeds do not depend on the code they are for. Most
are not gzipped: a mutation of gzipped bytes seldom gets past the checksum.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus" / "pprof_read"


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def data(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def message(field: int, *parts: bytes) -> bytes:
    return data(field, b"".join(parts))


def numbers(**fields: int) -> bytes:
    """f1=5, f3=7: fields 1 and 3 of a message."""
    return b"".join(number(int(name[1:]), value) for name, value in fields.items())


def packed(field: int, values: Iterable[int]) -> bytes:
    return data(field, b"".join(map(varint, values)))


def strings(*texts: str) -> bytes:
    return b"".join(data(6, text.encode()) for text in ("", *texts))


def cpu() -> bytes:
    """As a CPU profile is usually written: packed, ids from 1, the string table last."""
    return b"".join(
        [
            number(9, 1_700_000_000_000_000_000),
            message(1, numbers(f1=1, f2=2)),
            message(1, numbers(f1=3, f2=4)),
            number(10, 1_000_000_000),
            message(11, numbers(f1=3, f2=4)),
            number(12, 10_000_000),
            message(2, packed(1, [1, 2]), packed(2, [3, 30_000_000])),
            message(2, packed(1, [2]), packed(2, [1, 10_000_000]), message(3, numbers(f1=8, f2=9))),
            message(4, numbers(f1=1, f2=1, f3=0x401234), message(4, numbers(f1=1, f2=24))),
            message(
                4,
                numbers(f1=2, f2=1, f3=0x401300),
                message(4, numbers(f1=2, f2=10)),
                message(4, numbers(f1=1, f2=12, f3=4)),
            ),
            message(5, numbers(f1=1, f2=5, f3=5, f4=7, f5=20)),
            message(5, numbers(f1=2, f2=6, f3=6, f4=7)),
            message(3, numbers(f1=1, f2=0x400000, f3=0x500000, f5=10, f6=11, f7=1)),
            strings(
                "samples", "count", "cpu", "nanoseconds", "main", "work", "app.c",
                "endpoint", "/x", "/bin/app", "0123abcd",
            ),
        ]
    )  # fmt: skip


def heap() -> bytes:
    """Four types, numeric labels, negative values, lists that are not packed, sparse ids."""
    types = b"".join(message(1, numbers(f1=i, f2=5)) for i in (1, 2, 3, 4))
    sample = message(
        2,
        number(1, 1 << 63),
        number(1, 77),
        *(number(2, value) for value in (-1, 4096, 1, 1 << 62)),
        message(3, numbers(f1=5, f3=4096)),
        message(3, numbers(f1=5, f3=8192, f4=5)),
    )
    locations = message(4, numbers(f1=1 << 63, f3=5)) + message(4, numbers(f1=77, f3=6, f5=1))
    return (
        strings("alloc_objects", "alloc_space", "inuse_objects", "inuse_space", "bytes", "hello")
        + sample
        + types
        + locations
        + packed(13, [6, 5])
        + number(14, 2)
        + number(7, 6)
        + number(8, 6)
        + number(15, 6)
    )


def idle() -> bytes:
    return message(1, numbers(f1=1, f2=2)) + strings("cpu", "nanoseconds") + number(9, 1)


def main() -> None:
    CORPUS.mkdir(parents=True, exist_ok=True)
    seeds = {
        "cpu": cpu(),
        "cpu.gz": gzip.compress(cpu(), mtime=0),
        "heap": heap(),
        "idle": idle(),
        "two-members.gz": gzip.compress(idle(), mtime=0) + gzip.compress(number(10, 5), mtime=0),
        "concatenated": idle() + idle(),
        "unknown-fields": idle() + number(99, 7) + data(98, b"x" * 40),
        "html": b"<!DOCTYPE html><html></html>",
        "legacy": b"heap profile: 1: 16 [1: 16] @ heap/8192\n1: 16 [1: 16] @ 0x1 0x2\n",
    }
    for name, content in seeds.items():
        (CORPUS / name).write_bytes(content)


if __name__ == "__main__":
    main()
