"""The index page: Go's contents to the letter, and what the profiler says of itself."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest

from browser import Browser
from conftest import Build, Start
from harness import Running, eventually
from require import require_w3m

NAMES = (
    *("allocs", "block", "cmdline", "goroutine", "heap", "mutex", "profile", "symbol"),
    "threadcreate",
)
VOID = {"meta", "link", "br", "input", "img"}


class Document(HTMLParser):
    """Fails where an element is not closed by its own tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"

    def values(self, *keys: str) -> list[str]:
        return [a[key] or "" for _, a in self.elements for key in keys if key in a]


@pytest.fixture(scope="module")
def target(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running([str(build("shares.c")), "2"], {}, tmp_path_factory.mktemp("index"))
    yield running
    running.kill()


def index(target: Running) -> str:
    reply = target.get("/debug/pprof/")
    assert reply.status == 200
    return reply.body.decode()


def facts(page: str) -> dict[str, str]:
    return dict(re.findall(r'<th scope="row">(.*?)</th><td[^>]*>(.*?)</td>', page))


def test_what_go_has_is_there_to_the_letter(target: Running) -> None:
    page = index(target)
    assert "<title>/debug/pprof/</title>" in page
    assert "<p>Set debug=1 as a query parameter to export in legacy text format</p>" in page
    assert "Types of profiles available:" in page and "Profile Descriptions:" in page
    row = r"^<tr><td>(\d+)</td><td><a href='(.*?)'>(.*?)</a></td></tr>$"
    rows = re.findall(row, page, re.M)
    assert [name for _, _, name in rows] == sorted(name for _, _, name in rows)
    assert {name for _, _, name in rows} >= set(NAMES)
    assert all(href == f"{name}?debug=1" for _, href, name in rows)
    counts = {name: int(count) for count, _, name in rows}
    assert counts["profile"] == counts["cmdline"] == 0
    assert counts["goroutine"] >= 2
    drawn = re.findall(r"<li><a href='ui/\?p=(.*?)'>", page)
    assert set(drawn) == counts.keys() - {"cmdline", "symbol", "trace"}
    assert '<a href="goroutine?debug=2">full goroutine stack dump</a>' in page
    described = dict(re.findall(r"<li><b>(.*?):</b> (.*?)</li>", page))
    assert described.keys() == counts.keys()
    assert described["heap"].startswith("A sampling of memory allocations of live objects")
    assert described["allocs"] == "A sampling of all past memory allocations"


def test_it_is_html_that_stays_here(target: Running) -> None:
    """Pages of a debug server are read on machines without a way out."""
    reply = target.get("/debug/pprof/")
    document = Document(reply.body.decode())
    for value in document.values("href", "src", "action"):
        assert value == "data:," or not re.match(r"[a-z]+:|/", value), value
    assert not document.values("style", "onclick", "onload")
    assert not {"script", "style"} & {tag for tag, _ in document.elements}
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert ("html", {"lang": "en"}) in document.elements
    assert {a.get("scope") for tag, a in document.elements if tag == "th"} == {"row", "col"}


def test_every_link_leads_somewhere(target: Running) -> None:
    for href in Document(index(target)).values("href"):
        path = urljoin("/debug/pprof/", href)
        if path.startswith("/debug/pprof/profile"):
            path = "/debug/pprof/profile?seconds=1"  # 30 s of it are nobody's to wait for
        if href != "data:,":
            assert target.get(path).status == 200, path


def test_the_status_tells_of_a_profile_under_way(build: Build, start: Start) -> None:
    target = start(build("shares.c"), "2")
    before = facts(index(target))
    assert before["CPU engine"] == "not sampling now"
    assert before["Rate"] == "100 Hz unless a profile names another"
    assert before["Samples"].startswith("0 stacks")
    asking = threading.Thread(target=target.get, args=("/debug/pprof/profile?seconds=3",))
    asking.start()
    try:
        eventually(lambda: re.search(r"achieved", facts(index(target))["Rate"]), "samples")
        during = facts(index(target))
    finally:
        asking.join()
    assert during["CPU engine"] == "sampling for 1 profile under way"
    assert during["Rate"].startswith("100 Hz, 100 Hz asked; achieved so far ")
    assert int(re.findall(r"at most: (\d+)", during["Threads"])[0]) >= 2
    assert during["SIGPROF"] == "handled by us"
    assert re.fullmatch(r"[\d.]+ [kM]B, its libraries aside", during["Memory of the profiler"])
    assert during["Memory of the profiler"] != "0 kB, its libraries aside"
    assert f"pid {target.pid}, " in during["The process"]
    after = facts(index(target))
    assert after["CPU engine"] == "not sampling now"
    assert int(after["Samples"].split()[0]) > 0


def test_a_thread_that_blocks_sigprof_is_told_of(build: Build, start: Start) -> None:
    """A profile without it would look whole."""
    target = start(build("deaf.c"))
    assert target.get("/debug/pprof/profile?seconds=1").status == 200
    assert '<td class="bad">1 blocks SIGPROF, or is in strict seccomp mode</td>' in index(target)
    assert facts(index(target))["Samples lost"] == "none"


def test_a_text_browser_can_read_it(target: Running) -> None:
    shown = subprocess.run(
        [require_w3m(), "-dump", target.url() + "/debug/pprof/"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    assert re.search(r"^ *\d+ +heap$", shown, re.M), shown
    assert "profile (CPU)" in shown
    assert re.search(r"CPU engine +not sampling now", shown)


@pytest.mark.parametrize("dark", [False, True])
def test_it_looks_the_same_in_a_browser(
    target: Running, tmp_path_factory: pytest.TempPathFactory, dark: bool
) -> None:
    with Browser(tmp_path_factory.mktemp("browser")) as page:
        page.look(dark=dark, width=380)
        page.open(target.url() + "/debug/pprof/")
        page.until(
            "document.querySelector('.facts') &&"
            " getComputedStyle(document.body).backgroundColor != 'rgba(0, 0, 0, 0)'"
        )
        assert page.ask("document.documentElement.scrollWidth <= innerWidth")
        background = page.ask("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background))) < 200) is dark
        assert page.complaints == []
