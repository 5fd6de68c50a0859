"""Profiles for tests, written by a protobuf writer of its own.

Nothing of cprof is used here, so a mistake in our encoder cannot hide one in our decoder.
"""

from __future__ import annotations

import gzip
import pathlib
from collections.abc import Iterable, Mapping, Sequence

MASK = (1 << 64) - 1


def varint(value: int) -> bytes:
    value &= MASK
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A scalar; left out when it is 0, as proto3 does."""
    return varint(field << 3) + varint(value) if value else b""


def block(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def packed(field: int, values: Iterable[int]) -> bytes:
    content = b"".join(map(varint, values))
    return block(field, content) if content else b""


class Builder:
    """Collects a profile; every method that adds something returns its id."""

    def __init__(
        self,
        sample_types: Sequence[tuple[str, str]] = (("samples", "count"), ("cpu", "nanoseconds")),
        period: tuple[str, str, int] = ("cpu", "nanoseconds", 10_000_000),
        time_nanos: int = 1_700_000_000_123_456_789,
        duration_nanos: int = 5_000_000_000,
        default_sample_type: str = "",
        comments: Sequence[str] = (),
        doc_url: str = "",
        drop_frames: str = "",
        keep_frames: str = "",
    ) -> None:
        self._strings: dict[str, int] = {"": 0}
        self._parts: list[bytes] = []
        self._counts = {"mapping": 0, "location": 0, "function": 0}
        self._functions: dict[tuple[str, str, str, int], int] = {}
        for kind, unit in sample_types:
            self._parts.append(block(1, self._pair(kind, unit)))
        self._parts.append(block(11, self._pair(*period[:2])) + number(12, period[2]))
        self._parts.append(number(9, time_nanos) + number(10, duration_nanos))
        self._parts.append(number(14, self.string(default_sample_type)))
        self._parts.append(number(7, self.string(drop_frames)))
        self._parts.append(number(8, self.string(keep_frames)))
        self._parts.append(number(15, self.string(doc_url)))
        self._parts.append(packed(13, map(self.string, comments)))

    def string(self, text: str) -> int:
        return self._strings.setdefault(text, len(self._strings))

    def mapping(
        self, file: str = "/no/such/bin/app", build_id: str = "", start: int = 0x400000
    ) -> int:
        limit = start + 0x100000
        fields = (0, self._next("mapping"), start, limit, 0, self.string(file))
        body = b"".join(number(i, value) for i, value in enumerate(fields))
        self._parts.append(block(3, body + number(6, self.string(build_id)) + number(7, 1)))
        return fields[1]

    def function(
        self, name: str, file: str = "", system_name: str = "", start_line: int = 0
    ) -> int:
        key = (name, file, system_name, start_line)
        if key not in self._functions:
            made = self._functions[key] = self._next("function")
            strings = (self.string(name), self.string(system_name), self.string(file))
            body = b"".join(number(i + 2, value) for i, value in enumerate(strings))
            self._parts.append(block(5, number(1, made) + body + number(5, start_line)))
        return self._functions[key]

    def location(
        self,
        *lines: tuple[int, int] | tuple[int, int, int],
        mapping: int = 0,
        address: int = 0,
    ) -> int:
        """lines: (function id, line[, column]), leaf first."""
        made = self._next("location")
        body = number(1, made) + number(2, mapping) + number(3, address)
        for line in lines:
            body += block(4, b"".join(number(i + 1, value) for i, value in enumerate(line)))
        self._parts.append(block(4, body))
        return made

    def sample(
        self,
        locations: Iterable[int],
        values: Iterable[int],
        labels: Mapping[str, str | int | tuple[int, str]] | None = None,
    ) -> None:
        body = packed(1, locations) + packed(2, values)
        for key, value in (labels or {}).items():
            label = number(1, self.string(key))
            if isinstance(value, str):
                label += number(2, self.string(value))
            else:
                amount, unit = value if isinstance(value, tuple) else (value, "")
                label += number(3, amount) + number(4, self.string(unit))
            body += block(3, label)
        self._parts.append(block(2, body))

    def plain(self) -> bytes:
        table = b"".join(block(6, text.encode()) for text in self._strings)
        return b"".join(self._parts) + table

    def zipped(self) -> bytes:
        return gzip.compress(self.plain(), 1)

    def save(self, path: pathlib.Path) -> pathlib.Path:
        path.write_bytes(self.zipped())
        return path

    def _next(self, what: str) -> int:
        self._counts[what] += 1
        return self._counts[what]

    def _pair(self, kind: str, unit: str) -> bytes:
        return number(1, self.string(kind)) + number(2, self.string(unit))


def folded(stacks: Mapping[str, Sequence[int]], **options: object) -> Builder:
    """A profile from {"main;work;leaf": values}, one location per function."""
    builder = Builder(**options)  # type: ignore[arg-type]
    mapping = builder.mapping()
    made: dict[str, int] = {}
    for text, values in stacks.items():
        names = text.split(";") if text else []
        for name in names:
            if name not in made:
                function = builder.function(name, f"/src/{name}.c")
                made[name] = builder.location(
                    (function, 10 + len(made)), mapping=mapping, address=0x400000 + len(made)
                )
        builder.sample([made[name] for name in reversed(names)], values)
    return builder


def rich() -> Builder:
    """Inlining, recursion, labels, a library and frames without symbols."""
    builder = Builder(comments=["started by a test", "#hidden"], doc_url="https://example.org/doc")
    app = builder.mapping("/no/such/bin/my app", build_id="abc123")
    lib = builder.mapping("/no/such/lib/libz.so.1", start=0x7F0000000000)
    main = builder.function("main", "/src/./a/../main.c", start_line=3)
    walk = builder.function("ns::Tree<int>::walk(int)", "/src/tree.cc", "_ZN2ns4TreeIiE4walkEi", 7)
    leaf = builder.function("leaf", "/proc/self/cwd/leaf.c", start_line=1)
    bare = builder.function("std::sort<int*>(int*, int*)", "", "std::sort<int*>(int*, int*)")
    at_main = builder.location((main, 5), mapping=app, address=0x400100)
    at_walk = builder.location((walk, 9, 3), mapping=app, address=0x400200)
    inlined = builder.location((leaf, 2), (walk, 10), mapping=app, address=0x400300)
    called = builder.location((leaf, 3), mapping=app, address=0x400400)
    nowhere = builder.location(mapping=lib, address=0x7F0000001234)
    unknown = builder.location(address=0x1)
    sort = builder.location((bare, 4), mapping=app, address=0x400500)
    ms = 1_000_000
    builder.sample([at_main], [1, 10 * ms])
    builder.sample([inlined, at_main], [20, 200 * ms], {"thread": "worker", "bytes": 64})
    builder.sample([at_walk, at_walk, at_walk, at_main], [30, 300 * ms], {"thread": "main"})
    builder.sample([called, at_main], [7, 70 * ms], {"size": (12, "kilobytes")})
    builder.sample([inlined, at_walk, at_main], [5, 50 * ms])
    builder.sample([nowhere, called, at_main], [40, 400 * ms])
    builder.sample([unknown], [3, 30 * ms])
    builder.sample([sort, at_main], [2, 25 * ms])
    builder.sample([], [1, 10 * ms])
    builder.sample([at_main, nowhere], [0, 0])
    return builder
