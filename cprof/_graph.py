"""Flat and cumulative weights per function, file, line or address, trimmed as pprof trims."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import chain
from typing import NamedTuple

from cprof._names import base_name, clean_path
from cprof._stacks import NONE, Stacks

GRANULARITIES = ("functions", "filefunctions", "files", "lines", "addresses")
NODE_FRACTION = 0.005
EDGE_FRACTION = 0.001

_Edge = tuple[int, int]  # caller and callee


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
        self._recursive = [False] * len(self._values)
        stacks, of_location = self._stacks, self._of_location
        sequences: list[int] | None = None
        if all(len(nodes) == 1 for nodes in of_location):
            single = [nodes[0] for nodes in of_location]
            sequences = [single[location] for location in stacks.locations]
        samples = zip(stacks.begin, stacks.end, self._values)
        for sample, (begin, end, value) in enumerate(samples):
            if not value or begin == end:
                continue
            flat[of_location[stacks.locations[begin]][0]] += value
            if sequences is not None:
                path = sequences[begin:end]
            else:
                frames = stacks.locations[begin:end]
                path = list(chain.from_iterable([of_location[frame] for frame in frames]))
            seen = set(path)
            self._recursive[sample] = len(seen) != len(path)
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
        weights, called = self._calls(kept)
        smallest = self.cutoff(EDGE_FRACTION)
        kinds: dict[int, set[bool]] = {}
        for edge, weight in weights.items():
            if edge[1] in inlined and abs(weight) >= smallest:
                kinds.setdefault(edge[1], set()).add(edge not in called)
        return {
            node: "partial-inline" if False in kind else "inline"
            for node, kind in kinds.items()
            if True in kind
        }

    def _calls(self, kept: set[int]) -> tuple[dict[_Edge, int], set[_Edge]]:
        """Weights of the calls between kept nodes, and those that some stack made for real.

        A frame is coded as node * 2 + inlined here. In a stack in which no call comes twice they
        follow from its neighbouring locations, which are counted without a look inside.
        """
        coded = [
            [nodes[i] * 2 + (i != len(nodes) - 1) for i in reversed(range(len(nodes)))]
            for nodes in self._of_location
        ]
        coded = [[frame for frame in frames if frame >> 1 in kept] for frames in coded]
        hidden = {location for location, frames in enumerate(coded) if not frames}
        weights: defaultdict[_Edge, int] = defaultdict(int)
        called: set[_Edge] = set()
        simple: defaultdict[int, list[list[int]]] = defaultdict(list)
        stacks = self._stacks
        samples = zip(stacks.begin, stacks.end, self._values, self._recursive)
        for begin, end, value, recursive in samples:
            if not value:
                continue
            frames = stacks.locations[begin:end]
            frames.reverse()
            if hidden:
                frames = [frame for frame in frames if frame not in hidden]
            if recursive:
                path = list(chain.from_iterable([coded[frame] for frame in frames]))
                nodes = [frame >> 1 for frame in path]
                if len(set(zip(nodes, nodes[1:]))) < len(nodes) - 1:
                    _add_once(path, value, weights, called)
                    continue
            simple[value].append(frames)
        alone, pairs = _count(simple)
        for location, value in alone.items():
            path = coded[location]
            _add_once(path, value, weights, called)
        for (caller, callee), value in pairs.items():
            _add_once([coded[caller][-1], coded[callee][0]], value, weights, called)
        return weights, called


def _count(
    paths_by_value: dict[int, list[list[int]]],
) -> tuple[dict[int, int], dict[_Edge, int]]:
    """The weight of each location, and of each two that are neighbours in a path.

    Most profiles have few distinct values, and what weighs the same is counted in C.
    """
    alone: defaultdict[int, int] = defaultdict(int)
    pairs: defaultdict[_Edge, int] = defaultdict(int)
    for value, paths in paths_by_value.items():
        for location, times in Counter(chain.from_iterable(paths)).items():
            alone[location] += value * times
        neighbours = chain.from_iterable(zip(path, path[1:]) for path in paths)
        for pair, times in Counter(neighbours).items():
            pairs[pair] += value * times
    return alone, pairs


def _add_once(path: list[int], value: int, weights: dict[_Edge, int], called: set[_Edge]) -> None:
    """Adds the calls along a path, each once, as it came first from the root."""
    seen: set[_Edge] = set()
    for caller, callee in zip(path, path[1:]):
        edge = (caller >> 1, callee >> 1)
        if edge[0] != edge[1] and edge not in seen:
            seen.add(edge)
            weights[edge] += value
            if not callee & 1:
                called.add(edge)


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
