"""The flame graph that the target itself serves: what the browser reads from a profile, and what
its reader can do with it."""

from __future__ import annotations

import base64
import http.client
import http.server
import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cprof
from browser import Browser
from conftest import Build, Start
from cprof._flame import web_file
from cprof._flametree import make_data
from harness import ROOT, Running, eventually
from profiles import Builder, folded, rich

CORPUS = ROOT / "tests" / "fuzz" / "corpus" / "pprof_read"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


# --- reading ------------------------------------------------------------------------------------


class Reader:
    """profile.js in a page of its own."""

    def __init__(self, browser: Browser, max_boxes: int | None = None) -> None:
        self._browser = browser
        browser.open("about:blank")
        source = web_file("profile.js")
        if max_boxes:
            source = source.replace("MAX_BOXES = 100000", f"MAX_BOXES = {max_boxes}")
        browser.ask(source)

    def read(self, profile: bytes, index: int) -> Any:
        """What it makes of a profile, or why it refuses it."""
        return json.loads(
            self._browser.ask(
                f"pprof.read(Uint8Array.from(atob('{base64.b64encode(profile).decode()}'),"
                f"c => c.charCodeAt(0))).then(p => pprof.fold(p, {index}))"
                ".catch(why => 'refused: ' + why.message).then(JSON.stringify)"
            )
        )


@pytest.fixture
def reader(browser: Browser) -> Reader:
    return Reader(browser)


def plain(data: object) -> Any:
    """As JSON has it, with the numbers that a browser has: 53 bits of an integer."""
    return json.loads(json.dumps(data), parse_int=float)


def assert_same(reader: Reader, profile: bytes) -> None:
    p = cprof.load(profile)
    for index, (name, _) in enumerate(p.sample_types):
        title = p.flamegraph(sample_type=index).title
        assert plain(reader.read(profile, index)) == plain(make_data(p, index, title)), name


def names() -> bytes:
    """Names and paths of every kind that the rules tell apart."""
    builder = Builder(comments=["one", "#two"])
    app = builder.mapping("/opt/app/")
    made = []
    for name, system_name, file in (
        ("std::vector<int>::push_back(int&&)", "_ZN", "/a//b/../c.cc"),
        ("std::map<a::b, c<d>>::find(x<y>)", "std::map<a::b, c<d>>::find(x<y>)", "./x/./y.c"),
        ("void (anonymous namespace)::run()", "void (anonymous namespace)::run()", "../../up.c"),
        ("bool ns::f(int)", "g", "//two.c"),
        ("main.(*T).Do", "main.(*T).Do", "/proc/self/cwd/./deep/x.go"),
        ("github.com/a/b.c/pkg.Func.func1", "", "/proc/self/cwd/y.go"),
        ("work.constprop.0.isra.3", "", ""),
        ("a[b].<init>", "a[b].<init>", "/"),
        ("mod.class.method", "mod.class.method", "/../x"),
        ("<kernel>", "<kernel>", ""),
        ("[vdso]", "", ""),
        ("", "only_system", ""),
        ("", "", "nameless.c"),
        ("operator()(int) const", "", ""),
        ("stray) f(", "stray) f(", ""),
        ("x::<y> z::w<q", "x::<y> z::w<q", ""),
        ("naïve::größe \U0001f525", "", "/süß.c"),
        ("toString", "", "__proto__"),
        ("__proto__", "", "constructor"),
    ):
        function = builder.function(name, file, system_name)
        made.append(builder.location((function, 3), mapping=app if name else 0, address=7))
    made.append(builder.location(address=2**64 - 1))
    made.append(builder.location(address=2**63, mapping=app))
    made.append(builder.location(mapping=app))
    made.append(builder.location())
    for i, location in enumerate(made):
        builder.sample([location, made[0]], [i + 1, 10 * i], {"k": "v", "n": (5, "bytes")})
    return builder.zipped()


def units() -> bytes:
    kinds = ["bytes", "kilobytes", "MB", "Seconds", "us", "hrs", "count", "", "cycles", "nanogcu"]
    builder = Builder(sample_types=[(f"t{i}", unit) for i, unit in enumerate(kinds)])
    location = builder.location((builder.function("f"), 1))
    builder.sample([location], range(len(kinds)))
    return builder.zipped()


def cut(keep: str = "") -> bytes:
    """drop_frames, also within inlined lines, and one that no regexp is."""
    builder = Builder(drop_frames="alloc.*|dull", keep_frames=keep)
    ids = {n: builder.function(n) for n in ("main", "work", "alloc", "alloc_kept", "dull(int)")}
    at = {n: builder.location((i, 1)) for n, i in ids.items()}
    mixed = builder.location((ids["alloc"], 1), (ids["work"], 2))
    builder.sample([at["alloc"], at["work"], at["main"]], [1, 10])
    builder.sample([at["work"], at["alloc"], at["work"], at["main"]], [2, 20])
    builder.sample([at["alloc_kept"], mixed, at["main"]], [3, 30])
    builder.sample([at["dull(int)"], at["alloc_kept"], at["main"]], [4, 40])
    builder.sample([at["alloc"], mixed], [5, 50])
    return builder.zipped()


def diffed() -> bytes:
    p = cprof.load(folded({"main;a": (1, 10), "main;b": (1, 20)}).zipped())
    q = cprof.load(folded({"main;a": (1, 30), "main;c;d": (5, 1)}).zipped())
    return (q - p).to_bytes()


def wild(seed: int) -> bytes:
    chance = random.Random(seed)
    pick = ["f", "g::h", "a/b.c", "k<t>", "[x]", "m(n)"]
    stacks = {
        ";".join(chance.choices(pick, k=chance.randrange(1, 12))): (
            chance.randrange(-5, 9) if seed % 2 else chance.randrange(9),
            chance.randrange(10**12),
        )
        for _ in range(200)
    }
    return folded(stacks).zipped()


SYNTHETIC: dict[str, Callable[[], bytes]] = {
    "rich": lambda: rich().zipped(),
    "unzipped": lambda: rich().plain(),
    "names": names,
    "units": units,
    "cut": cut,
    "cut and kept": lambda: cut("alloc_k.*"),
    "negative": diffed,
    "no samples": lambda: Builder().zipped(),
    "an empty stack": lambda: folded({"": (1, 2)}).zipped(),
    "another default": lambda: Builder(default_sample_type="samples").zipped(),
    "wild": lambda: wild(2),
    "wild and signed": lambda: wild(3),
}


@pytest.mark.parametrize("name", SYNTHETIC)
def test_the_browser_reads_what_python_reads(reader: Reader, name: str) -> None:
    """Two readers of one format drift apart: a link and a saved page would show two graphs."""
    assert_same(reader, SYNTHETIC[name]())


def test_a_real_profile_reads_the_same(reader: Reader, busy: Running) -> None:
    for path in ("profile?seconds=1", "goroutine", "heap", "threadcreate?seconds=1"):
        reply = busy.get("/debug/pprof/" + path)
        assert reply.status == 200, reply.body
        assert_same(reader, reply.body)


def test_the_same_boxes_are_left_out(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cprof._flametree.MAX_BOXES", 40)
    assert_same(Reader(browser, max_boxes=40), wild(4))


@pytest.mark.parametrize("file", sorted(CORPUS.iterdir()), ids=lambda f: f.name)
def test_what_python_refuses_is_refused_in_words(reader: Reader, file: Path) -> None:
    """Damage must not draw a graph of something that was never measured."""
    content = file.read_bytes()
    if file.name == "two-members.gz":  # a browser unpacks one member only, and ours are one
        assert "cannot be unpacked" in reader.read(content, 0)
        return
    try:
        cprof.load(content)
    except cprof.ProfileError:
        assert str(reader.read(content, 0)).startswith("refused: not a profile")
    else:
        assert_same(reader, content)


# --- a served page ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def busy(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Two threads that spin, three quarters of it in `three`."""
    target = Running([str(build("shares.c")), "2"], {}, tmp_path_factory.mktemp("busy"))
    yield target
    target.kill()


class Page:
    """A served flame graph in a browser."""

    def __init__(self, browser: Browser, target: Running) -> None:
        self.browser = browser
        self.target = target
        browser.complaints.clear()

    def open(self, query: str, wait_for: str = "drawn") -> None:
        self.browser.open("about:blank")
        self.browser.open(f"{self.target.url()}/debug/pprof/ui/{query}")
        self.browser.until(f"document.body.dataset.state === '{wait_for}'")

    def state(self, key: str) -> str:
        return str(self.browser.ask(f"document.body.dataset.{key}"))

    def text(self, selector: str) -> str:
        return str(self.browser.ask(f"document.querySelector({json.dumps(selector)}).textContent"))

    def hover_on(self, name: str) -> tuple[float, float]:
        """Moves the pointer over boxes until the line below tells of that function."""
        area = self.browser.ask(
            "(r => [r.left, r.top, r.width])"
            "(document.getElementById('graph').getBoundingClientRect())"
        )
        for row in range(1, 20):
            for part in (0.05, 0.5, 0.95):
                x, y = area[0] + part * area[2], area[1] + 22 * row + 11
                self.browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
                if self.text("#details").startswith(name + " "):
                    return x, y
        raise AssertionError(f"no box of {name}")


@pytest.fixture
def page(browser: Browser, busy: Running) -> Iterator[Page]:
    made = Page(browser, busy)
    yield made
    assert made.browser.complaints == [], "the console, or the page's own policy, complained"


def test_a_cpu_profile_is_recorded_and_drawn(page: Page) -> None:
    page.open("?p=profile&seconds=1", wait_for="waiting")
    assert page.text("#doing") == "Recording CPU for 1 s …"
    page.browser.until("document.body.dataset.state === 'drawn'")
    assert page.browser.ask("document.title") == "shares: cpu"
    assert int(page.state("boxes")) >= 4
    assert page.browser.ask("document.getElementById('wait').hidden") is True


def test_a_click_zooms_and_back_goes_back(page: Page) -> None:
    page.open("?p=profile&seconds=1")
    page.browser.click_at(*page.hover_on("three"))
    assert page.state("zoom") == "three"
    page.browser.ask("history.back()")
    page.browser.until("document.body.dataset.zoom === 'all'")


def test_the_zoom_outlives_another_recording(page: Page) -> None:
    """Boxes are numbered anew by each profile: a bare number would zoom into another function."""
    page.open("?p=profile&seconds=1#zoom=2:three")
    assert page.state("zoom") == "three"
    page.browser.click("#again")
    page.browser.until("document.body.dataset.state === 'waiting'")
    page.browser.until("document.body.dataset.state === 'drawn'")
    assert page.state("zoom") == "three"


def test_typing_searches(page: Page) -> None:
    page.open("?p=profile&seconds=1")
    page.browser.click("#search")
    page.browser.type("^three$")
    assert 50 < float(page.state("matched").rstrip("%")) < 95
    page.browser.key("Escape")
    assert page.browser.ask("'matched' in document.body.dataset") is False


def test_keys_walk_through_the_calls(page: Page) -> None:
    page.open("?p=profile&seconds=1")
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        page.browser.key(key)
    assert page.state("zoom") not in ("all", "")
    page.browser.key("Home")
    assert page.state("zoom") == "all"


def test_the_sample_type_is_chosen_by_address_and_by_hand(page: Page) -> None:
    page.open("?p=profile&seconds=1&type=samples")
    assert page.state("type") == "samples"
    page.browser.ask(
        "(s => { s.value = 1; s.dispatchEvent(new Event('change')); })"
        "(document.getElementById('type'))"
    )
    assert page.state("type") == "cpu"


def test_another_profile_is_a_choice_away(page: Page) -> None:
    page.open("?p=profile&seconds=1")
    offered = page.browser.ask(
        "[...document.querySelectorAll('#profile option')].map(o => o.value)"
    )
    assert {"profile", "heap", "allocs", "block", "mutex", "goroutine", "threadcreate"} <= {
        *offered
    }
    page.browser.ask(
        "(s => { s.value = 'goroutine'; s.dispatchEvent(new Event('change')); })"
        "(document.getElementById('profile'))"
    )
    assert page.text("#again") == "Show"
    page.browser.click("#again")
    page.browser.until("document.title === 'shares: goroutine' && document.body.dataset.ready")
    page.browser.until("location.search === '?p=goroutine'")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?p=heap", "No allocations recorded"),
        ("?p=mutex", "No waiting for locks recorded"),
        ("?p=goroutine&seconds=1", "Nothing changed in these 1 s."),
    ],
)
def test_an_empty_profile_says_why(page: Page, query: str, words: str) -> None:
    page.open(query)
    assert words in page.text("#empty")
    assert page.browser.ask("document.getElementById('empty').hidden") is False


def test_a_refusal_is_shown_in_the_servers_words(browser: Browser, busy: Running) -> None:
    page = Page(browser, busy)
    page.open("?p=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", wait_for="failed")
    assert page.text("#doing") == "<img src=x onerror=alert(1)>: Unknown profile"
    page.open("?p=heap&seconds=0.5", wait_for="failed")
    assert "must be a positive integer" in page.text("#doing")


def test_a_recording_can_be_cancelled(page: Page) -> None:
    """Both sides give up: the engine must not go on for a reader who has left."""
    page.open("?p=profile&seconds=60", wait_for="waiting")
    eventually(lambda: sampling(page.target), "the engine to start")
    page.browser.click("#cancel")
    page.browser.until("document.body.dataset.state === 'failed'")
    assert page.text("#doing") == "Cancelled."
    eventually(lambda: not sampling(page.target), "the engine to end")


def sampling(target: Running) -> bool:
    return b"not sampling now" not in target.get("/debug/pprof/").body


def test_a_program_that_ends_meanwhile_is_missed(
    browser: Browser, build: Build, start: Start
) -> None:
    page = Page(browser, start(build("shares.c"), "2"))
    page.open("?p=profile&seconds=60", wait_for="waiting")
    eventually(lambda: sampling(page.target), "the engine to start")
    page.target.kill()
    browser.until("document.body.dataset.state === 'failed'")
    assert page.text("#doing").startswith("No answer: has the program ended?")


def test_what_was_drawn_can_be_downloaded(page: Page, tmp_path: Path) -> None:
    page.browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.open("?p=profile&seconds=1")
    page.browser.click("#download")
    saved = tmp_path / "profile.pb.gz"
    eventually(saved.exists, "the download")
    assert cprof.load(saved).sample_types[-1] == ("cpu", "nanoseconds")


def test_without_scripts_there_are_links_to_the_data(page: Page) -> None:
    page.browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.browser.open(f"{page.target.url()}/debug/pprof/ui/?p=heap")
        page.browser.until("document.querySelector('noscript li a') !== null")
        seen = page.browser.ask(
            "[...document.querySelectorAll('noscript a')].map(a => a.getAttribute('href'))"
        )
        shown = page.browser.ask("document.querySelector('noscript').offsetHeight > 0")
    finally:
        page.browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert shown and "../heap" in seen and "../heap?debug=1" in seen
    for href in seen:
        assert page.target.get("/debug/pprof/" + href[3:]).status == 200, href


def test_dark_and_narrow(page: Page) -> None:
    page.browser.look(dark=True, width=380)
    page.open("?p=goroutine")
    assert page.browser.ask("document.documentElement.scrollWidth") == 380
    assert page.browser.ask("document.documentElement.dataset.theme") == "dark"
    page.browser.look()


@pytest.fixture
def prefixed(busy: Running) -> Iterator[str]:
    """The target below a path of a proxy's."""

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path.startswith("/team/a")
            reply = busy.get(self.path[len("/team/a") :])
            self.send_response(reply.status)
            for name in ("content-type", "content-security-policy"):
                if name in reply.headers:
                    self.send_header(name, reply.headers[name])
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/team/a"
        server.shutdown()
        thread.join()


def test_it_works_below_a_proxys_prefix(browser: Browser, prefixed: str) -> None:
    browser.complaints.clear()
    browser.open(prefixed + "/debug/pprof/")
    browser.until("document.querySelector('.facts') !== null")
    browser.click("a[href='ui/?p=goroutine']")
    browser.until("document.body.dataset.state === 'drawn'")
    assert browser.ask("document.title") == "shares: goroutine"
    assert browser.complaints == []


def test_it_works_where_the_address_has_a_token(
    browser: Browser, build: Build, start: Start, tmp_path: Path
) -> None:
    """As the answer to a request without one proposes: http://x:TOKEN@host/"""
    token = tmp_path / "token"
    token.write_text("0123456789abcdef-token\n")
    token.chmod(0o600)
    env = {"CPROF_HTTP": "127.0.0.1:0", "CPROF_TOKEN_FILE": str(token)}
    url = start(build("untouched.c"), env=env).url()
    opened = url.replace("http://", f"http://x:{token.read_text().strip()}@")
    browser.complaints.clear()
    browser.open(f"{opened}/debug/pprof/")
    browser.until("document.querySelector('.facts') !== null")
    browser.click("a[href='ui/?p=goroutine']")
    browser.until("document.body.dataset.state === 'drawn'")
    browser.open(f"{opened}/debug/pprof/ui/?p=goroutine")
    browser.until("document.body.dataset.state === 'drawn'")
    assert browser.complaints == []


def test_a_link_elsewhere_does_not_start_a_recording(
    browser: Browser, busy: Running, prefixed: str
) -> None:
    """Any page could make its readers' programs record themselves by opening ours."""
    page = Page(browser, busy)
    browser.open(prefixed + "/debug/pprof/")
    browser.until("document.querySelector('.facts') !== null")
    browser.ask(f"void (location.href = '{busy.url()}/debug/pprof/ui/?p=profile&seconds=1')")
    browser.until("document.body.dataset.state === 'held'")
    assert "until you press Record" in page.text("#doing")
    assert not sampling(busy)
    browser.click("#again")
    browser.until("document.body.dataset.state === 'drawn'")


# --- its files ----------------------------------------------------------------------------------

FILES = {
    "": "text/html",
    "flame.css": "text/css",
    "flame.html": "text/html",
    "page.css": "text/css",
    "theme.css": "text/css",
    "index.css": "text/css",
    "flame.js": "text/javascript",
    "page.js": "text/javascript",
    "profile.js": "text/javascript",
}


@pytest.mark.parametrize("name", FILES)
def test_each_file_comes_with_its_type_and_the_policy(busy: Running, name: str) -> None:
    reply = busy.get("/debug/pprof/ui/" + name)
    assert reply.status == 200
    assert reply.headers["content-type"] == FILES[name] + "; charset=utf-8"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "no-cache"
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    if name:
        assert reply.body.decode() == web_file(name)
    assert busy.get("/debug/pprof/ui/" + name, method="HEAD").status == 200
    assert busy.get("/debug/pprof/ui/" + name, method="POST", data=b"").status == 405


@pytest.mark.parametrize("name", ["offline.html", "nosuch.js", "flame.js/", "..%2fui"])
def test_nothing_else_is_served(busy: Running, name: str) -> None:
    assert busy.get("/debug/pprof/ui/" + name).status == 404


def test_a_long_answer_comes_at_once(busy: Running) -> None:
    """Its last part waited 40 ms for the client's acknowledgement of the first."""
    connection = http.client.HTTPConnection(busy.url().split("//")[1])
    times = []
    for _ in range(10):
        began = time.monotonic()
        connection.request("GET", "/debug/pprof/ui/flame.js")
        assert len(connection.getresponse().read()) > 16384
        times.append(time.monotonic() - began)
    connection.close()
    assert min(times[1:]) < 0.03


def test_no_file_refers_to_anything_outside(busy: Running) -> None:
    """The page works without a network, and below whatever a proxy puts in front of its path."""
    for name in FILES:
        text = busy.get("/debug/pprof/ui/" + name).body.decode()
        assert not re.search(r"https?:|url\(|@import|importScripts|import\(", text), name
        assert not re.search(r"""(src|href|action|fetch\()\s*=?\s*["'`]/""", text), name
        assert not re.search(r"<(style|script)>| style=| on\w+=", text), name
