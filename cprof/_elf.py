"""What an ELF file says about how it is started: just enough to know whether a library can be
preloaded into it. The file is somebody else's: every offset and length is checked, every walk has
an end, and a damaged file is None, never an exception.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

MAGIC = b"\x7fELF"
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ = 0, 1, 5, 6, 10
_SHN_UNDEF = 0

_HEADERS_MAX = 1 << 16  # bytes of program headers; the kernel starts no file with more
_INTERP_MAX = 4096  # PATH_MAX, the kernel's limit
_DYNAMIC_MAX = 1 << 20  # 65,536 entries: browsers have some hundred
_STRINGS_MAX = 1 << 26
_SYMBOLS_MAX = 1 << 20
_SYMBOL_BYTES = 24


class Elf(NamedTuple):
    """Beyond `bits` and `machine` only filled for files that this process's own kind of loader
    reads: 64 bit, this machine's byte order."""

    bits: int
    machine: int
    """e_machine."""
    interpreter: bytes | None = None
    """The dynamic loader, PT_INTERP; None where there is none: statically linked."""
    needed: tuple[bytes, ...] = ()
    defined: frozenset[bytes] = frozenset()
    """Those of the symbols asked for that the file defines for the loader to see."""
    wanted: frozenset[bytes] = frozenset()
    """Those that it looks for in others."""


def read(path: str | bytes, symbols: Sequence[bytes] = ()) -> Elf | None:
    """The file's ELF headers; None if it cannot be read, is no ELF file, or is damaged."""
    try:
        with _File(path) as file:
            return _read(file, symbols)
    except (OSError, _DamagedError, struct.error):
        return None


class _DamagedError(Exception):
    pass


class _File:
    """Reads by offset. O_NONBLOCK: a pipe that has the name must not make anybody wait."""

    def __init__(self, path: str | bytes) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def at(self, offset: int, size: int, limit: int) -> bytes:
        if not 0 <= size <= limit:
            raise _DamagedError
        data = self.up_to(offset, size)
        if len(data) != size:
            raise _DamagedError
        return data

    def up_to(self, offset: int, size: int) -> bytes:
        """Fewer bytes where the file ends."""
        if not 0 <= offset < 1 << 62:
            raise _DamagedError
        return os.pread(self.fd, size, offset)


class _Header(NamedTuple):
    """Of Elf64_Phdr, what is used."""

    type: int
    offset: int
    address: int
    size: int


def _read(file: _File, symbols: Sequence[bytes]) -> Elf:
    if not stat.S_ISREG(os.fstat(file.fd).st_mode):
        raise _DamagedError
    start = file.at(0, 20, 20)
    if start[:4] != MAGIC or start[4] not in (1, 2) or start[5] not in (1, 2):
        raise _DamagedError
    order = "<" if start[5] == 1 else ">"
    (machine,) = struct.unpack_from(order + "H", start, 18)
    elf = Elf(64 if start[4] == 2 else 32, machine)
    if elf.bits != 64 or order != _own_order():
        return elf
    headers = _headers(file)
    elf = elf._replace(interpreter=_interpreter(file, headers))
    return _with_dynamic(elf, file, headers, symbols)


def _own_order() -> str:
    return "<" if struct.pack("=H", 1) == b"\x01\x00" else ">"


def _headers(file: _File) -> list[_Header]:
    header = file.at(0, 64, 64)
    (table,) = struct.unpack_from("=Q", header, 32)
    size, count = struct.unpack_from("=HH", header, 54)
    if size != 56 or not count:
        raise _DamagedError
    raw = file.at(table, size * count, _HEADERS_MAX)
    rows = struct.iter_unpack("=IIQQQQQQ", raw)
    headers = [_Header(kind, at, address, size) for kind, _, at, address, _, size, *_ in rows]
    if all(header.type != _PT_LOAD for header in headers):
        raise _DamagedError  # or an object file: nothing to run
    return headers


def _interpreter(file: _File, headers: Sequence[_Header]) -> bytes | None:
    for header in headers:
        if header.type == _PT_INTERP:
            text = file.at(header.offset, header.size, _INTERP_MAX)
            if not text.endswith(b"\0"):
                raise _DamagedError
            return text.split(b"\0", 1)[0]
    return None


def _with_dynamic(
    elf: Elf, file: _File, headers: Sequence[_Header], symbols: Sequence[bytes]
) -> Elf:
    rows = list(_dynamic(file, headers))
    table = dict(rows)
    if _DT_STRTAB not in table:
        return elf
    place = _offset_of(table[_DT_STRTAB], headers)
    strings = file.at(place, table.get(_DT_STRSZ, 0), _STRINGS_MAX)
    needed = tuple(_string(strings, value) for tag, value in rows if tag == _DT_NEEDED)
    # Most files do not even mention the names, and need no look at their symbols.
    names = {name for name in symbols if b"\0" + name + b"\0" in strings}
    if not names or _DT_SYMTAB not in table:
        return elf._replace(needed=needed)
    place = _offset_of(table[_DT_SYMTAB], headers)
    found = set(_symbols(file, place, strings, names))
    return elf._replace(
        needed=needed,
        defined=frozenset(name for name, is_defined in found if is_defined),
        wanted=frozenset(name for name, is_defined in found if not is_defined),
    )


def _dynamic(file: _File, headers: Sequence[_Header]) -> Iterator[tuple[int, int]]:
    for header in headers:
        if header.type == _PT_DYNAMIC:
            raw = file.at(header.offset, header.size // 16 * 16, _DYNAMIC_MAX)
            for tag, value in struct.iter_unpack("=qQ", raw):
                if tag == _DT_NULL:
                    return
                yield tag, value
            return


def _offset_of(address: int, headers: Sequence[_Header]) -> int:
    for header in headers:
        if header.type == _PT_LOAD and 0 <= address - header.address < header.size:
            return header.offset + address - header.address
    raise _DamagedError


def _string(strings: bytes, at: int) -> bytes:
    end = strings.find(b"\0", at)
    if end < 0:
        raise _DamagedError
    return strings[at:end]


def _symbols(
    file: _File, place: int, strings: bytes, names: set[bytes]
) -> Iterator[tuple[bytes, bool]]:
    """Walks the dynamic symbols: (name, is it defined here). Nothing says how many there are
    without the hash table: a name beyond the strings is the end, since what follows the table is
    not one."""
    block = 1024
    for first in range(0, _SYMBOLS_MAX, block):
        raw = file.up_to(place + first * _SYMBOL_BYTES, block * _SYMBOL_BYTES)
        if len(raw) < _SYMBOL_BYTES:
            return
        raw = raw[: len(raw) // _SYMBOL_BYTES * _SYMBOL_BYTES]
        for at, _, section, _, _ in struct.iter_unpack("=IHHQQ", raw):
            if at >= len(strings):
                return
            if (name := _string(strings, at)) in names:
                yield name, section != _SHN_UNDEF
