"""Calls of modules that are already loaded are redirected while something is on, and back.

tests/targets/redirect.c says where its PLT slot, its GOT slot and two stored pointers lead, and
what the handler functions answer while ticks arrive.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import cprof
from conftest import Build, Start

pytestmark = pytest.mark.alone

NOWHERE = "stored libc, read-only libc, slot libc"
EVERYWHERE = "stored cprof, read-only cprof, slot cprof"
ROUND = """\
meanwhile: {meanwhile}
at first: {at_first}
after the default was set: default
its own signal: arrived
after it was ignored: ignored
after: {after}
"""

LAYOUTS: dict[str, Sequence[str]] = {
    "default": [],
    "lazy, no RELRO": ["-Wl,-z,lazy", "-Wl,-z,norelro"],
    "full RELRO, no PLT": ["-Wl,-z,now", "-Wl,-z,relro", "-fno-plt"],
}


def ran(program: Path, start: Start, output: Path, *more: str) -> str:
    target = start(program, str(output), *more)
    assert target.wait() == 0
    assert target.stderr() == ""
    assert cprof.load(output).total("samples") > 0, "nothing was sampled: nothing is proved"
    return target.stdout()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_way_to_call_is_redirected_and_given_back(
    layout: str, build: Build, start: Start, tmp_path: Path
) -> None:
    """A way that is missed is a sigaction that takes our handler away, or a default that lets our
    tick kill the program; a way that is not given back stays ours after the end. Twice: what was
    put back must be found again."""
    program = build("redirect.c", flags=LAYOUTS[layout])
    said = ran(program, start, tmp_path / "cpu.gz")
    rounds = [
        ROUND.format(meanwhile=EVERYWHERE, at_first=first, after=NOWHERE)
        for first in ("default", "default")
    ]
    assert said == f"before: {NOWHERE}\n" + "".join(rounds)


def test_a_program_at_a_fixed_address(build: Build, start: Start, tmp_path: Path) -> None:
    """There a pointer to a function is the program's own PLT entry for ever; its calls are
    redirected behind that."""
    program = build("redirect.c", flags=["-no-pie", "-fno-pie"])
    lines = ran(program, start, tmp_path / "cpu.gz", "calls").splitlines()
    answers = [line for line in lines if not line.startswith(("before", "meanwhile", "after: "))]
    assert (
        answers
        == [
            "at first: default",
            "after the default was set: default",
            "its own signal: arrived",
            "after it was ignored: ignored",
        ]
        * 2
    )
