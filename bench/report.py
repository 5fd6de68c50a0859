"""RESULTS.md."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rows import Configuration, Figure, Table
from truth import LEAST, MOST, NOT_INSTALLED, Truth, summary

HEAD = """\
# What cprof costs, beside others

Written by `make bench`{quick}, about {minutes:.0f} min. The configurations of a table run in turn,
A B C A B C ..., so that what else the machine does meets all of them. A figure is the median of
its rounds. Bold is the median difference from the first row, or ratio to it, taken within each
round; in brackets the smallest and the largest.

Every row shows, from the same runs, what makes it valid: samples got against CPU time x rate. A
round with less than {least:.0%} of them (or more than {most:.0%}) does not count; a row of which
half or more rounds do not is void and has no figures.
"""


@dataclass(frozen=True)
class Results:
    """Of one table, by configuration and round."""

    table: Table
    values: dict[str, list[list[float] | None]]
    """One per figure; None for a void round."""
    truths: dict[str, list[Truth]]


def markdown(results: Sequence[Results], facts: dict[str, str], seconds: float, quick: bool) -> str:
    head = HEAD.format(
        minutes=max(1, seconds / 60), quick=" (--quick)" if quick else "", least=LEAST, most=MOST
    )
    parts = [head, *(f"- {k}: {v}" for k, v in facts.items())]
    for result in results:
        note = textwrap.fill(" ".join(result.table.note.split()), 100)
        parts += ["", f"## {result.table.title}", "", note, "", *_table(result)]
    return "\n".join(parts) + "\n"


def _table(result: Results) -> list[str]:
    table = result.table
    heads = ["", *(figure.title for figure in table.figures), f"truth ({table.rounds} rounds)"]
    lines = [_row(heads), _row(["---", *["---:" for _ in table.figures], "---"])]
    for config in table.configs:
        cells = [_cell(result, config, n, figure) for n, figure in enumerate(table.figures)]
        lines.append(_row([config.name, *cells, _truth(result.truths[config.name])]))
    return lines


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _is_void(truths: Sequence[Truth]) -> bool:
    return sum(t.valid for t in truths) * 2 <= len(truths)


def _truth(truths: Sequence[Truth]) -> str:
    """Of the rounds that count, or of those that made the row void."""
    void = _is_void(truths)
    text = summary([t for t in truths if t.valid != void])
    if void:
        return text if text == NOT_INSTALLED else f"void: {text}"
    left_out = sum(not t.valid for t in truths)
    return f"{text}; {left_out} void" if left_out else text


def _cell(result: Results, config: Configuration, n: int, figure: Figure) -> str:
    if _is_void(result.truths[config.name]):
        return "-"
    rounds = result.values[config.name]
    own = [values[n] for values in rounds if values]
    if figure.against == "mean":
        return _spread(own, f"{{:.{figure.digits}f}}", statistics.mean(own))
    shown = f"{statistics.median(own):.{figure.digits}f}"
    base = result.values[result.table.configs[0].name]
    pairs = [(a[n], b[n]) for a, b in zip(rounds, base) if a and b]
    if config is result.table.configs[0] or not pairs:
        return shown
    if figure.against == "ratio":
        ratios = [a / b for a, b in pairs]
        return f"{shown}, x {_spread(ratios, '{:.3f}', statistics.median(ratios))}"
    differences = [a - b for a, b in pairs]
    form = f"{{:+.{figure.digits}f}}"
    return f"{shown}, {_spread(differences, form, statistics.median(differences))}"


def _spread(values: Sequence[float], form: str, middle: float) -> str:
    return f"**{form.format(middle)}** ({form.format(min(values))}..{form.format(max(values))})"
