"""The flame graph page: what is in it, and what a browser makes of it."""

from __future__ import annotations

import html
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import cprof
from profiles import Builder, folded, rich
from require import require_chromium

HOSTILE = (
    "</script><script>document.title='owned'</script>",
    "<!--<script>",
    "quote\"'`${1}\\",
    "line\u2028separator\u2029",
    "<img src=x onerror=alert(1)>",
    "&amp&lt",
    "]]>",
)


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)
    assert found
    data: dict[str, Any] = json.loads(found.group(1))
    return data


def test_the_tree_holds_the_samples() -> None:
    p = cprof.load(folded({"main;a;b": (1, 10), "main;a": (1, 5), "main;c": (1, 30)}).zipped())
    data = data_of(p.flamegraph().html)
    names = ["all" if f < 0 else data["frames"][f][0] for f in data["frame"]]
    assert names == ["all", "main", "c", "a", "b"]  # wider siblings first
    assert data["parent"] == [-1, 0, 1, 1, 3]
    assert data["values"] == [[3, 3, 1, 2, 1], [45, 45, 30, 15, 10]]
    assert data["type"] == 1
    assert data["widths"] is None


def test_a_diff_is_as_wide_as_what_moved() -> None:
    """Net width would hide a function that lost in one place what it gained in another."""
    p = cprof.load(folded({"main;a": (1, 10), "main;b": (1, 20)}).zipped())
    q = cprof.load(folded({"main;a": (1, 30)}).zipped())
    data = data_of((q - p).flamegraph(sample_type="cpu").html)
    assert data["values"][1][0] == 0
    assert data["widths"][1][0] == 40


def test_inlined_frames_are_marked() -> None:
    frames = data_of(cprof.load(rich().zipped()).flamegraph().html)["frames"]
    marks = {(frame[0], frame[5]) for frame in frames if frame[0] == "leaf"}
    assert marks == {("leaf", 0), ("leaf", 1)}


def test_too_many_boxes_lose_the_smallest_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of 100 MB opens in no browser."""
    monkeypatch.setattr("cprof._flametree.MAX_BOXES", 10)
    stacks = {f"main;f{i}": (1, 1000 + i) for i in range(50)} | {"main;big": (1, 10**6)}
    data = data_of(cprof.load(folded(stacks).zipped()).flamegraph().html)
    assert len(data["frame"]) <= 10
    assert data["dropped"] == 53 - len(data["frame"])
    assert "big" in [frame[0] for frame in data["frames"]]


def test_the_page_is_one_file() -> None:
    """Profiles are read on machines without a way out, and names are nobody else's business."""
    page = cprof.load(rich().zipped()).flamegraph(title="<b>t</b>").html
    assert "<title>&lt;b&gt;t&lt;/b&gt;</title>" in page
    assert "default-src 'none'" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert not re.search(r"https?://(?!example\.org)", page)


def test_hostile_names_cannot_leave_the_data() -> None:
    stacks = {f"main;{name}": (1, 10) for name in HOSTILE}
    page = cprof.load(folded(stacks).zipped()).flamegraph(title=HOSTILE[0]).html
    assert page.count("</script>") == 2
    assert page.count("<script") == 2
    assert "\u2028" not in page
    assert {frame[0] for frame in data_of(page)["frames"]} >= set(HOSTILE)


def test_a_notebook_shows_a_sandboxed_frame() -> None:
    p = cprof.load(rich().zipped())
    shown = p._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert 'sandbox="allow-scripts"' in shown
    found = re.search(r'srcdoc="([^"]*)"', shown)
    assert found
    assert html.unescape(found.group(1)) == p.flamegraph().html


def test_save_and_path_write_the_same(tmp_path: Path) -> None:
    p = cprof.load(rich().zipped())
    p.flamegraph(tmp_path / "a.html").save(tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


# --- in a browser ---------------------------------------------------------------------------------


def dom(page: Path, fragment: str, scratch: Path) -> str:
    """The document after its script has run."""
    command = [
        require_chromium(),
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--window-size=1200,700", "--virtual-time-budget=2000", "--dump-dom"),
        f"--user-data-dir={scratch / 'chromium'}",
        f"{page.as_uri()}#{fragment}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return re.sub(r'<script id="data".*?</script>', "", done.stdout, flags=re.S)


def body(document: str) -> dict[str, str]:
    found = re.search(r"<body([^>]*)>", document)
    assert found
    return dict(re.findall(r'data-([a-z]+)="([^"]*)"', found.group(1)))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    require_chromium()
    stacks = {"main;work;parse": (1, 60), "main;work;render": (2, 20), "main;idle": (7, 20)}
    cprof.load(folded(stacks).zipped()).flamegraph(tmp_path / "f.html")
    return tmp_path / "f.html"


def test_the_page_opens(page: Path, tmp_path: Path) -> None:
    state = body(dom(page, "", tmp_path))
    assert state == {"zoom": "all", "type": "cpu", "boxes": "6", "ready": "yes"}


def test_the_fragment_searches_and_zooms(page: Path, tmp_path: Path) -> None:
    """A link has to show its reader what its sender saw."""
    document = dom(page, "search=par|idle&zoom=work&theme=dark", tmp_path)
    state = body(document)
    assert (state["zoom"], state["matched"]) == ("work", "80.0%")
    assert state["boxes"] == "5"  # idle is outside the zoom
    assert 'data-theme="dark"' in document
    crumbs = re.findall(r'<button type="button" title="([^"]*)">', document)
    assert [c for c in crumbs if c in ("all", "main", "work")] == ["all", "main", "work"]


def test_a_nested_match_counts_once(tmp_path: Path) -> None:
    p = cprof.load(folded({"main;f;f": (1, 50), "main;g": (1, 50)}).zipped())
    p.flamegraph(tmp_path / "f.html")
    assert body(dom(tmp_path / "f.html", "search=^f$", tmp_path))["matched"] == "50.0%"


def test_the_sample_type_changes_the_widths(page: Path, tmp_path: Path) -> None:
    state = body(dom(page, "type=samples&search=idle", tmp_path))
    assert (state["type"], state["matched"]) == ("samples", "70.0%")


def test_a_broken_regexp_is_searched_as_text(page: Path, tmp_path: Path) -> None:
    assert body(dom(page, "search=par(", tmp_path))["matched"] == "0.00%"


def test_hostile_names_do_nothing_in_a_browser(tmp_path: Path) -> None:
    require_chromium()
    stacks = {f"main;{name.replace(';', '')}": (1, 10) for name in HOSTILE}
    p = cprof.load(folded(stacks).zipped())
    p.flamegraph(tmp_path / "f.html", title=HOSTILE[0])
    document = dom(tmp_path / "f.html", "zoom=2&search=script", tmp_path)
    assert body(document)["ready"] == "yes"
    assert "<title>owned" not in document
    assert "<img" not in document


def test_an_empty_profile_says_so(tmp_path: Path) -> None:
    cprof.load(Builder().zipped()).flamegraph(tmp_path / "f.html")
    document = dom(tmp_path / "f.html", "", tmp_path)
    assert 'id="empty" hidden' not in document
    assert body(document)["ready"] == "yes"
