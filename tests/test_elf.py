"""The reader of ELF headers: what is right in whole files, and that no damaged one hurts."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from cprof import _elf
from harness import compile_program

SYMBOLS = (b"marked", b"absent", b"puts")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("elf")
    source = where / "p.c"
    source.write_text('#include <stdio.h>\nvoid marked(void) {}\nint main(void) { puts(""); }\n')
    return compile_program(source, where / "p", ["-rdynamic"], link=False, crash=False)


def test_reads_what_readelf_reads(program: Path) -> None:
    """Told from readelf's words: an offset one field off would still look like a number."""
    elf = _elf.read(str(program), SYMBOLS)
    assert elf
    words = subprocess.run(
        ["readelf", "-hldW", str(program)], capture_output=True, text=True, check=True
    ).stdout
    assert elf.bits == 64
    assert f"interpreter: {os.fsdecode(elf.interpreter or b'')}]" in words
    assert elf.needed
    assert [f"[{os.fsdecode(name)}]" for name in elf.needed] == [
        line.split()[-1] for line in words.splitlines() if "(NEEDED)" in line
    ]
    # puts is there, but undefined: it comes from libc.
    assert elf.defined == frozenset([b"marked"])
    assert elf.wanted == frozenset([b"puts"])


def test_what_is_no_file_of_ours_is_none(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    text = tmp_path / "text"
    text.write_text("#!/bin/sh\n")
    empty = tmp_path / "empty"
    empty.touch()
    for path in (fifo, text, empty, tmp_path, tmp_path / "absent"):
        assert _elf.read(str(path)) is None, path


def test_a_truncated_file_is_none_or_still_right(program: Path, tmp_path: Path) -> None:
    """A download that broke off must not cost a traceback."""
    data = program.read_bytes()
    whole = _elf.read(str(program), SYMBOLS)
    cut = tmp_path / "cut"
    for size in [*range(0, 1200), *range(1200, len(data), 97)]:
        cut.write_bytes(data[:size])
        assert _elf.read(str(cut), SYMBOLS) in (None, whole), size


# Offset and width of each field of the ELF header that the reader follows.
FIELDS = {"e_phoff": (32, 8), "e_phentsize": (54, 2), "e_phnum": (56, 2)}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [0xFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFF0])
def test_absurd_header_fields_are_none(
    field: str, value: int, program: Path, tmp_path: Path
) -> None:
    """Among them what a signed offset cannot hold: pread would raise OverflowError."""
    data = bytearray(program.read_bytes())
    at, width = FIELDS[field]
    data[at : at + width] = (value & (1 << 8 * width) - 1).to_bytes(width, sys.byteorder)
    damaged = tmp_path / "damaged"
    damaged.write_bytes(data)
    assert _elf.read(str(damaged), SYMBOLS) is None


def segments(data: bytes | bytearray) -> list[tuple[int, int]]:
    """(type, place of the header) of each program header."""
    (table,) = struct.unpack_from("=Q", data, 32)
    (count,) = struct.unpack_from("=H", data, 56)
    places = [table + 56 * i for i in range(count)]
    return [(struct.unpack_from("=I", data, place)[0], place) for place in places]


def test_an_interpreter_without_an_end_is_none(program: Path, tmp_path: Path) -> None:
    """The kernel starts no such file; what stands behind the name is no part of it."""
    data = program.read_bytes()
    (header,) = (header for kind, header in segments(data) if kind == 3)
    offset, size = (struct.unpack_from("=Q", data, header + field)[0] for field in (8, 32))
    end = offset + size - 1
    damaged = tmp_path / "damaged"
    damaged.write_bytes(data[:end] + b"x" + data[end + 1 :])
    assert _elf.read(str(damaged)) is None


def test_with_nothing_to_load_it_is_none(program: Path, tmp_path: Path) -> None:
    """It would pass for statically linked."""
    data = bytearray(program.read_bytes())
    for _, header in segments(data):
        data[header : header + 4] = struct.pack("=I", 4)  # PT_NOTE
    damaged = tmp_path / "damaged"
    damaged.write_bytes(data)
    assert _elf.read(str(damaged)) is None


def test_absurd_segments_and_tables_never_raise(program: Path, tmp_path: Path) -> None:
    """Every offset, address and size of every segment, and every value in the dynamic table, once
    each with numbers that overflow, wrap or ask for gigabytes."""
    data = program.read_bytes()
    places = [header + field for _, header in segments(data) for field in (8, 16, 32)]
    (dynamic,) = (header for kind, header in segments(data) if kind == 2)
    offset, size = (struct.unpack_from("=Q", data, dynamic + field)[0] for field in (8, 32))
    places += range(offset + 8, offset + size, 16)
    damaged = tmp_path / "damaged"
    for place in places:
        for value in (0, 1, 1 << 31, (1 << 63) - 1, 1 << 63, (1 << 64) - 8):
            damaged.write_bytes(data[:place] + struct.pack("=Q", value) + data[place + 8 :])
            found = _elf.read(str(damaged), SYMBOLS)
            assert found is None or found.bits == 64


def test_random_damage_never_raises(program: Path, tmp_path: Path) -> None:
    data = program.read_bytes()
    damaged = tmp_path / "damaged"
    for seed in range(500):
        chance = random.Random(seed)
        broken = bytearray(data)
        for _ in range(chance.randrange(1, 12)):
            broken[chance.randrange(1000)] = chance.randrange(256)
        damaged.write_bytes(broken)
        _elf.read(str(damaged), SYMBOLS)
