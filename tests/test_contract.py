"""Go's contract for /debug/pprof/, row by row, by every door.

What a Go user, `go tool pprof` and a scraper rely on: status, headers, texts, and what parameters
mean when they are strange. The same requests go to a linked program, to one under `cprof run` and
to a Python process, and behind a server of the program's own.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import gzip
import http.client
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import cprof
from harness import ROOT, TARGETS, Running, compile_program, cprof_command

HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"
DELTAS = ("allocs", "block", "goroutine", "heap", "mutex", "threadcreate")
BAD_SECONDS = b'invalid value for "seconds" - must be a positive integer\n'
BOTH = b"seconds and debug params are incompatible\n"
UNKNOWN = b"Unknown profile\n"
MOVED = b'<a href="%s">Moved Permanently</a>.\n\n'

PYTHON = """
import cprof, sys, threading
server = cprof.serve("127.0.0.1:0")
print(server.url + "/debug/pprof/", flush=True)
sys.stdin.read()
"""


def linked(folder: Path) -> list[str]:
    return [str(compile_program(TARGETS / "pages.c", folder / "pages"))]


def preloaded(folder: Path) -> list[str]:
    program = compile_program(TARGETS / "reader.c", folder / "reader", link=False)
    return [cprof_command(), "run", "--http", "127.0.0.1:0", "--", str(program)]


def python(folder: Path) -> list[str]:
    return [sys.executable, "-c", PYTHON]


def mounted(folder: Path) -> list[str]:
    source = ROOT / "examples" / "mounted.c"
    return [str(compile_program(source, folder / "mounted", ["-lmicrohttpd"])), "0"]


@pytest.fixture(
    scope="module", params=[linked, preloaded, python, mounted], ids=lambda f: f.__name__
)
def door(request: pytest.FixtureRequest) -> Iterator[Running]:
    with tempfile.TemporaryDirectory() as scratch:
        target = Running(request.param(Path(scratch)), {}, Path(scratch))
        yield target
        target.kill()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def connect(target: Running) -> http.client.HTTPConnection:
    at = urlsplit(target.url())
    assert at.hostname
    return http.client.HTTPConnection(at.hostname, at.port, timeout=60)


def ask(target: Running, path: str, method: str = "GET", body: bytes | None = None) -> Answer:
    """As it is written: no client library cleans the path."""
    connection = connect(target)
    try:
        connection.request(method, path, body=body)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, answer.read())
    finally:
        connection.close()


P = "/debug/pprof/"


@dataclass(frozen=True)
class Row:
    path: str
    status: int
    kind: str
    body: bytes | re.Pattern[bytes] | None = None
    method: str = "GET"
    sent: bytes | None = None
    more: tuple[tuple[str, str | None], ...] = ()


def named(path: str, name: str) -> Row:
    more = (("content-disposition", f'attachment; filename="{name}"'), ("x-go-pprof", None))
    return Row(P + path, 200, BINARY, re.compile(rb"\A\x1f\x8b"), more=more)


def text(path: str, begins: str) -> Row:
    more = (("content-disposition", None), ("x-go-pprof", None))
    return Row(P + path, 200, TEXT, re.compile(rb"\A" + begins.encode()), more=more)


def error(path: str, status: int, body: bytes) -> Row:
    more = (("content-disposition", None), ("x-go-pprof", "1"))
    return Row(P + path, status, TEXT, body, more=more)


def moved(path: str, to: str) -> Row:
    more = (("location", to),)
    return Row(path, 301, HTML, MOVED % to.replace("&", "&amp;").encode(), more=more)


def refused(path: str, method: str, allow: str = "GET, HEAD") -> Row:
    more = (("allow", allow), ("x-go-pprof", None))
    return Row(path, 405, TEXT, b"Method Not Allowed\n", method, more=more)


HEAP_TEXT = r"heap profile: \d+: \d+ \[\d+: \d+\] @ heap/1048576\n"
ROWS = [
    # paths, redirects, methods
    moved("/debug/pprof", P),
    moved("/debug/pprof?a=1&b=2", P + "?a=1&b=2"),
    moved("/debug/pprof//heap", P + "heap"),
    moved("/debug/./pprof/x/../heap?debug=1", P + "heap?debug=1"),
    Row(
        P, 200, HTML, re.compile(rb"(?s)<title>/debug/pprof/</title>.*Types of profiles available:")
    ),
    Row(P + "cmdline", 200, TEXT, re.compile(rb"[^\0]+(\0[^\0]*)*\Z(?<!\0)")),
    Row(P + "cmdline?debug=1&seconds=1", 200, TEXT),
    Row(P + "symbol", 200, TEXT, b"num_symbols: 1\n"),
    Row(P + "symbol", 200, TEXT, b"num_symbols: 1\n", "POST", b"0x1+0x2+junk"),
    Row(P + "symbol?0x1+7f00", 200, TEXT, b"num_symbols: 1\n"),
    *(
        refused(P + path, "POST")
        for path in ("", "heap", "cmdline", "profile", "goroutine?debug=1")
    ),
    *(refused(P + "heap", method) for method in ("PUT", "DELETE", "PATCH", "OPTIONS")),
    refused(P + "symbol", "DELETE", "GET, HEAD, POST"),
    refused("/debug/vars", "POST"),
    refused("/debug/vars", "DELETE"),
    Row("/debug/vars/", 404, TEXT, b"404 page not found\n"),
    Row("/debug/", 404, TEXT, b"404 page not found\n"),
    Row("/", 404, TEXT, b"404 page not found\n"),
    # names
    error("none", 404, UNKNOWN),
    error("heap/", 404, UNKNOWN),
    error("heap/x", 404, UNKNOWN),
    error("cmdline/", 404, UNKNOWN),
    error("Heap", 404, UNKNOWN),
    error("%3Cscript%3Escripty%3Cscript%3E", 404, UNKNOWN),
    error("none?seconds=x&debug=1", 404, UNKNOWN),
    named("%68eap", "heap"),
    # every profile, binary
    *(named(name, name) for name in (*DELTAS, "thread")),
    # debug: unparsable is 0, any other number is text
    *(
        named(f"heap?debug={value}", "heap")
        for value in ("", "0", "x", "1.5", "0x1", "+1", "-0", "1e3")
    ),
    *(
        text(f"heap?debug={v}", HEAP_TEXT)
        for v in ("1", "2", "-1", "%2B1", "9" * 30, "-" + "9" * 30)
    ),
    text("allocs?debug=1", HEAP_TEXT),
    text("block?debug=1", r"--- contention:\ncycles/second=\d+\n"),
    text("mutex?debug=1", r"--- mutex:\ncycles/second=\d+\nsampling period=\d+\n"),
    text("goroutine?debug=1", r"goroutine profile: total [1-9]\d*\n\d+ @( 0x[0-9a-f]+)+\n"),
    text("goroutine?debug=2", r"goroutine \d+ \[[^\]]+\].*:\n"),
    text("goroutine?debug=-1", r"goroutine profile: total [1-9]"),
    text("thread?debug=1", r"goroutine profile: total [1-9]"),
    text("threadcreate?debug=1", r"threadcreate profile: total [1-9]"),
    named("heap?debug=0&debug=1", "heap"),
    text("heap?debug=%31", HEAP_TEXT),
    named("heap?gc=1", "heap"),
    named("heap?gc=x", "heap"),
    named("goroutine?gc=1", "goroutine"),
    # seconds on a named profile: a positive integer, and no debug
    *(
        error(f"heap?seconds={value}", 400, BAD_SECONDS)
        for value in ("0", "-1", "abc", "0.5", "1.5", "1s", "+", "0x1", "1_0", "%201", "9" * 20)
    ),
    named("heap?seconds=", "heap"),
    error("heap?seconds=1&debug=1", 400, BOTH),
    error("heap?seconds=1&debug=-1", 400, BOTH),
    error("goroutine?debug=2&seconds=1", 400, BOTH),
    error("heap?seconds=0&debug=1", 400, BAD_SECONDS),
    # the rate of a CPU profile, which Go has no parameter for
    *(
        error(
            f"profile?hz={value}",
            400,
            b'invalid value for "hz" - must be an integer from 1 to 10000\n',
        )
        for value in ("0", "-1", "x", "10001")
    ),
]


def check(answer: Answer, row: Row) -> None:
    assert answer.status == row.status, (row, answer)
    assert answer.headers.get("content-type") == row.kind, row
    if row.status != 301 and not row.path.startswith("/debug/vars?"):
        assert answer.headers.get("x-content-type-options") == "nosniff", row
    assert "access-control-allow-origin" not in answer.headers
    for header, value in row.more:
        assert answer.headers.get(header) == value, (row, header)
    if isinstance(row.body, bytes):
        assert answer.body == row.body, row
    elif row.body:
        assert row.body.search(answer.body), (row, answer.body[:300])


def test_each_row(door: Running) -> None:
    for row in ROWS:
        check(ask(door, row.path, row.method, row.sent), row)


def test_head_is_get_without_a_body(door: Running) -> None:
    for path in ("", "cmdline", "symbol", "heap", "heap?debug=1", "none", "heap?seconds=0"):
        get, head = ask(door, P + path), ask(door, P + path, "HEAD")
        assert head.body == b""
        assert head.status == get.status
        for name in ("content-type", "content-disposition", "x-go-pprof", "x-content-type-options"):
            assert head.headers.get(name) == get.headers.get(name), (path, name)


def test_symbols_are_read_as_go_reads_them(door: Running) -> None:
    """Words raw and separated by +, a base prefix or decimal, what cannot be read skipped, what is
    too long an error in the text."""
    profile = cprof.load(ask(door, P + "goroutine").body)
    frames = [f for s in profile.samples for f in s.frames if f.address and f.name]
    assert frames, "no thread waits in a function that has a name"
    address = frames[0].address
    known = ask(door, P + "symbol", "POST", hex(address).encode()).body.decode().splitlines()
    assert known[0] == "num_symbols: 1" and known[1].startswith(f"{hex(address)} ")
    words = [
        "junk",
        str(address),
        "0",
        hex(address).upper().replace("0X", "0X"),
        "0x",
        "",
        hex(address)[2:],
    ]
    body = ask(door, P + "symbol", "POST", "+".join(words).encode()).body.decode()
    assert body.splitlines() == ["num_symbols: 1", known[1], known[1]]
    long = ask(door, P + "symbol", "POST", b"1" * 5000 + b"+" + hex(address).encode()).body
    assert long == b"num_symbols: 1\nreading request: bufio: buffer full\n"


def test_deltas_are_differences_over_their_seconds(door: Running) -> None:
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = dict(
            zip(DELTAS, pool.map(lambda name: ask(door, f"{P}{name}?seconds=1"), DELTAS))
        )
    for name, answer in answers.items():
        assert answer.status == 200
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}-delta"', (
            answer
        )
        assert answer.headers["content-type"] == BINARY
        delta, whole = cprof.load(answer.body), cprof.load(ask(door, P + name).body)
        assert delta.sample_types == whole.sample_types
        assert delta.period == whole.period
        assert delta.model.default_sample_type == whole.model.default_sample_type
        assert 0.9 < delta.duration < 30
        assert whole.time_nanos >= delta.time_nanos > 0
        for sample in delta.samples:
            assert any(sample.values)


TYPES = {
    "allocs": (["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"], "space", 524288),
    "heap": (["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"], "space", 524288),
    "block": (["contentions", "delay"], "contentions", 1),
    "mutex": (["contentions", "delay"], "contentions", 1),
    "goroutine": (["goroutine"], "goroutine", 1),
    "threadcreate": (["threadcreate"], "threadcreate", 1),
}


def test_each_profile_has_its_types_from_the_first_day(door: Running) -> None:
    for name, (types, period_type, period) in TYPES.items():
        profile = cprof.load(ask(door, P + name).body)
        assert [kind for kind, _ in profile.sample_types] == types
        assert (profile.period_type[0], profile.period) == (period_type, period)
        assert profile.model.default_sample_type == ("alloc_space" if name == "allocs" else "")
        assert profile.time_nanos > 0


def threads_not_ours(pid: int) -> int:
    count = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            count += not (task / "comm").read_text().startswith("cprof")
    return count


def test_threads_are_counted_and_ours_are_not(door: Running) -> None:
    """A thread that ends or begins meanwhile is one off; ours would be two."""
    ask(door, P)
    before = threads_not_ours(door.pid)
    profile = cprof.load(ask(door, P + "goroutine").body)
    created = cprof.load(ask(door, P + "threadcreate").body)
    after = threads_not_ours(door.pid)
    for total in (profile.total(), created.total()):
        assert min(before, after) - 1 <= total <= max(before, after) + 1
    assert all(set(s.labels) == {"thread"} for s in profile.samples)


def test_strange_seconds_of_a_cpu_profile_are_thirty(door: Running) -> None:
    """They are still under way when one of a second is done, and end with their clients."""
    connections = []
    for value in ("0", "-5", "0.5", "1.5", "abc", "9" * 20):
        connections.append(connect(door))
        connections[-1].request("GET", f"{P}profile?seconds={value}")
    assert ask(door, P + "profile?seconds=1").status == 200
    for connection in connections:
        connection.sock.settimeout(0)
        with pytest.raises(BlockingIOError):
            connection.sock.recv(1)
        connection.close()


def test_a_cpu_profile_is_gos(door: Running) -> None:
    answer = ask(door, P + "profile?seconds=1&hz=500")
    assert answer.headers["content-disposition"] == 'attachment; filename="profile"'
    profile = cprof.load(answer.body)
    assert profile.sample_types == [("samples", "count"), ("cpu", "nanoseconds")]
    assert profile.period_type == ("cpu", "nanoseconds") and profile.period == 2_000_000
    assert gzip.decompress(answer.body)
