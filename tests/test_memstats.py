"""MemStats beside Go's own: a reader of Go programs finds each field where it expects it, and the
document tells what each stands for."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from conftest import Build, Start
from harness import ROOT, Running
from require import require_go

GO_PROGRAM = """
package main

import (
    "expvar"
    "os"
    "runtime"
    "runtime/pprof"
)

func main() {
    runtime.GC()
    if os.Args[1] == "json" {
        os.Stdout.WriteString(expvar.Get("memstats").String())
    } else {
        pprof.Lookup("heap").WriteTo(os.Stdout, 1)
    }
}
"""


def c_test(name: str) -> Path:
    """It prints its document when asked."""
    program = f"build/check/ctest/{name}"
    command = ["make", "-s", "BUILD=build/check", "CPPFLAGS=-DCPROF_CHECK", program]
    subprocess.run(command, cwd=ROOT, check=True)
    return ROOT / program


@pytest.fixture(scope="module")
def ours() -> Path:
    return c_test("test_memstats")


@pytest.fixture(scope="module")
def gos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("go")
    (folder / "main.go").write_text(GO_PROGRAM)
    command = [require_go(), "build", "-o", "program", "main.go"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "program"


def say(program: Path, what: str, **env: str) -> str:
    return subprocess.run(
        [program, what], check=True, capture_output=True, text=True, env={**os.environ, **env}
    ).stdout


def shape(value: object) -> object:
    """Types, lengths and names in their order, no values."""
    if isinstance(value, dict):
        return [(name, shape(inner)) for name, inner in value.items()]
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return "number" if type(value) in (int, float) else type(value).__name__


def test_the_json_is_laid_out_as_gos(ours: Path, gos: Path) -> None:
    mine, theirs = say(ours, "json"), say(gos, "json")
    assert shape(json.loads(mine)) == shape(json.loads(theirs))
    assert re.sub(r"[\d.e-]+", "0", mine) == re.sub(r"[\d.e-]+", "0", theirs)
    sizes = [[c["Size"] for c in json.loads(text)["BySize"]] for text in (mine, theirs)]
    assert sizes[0] == sizes[1]


def trailer(text: str) -> list[str]:
    """Its lines without numbers; arrays keep their length."""
    text = text[text.index("\n# runtime.MemStats\n") :]
    return re.sub(r"\d[\d.e-]*", "0", text).splitlines()


def test_the_heap_profiles_trailer_is_laid_out_as_gos(ours: Path, gos: Path) -> None:
    assert trailer(say(ours, "trailer")) == trailer(say(gos, "trailer"))


def test_the_newest_pause_is_where_go_has_it(ours: Path) -> None:
    stats = json.loads(say(ours, "json"))
    assert stats["NumGC"] == 3 and stats["NumForcedGC"] == 1
    assert stats["PauseEnd"][(stats["NumGC"] + 255) % 256] == stats["LastGC"] == 3000005
    assert 0 < stats["GCCPUFraction"] < 1


@pytest.mark.parametrize(
    ("library", "tells"),
    [("libjemalloc.so.2", False), ("libmimalloc.so.2", False), ("libtcmalloc.so.4", True)],
)
def test_no_numbers_of_a_heap_that_nobody_uses(ours: Path, library: str, tells: bool) -> None:
    """glibc's mallinfo2 is there under another allocator too, and knows a few KiB."""
    stats = json.loads(say(ours, "json", LD_PRELOAD=library))
    assert (stats["HeapAlloc"] > 0) == tells == (stats["HeapSys"] > 0)
    assert stats["OtherSys"] > 0


def keys_told(page: str, heading: str) -> dict[str, str]:
    """The first two columns of the table under a heading."""
    rows = dict(re.findall(r"^\| (\w+) \| (.*?) \|", page[page.index(heading) :], re.M))
    rows.pop("key", None)
    return rows


def test_the_document_has_each_key_of_the_profilers_own_map() -> None:
    page = (ROOT / "docs" / "memstats.md").read_text()
    keys = json.loads(say(c_test("test_vitals"), "json"))
    assert list(keys_told(page, "## cprof: the profiler itself")) == list(keys)
    assert list(keys) == sorted(keys)


def test_the_document_has_each_field_and_knows_which_are_0(ours: Path) -> None:
    page = (ROOT / "docs" / "memstats.md").read_text()
    page = page[: page.index("## cprof")]
    rows = keys_told(page, "# memstats")
    rows.pop("field")
    stats = json.loads(say(ours, "json"))
    assert list(rows) == list(stats)
    said = {name for name, row in rows.items() if row.startswith("always 0")}
    zero = {name for name, value in stats.items() if value == 0 and value is not False}
    assert said == zero - {"BuckHashSys"}


def test_metrics_are_one_family_a_number(ours: Path) -> None:
    """Each family once, its sample right behind its TYPE, counters by _total."""
    lines = say(ours, "metrics").splitlines()
    assert lines and len(lines) % 3 == 0
    families = []
    for kind, text, sample in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        _, _, family, what = kind.split()
        assert text.startswith(f"# HELP {family} ")
        name = family + ("_total" if what == "counter" else "")
        assert re.fullmatch(name + r" \d+(\.\d+)?", sample)
        families.append(family)
    assert len(set(families)) == len(families)


@pytest.fixture
def served(build: Build, start: Start) -> Running:
    target = start(build("vars.c", flags=["-lm"]))
    target.line("ready")
    assert target.process.stdin
    target.process.stdin.write(b"serve 127.0.0.1:0\n")
    target.process.stdin.flush()
    return target


def test_it_is_served(served: Running, gos: Path) -> None:
    document = json.loads(served.get("/debug/vars").body)
    assert shape(document["memstats"]) == shape(json.loads(say(gos, "json")))
    assert document["memstats"]["HeapAlloc"] > 0
    assert document["cprof"]["threads"] >= 1 and document["cprof"]["threads_ours"] >= 2


def test_a_heap_profile_ends_with_it(served: Running, gos: Path) -> None:
    for kind in ("heap", "allocs"):
        text = served.get(f"/debug/pprof/{kind}?debug=1").body.decode()
        assert trailer(text) == trailer(say(gos, "heap"))


def test_metrics_have_it_once_and_typed(served: Running) -> None:
    text = served.get("/debug/metrics").body.decode()
    families = re.findall(r"^# TYPE (\S+) ", text, re.M)
    assert len(set(families)) == len(families) and text.endswith("\n# EOF\n")
    assert "# TYPE cprof_memstats_heap_inuse_bytes gauge\n" in text
    assert "\ncprof_memstats_gc_total 0\n" in text and "\ncprof_cpu_samples_total 0\n" in text
    assert "\ncprof{" not in text and "\nmemstats{" not in text
