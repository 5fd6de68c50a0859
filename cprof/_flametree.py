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
        paths: list[list[int]] = []
        known: dict[tuple[int, ...], int] = {}
        of_sample = []
        for begin, end in zip(stacks.begin, stacks.end):
            stack = tuple(stacks.locations[begin:end])
            slot = known.setdefault(stack, len(paths))
            if slot == len(paths):
                paths.append(self._path([f for at in reversed(stack) for f in of_location[at]]))
            of_sample.append(slot)
        self.values = [self._sums(paths, of_sample, column) for column in columns]
        signed = any(value < 0 for column in columns for value in column)
        self.widths = (
            [self._sums(paths, of_sample, [abs(v) for v in column]) for column in columns]
            if signed
            else self.values
        )

    def _path(self, frames: list[int]) -> list[int]:
        """The nodes of a stack, made where they are new."""
        node = 0
        path = [0]
        children, names = self.children, self.frame
        for frame in frames:
            below = children[node]
            node = below.get(frame, 0)
            if not node:
                node = below[frame] = len(names)
                names.append(frame)
                children.append({})
            path.append(node)
        return path

    def _sums(self, paths: list[list[int]], of_sample: list[int], column: list[int]) -> list[int]:
        of_path = [0] * len(paths)
        for slot, value in zip(of_sample, column):
            of_path[slot] += value
        sums = [0] * len(self.frame)
        for path, value in zip(paths, of_path):
            if value:
                for node in path:
                    sums[node] += value
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
        by_width = self.widths[index] if self.widths else [0] * count
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
