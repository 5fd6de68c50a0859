"""What a run really got, read out of its profile; without that its cost counts for nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import gperftools

import cprof

LEAST = 0.9
"""A run is void below this part of what was expected, and above its inverse."""


@dataclass(frozen=True)
class Run:
    """One execution of a target, or several whose medians stand for one."""

    cpu_s: float
    """User and system time of the whole process, from wait4."""
    wall_s: float
    said: dict[str, float]
    """The lines `name number` of its output."""
    profile: Path
    tool: str
    hz: int


@dataclass(frozen=True)
class Truth:
    text: str
    valid: bool


@dataclass(frozen=True)
class Got:
    """A profile, however it is written."""

    samples: int
    """Signals that were recorded."""
    ticks: int
    """Periods that these stand for, by the tool's own account."""
    lost: int
    """Ticks that the tool says it lost."""
    depth: int
    """Frames of the stack that has most ticks, without those that were inlined."""


def read_cprof(path: Path) -> Got:
    profile = cprof.load(str(path))
    stacks = [
        ([frame.name for frame in s.frames if not frame.inlined], s.values[0])
        for s in profile.samples
    ]
    kept = [(names, ticks) for names, ticks in stacks if not names[0].startswith("<lost")]
    told = re.search(r"(\d+) samples standing for", " ".join(profile.comments))
    return Got(
        samples=int(told[1]) if told else 0,
        ticks=sum(ticks for _, ticks in kept),
        lost=sum(ticks for _, ticks in stacks) - sum(ticks for _, ticks in kept),
        depth=_depth_of_most((len(names), ticks) for names, ticks in kept),
    )


def read_gperftools(path: Path) -> Got:
    """Every sample counts once: what a signal stands for is not asked."""
    profile = gperftools.load(path)
    depth = _depth_of_most((len(r.pcs), r.samples) for r in profile.records)
    return Got(profile.samples, profile.samples, 0, depth)


def _depth_of_most(stacks: Iterable[tuple[int, int]]) -> int:
    return max(stacks, key=lambda stack: stack[1], default=(0, 0))[0]


def judge(got: Got, expected: float, least_depth: int = 0) -> Truth:
    """Ticks against expected, samples too where they differ, and stacks of the asked depth."""
    text = f"{got.ticks} ticks of {expected:.0f}"
    if got.samples != got.ticks:
        text = f"{got.samples} samples standing for {text}"
    if got.lost:
        text += f", {got.lost} lost"
    if least_depth:
        text += f", {got.depth} frames deep"
    enough = LEAST * expected <= got.ticks <= expected / LEAST
    return Truth(text, expected > 0 and enough and got.depth >= least_depth)
