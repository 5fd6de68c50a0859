"""Values with units, worded as `go tool pprof` words them."""

from __future__ import annotations

from typing import NamedTuple


class _Family(NamedTuple):
    units: tuple[tuple[str, tuple[str, ...], float], ...]  # canonical name, aliases, factor
    default: tuple[str, float]


_FAMILIES = (
    _Family(
        (
            ("B", ("b", "byte"), 1.0),
            ("kB", ("kb", "kbyte", "kilobyte"), 2.0**10),
            ("MB", ("mb", "mbyte", "megabyte"), 2.0**20),
            ("GB", ("gb", "gbyte", "gigabyte"), 2.0**30),
            ("TB", ("tb", "tbyte", "terabyte"), 2.0**40),
            ("PB", ("pb", "pbyte", "petabyte"), 2.0**50),
        ),
        ("B", 1.0),
    ),
    _Family(
        (
            ("ns", ("ns", "nanosecond"), 1.0),
            ("us", ("us", "microsecond"), 1e3),
            ("ms", ("ms", "millisecond"), 1e6),
            ("s", ("s", "sec", "second"), 1e9),
            ("hrs", ("hour", "hr"), 3600e9),
        ),
        ("s", 1e9),
    ),
    _Family(
        (
            ("n*GCU", ("nanogcu",), 1e-9),
            ("u*GCU", ("microgcu",), 1e-6),
            ("m*GCU", ("milligcu",), 1e-3),
            ("GCU", ("gcu",), 1.0),
            ("k*GCU", ("kilogcu",), 1e3),
            ("M*GCU", ("megagcu",), 1e6),
            ("G*GCU", ("gigagcu",), 1e9),
            ("T*GCU", ("teragcu",), 1e12),
            ("P*GCU", ("petagcu",), 1e15),
        ),
        ("GCU", 1.0),
    ),
)
_AUTOMATIC = ("minimum", "auto")
_DULL = ("count", "sample", "unit", "minimum", "auto")


def _find(family: _Family, unit: str) -> tuple[str, float] | None:
    alias = unit.lower()
    if len(alias) > 2 and alias.endswith("s"):
        alias = alias[:-1]
    for name, aliases, factor in family.units:
        if alias in aliases:
            return name, factor
    return None


def _fitting(family: _Family, value: float) -> tuple[str, float]:
    """The largest unit in which value is still at least 1."""
    best, factor_of_best = family.default[0], 0.0
    for name, _, factor in family.units:
        if factor >= factor_of_best and value / factor >= 1.0:
            best, factor_of_best = name, factor
    return (best, factor_of_best) if factor_of_best else family.default


def scale(value: int, unit: str, to: str) -> tuple[float, str]:
    """value in another unit, or in the fitting one for "auto" and "minimum".

    The unit that comes back is empty where it says nothing, as for counts.
    """
    if value < 0:
        scaled, name = scale(-value, unit, to)
        return -scaled, name
    for family in _FAMILIES:
        source = _find(family, unit)
        if source is None:
            continue
        base = value * source[1]
        if to in _AUTOMATIC:
            name, factor = _fitting(family, base)
        else:
            name, factor = _find(family, to) or family.default
        return base / factor, name
    return float(value), "" if to in _DULL else to


def label(value: int, unit: str, to: str = "auto") -> str:
    """`1.50s`, `12MB`, `3`: two decimals unless they are zeros, the unit glued on."""
    scaled, name = scale(value, unit, to)
    text = f"{scaled:.2f}"
    if text.endswith(".00"):
        text = text[:-3]
    return "0" if text in ("0", "-0") else text + name


def percentage(value: int, total: int) -> str:
    """Six columns wide, no sign: `  100%`, `12.50%`, ` 0.25%`."""
    ratio = abs(value / total) * 100 if total else 0.0
    if 99.95 <= ratio <= 100.05:
        return "  100%"
    return f"{ratio:5.2f}%" if ratio >= 1.0 else f"{ratio:5.2g}%"
