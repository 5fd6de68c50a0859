"""Loading, looking into, adding, subtracting and saving profiles."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cprof
import cprof._units as units
from profiles import Builder, folded, rich
from require import require_matplotlib

PACKAGE_PARENT = str(Path(cprof.__file__).resolve().parent.parent)


def test_every_public_name_works_twice() -> None:
    """A lazily imported name that a module shares is replaced by the module on its second use."""
    code = (
        "import cprof\n"
        "for name in cprof.__all__:\n"
        "    first = getattr(cprof, name)\n"
        "    assert getattr(cprof, name) is first and callable(first), name\n"
        "from cprof import *\n"
        "assert load is cprof.load and Profile is cprof.Profile\n"
        "assert set(cprof.__all__) == set(cprof._HOME)\n"
        "assert set(cprof.__all__) <= set(dir(cprof))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE_PARENT)


def test_import_is_light() -> None:
    """`import cprof` in somebody's program must not pull in what they did not ask for."""
    code = (
        "import sys, typing; before = set(sys.modules); import cprof\n"
        "new = set(sys.modules) - before - {'__future__'}\n"
        "assert new == {'cprof', 'cprof._version'}, new\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE_PARENT)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nosuch"):
        _ = cprof.nosuch  # type: ignore[attr-defined]


def test_the_version_is_the_headers() -> None:
    """setup.py reads cprof.h: two versions of one wheel confuse everybody."""
    header = Path(__file__).parent.parent / "csrc" / "api" / "cprof.h"
    if not header.exists():
        pytest.skip("no source tree beside the tests")
    assert f'#define CPROF_VERSION "{cprof.__version__}"' in header.read_text()


def test_load_takes_paths_files_and_bytes(tmp_path: Path) -> None:
    path = rich().save(tmp_path / "p.pb.gz")
    data = path.read_bytes()
    with path.open("rb") as file:
        loaded = [
            cprof.load(path),
            cprof.load(str(path)),
            cprof.load(file),
            cprof.load(io.BytesIO(data)),
            cprof.load(data),
            cprof.load(bytearray(data)),
            cprof.load(memoryview(gzip.decompress(data))),
        ]
    assert {p.total() for p in loaded} == {1_095_000_000}


def test_a_text_file_object_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="binary"):
        cprof.load(io.StringIO("x"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"<!doctype html><title>x</title>", "HTML"),
        (rich().zipped()[:-40], "truncated|gzip"),
        (b"\x7fELF\x02\x01\x01" + bytes(100), "profile|ELF"),
    ],
)
def test_what_is_no_profile_is_named(data: bytes, words: str, tmp_path: Path) -> None:
    """A login page saved as cpu.pb.gz is the usual case: say so, and which file."""
    path = tmp_path / "login.pb.gz"
    path.write_bytes(data)
    with pytest.raises(cprof.ProfileError, match=words) as caught:
        cprof.load(path)
    assert str(path) in str(caught.value)


def test_header_fields() -> None:
    p = cprof.load(rich().zipped())
    assert p.sample_types == [("samples", "count"), ("cpu", "nanoseconds")]
    assert p.period_type == ("cpu", "nanoseconds")
    assert p.period == 10_000_000
    assert p.duration == 5.0
    assert p.time is not None
    assert p.time.isoformat().startswith("2023-11-14T22:13:20.123")
    assert p.comments == ["started by a test", "#hidden"]
    assert p.doc_url == "https://example.org/doc"
    assert p.main_binary == ("/no/such/bin/my app", "abc123")
    assert "cpu 1.09s" in repr(p) or "cpu 1.10s" in repr(p)
    assert "over 5s" in repr(p)


def test_a_profile_without_samples_can_be_looked_at() -> None:
    """An idle program's profile is valid and empty."""
    p = cprof.load(Builder(time_nanos=0, duration_nanos=0).zipped())
    assert p.time is None
    assert list(p.samples) == []
    assert p.top().rows == []
    assert "0%" in str(p.top())
    assert "no samples" in p.flamegraph().html
    assert (p - p).total() == 0


def test_samples_have_frames_values_and_labels() -> None:
    samples = cprof.load(rich().zipped()).samples
    sample = next(s for s in samples if s.labels.get("thread") == "worker")
    assert [frame.name for frame in sample.frames] == ["leaf", "ns::Tree<int>::walk(int)", "main"]
    assert [frame.inlined for frame in sample.frames] == [True, False, False]
    leaf = sample.frames[0]
    assert (leaf.file, leaf.line, leaf.start_line) == ("/proc/self/cwd/leaf.c", 2, 1)
    assert (leaf.address, leaf.mapping) == (0x400300, "/no/such/bin/my app")
    assert sample.values == (20, 200_000_000)
    assert sample.labels["bytes"] == 64
    sized = next(s for s in samples if "size" in s.labels)
    assert sized.all_labels == (cprof.Label("size", 12, "kilobytes"),)
    bare = next(s for s in samples if s.frames and s.frames[0].mapping.endswith("libz.so.1"))
    assert bare.frames[0].name == ""
    assert bare.frames[0].address == 0x7F0000001234
    assert samples[-1] == samples[len(samples) - 1]
    with pytest.raises(IndexError):
        _ = samples[len(samples)]


def test_sample_types_by_name_number_and_short_name() -> None:
    types = (("objects", "count"), ("space", "bytes"))
    p = cprof.load(folded({"main": (2, 64)}, sample_types=types).zipped())
    assert (p.total(), p.total("objects"), p.total(0), p.total("inuse_space")) == (64, 2, 2, 64)


def test_merge_and_diff_are_operators_too() -> None:
    p = cprof.load(folded({"main;a": (1, 10)}).zipped())
    q = cprof.load(folded({"main;a": (3, 30), "main;b": (1, 5)}).zipped())
    assert (p + q).total() == cprof.merge([p, q]).total() == 45
    assert (q - p).total() == p.diff(q).total() == cprof.diff(p, q).total() == 25
    assert (q - p).total("samples") == 3
    assert (p + q).duration == 10.0
    assert len((p - p).samples) == 0
    with pytest.raises(ValueError, match="at least one"):
        cprof.merge([])


def test_profiles_that_do_not_fit_say_their_types() -> None:
    cpu = cprof.load(folded({"main": (1, 10)}).zipped())
    heap = cprof.load(folded({"main": (1,)}, sample_types=(("space", "bytes"),)).zipped())
    with pytest.raises(cprof.ProfileError, match="space/bytes"):
        cprof.diff(cpu, heap)


def test_save_and_load_again(tmp_path: Path) -> None:
    p = cprof.load(rich().zipped())
    p.save(tmp_path / "again.pb.gz")
    again = cprof.load(tmp_path / "again.pb.gz")
    assert str(again.top()) == str(p.top())
    assert sorted(map(repr, again.samples)) == sorted(map(repr, p.samples))


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    """Half a profile under the old name is worse than the old profile."""
    target = tmp_path / "p.pb.gz"
    target.write_bytes(b"old")
    target.chmod(0o640)
    p = cprof.load(rich().zipped())
    with pytest.raises(OSError, match="nowhere"):
        p.save(tmp_path / "nowhere" / "p.pb.gz")
    p.save(target)
    assert target.stat().st_mode & 0o777 == 0o640
    link = tmp_path / "link.pb.gz"
    link.symlink_to(target)
    p.save(link)
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.pb.gz", "p.pb.gz"]
    mask = os.umask(0o027)
    try:
        p.save(tmp_path / "fresh.pb.gz")
    finally:
        os.umask(mask)
    assert (tmp_path / "fresh.pb.gz").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1536, "bytes", "1.50kB"),
        (90, "seconds", "90s"),
        (7200, "seconds", "2hrs"),
        (-1_500_000, "nanoseconds", "-1.50ms"),
        (0, "bytes", "0"),
        (12, "count", "12"),
        (3, "widgets", "3"),
    ],
)
def test_labels_scale(value: int, unit: str, text: str) -> None:
    assert units.label(value, unit) == text


def test_plot_draws_bars() -> None:
    require_matplotlib()
    import matplotlib

    matplotlib.use("Agg")
    axes = cprof.load(rich().zipped()).plot(n=3)
    assert next(iter(axes.get_yticklabels())).get_text() == "[libz.so.1]"
    given = axes.figure.add_axes((0, 0, 1, 1))
    assert cprof.load(rich().zipped()).plot(ax=given, sort="cum") is given


def test_plot_without_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(cprof.UnsupportedError, match=r"pip install 'cprof\[plot\]'"):
        cprof.load(rich().zipped()).plot()
