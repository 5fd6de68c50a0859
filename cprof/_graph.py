"""Flat and cumulative weights per function, file, line or address, trimmed as pprof trims."""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

from cprof._names import base_name, clean_path
from cprof._stacks import NONE, Stacks

GRANULARITIES = ("functions", "filefunctions", "files", "lines", "addresses")
NODE_FRACTION = 0.005
EDGE_FRACTION = 0.001


class Key(NamedTuple):
    """What makes two frames the same node."""

    address: int
    name: str
    file: str
    line: int
    column: int
    object: str
    start_line: int


def printable(key: Key) -> str:
    """The name in a report: `[lib.so]` or `<unknown>` where there are no symbols."""
    parts = [f"{key.address:016x}"] if key.address else []
    if key.name:
        parts.append(key.name)
    if key.line:
        column = f":{key.column}" if key.column else ""
        parts.append(f"{key.file}:{key.line}{column}")
    elif key.file:
        parts.append(key.file)
    elif not key.name:
        parts.append(f"[{base_name(key.object)}]" if key.object else "<unknown>")
    return " ".join(parts)


class Node(NamedTuple):
    id: int
    name: str
    key: Key
    flat: int
    cum: int


class Graph:
    """Every node of a profile, with its weights."""

    def __init__(self, stacks: Stacks, values: list[int], granularity: str) -> None:
        self._stacks = stacks
        self._values = values
        ids: dict[Key, int] = {}
        self._of_location = [
            tuple(ids.setdefault(key, len(ids)) for key in keys)
            for keys in _location_keys(stacks, granularity)
        ]
        flat, cum = self._weigh(len(ids))
        self.nodes = [
            Node(i, printable(key), key, flat[i], cum[i])
            for key, i in ids.items()
            if flat[i] or cum[i]
        ]
        self.flat_total = sum(flat)

    def _weigh(self, count: int) -> tuple[list[int], list[int]]:
        """Each sample counts once for a node, however often the node is in its stack."""
        flat, cum = [0] * count, [0] * count
        stacks, of_location = self._stacks, self._of_location
        sequences: list[int] | None = None
        if all(len(nodes) == 1 for nodes in of_location):
            single = [nodes[0] for nodes in of_location]
            sequences = [single[location] for location in stacks.locations]
        for begin, end, value in zip(stacks.begin, stacks.end, self._values):
            if not value or begin == end:
                continue
            flat[of_location[stacks.locations[begin]][0]] += value
            if sequences is not None:
                seen = set(sequences[begin:end])
            else:
                frames = stacks.locations[begin:end]
                seen = set(chain.from_iterable([of_location[frame] for frame in frames]))
            for node in seen:
                cum[node] += value
        return flat, cum

    def cutoff(self, fraction: float) -> int:
        return abs(int(float(self.flat_total) * fraction))

    def inlining(self, shown: list[Node]) -> dict[int, str]:
        """node id -> "inline" or "partial-inline", judged by the calls between shown nodes.

        A call counts as inlined when every stack that has it was compiled so; calls lighter than
        EDGE_FRACTION of the total are not asked.
        """
        kept = {node.id for node in shown}
        inlined = {n for nodes in self._of_location for n in nodes[:-1] if n in kept}
        if not inlined:
            return {}
        weights: dict[tuple[int, int], int] = {}
        called: set[tuple[int, int]] = set()
        for begin, end, value in zip(self._stacks.begin, self._stacks.end, self._values):
            if value:
                frames = self._stacks.locations[begin:end]
                self._add_edges(frames, value, kept, inlined, weights, called)
        smallest = self.cutoff(EDGE_FRACTION)
        kinds: dict[int, set[bool]] = {}
        for edge, weight in weights.items():
            if abs(weight) >= smallest:
                kinds.setdefault(edge[1], set()).add(edge not in called)
        return {
            node: "partial-inline" if False in kind else "inline"
            for node, kind in kinds.items()
            if True in kind
        }

    def _add_edges(
        self,
        frames: list[int],
        value: int,
        kept: set[int],
        inlined: set[int],
        weights: dict[tuple[int, int], int],
        called: set[tuple[int, int]],
    ) -> None:
        """Adds one stack's calls into nodes that are inlined somewhere, each once."""
        of_location = self._of_location
        seen: set[tuple[int, int]] = set()
        parent = -1
        for frame in reversed(frames):
            nodes = of_location[frame]
            last = len(nodes) - 1
            for position in range(last, -1, -1):
                node = nodes[position]
                if node not in kept:
                    continue
                if node in inlined and parent not in (-1, node):
                    edge = (parent, node)
                    if edge not in seen:
                        seen.add(edge)
                        weights[edge] = weights.get(edge, 0) + value
                        if position == last:
                            called.add(edge)
                parent = node


def _location_keys(stacks: Stacks, granularity: str) -> list[list[Key]]:
    """Per location its keys, leaf first; one key made of the address where it has no symbols."""
    by_address = granularity == "addresses"
    files = [clean_path(stacks.strings[i]) for i in stacks.file_ids]
    keys = []
    for location, lines in enumerate(stacks.lines):
        address = stacks.addresses[location] if by_address else 0
        at = stacks.objects[location]
        found = [_line_key(stacks, row, granularity, address, at, files) for row in lines]
        keys.append(found or [Key(address, "", "", 0, 0, at, 0)])
    return keys


def _line_key(
    stacks: Stacks, row: int, granularity: str, address: int, at: str, files: list[str]
) -> Key:
    function = stacks.line_function[row]
    if function == NONE:
        return Key(address, "", "", 0, 0, at, 0)
    exact = granularity in ("lines", "addresses")
    name = "" if granularity == "files" else stacks.function_names[function]
    return Key(
        address,
        name,
        "" if granularity == "functions" else files[function],
        stacks.line_numbers[row] if exact else 0,
        stacks.line_columns[row] if granularity == "addresses" else 0,
        "" if name else at,
        0 if name else stacks.start_lines[function],
    )
