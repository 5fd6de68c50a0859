"""The table behind `top`: Go's header lines and columns, as text, rows, JSON or HTML."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from cprof._graph import GRANULARITIES, NODE_FRACTION, Graph, Node
from cprof._names import base_name
from cprof._units import label, percentage, scale

if TYPE_CHECKING:
    from cprof._profile import Profile

SORTS = ("flat", "cum")


class Row(NamedTuple):
    """One line of a table. Values are in the table's unit, percentages are of its total."""

    flat: int
    flat_pct: float
    sum_pct: float
    cum: int
    cum_pct: float
    name: str
    inline: str
    """"inline", "partial-inline" (inlined by some callers only) or ""."""


class Table:
    """What `top` found: `print(table)` is Go's text, iterating gives the rows."""

    def __init__(
        self,
        rows: list[Row],
        sample_type: str,
        unit: str,
        total: int,
        header: list[str],
        shown_unit: str,
    ) -> None:
        self.rows = rows
        self.sample_type = sample_type
        self.unit = unit
        self.total = total
        """The sum of the absolute values of all samples: what 100 % is."""
        self.header = header
        self._shown_unit = shown_unit

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]

    def text(self) -> str:
        """What `go tool pprof -top` prints, without the last line end."""
        lines = [*self.header, "      flat  flat%   sum%        cum   cum%"]
        so_far = 0
        for row in self.rows:
            so_far += row.flat
            inline = f" ({row.inline})" if row.inline else ""
            lines.append(
                f"{self._value(row.flat):>10} {percentage(row.flat, self.total)} "
                f"{percentage(so_far, self.total)} {self._value(row.cum):>10} "
                f"{percentage(row.cum, self.total)}  {row.name}{inline}"
            )
        return "\n".join(lines)

    __str__ = text

    def __repr__(self) -> str:
        return f"<cprof.Table {self.sample_type}/{self.unit}: {len(self.rows)} rows>"

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dictionary per row, ready for `pandas.DataFrame`."""
        return [row._asdict() for row in self.rows]

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "sample_type": self.sample_type,
            "unit": self.unit,
            "total": self.total,
            "header": self.header,
            "rows": self.to_dicts(),
        }

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{c}</th>" for c in ("flat", "flat%", "sum%", "cum", "cum%", "name"))
        body = "".join(self._html_row(row) for row in self.rows)
        caption = "<br>".join(html.escape(line) for line in self.header)
        return (
            f'<table class="cprof-top"><caption style="text-align:left">{caption}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )

    def _html_row(self, row: Row) -> str:
        cells = [
            self._value(row.flat),
            f"{row.flat_pct:.2f}%",
            f"{row.sum_pct:.2f}%",
            self._value(row.cum),
            f"{row.cum_pct:.2f}%",
        ]
        inline = f" <i>({row.inline})</i>" if row.inline else ""
        name = f'<td style="text-align:left"><code>{html.escape(row.name)}</code>{inline}</td>'
        return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + name + "</tr>"

    def _value(self, value: int) -> str:
        return label(value, self.unit, self._shown_unit)


def make_table(
    profile: Profile, n: int | None, sort: str, sample_type: str | int | None, granularity: str
) -> Table:
    """`Profile.top`, which documents the arguments."""
    if sort not in SORTS:
        raise ValueError(f"sort is {sort!r}; it can be {' or '.join(SORTS)}")
    if granularity not in GRANULARITIES:
        raise ValueError(f"granularity is {granularity!r}; it can be {', '.join(GRANULARITIES)}")
    if n is not None and n < 0:
        raise ValueError(f"n is {n}; it cannot be negative")
    index = profile.sample_type_index(sample_type)
    kind, unit = profile.sample_types[index]
    values = profile.column(index)
    total = sum(map(abs, values))
    graph = Graph(profile.stacks, values, granularity)
    smallest = graph.cutoff(NODE_FRACTION)
    kept = sorted((k for k in graph.nodes if abs(k.cum) >= smallest), key=_order(sort))
    shown = kept[:n] if n else kept
    shown_unit = _shown_unit(shown, total, unit)
    header = _profile_lines(profile, kind, unit, total, shown_unit)
    flat_sum = sum(node.flat for node in shown)
    whole = label(total, unit, shown_unit)
    header.append(
        f"Showing nodes accounting for {label(flat_sum, unit, shown_unit)}, "
        f"{percentage(flat_sum, total).strip()} of {whole} total"
    )
    dropped = len(graph.nodes) - len(kept)
    if total and dropped:
        limit = label(int(float(total) * NODE_FRACTION), unit, shown_unit)
        header.append(f"Dropped {dropped} node{'s' * (dropped > 1)} (cum <= {limit})")
    if total and 0 < len(shown) < len(kept):
        header.append(f"Showing top {len(shown)} nodes out of {len(kept)}")
    return Table(_rows(graph, shown, total), kind, unit, total, header, shown_unit)


def _order(sort: str) -> Any:
    def by_flat(node: Node) -> Any:
        return -abs(node.flat), node.name, -abs(node.cum), node.key

    def by_cum(node: Node) -> Any:
        return -abs(node.cum), node.name, -abs(node.flat), node.key

    return by_cum if sort == "cum" else by_flat


def _rows(graph: Graph, shown: list[Node], total: int) -> list[Row]:
    inlining = graph.inlining(shown)
    per_cent = 100 / total if total else 0.0
    rows, so_far = [], 0
    for node in shown:
        so_far += node.flat
        rows.append(
            Row(
                node.flat,
                node.flat * per_cent,
                so_far * per_cent,
                node.cum,
                node.cum * per_cent,
                node.name,
                inlining.get(node.id, ""),
            )
        )
    return rows


def _shown_unit(shown: list[Node], total: int, unit: str) -> str:
    """One unit for the table: fit for its smallest value, or for a hundred times that where the
    total is so much larger that two decimals will do."""
    if not shown:
        return "minimum"
    sizes = [size for node in shown if (size := abs(node.flat) or abs(node.cum))]
    smallest = min(sizes, default=total)
    least = scale(smallest, unit, "minimum")[1]
    if least != scale(total, unit, "minimum")[1] and smallest * 100 < total:
        least = scale(100 * smallest, unit, "minimum")[1]
    return least or unit


def _profile_lines(profile: Profile, kind: str, unit: str, total: int, shown: str) -> list[str]:
    lines = []
    binary, build_id = profile.main_binary
    if binary:
        lines.append(f"File: {base_name(binary)}")
    if build_id:
        lines.append(f"Build ID: {build_id}")
    lines += [comment for comment in profile.comments if not comment.startswith("#")]
    if kind:
        lines.append(f"Type: {kind}")
    if profile.doc_url:
        lines.append(f"Doc: {profile.doc_url}")
    if profile.time_nanos:
        when = time.localtime(profile.time_nanos // 10**9)
        lines.append(f"Time: {time.strftime('%Y-%m-%d %H:%M:%S %Z', when)}")
    if profile.duration_nanos:
        lasted = profile.duration_nanos
        nanos, name = scale(total, unit, "nanoseconds")
        ratio = f"({percentage(int(nanos), lasted)})" if name == "ns" and nanos else ""
        lines.append(
            f"Duration: {label(lasted, 'nanoseconds')}, "
            f"Total samples = {label(total, unit, shown)} {ratio}"
        )
    return lines
