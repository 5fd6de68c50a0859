"""Samples folded into one tree of calls, as compact lists for the flame graph page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

from cprof._names import base_name, clean_path, group_of
from cprof._stacks import NONE, Stacks
from cprof._units import scale

if TYPE_CHECKING:
    from cprof._profile import Profile

MAX_BOXES = 100_000
"""More than a screen can show at any zoom, and about 4 MB of page."""


def make_data(profile: Profile, index: int, title: str) -> dict[str, Any]:
    """What the page needs: its frames, the tree in preorder, and a value list per sample type."""
    stacks = profile.stacks
    frames, of_location = _frames(stacks)
    columns = [profile.column(i) for i in range(len(profile.sample_types))]
    tree = _Tree(stacks, of_location, columns)
    order, parents, dropped = tree.preorder(index)
    signed = any(value < 0 for column in columns for value in column)
    return {
        "title": title,
        "types": [_sample_type(*pair) for pair in profile.sample_types],
        "type": index,
        "frames": frames,
        "frame": [tree.frame[node] for node in order],
        "parent": parents,
        "values": [[tree.values[i][node] for node in order] for i in range(len(columns))],
        "widths": [[tree.widths[i][node] for node in order] for i in range(len(columns))]
        if signed
        else None,
        "dropped": dropped,
        "duration": profile.duration_nanos,
        "time": profile.time_nanos,
        "comments": profile.comments,
    }


def _sample_type(name: str, unit: str) -> dict[str, str | float]:
    """The unit as what the page can scale: "B", "s" times a factor, or a word of its own."""
    factor, base = scale(1, unit, "default")
    if base in ("B", "s"):
        return {"name": name, "unit": base, "factor": factor}
    return {"name": name, "unit": "" if unit in ("count", "") else unit, "factor": 1}


def _frames(stacks: Stacks) -> tuple[list[list[Any]], list[list[int]]]:
    """The distinct frames, and each location's, root first.

    A frame is [name, file, line, binary, hue, inlined]. Lines of one function are one frame:
    its start line stands for them, or the first that was sampled.
    """
    ids: dict[tuple[Any, ...], int] = {}
    frames: list[list[Any]] = []
    files = [clean_path(stacks.strings[i]) for i in stacks.file_ids]
    of_location = []
    for location, lines in enumerate(stacks.lines):
        at = stacks.objects[location]
        found = []
        for row in reversed(lines):
            function = stacks.line_function[row]
            inlined = row != lines[-1]
            if function == NONE:
                key = _unnamed(stacks.addresses[location], at)
                line = 0
            else:
                name = stacks.function_names[function] or _unnamed(0, at)[0]
                key = (name, files[function], at, inlined)
                line = stacks.start_lines[function] or stacks.line_numbers[row]
            found.append(_intern(ids, frames, key, line))
        of_location.append(
            found or [_intern(ids, frames, _unnamed(stacks.addresses[location], at), 0)]
        )
    return frames, of_location


def _unnamed(address: int, at: str) -> tuple[str, str, str, bool]:
    where = f"[{base_name(at)}]" if at else "<unknown>"
    return (f"{where} 0x{address:x}" if address else where), "", at, False


def _intern(
    ids: dict[tuple[Any, ...], int], frames: list[list[Any]], key: tuple[Any, ...], line: int
) -> int:
    known = ids.get(key)
    if known is None:
        known = ids[key] = len(frames)
        name, file, at, inlined = key
        hue = crc32(group_of(name, at).encode("utf-8", "replace")) % 360
        frames.append([name, file, line, base_name(at) if at else "", hue, int(inlined)])
    return known


class _Tree:
    """Node 0 is the root. widths are sums of absolute values: what a box has to be wide."""

    def __init__(
        self, stacks: Stacks, of_location: list[list[int]], columns: list[list[int]]
    ) -> None:
        self.frame = [-1]
        self.children: list[dict[int, int]] = [{}]
        self._parent = [-1]
        leaves = [
            self._leaf(stacks.locations[begin:end], of_location)
            for begin, end in zip(stacks.begin, stacks.end)
        ]
        self.values = [self._sums(leaves, column) for column in columns]
        self.widths = self.values
        if any(value < 0 for column in columns for value in column):
            self.widths = [self._sums(leaves, list(map(abs, column))) for column in columns]

    def _leaf(self, locations: list[int], of_location: list[list[int]]) -> int:
        """The node a stack ends in; what is new on the way is made."""
        children, frames, parents = self.children, self.frame, self._parent
        node = 0
        for location in reversed(locations):
            for frame in of_location[location]:
                below = children[node]
                if frame in below:
                    node = below[frame]
                else:
                    parents.append(node)
                    node = below[frame] = len(frames)
                    frames.append(frame)
                    children.append({})
        return node

    def _sums(self, leaves: list[int], column: list[int]) -> list[int]:
        sums = [0] * len(self.frame)
        for leaf, value in zip(leaves, column):
            sums[leaf] += value
        parents = self._parent
        for node in range(len(sums) - 1, 0, -1):  # children are made after their parents
            sums[parents[node]] += sums[node]
        return sums

    def preorder(self, index: int) -> tuple[list[int], list[int], int]:
        """Nodes in preorder, wider siblings first; their parents' places; how many were left out.

        Above MAX_BOXES the lightest go: a node counts by its largest share of any sample type.
        """
        weight = self._shares()
        count = len(self.frame)
        least = 0.0
        if count > MAX_BOXES:
            least = sorted(weight, reverse=True)[MAX_BOXES]
        order: list[int] = []
        parents: list[int] = []
        waiting = [(0, -1)]
        by_width = self.widths[index]
        while waiting:
            node, parent = waiting.pop()
            place = len(order)
            order.append(node)
            parents.append(parent)
            below = [n for n in self.children[node].values() if weight[n] > least or not least]
            below.sort(key=lambda n: (by_width[n], -self.frame[n]))
            waiting += [(n, place) for n in below]
        return order, parents, count - len(order)

    def _shares(self) -> list[float]:
        shares = [0.0] * len(self.frame)
        for widths in self.widths:
            whole = widths[0] or 1
            for node, width in enumerate(widths):
                share = width / whole
                if share > shares[node]:
                    shares[node] = share
        return shares
