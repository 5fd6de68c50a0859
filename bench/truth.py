"""What a run really got, read out of its profile; without that its cost counts for nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cprof
import gperftools

NOT_INSTALLED = "not installed"

LEAST, MOST = 0.9, 1.25
"""A run is void below and above these parts of what was expected. More than it is no loss, and
ITIMER_PROF, which counts whole kernel ticks, gives it on a busy machine; twice would be a fault."""


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


@dataclass(frozen=True)
class Truth:
    valid: bool
    text: str = ""
    """Where it is not a count of samples."""
    got: Got | None = None
    expected: float = 0


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


def read_go(path: Path) -> Got:
    """What a signal stands for is not told."""
    samples = [(len(s.frames), s.values[0]) for s in cprof.load(str(path)).samples]
    ticks = sum(n for _, n in samples)
    return Got(ticks, ticks, 0, _depth_of_most(samples))


def read_gperftools(path: Path) -> Got:
    """Every sample counts once: what a signal stands for is not asked."""
    profile = gperftools.load(path)
    depth = _depth_of_most((len(r.pcs), r.samples) for r in profile.records)
    return Got(profile.samples, profile.samples, 0, depth)


def _depth_of_most(stacks: Iterable[tuple[int, int]]) -> int:
    return max(stacks, key=lambda stack: stack[1], default=(0, 0))[0]


def judge(got: Got, expected: float, least_depth: int = 0) -> Truth:
    """Enough ticks, and stacks of the asked depth."""
    enough = LEAST * expected <= got.ticks <= MOST * expected
    return Truth(expected > 0 and enough and got.depth >= least_depth, got=got, expected=expected)


def summary(truths: Sequence[Truth]) -> str:
    """Of the rounds of a row: sums, and the round that got least of what it should."""
    counts = [(t.got, t.expected) for t in truths if t.got]
    if not counts:
        return Counter(t.text for t in truths).most_common(1)[0][0]
    samples, ticks = sum(g.samples for g, _ in counts), sum(g.ticks for g, _ in counts)
    lost, worst = sum(g.lost for g, _ in counts), min(g.ticks / e for g, e in counts if e)
    text = f"{ticks} ticks" if samples != ticks else f"{samples} samples"
    if samples != ticks:
        text = f"{samples} samples standing for {text}"
    text += f" of {sum(e for _, e in counts):.0f} (worst round {worst:.0%})"
    return text + (f", {lost} lost" if lost else "") + f", {min(g.depth for g, _ in counts)} deep"
