"""Reading shares out of profiles, with the uncertainty that a sampler owes."""

from __future__ import annotations

import math
from collections.abc import Iterable

import cprof


def ticks_in(profile: cprof.Profile, *names: str) -> dict[str, int]:
    """Samples with each of names in the stack, what it inlined included."""
    counts = dict.fromkeys(names, 0)
    for sample in profile.samples:
        for name in {frame.name for frame in sample.frames}.intersection(names):
            counts[name] += sample.values[0]
    return counts


def total_ticks(profile: cprof.Profile) -> int:
    return sum(sample.values[0] for sample in profile.samples)


def assert_share(part: int, whole: int, truth: float, sigmas: float = 4.0) -> None:
    """part of whole is a binomial draw around truth: within so many standard errors, and enough of
    it."""
    assert whole >= 60, f"{whole} samples prove nothing"
    error = math.sqrt(truth * (1 - truth) / whole)
    got = part / whole
    assert abs(got - truth) <= sigmas * error, (
        f"{got:.4f} for {truth}, {whole} samples, se {error:.4f}"
    )


def function_names(profile: cprof.Profile) -> set[str]:
    return {frame.name for sample in profile.samples for frame in sample.frames}


def stacks(profile: cprof.Profile) -> Iterable[list[str]]:
    for sample in profile.samples:
        yield [frame.name for frame in sample.frames]
