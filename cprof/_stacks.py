"""The stacks of a profile as plain lists: the form that reports and flame graphs loop over.

Memoryviews are read through tolist() once, since indexing a list is several times quicker
than indexing a view, and these loops run per frame.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cprof._names import display_name, simple_name

if TYPE_CHECKING:
    from cprof import _core

NONE = 0xFFFFFFFF


class Stacks:
    """Stacks leaf first, with the profile's own drop_frames and keep_frames applied.

    Sample s has the locations locations[begin[s]:end[s]]. Location l has the line rows
    lines[l], leaf first, the last of which is not inlined; none where it has no symbols.
    """

    def __init__(self, model: _core.Model) -> None:
        starts = model.stack_start.tolist()
        self.begin: list[int] = starts[:-1]
        self.end: list[int] = starts[1:]
        self.locations: list[int] = model.stack.tolist()
        rows = model.line_start.tolist()
        self.lines = [range(a, b) for a, b in zip(rows, rows[1:])]
        self.line_function: list[int] = model.line_function.tolist()
        self.function_names = _function_names(model)
        self.file_ids: list[int] = model.function_filename.tolist()
        self.line_numbers: list[int] = model.line_number.tolist()
        self.line_columns: list[int] = model.line_column.tolist()
        self.start_lines: list[int] = model.function_start_line.tolist()
        self.addresses: list[int] = model.location_address.tolist()
        strings = self.strings = model.strings
        mappings = [strings[i] for i in model.mapping_filename.tolist()]
        self.objects = ["" if m == NONE else mappings[m] for m in model.location_mapping.tolist()]
        self._drop(model.drop_frames, model.keep_frames)

    def values(self, model: _core.Model, index: int) -> list[int]:
        """One sample type's column."""
        column: list[int] = model.values.tolist()
        return column[index :: len(model.sample_types)]

    def _drop(self, drop: str, keep: str) -> None:
        """Cuts each stack below its first uninteresting frame, seen from the root.

        A pattern that Python cannot read drops nothing, as in Go.
        """
        if not drop:
            return
        try:
            dropped = re.compile(drop)
            kept = re.compile(keep) if keep else None
        except re.error:
            return
        uninteresting = []
        for name in self.function_names:
            simple = simple_name(name)
            uninteresting.append(
                bool(name and dropped.fullmatch(simple))
                and not (kept is not None and kept.fullmatch(simple))
            )
        whole: set[int] = set()
        partly: set[int] = set()
        for location, lines in enumerate(self.lines):
            for i in reversed(range(len(lines))):
                function = self.line_function[lines[i]]
                if function != NONE and uninteresting[function]:
                    if i == len(lines) - 1:
                        whole.add(location)
                    else:
                        partly.add(location)
                        self.lines[location] = lines[i + 1 :]
                    break
        if whole or partly:
            for sample in range(len(self.begin)):
                self.begin[sample] = self._cut(sample, whole, partly)

    def _cut(self, sample: int, whole: set[int], partly: set[int]) -> int:
        """Where the sample's stack now begins; nothing above the first frame of the user goes."""
        user_seen = False
        for i in reversed(range(self.begin[sample], self.end[sample])):
            location = self.locations[i]
            if location in whole:
                if user_seen:
                    return i + 1
            elif location in partly:
                if user_seen:
                    return i
            else:
                user_seen = True
        return self.begin[sample]


def _function_names(model: _core.Model) -> list[str]:
    strings = model.strings
    names = model.function_name.tolist()
    system_names = model.function_system_name.tolist()
    return [display_name(strings[n], strings[s]) for n, s in zip(names, system_names)]
