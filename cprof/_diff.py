"""Sums and differences of profiles."""

from __future__ import annotations

from collections.abc import Iterable

from cprof._errors import ProfileError, core, sentence
from cprof._profile import Profile


def merge(profiles: Iterable[Profile]) -> Profile:
    """The sum of profiles with the same sample types, by stack and labels."""
    parts = list(profiles)
    if not parts:
        raise ValueError("merge needs at least one profile")
    return _combine(parts, [1.0] * len(parts))


def diff(base: Profile, new: Profile) -> Profile:
    """new minus base, by stack and labels; what shrank is negative.

    Percentages of its reports are of the sum of all absolute changes, as with
    `go tool pprof -base`. Values are subtracted as they are: windows of different
    length are not made comparable.
    """
    return _combine([new, base], [1.0, -1.0])


def _combine(parts: list[Profile], scales: list[float]) -> Profile:
    module = core()
    try:
        model = module.Model.merge([part.model for part in parts], scales)
    except module.CoreError as why:
        types = " and ".join(sorted({_types(part) for part in parts}))
        raise ProfileError(f"profiles of {types} do not fit together: {sentence(why)}") from why
    return Profile(model)


def _types(profile: Profile) -> str:
    return ", ".join(f"{name}/{unit}" for name, unit in profile.sample_types) or "no sample types"
