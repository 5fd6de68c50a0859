"""cprof._core: the columns of a profile, their lifetime, what is refused and with which words."""

from __future__ import annotations

import ast
import gc
import gzip
import pathlib
import sys
import threading
import time
import weakref
from collections.abc import Sequence

import pytest

from cprof import _core
from cprof._core import CoreError, Model
from profiles import Builder, block, folded, number, rich

NONE = 0xFFFFFFFF
HEADER = ("sample_types", "period_type", "period", "time_nanos", "duration_nanos")
TEXTS = ("default_sample_type", "doc_url", "drop_frames", "keep_frames", "comments", "strings")
COLUMNS = {
    "values": "q",
    "stack_start": "Q",
    "stack": "I",
    "label_start": "Q",
    "label_key": "I",
    "label_str": "I",
    "label_unit": "I",
    "label_num": "q",
    "location_mapping": "I",
    "location_folded": "I",
    "location_address": "Q",
    "line_start": "Q",
    "line_function": "I",
    "line_number": "q",
    "line_column": "q",
    "function_name": "I",
    "function_system_name": "I",
    "function_filename": "I",
    "function_start_line": "q",
    "mapping_start": "Q",
    "mapping_limit": "Q",
    "mapping_offset": "Q",
    "mapping_filename": "I",
    "mapping_build_id": "I",
    "mapping_flags": "I",
}


def column(model: Model, name: str) -> list[int]:
    view: memoryview = getattr(model, name)
    return view.tolist()


def everything(model: Model) -> dict[str, object]:
    found: dict[str, object] = {name: getattr(model, name) for name in (*HEADER, *TEXTS)}
    found.update((name, column(model, name)) for name in COLUMNS)
    return found


def by_stack(model: Model) -> dict[str, list[int]]:
    """{"main;work": values}, as folded() takes them, summed over places and labels."""
    names, width = model.strings, len(model.sample_types)
    rows: dict[str, list[int]] = {}
    for row, (first, last) in enumerate(zip(model.stack_start, model.stack_start[1:])):
        frames = [
            names[model.function_name[model.line_function[line]]]
            for location in model.stack[first:last]
            for line in range(model.line_start[location], model.line_start[location + 1])
        ]
        values = model.values[row * width : (row + 1) * width].tolist()
        sums = rows.get(";".join(reversed(frames)), [0] * width)
        rows[";".join(reversed(frames))] = [a + b for a, b in zip(sums, values)]
    return rows


def refusal(data: bytes) -> tuple[str, str]:
    with pytest.raises(CoreError) as raised:
        Model.decode(data)
    name, sentence = raised.value.args
    return name, sentence


# ---- decoding ----


@pytest.mark.parametrize("build", [rich, Builder, lambda: folded({"a;b": [1, 2]})])
def test_columns_fit_together(build: type[Builder]) -> None:
    model = Model.decode(build().zipped())
    size = {name: len(getattr(model, name)) for name in COLUMNS}
    samples = size["stack_start"] - 1
    assert size["label_start"] == samples + 1
    assert size["values"] == samples * len(model.sample_types)
    for name in ("label_str", "label_unit", "label_num"):
        assert size[name] == size["label_key"]
    for name in ("location_folded", "location_address"):
        assert size[name] == size["location_mapping"]
    assert size["line_start"] == size["location_mapping"] + 1
    for name in ("line_number", "line_column"):
        assert size[name] == size["line_function"]
    for name in ("function_system_name", "function_filename", "function_start_line"):
        assert size[name] == size["function_name"]
    for name in ("limit", "offset", "filename", "build_id", "flags"):
        assert size[f"mapping_{name}"] == size["mapping_start"]
    for start, rows in (
        ("stack_start", "stack"),
        ("label_start", "label_key"),
        ("line_start", "line_function"),
    ):
        offsets = column(model, start)
        assert offsets[0] == 0
        assert offsets[-1] == size[rows]
        assert offsets == sorted(offsets)
    assert all(location < size["location_mapping"] for location in column(model, "stack"))
    assert all(function < size["function_name"] for function in column(model, "line_function"))
    assert all(i == NONE or i < size["mapping_start"] for i in column(model, "location_mapping"))


def test_columns_are_read_only_views() -> None:
    model = Model.decode(rich().zipped())
    for name, code in COLUMNS.items():
        view = getattr(model, name)
        assert isinstance(view, memoryview)
        assert (view.format, view.readonly, view.ndim) == (code, True, 1), name
        assert view.itemsize == (4 if code == "I" else 8)
        assert view.contiguous
        assert len(bytes(view)) == view.nbytes == len(view) * view.itemsize
    with pytest.raises(TypeError):
        model.values[0] = 1
    with pytest.raises(AttributeError):
        model.period = 1  # type: ignore[misc]


def test_decoded_values() -> None:
    builder = Builder(comments=["one", "two"], doc_url="https://x", default_sample_type="cpu")
    app = builder.mapping("/bin/app", build_id="beef", start=1 << 63)
    work = builder.function("work", "w.c", "_Zwork", start_line=-3)
    at = builder.location((work, 7, 2), mapping=app, address=(1 << 63) + 1)
    bare = builder.location(address=9)
    labels: dict[str, str | int | tuple[int, str]] = {"k": "v", "n": (-5, "bytes")}
    builder.sample([at, bare], [-1, 1 << 62], labels)
    model = Model.decode(builder.plain())
    names = model.strings
    assert names[0] == ""
    assert model.sample_types == [("samples", "count"), ("cpu", "nanoseconds")]
    assert (model.period_type, model.period) == (("cpu", "nanoseconds"), 10_000_000)
    assert (model.time_nanos, model.duration_nanos) == (1_700_000_000_123_456_789, 5_000_000_000)
    assert (model.default_sample_type, model.doc_url, model.drop_frames) == ("cpu", "https://x", "")
    assert model.comments == ["one", "two"]
    assert column(model, "values") == [-1, 1 << 62]
    assert column(model, "stack") == [0, 1]
    assert column(model, "location_mapping") == [0, NONE]
    assert column(model, "location_address") == [(1 << 63) + 1, 9]
    assert column(model, "line_start") == [0, 1, 1]
    assert (column(model, "line_number"), column(model, "line_column")) == ([7], [2])
    assert [names[i] for i in model.function_system_name] == ["_Zwork"]
    assert column(model, "function_start_line") == [-3]
    assert [names[i] for i in model.mapping_build_id] == ["beef"]
    assert column(model, "mapping_flags") == [1]
    assert [names[i] for i in model.label_key] == ["k", "n"]
    assert (column(model, "label_str")[1], column(model, "label_num")[1]) == (NONE, -5)
    assert names[model.label_str[0]] == "v"
    assert names[model.label_unit[1]] == "bytes"


def test_plain_and_gzipped_bytes_of_any_kind() -> None:
    plain, zipped = rich().plain(), rich().zipped()
    want = everything(Model.decode(plain))
    for data in (zipped, bytearray(plain), memoryview(zipped), memoryview(b"x" + plain)[1:]):
        assert everything(Model.decode(data)) == want
    with pytest.raises(TypeError):
        Model.decode("text")  # type: ignore[arg-type]
    with pytest.raises(BufferError):
        Model.decode(memoryview(plain)[::2])


def test_strings_that_are_not_utf8() -> None:
    data = b"".join([block(1, number(1, 1)), block(6, b""), block(6, b"a\xffb\x00c")])
    assert Model.decode(data).sample_types == [("a\ufffdb\x00c", "")]


def test_an_idle_profile_is_one() -> None:
    model = Model.decode(Builder().zipped())
    assert len(model.values) == 0
    assert column(model, "stack_start") == [0]
    assert bytes(model.stack) == b""


# ---- encoding ----


@pytest.mark.parametrize("build", [rich, Builder])
def test_encode_keeps_everything(build: type[Builder]) -> None:
    model = Model.decode(build().zipped())
    encoded = model.encode()
    assert encoded[:2] == b"\x1f\x8b"
    assert everything(Model.decode(encoded)) == everything(model)
    assert Model.decode(gzip.decompress(encoded)).encode() == encoded


# ---- merging ----

# What both have comes first: folded() numbers addresses as it goes.
BEFORE = {"main;b": (2, 20), "main;a": (1, 10)}
AFTER = {"main;b": (5, 50), "main;c": (4, 40)}


def merged(scales: Sequence[float]) -> dict[str, list[int]]:
    models = [Model.decode(folded(stacks).zipped()) for stacks in (BEFORE, AFTER)]
    result = Model.merge(models, scales)
    rows = by_stack(result)
    assert len(result.values) == 2 * len(rows), "one row for each stack"
    return rows


def test_merge_sums_by_stack() -> None:
    assert merged([1, 1]) == {"main;a": [1, 10], "main;b": [7, 70], "main;c": [4, 40]}


def test_merge_scales() -> None:
    assert merged([0.5, 0]) == {"main;a": [1, 5], "main;b": [1, 10]}


def test_diff_keeps_what_shrank_and_drops_what_stayed() -> None:
    assert merged([-1, 1]) == {"main;a": [-1, -10], "main;b": [3, 30], "main;c": [4, 40]}
    model = Model.decode(rich().zipped())
    nothing = Model.merge(models=[model, model], scales=(1, -1))
    assert len(nothing.values) == 0
    assert nothing.sample_types == model.sample_types
    assert nothing.duration_nanos == 2 * model.duration_nanos


def test_merge_of_one_is_the_profile_without_zeros() -> None:
    model = Model.decode(rich().zipped())
    rows = {name: values for name, values in by_stack(model).items() if any(values)}
    assert by_stack(Model.merge([model], [1])) == rows


def test_merge_refuses() -> None:
    one = Model.decode(folded({"a": (1, 1)}).zipped())
    other = Model.decode(folded({"a": (1,)}, sample_types=[("space", "bytes")]).zipped())
    with pytest.raises(CoreError, match="profile 2 has 1 sample types, the first has 2") as raised:
        Model.merge([one, other], [1, 1])
    assert raised.value.args[0] == "INVALID"
    with pytest.raises(CoreError, match="no profiles to merge"):
        Model.merge([], [])
    with pytest.raises(CoreError, match="scale of profile 1 is not a finite number"):
        Model.merge([one], [float("nan")])
    with pytest.raises(ValueError, match="one scale for each Model"):
        Model.merge([one], [1, 2])
    with pytest.raises(TypeError, match="Models, not int"):
        Model.merge([one, 3], [1, 1])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        Model.merge([one], ["x"])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        Model.merge(one, [1])  # type: ignore[arg-type]


# ---- refusals ----


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty input"),
        (gzip.compress(b""), "empty input, gzipped"),
        (b"<!DOCTYPE html><html></html>", "an HTML page, not a profile"),
        (b'{"a": 1}', "a JSON document, not a profile"),
        (b"Unknown profile\n", 'plain text, not a profile: "Unknown profile"'),
        (
            b"heap profile: 1: 2 [1: 2] @ heap/2\n",
            "a legacy text profile; ask the server without debug=1",
        ),
        (Builder().zipped()[:-9], "gzip stream is truncated"),
        (block(6, b""), "not a profile: it has no sample types"),
        (Builder().plain() + block(2, b""), "sample 1 has 0 values for 2 sample types"),
        (Builder().plain() * 2, "2 profiles are concatenated; merge them instead"),
    ],
)
def test_what_is_not_a_profile_is_named(data: bytes, sentence: str) -> None:
    assert refusal(data) == ("MALFORMED", sentence)


@pytest.mark.long
def test_a_gzip_bomb_is_too_big() -> None:
    bomb = gzip.compress(bytes(1 << 20), 9) * 1025
    assert refusal(bomb) == ("TOO_BIG", f"gzip stream holds more than {1 << 30} bytes")


def test_every_truncation_is_refused_or_shorter() -> None:
    data = rich().plain()
    for n in range(len(data)):
        try:
            Model.decode(data[:n])
        except CoreError as error:
            name, sentence = error.args
            assert name == "MALFORMED"
            assert sentence


def test_types_cannot_be_made() -> None:
    with pytest.raises(TypeError, match=r"cannot create 'cprof\._core\.Model' instances"):
        Model()
    view = Model.decode(Builder().zipped()).values
    with pytest.raises(TypeError, match="cannot create"):
        type(view.obj)()
    with pytest.raises(TypeError):
        type("Sub", (Model,), {})
    assert issubclass(CoreError, Exception)
    assert (Model.__module__, CoreError.__module__) == ("cprof._core", "cprof._core")


# ---- lifetime ----


def test_a_column_outlives_its_model() -> None:
    model = Model.decode(rich().zipped())
    views = {name: getattr(model, name) for name in COLUMNS}
    want = {name: view.tolist() for name, view in views.items()}
    slices = [view[1:] for view in views.values()]
    del model
    gc.collect()
    for _ in range(50):
        Model.decode(rich().zipped())
    assert {name: view.tolist() for name, view in views.items()} == want
    del views
    gc.collect()
    assert [part.tolist() for part in slices] == [column[1:] for column in want.values()]


def test_nothing_is_kept_for_ever() -> None:
    data = rich().zipped()
    types = len(gc.get_objects())
    before = sys.getrefcount(Model)
    for _ in range(200):
        model = Model.decode(data)
        Model.merge([model, model], [1, 1]).encode()
        model.stack.tolist()
        with pytest.raises(CoreError):
            Model.decode(b"<html>")
    del model
    gc.collect()
    assert sys.getrefcount(Model) <= before + 2
    assert len(gc.get_objects()) < types + 1000
    with pytest.raises(TypeError):
        weakref.ref(Model.decode(data))


def test_memory_stays_level() -> None:
    data = folded({f"main;f{i};g{i}": (i + 1, i + 1) for i in range(2000)}).zipped()

    def resident_kb() -> int:
        status = pathlib.Path("/proc/self/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def work(times: int) -> int:
        for _ in range(times):
            model = Model.decode(data)
            Model.merge([model, model], [1, -0.5]).encode()
            _ = model.strings, model.comments, model.sample_types, model.values
        return resident_kb()

    work(20)
    settled = work(20)
    assert work(100) < settled + 8192


def test_threads_share_a_model() -> None:
    model = Model.decode(rich().zipped())
    want, failures = everything(model), []

    def use() -> None:
        for _ in range(20):
            again = Model.decode(model.encode())
            if everything(again) != want or len(Model.merge([model, again], [1, -1]).values):
                failures.append(again)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_decoding_lets_other_threads_run() -> None:
    stacks = {f"main;f{i};g{i % 97}": (i + 1, 1) for i in range(20000)}
    data, ticks, stop = folded(stacks).zipped(), [0], threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks[0] += 1
            time.sleep(0.0002)

    ticker = threading.Thread(target=tick)
    old = sys.getswitchinterval()
    ticker.start()
    try:
        # So long that the GIL passes only where its holder releases it.
        sys.setswitchinterval(100)
        before = ticks[0]
        for _ in range(5):
            Model.decode(data)
        after = ticks[0]
    finally:
        sys.setswitchinterval(old)
        stop.set()
        ticker.join()
    assert after > before


def test_the_stub_names_what_there_is() -> None:
    stub = pathlib.Path(_core.__file__).with_name("_core.pyi")
    if not stub.exists():
        pytest.skip("the package is installed without its sources")

    def named(nodes: list[ast.stmt]) -> set[str]:
        return {n.name for n in nodes if isinstance(n, (ast.ClassDef, ast.FunctionDef))}

    def public(there: object) -> set[str]:
        return {name for name in vars(there) if not name.startswith("_")}

    tree = ast.parse(stub.read_text(encoding="utf-8"))
    assert named(tree.body) == public(_core)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name != "CoreError":
            methods = {name for name in named(node.body) if not name.startswith("_")}
            assert methods == public(getattr(_core, node.name)), node.name
