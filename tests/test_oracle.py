"""Programs whose shares are known by construction come out as they are, and no function is seen to
be called by one that never calls it."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import fmean

import pytest

import cprof
from conftest import Build, Start

pytestmark = pytest.mark.alone

RUNS = 50
ORACLE_FLAGS = ["-rdynamic", "-fno-optimize-sibling-calls", "-fno-ipa-icf", "-fno-ipa-cp"]


@dataclass(frozen=True)
class Run:
    ticks: Counter[str]  # by kind of work
    units: dict[str, int]  # as the program counted them
    edges: Counter[tuple[str, str]]  # who was seen to call whom

    def off(self, kind: str) -> float:
        return self.ticks[kind] / self.ticks.total() - self.truth(kind)

    def truth(self, kind: str) -> float:
        return self.units[kind] / sum(self.units.values())

    def sigmas(self, kind: str) -> float:
        truth = self.truth(kind)
        return abs(self.off(kind)) / sqrt(truth * (1 - truth) / self.ticks.total())


Look = Callable[[int, float], Run]


def numbers(text: str) -> dict[str, int]:
    lines = (line.split() for line in text.splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) == 2}


@pytest.fixture(scope="module")
def edges(build: Build) -> set[tuple[str, str]]:
    """Who calls whom, as the program itself tells it when each call is instrumented."""
    program = build("oracle.c", flags=[*ORACLE_FLAGS, "-finstrument-functions", "-DEDGES"])
    said = subprocess.run([program, "0.2", "0", "/dev/null"], capture_output=True, check=True)
    lines = (line.split() for line in said.stdout.decode().splitlines())
    told = {(words[1], words[2]) for words in lines if words[0] == "edge"}
    assert ("do_some", "direct") in told and ("do_some", "work") not in told
    return told


@pytest.fixture(params=["-O2", "-O0", "-O3 -fno-omit-frame-pointer", "-Os"])
def look(request: pytest.FixtureRequest, build: Build, start: Start, tmp_path: Path) -> Look:
    flags = [*ORACLE_FLAGS, *request.param.split()]
    program = build("oracle.c", flags=flags)
    numbered = iter(range(10_000))

    def run(hz: int, seconds: float) -> Run:
        out = tmp_path / f"{next(numbered)}.pb.gz"
        target = start(program, str(seconds), str(hz), str(out))
        assert target.wait() == 0, target.stderr()
        units = numbers(target.stdout())
        return read(cprof.load(out), units)

    return run


def read(profile: cprof.Profile, units: dict[str, int]) -> Run:
    ticks, seen = Counter[str](), Counter[tuple[str, str]]()
    for sample in profile.samples:
        names = [frame.name for frame in sample.frames]
        own = [f.mapping.endswith("/oracle") for f in sample.frames]
        for i in range(len(names) - 1):
            if own[i] and own[i + 1]:
                seen[names[i + 1], names[i]] += sample.values[0]
        kinds = [name for name in names if name in units]
        if names[0] == "work" and kinds:
            ticks[kinds[0]] += sample.values[0]
    return Run(ticks, units, seen)


def impossible(run: Run, edges: set[tuple[str, str]]) -> dict[tuple[str, str], int]:
    known = {name for edge in edges for name in edge} - {"?"}
    return {e: n for e, n in run.edges.items() if e not in edges and known.issuperset(e)}


def test_shares_are_right_and_nobody_is_called_by_a_stranger(
    look: Look, edges: set[tuple[str, str]]
) -> None:
    """Four standard errors, of six shares: one failure in 2,600 runs by chance."""
    run = look(1000, 2.0)
    assert run.ticks.total() > 3000, run
    assert impossible(run, edges) == {}
    for kind in run.units:
        assert run.sigmas(kind) <= 4, (kind, run.off(kind), run)


@pytest.mark.long
def test_fifty_runs_are_right_on_average(look: Look, edges: set[tuple[str, str]]) -> None:
    """The mean within 0.3 points, single runs within three standard errors but for what chance
    gives."""
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: look(1000, 4.0), range(RUNS)))
    for kind in runs[0].units:
        off = fmean(run.off(kind) for run in runs)
        beyond = sum(run.sigmas(kind) > 3 for run in runs)
        print(f"{kind}: off by {off:+.5f}, beyond three standard errors {beyond} of {RUNS}")
        assert abs(off) <= 0.003, kind
        assert beyond <= 2, kind
    assert [impossible(run, edges) for run in runs if impossible(run, edges)] == []
