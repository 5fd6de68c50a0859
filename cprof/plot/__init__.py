"""Plots with matplotlib, which is imported only when one is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cprof._errors import UnsupportedError
from cprof._units import label, scale

if TYPE_CHECKING:
    from cprof._report import Table

NAME_LENGTH = 48
ROW_INCHES = 0.3


def plot_top(table: Table, sort: str, ax: Any = None) -> Any:
    """Horizontal bars, the largest on top: flat in front of cum. Returns the axes."""
    try:
        from matplotlib import pyplot
        from matplotlib.ticker import FuncFormatter
    except ImportError as why:
        raise UnsupportedError(
            f"plotting needs matplotlib ({why}): pip install 'cprof[plot]'"
        ) from why
    rows = table.rows
    if ax is None:
        height = max(2.0, ROW_INCHES * len(rows) + 1.0)
        _, ax = pyplot.subplots(figsize=(9, height), constrained_layout=True)
    places = range(len(rows))
    ax.barh(places, [row.cum for row in rows], height=0.78, color="#f2c9a5", label="cum")
    flat = ax.barh(places, [row.flat for row in rows], height=0.78, color="#d1632a", label="flat")
    texts = [f" {getattr(row, sort + '_pct'):.1f}%" for row in rows]
    ax.bar_label(flat if sort == "flat" else ax.containers[0], texts, fontsize=8)
    ax.set_yticks(list(places), [_short(row.name) for row in rows], fontsize=9)
    ax.invert_yaxis()
    ax.margins(x=0.12)
    ax.xaxis.set_major_formatter(FuncFormatter(_tick(table)))
    ax.set_xlabel(table.sample_type)
    ax.set_title(f"top {len(rows)} of {label(table.total, table.unit)} by {sort}", fontsize=10)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.legend(loc="lower right", frameon=False)
    return ax


def _short(name: str) -> str:
    """The end of a long name says more than its namespaces. $ would start mathematics."""
    short = name if len(name) <= NAME_LENGTH else "…" + name[1 - NAME_LENGTH :]
    return short.replace("$", r"\$")


def _tick(table: Table) -> Any:
    unit = scale(max((abs(row.cum) for row in table.rows), default=0), table.unit, "auto")[1]

    def text(value: float, _position: int) -> str:
        return label(round(value), table.unit, unit or "auto")

    return text
