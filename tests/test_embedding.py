"""cprof's pages behind a program's own server, and the program's pages behind cprof's."""

from __future__ import annotations

import concurrent.futures
import contextlib
import socket
import urllib.parse
from pathlib import Path

import pytest

import cprof
from conftest import Build, Start
from harness import ROOT, Running, compile_program, eventually, http


@pytest.fixture
def pages(build: Build, start: Start) -> Running:
    return start(build("pages.c"))


def tell(target: Running, line: str) -> None:
    assert target.process.stdin
    target.process.stdin.write(line.encode() + b"\n")
    target.process.stdin.flush()


def test_a_page_gets_its_requests_and_only_its(pages: Running) -> None:
    def text(path: str, data: bytes | None = None, method: str | None = None) -> str:
        reply = pages.get(path, data, method)
        assert reply.status == 200, path
        assert reply.headers["content-type"] == "text/plain; charset=utf-8"
        assert reply.headers["x-content-type-options"] == "nosniff"
        return reply.body.decode()

    assert text("/hello") == "exact GET /hello "
    assert text("/hel%6co?a=1&b=%20") == "exact GET /hel%6co?a=1&b=%20 "
    assert text("/hello", b"some body") == "exact POST /hello some body"
    assert text("/hello", b"x", "PUT") == "exact PUT /hello x"
    assert text("/tree/a/b") == "tree GET /tree/a/b "
    assert text("/tree/deeper/a") == "deeper GET /tree/deeper/a "
    assert text("/tree/") == "tree GET /tree/ "
    for path in ("/hello/", "/hell", "/tree", "/"):
        assert pages.get(path).status == 404, path
    assert pages.get("/debug/pprof/").status == 200


def test_escaped_dots_lead_nowhere(pages: Running) -> None:
    """A page that maps what is below it to files would leave its folder."""
    for path in ("/tree/%2e%2e/x", "/tree/a/%2e%2e/%2e%2e/b", "/tree/%2e/x", "/tree/a%2f%2fb"):
        assert pages.get(path).status == 404, path
    for path in ("//", "/a//b", "/a/../b", "/a/."):
        tell(pages, f"add {path}")
        assert pages.line("added ") == "-2"


def test_a_page_says_what_it_is_and_splits_no_header(pages: Running) -> None:
    reply = pages.get("/tea")
    assert (reply.status, reply.body) == (418, b"<b>short</b>")
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["x-good"] == "yes" and "x-split" not in reply.headers
    assert pages.get("/fails").status == 500


def test_taken_paths_are_refused(pages: Running) -> None:
    assert pages.line("0 0 0 ") == "0 0 0"
    assert pages.line("-4 ") == "-4 -4 -2"  # in use, ours, ours, no slash


@pytest.mark.parametrize("above", ["/", "/debug/"])
def test_a_page_above_ours_takes_none_of_them(pages: Running, above: str) -> None:
    tell(pages, f"add {above}")
    assert pages.line("added ") == "0"
    assert pages.get("/debug/other").body == b"new GET /debug/other "
    assert pages.get("/debug/vars").body.startswith(b"{\n")
    assert pages.get("/debug/metrics").body.endswith(b"# EOF\n")
    assert pages.get("/debug/vars", b"x").status == 405
    assert pages.get("/debug/pprof/").headers["content-type"] == "text/html; charset=utf-8"


def test_a_page_that_hangs_holds_up_nobody(pages: Running) -> None:
    """Not the server, not its end; and what it used is freed when it comes back."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        hanging = pool.submit(pages.get, "/slow")
        index = pages.get("/debug/pprof/")
        assert index.status == 200
        late = hanging.result()
    assert late.status == 503 and b"has not returned" in late.body
    assert pages.get("/debug/pprof/goroutine?debug=1").status == 200
    tell(pages, "close")
    assert pages.line("closed ") == "0"
    tell(pages, "let")

    def back() -> bool:
        tell(pages, "went")
        return "went 1" in pages.stdout()

    eventually(back, "the slow page to return")
    assert pages.stop() == 0


def test_pages_that_hang_are_so_many_threads_at_most(pages: Running) -> None:
    """Whoever reloads a page that hangs would have the program start thread after thread."""

    def calls() -> int:
        n = 0
        for task in Path(f"/proc/{pages.pid}/task").iterdir():
            with contextlib.suppress(OSError):  # one has just ended
                n += (task / "comm").read_text() == "cprof-call\n"
        return n

    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(pages.get, ["/slow"] * 40))
    assert {answer.status for answer in answers} == {503}
    eventually(lambda: calls() >= 32, "the calls to begin")
    assert calls() == 32
    assert pages.get("/hello").status == 503
    tell(pages, "let")
    eventually(lambda: pages.get("/hello").status == 200, "room for a call")


def test_a_client_may_leave_while_its_page_is_made(build: Build, start: Start) -> None:
    """The answer belonged to nobody any more, and its memory to others."""
    target = start(build("pages.c"), env={"MALLOC_PERTURB_": "85"})
    at = urllib.parse.urlsplit(target.url())
    assert at.hostname
    with socket.create_connection((at.hostname, at.port or 0)) as s:
        s.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert target.get("/debug/pprof/").status == 200
    assert target.get("/debug/pprof/").status == 200  # after which the server knows
    tell(target, "let")

    def back() -> bool:
        tell(target, "went")
        return "went 1" in target.stdout()

    eventually(back, "the slow page to return")
    assert target.get("/hello").body == b"exact GET /hello "
    assert target.stop() == 0


def test_pages_come_and_go(pages: Running) -> None:
    tell(pages, "remove /hello")
    assert pages.line("removed ") == "0"
    assert pages.get("/hello").status == 404
    tell(pages, "add /hello")
    assert pages.line("added ") == "0"
    assert pages.get("/hello").body == b"new GET /hello "


@pytest.fixture
def hard(build: Build, start: Start) -> Running:
    return start(build("pages_hard.c"))


def test_a_page_lives_by_its_faults(hard: Running) -> None:
    """The kernel kills where a fault finds its signal blocked, whatever handler the program has."""
    assert hard.get("/faults").body == b"a"


def test_a_page_that_ends_its_thread_ends_no_other(hard: Running) -> None:
    """libc counts threads, ours not: one too many taken off, and the last but one did exit(0)."""
    assert hard.get("/ends").status == 500
    tell(hard, "end")
    hard.line("main goes on")
    assert hard.get("/faults").body == b"a"
    assert hard.stop() == 7


def test_an_answer_without_a_body_has_none(hard: Running) -> None:
    """What came behind it would be the next answer to whoever shares the connection."""
    at = urllib.parse.urlsplit(hard.url())
    assert at.hostname
    for path in ("/204", "/304"):
        with socket.create_connection((at.hostname, at.port or 0)) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * 2)
            s.sendall(b"GET /faults HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answers = b"".join(iter(lambda: s.recv(4096), b""))
        statuses = [a[:3].decode() for a in answers.split(b"HTTP/1.1 ")[1:]]
        assert statuses == [path[1:], path[1:], "200"]
        assert answers.count(b"Content-Length") == 1


def test_a_page_may_answer_by_one_of_ours(hard: Running) -> None:
    assert hard.line("answer kept ") == "1"
    assert b"pages_hard" in hard.get("/cmdline").body
    assert hard.get("/gives-back").body == b"still"


def test_our_pages_need_little_of_the_callers_stack(hard: Running) -> None:
    """Naming took a thread of 64 KiB with it."""
    for target in ("profile?seconds=1", "goroutine?debug=2", "trace?seconds=1", "heap", ""):
        tell(hard, f"small /debug/pprof/{target}")
    for target in ("vars", "metrics"):
        tell(hard, f"small /debug/{target}")
    eventually(lambda: hard.stdout().count("small 200") == 7, "seven answers")


def test_a_window_ends_when_the_client_has_left(hard: Running) -> None:
    """The program's thread would be kept for as long as somebody gone had asked for."""
    for target in ("profile?seconds=600", "heap?seconds=600", "trace?seconds=600"):
        tell(hard, f"leave /debug/pprof/{target}")
    eventually(lambda: hard.stdout().count("left ") == 3, "three answers")
    assert hard.stdout().count("left 1 2") == 3
    assert hard.get("/debug/pprof/profile?seconds=1").status == 200


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mounted")
    return compile_program(ROOT / "examples" / "mounted.c", folder / "mounted", ["-lmicrohttpd"])


def test_the_example_mounts_everything_on_another_servers_port(mounted: Path, start: Start) -> None:
    target = start(mounted, "0")
    profile = cprof.fetch(target.url(), "cpu", seconds=1)
    assert profile.total("cpu") > 0
    assert {f.name for s in profile.samples for f in s.frames} >= {"main"}
    heap = target.get("/debug/pprof/heap")
    assert heap.headers["content-disposition"] == 'attachment; filename="heap"'
    unknown = target.get("/debug/pprof/none")
    assert (unknown.status, unknown.headers["x-go-pprof"]) == (404, "1")
    assert unknown.body == b"Unknown profile\n"
    moved = target.get("/debug/pprof")
    assert (moved.status, moved.headers["location"]) == (301, "/debug/pprof/")
    assert target.get("/debug/vars").status == 200
    assert target.get("/other").status == 404
    address = next(
        f.address for s in profile.samples for f in s.frames if f.name == "main" and f.address
    )
    names = http(target.url() + "/debug/pprof/symbol", data=hex(address).encode())
    assert names.body.decode().splitlines() == ["num_symbols: 1", f"{hex(address)} main"]
