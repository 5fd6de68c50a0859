"""A profile in memory: what `load`, `fetch`, `merge` and `diff` return."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from cprof._errors import ProfileError
from cprof._stacks import NONE, Stacks
from cprof._units import label

if TYPE_CHECKING:
    from cprof import _core
    from cprof._flame import FlameGraph
    from cprof._report import Table

LabelValue = Union[str, int]


class Frame(NamedTuple):
    """One function in a stack."""

    name: str
    """The function, demangled; "" where there are no symbols."""
    system_name: str
    file: str
    line: int
    column: int
    start_line: int
    address: int
    mapping: str
    """The binary or library the address lies in."""
    inlined: bool
    """True where the compiler put this function into its caller, the next frame."""


class Label(NamedTuple):
    key: str
    value: LabelValue
    unit: str


class Sample(NamedTuple):
    """One stack, what was measured in it, and under which labels."""

    frames: tuple[Frame, ...]
    """Leaf first."""
    values: tuple[int, ...]
    """One per sample type of the profile."""
    all_labels: tuple[Label, ...]

    @property
    def labels(self) -> dict[str, LabelValue]:
        """Labels by key; of a key that occurs twice, the last."""
        return {found.key: found.value for found in self.all_labels}


class Profile:
    """An immutable profile. `cprof.load` and `cprof.fetch` make one.

    `new - base` is `cprof.diff(base, new)` and `p + q` is `cprof.merge([p, q])`.
    """

    def __init__(self, model: _core.Model) -> None:
        self._model = model

    @property
    def model(self) -> _core.Model:
        """The columns underneath."""
        return self._model

    @cached_property
    def sample_types(self) -> list[tuple[str, str]]:
        """(type, unit) of each value of a sample, as ("cpu", "nanoseconds")."""
        return self._model.sample_types

    @property
    def period_type(self) -> tuple[str, str]:
        return self._model.period_type

    @property
    def period(self) -> int:
        """One sample was taken per so many units of period_type."""
        return self._model.period

    @property
    def time_nanos(self) -> int:
        """When it began, in nanoseconds since 1970; 0 if the profile does not say."""
        return self._model.time_nanos

    @property
    def time(self) -> datetime.datetime | None:
        """When it began, or None if the profile does not say."""
        if not self.time_nanos:
            return None
        return datetime.datetime.fromtimestamp(self.time_nanos / 1e9, datetime.timezone.utc)

    @property
    def duration_nanos(self) -> int:
        """How long it took; of a merge or a diff, the sum over its parts, as in Go."""
        return self._model.duration_nanos

    @property
    def duration(self) -> float:
        """duration_nanos in seconds."""
        return self.duration_nanos / 1e9

    @property
    def comments(self) -> list[str]:
        return self._model.comments

    @property
    def doc_url(self) -> str:
        return self._model.doc_url

    @property
    def main_binary(self) -> tuple[str, str]:
        """(path, build id) of the first mapping, which by convention is the program."""
        model = self._model
        if not len(model.mapping_filename):
            return "", ""
        strings = self._strings
        return strings[model.mapping_filename[0]], strings[model.mapping_build_id[0]]

    @property
    def samples(self) -> Samples:
        """The samples, as a sequence: `for s in p.samples: s.frames, s.values, s.labels`."""
        return Samples(self._model)

    def sample_type_index(self, sample_type: str | int | None = None) -> int:
        """The index of a sample type by name or number; of the default one for None.

        As in Go, "inuse_space" also finds "space", and without a default it is the last.
        """
        names = [name for name, _ in self.sample_types]
        if not names:
            raise ProfileError("the profile has no sample types")
        if sample_type is None or sample_type == "":
            default = self._model.default_sample_type
            return names.index(default) if default in names else len(names) - 1
        wanted = str(sample_type)
        if wanted.isdecimal() and int(wanted) < len(names):
            return int(wanted)
        short = wanted[len("inuse_") :] if wanted.startswith("inuse_") else wanted
        for i, name in enumerate(names):
            if name in (wanted, short):
                return i
        raise ProfileError(f"no sample type {wanted!r} in this profile; it has {', '.join(names)}")

    def column(self, index: int) -> list[int]:
        """One sample type's values, sample by sample."""
        return self.stacks.values(self._model, index)

    def total(self, sample_type: str | int | None = None) -> int:
        """The sum of a sample type's values; of a diff, the net change."""
        return sum(self.column(self.sample_type_index(sample_type)))

    def top(
        self,
        n: int | None = None,
        sort: str = "flat",
        sample_type: str | int | None = None,
        granularity: str = "functions",
    ) -> Table:
        """The functions that cost most, as `go tool pprof -top` prints them.

        n: how many rows; None is all those above half a per cent of the total.
        sort: by "flat" (in the function itself) or "cum" (with all it called).
        granularity: "functions", "filefunctions", "files", "lines" or "addresses".
        """
        from cprof._report import make_table

        return make_table(self, n, sort, sample_type, granularity)

    def flamegraph(
        self,
        path: str | os.PathLike[str] | None = None,
        sample_type: str | int | None = None,
        title: str | None = None,
    ) -> FlameGraph:
        """A flame graph, one self-contained HTML page, shown first for sample_type.

        With a path it is saved there too. In a notebook the result shows itself.
        """
        from cprof._flame import FlameGraph

        graph = FlameGraph(self, sample_type, title)
        if path is not None:
            graph.save(path)
        return graph

    def plot(
        self,
        n: int = 20,
        ax: Any = None,
        sort: str = "flat",
        sample_type: str | int | None = None,
    ) -> Any:
        """Horizontal bars of the top n functions; returns the matplotlib axes."""
        from cprof.plot import plot_top

        return plot_top(self.top(n, sort, sample_type), sort, ax)

    def diff(self, new: Profile) -> Profile:
        """new minus self, see `cprof.diff`."""
        from cprof._diff import diff

        return diff(self, new)

    def __sub__(self, base: Profile) -> Profile:
        return base.diff(self) if isinstance(base, Profile) else NotImplemented

    def __add__(self, other: Profile) -> Profile:
        from cprof._diff import merge

        return merge([self, other]) if isinstance(other, Profile) else NotImplemented

    def to_bytes(self) -> bytes:
        """The profile as gzipped profile.proto, which every pprof tool reads."""
        return self._model.encode()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes to_bytes() to a file, whole or not at all."""
        from cprof._files import write_whole

        write_whole(path, self.to_bytes())

    def __repr__(self) -> str:
        parts = [f"{len(self.samples)} samples"]
        for i, (name, unit) in enumerate(self.sample_types):
            parts.append(f"{name} {label(self.total(i), unit)}")
        if self.duration_nanos:
            parts.append("over " + label(self.duration_nanos, "nanoseconds"))
        return f"<cprof.Profile: {', '.join(parts)}>"

    def _repr_html_(self) -> str:
        return self.flamegraph()._repr_html_()

    @cached_property
    def stacks(self) -> Stacks:
        """The stacks as lists, for loops in Python."""
        return Stacks(self._model)

    @cached_property
    def _strings(self) -> list[str]:
        return self._model.strings


class Samples:
    """The samples of a profile, decoded one at a time."""

    def __init__(self, model: _core.Model) -> None:
        self._model = model
        self._strings = model.strings
        self._width = len(model.sample_types)
        self._frames_of: dict[int, tuple[Frame, ...]] = {}

    def __len__(self) -> int:
        return len(self._model.stack_start) - 1

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Sample:
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError("sample index out of range")
        model = self._model
        frames: list[Frame] = []
        for i in range(model.stack_start[index], model.stack_start[index + 1]):
            frames += self._frames(model.stack[i])
        values = model.values[index * self._width : (index + 1) * self._width].tolist()
        labels = range(model.label_start[index], model.label_start[index + 1])
        return Sample(tuple(frames), tuple(values), tuple(map(self._label, labels)))

    def _label(self, row: int) -> Label:
        model, strings = self._model, self._strings
        text, unit = model.label_str[row], model.label_unit[row]
        value = model.label_num[row] if text == NONE else strings[text]
        return Label(strings[model.label_key[row]], value, "" if unit == NONE else strings[unit])

    def _frames(self, location: int) -> tuple[Frame, ...]:
        known = self._frames_of.get(location)
        if known is None:
            known = self._frames_of[location] = self._make_frames(location)
        return known

    def _make_frames(self, location: int) -> tuple[Frame, ...]:
        model, strings = self._model, self._strings
        mapping = model.location_mapping[location]
        place = (
            model.location_address[location],
            "" if mapping == NONE else strings[model.mapping_filename[mapping]],
        )
        begin, end = model.line_start[location], model.line_start[location + 1]
        frames = []
        for row in range(begin, end):
            function, line = model.line_function[row], model.line_number[row]
            column, inlined = model.line_column[row], row != end - 1
            if function == NONE:
                frames.append(Frame("", "", "", line, column, 0, *place, inlined))
                continue
            frames.append(
                Frame(
                    strings[model.function_name[function]],
                    strings[model.function_system_name[function]],
                    strings[model.function_filename[function]],
                    line,
                    column,
                    model.function_start_line[function],
                    *place,
                    inlined,
                )
            )
        return tuple(frames) or (Frame("", "", "", 0, 0, 0, *place, False),)
