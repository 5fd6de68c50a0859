"""Fetching from servers that behave, and from those that do not."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import cprof
from cprof import _http, _progress
from cprof._target import resolve
from harness import DEADLINE_S
from profiles import rich

PROFILE = rich().zipped()
UNKNOWN = b"Unknown profile\n"
INDEX = b"<a href='heap?debug=1'>heap</a><a href='db.queries?debug=1'>db.queries</a>"


class Server:
    """Answers by a function of the path; remembers what was asked."""

    def __init__(self, answer: Callable[[Any], None], address: str | None = None) -> None:
        asked = self.asked = list[str]()
        headers = self.headers = list[dict[str, str]]()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                asked.append(self.path)
                headers.append(dict(self.headers))
                self.close_connection = True
                answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

            def address_string(self) -> str:
                return "test"

        class UnixServer(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

        if address:
            self.server: socketserver.BaseServer = UnixServer(address, Handler)
        else:
            self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            self.port: int = self.server.server_address[1]
            self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@contextmanager
def serving(answer: Callable[[Any], None], address: str | None = None) -> Iterator[Server]:
    server = Server(answer, address)
    try:
        yield server
    finally:
        server.close()


def reply(
    handler: Any, status: int, body: bytes, kind: str = "application/octet-stream", **more: str
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in more.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def as_go(handler: Any) -> None:
    """What net/http/pprof does."""
    path = handler.path.split("?")[0]
    if path == "/debug/pprof/":
        reply(handler, 200, INDEX, "text/html")
    elif path.rsplit("/", 1)[-1] in ("profile", "heap", "goroutine", "db.queries"):
        reply(handler, 200, PROFILE)
    else:
        reply(handler, 404, UNKNOWN, "text/plain; charset=utf-8", X_Go_Pprof="1")


@pytest.mark.parametrize(
    ("suffix", "kind", "asked"),
    [
        ("", None, "/debug/pprof/profile?seconds=30"),
        ("/", "heap", "/debug/pprof/heap"),
        ("/debug/pprof/", "thread", "/debug/pprof/goroutine"),
        ("/debug/pprof", "db.queries", "/debug/pprof/db.queries"),
        ("/debug/pprof/heap", None, "/debug/pprof/heap"),
        ("/debug/pprof/heap?gc=1", "heap", "/debug/pprof/heap?gc=1"),
        ("/debug/pprof/profile?seconds=3", None, "/debug/pprof/profile?seconds=3"),
    ],
)
def test_what_is_asked_for(suffix: str, kind: str | None, asked: str) -> None:
    with serving(as_go) as server:
        p = cprof.fetch(server.url + suffix, kind)
        assert p.total() == 1_095_000_000
        assert server.asked == [asked]


def test_host_and_port_are_enough() -> None:
    with serving(as_go) as server:
        cprof.fetch(f"127.0.0.1:{server.port}", "cpu", seconds=1)
        cprof.fetch(f":{server.port}/debug/pprof/heap")
        assert server.asked == ["/debug/pprof/profile?seconds=1", "/debug/pprof/heap"]


def test_seconds_override_those_of_the_url() -> None:
    with serving(as_go) as server:
        cprof.fetch(server.url + "/debug/pprof/profile?seconds=9&x=1", seconds=2)
        cprof.fetch(server.url, "heap", seconds=4)
        assert server.asked == [
            "/debug/pprof/profile?x=1&seconds=2",
            "/debug/pprof/heap?seconds=4",
        ]


@pytest.mark.parametrize("prefix", ["/app", "/app/"])
def test_a_mount_prefix_may_stand_for_debug_pprof(prefix: str) -> None:
    """Handlers can be mounted anywhere: /app/debug/pprof/heap or /app/heap."""

    def below(handler: Any) -> None:
        found = handler.path == "/app/heap"
        reply(handler, 200 if found else 404, PROFILE if found else b"no such page", "text/plain")

    with serving(below) as server:
        cprof.fetch(server.url + prefix, "heap")
        assert server.asked == ["/app/debug/pprof/heap", "/app/heap"]


def test_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with serving(as_go, path) as server:
        assert cprof.fetch(f"unix:{path}", "heap").total() == 1_095_000_000
        assert server.asked == ["/debug/pprof/heap"]
        assert server.headers[0]["Host"] == "localhost"
    with pytest.raises(cprof.FetchError, match="No such file"):
        cprof.fetch(f"unix:{tmp_path}/none", "heap")


def test_a_file_is_a_target_too(tmp_path: Path) -> None:
    path = rich().save(tmp_path / "1234")
    assert cprof.fetch(path).total() == cprof.fetch(str(path)).total() == 1_095_000_000


def test_headers_and_user_names_are_sent() -> None:
    with serving(as_go) as server:
        cprof.fetch(server.url, "heap", headers={"Authorization": "Bearer t"})
        cprof.fetch(f"http://me:p%40ss@127.0.0.1:{server.port}", "heap")
        assert server.headers[0]["Authorization"] == "Bearer t"
        assert server.headers[1]["Authorization"] == "Basic bWU6cEBzcw=="


# --- targets that cannot be -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        ("99999999", cprof.FetchError, "no process 99999999; a port is written :99999999"),
        ("1", cprof.FetchError, "no cprof server.*`cprof run`|another user's"),
        ("no-such-file.pb.gz", cprof.FetchError, "no such file, and neither"),
        ("/nowhere/cpu.pb.gz", cprof.FetchError, "no such file"),
        ("ftp://host/x", cprof.UnsupportedError, "ftp"),
        ("http://", cprof.FetchError, "host"),
        ("http://host:99999/", cprof.FetchError, "(?i)port"),
        ("http://[::1/", cprof.FetchError, "IPv6"),
        ("unix:", cprof.FetchError, "path of the socket"),
        ("/", cprof.FetchError, "directory"),
        ("", cprof.FetchError, "the target is empty"),
        ("http://h/debug/pprof/cmdline", cprof.ProfileError, "^cmdline is text, not a profile$"),
    ],
)
def test_impossible_targets(target: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        cprof.fetch(target)


def test_reserved_kinds_and_kinds_that_are_no_profiles() -> None:
    with pytest.raises(cprof.UnsupportedError, match="reserved"):
        cprof.fetch("127.0.0.1:1", "ui")
    with pytest.raises(cprof.UnsupportedError, match="stream of events"):
        cprof.fetch("127.0.0.1:1", "trace")
    with pytest.raises(cprof.UnsupportedError, match="already names the profile heap"):
        cprof.fetch("http://127.0.0.1:1/debug/pprof/heap", "cpu")


@pytest.mark.parametrize("seconds", [0, -1, 0.5, float("nan"), float("inf")])
def test_seconds_must_be_whole(seconds: float) -> None:
    """Go's handler reads 0.5 as 30: a wait of half a minute that nobody asked for."""
    with pytest.raises(ValueError, match="whole number"):
        cprof.fetch("127.0.0.1:1", seconds=seconds)


def test_windows_are_only_for_what_needs_one() -> None:
    assert resolve("h:1", "heap", None).seconds is None
    assert resolve("h:1", "wall", None).seconds == 30
    assert resolve("http://h/debug/pprof/profile?seconds=7", None, None).seconds == 7


# --- servers that refuse --------------------------------------------------------------------------


def test_a_refusal_says_what_came_and_what_was_meant() -> None:
    with serving(as_go) as server:
        with pytest.raises(cprof.FetchError) as caught:
            cprof.fetch(server.url, "heapp")
        assert str(caught.value) == (
            f'{server.url}/debug/pprof/heapp: 404 Not Found: Unknown profile; did you mean "heap"?'
        )
        with pytest.raises(cprof.FetchError, match=r'did you mean "db\.queries"'):
            cprof.fetch(server.url, "db.query")
        for unlike in ("bogus", "block"):
            with pytest.raises(cprof.FetchError, match=r"; this server has: heap, db\.queries$"):
                cprof.fetch(server.url, unlike)


def test_a_refusals_reason_is_said_once() -> None:
    def forbid(handler: Any) -> None:
        reply(handler, 403, b"Forbidden: not for you\n", "text/plain")

    said = r": 403 Forbidden: not for you$"
    with serving(forbid) as server, pytest.raises(cprof.FetchError, match=said):
        cprof.fetch(f"{server.url}/debug/pprof/heap")


def test_a_plain_404_names_all_that_was_tried() -> None:
    with serving(lambda h: reply(h, 404, b"<html>", "text/html")) as server:
        with pytest.raises(cprof.FetchError) as caught:
            cprof.fetch(server.url + "/app/", "heap")
        assert f"{server.url}/app/debug/pprof/heap: 404" in str(caught.value)
        assert f"tried {server.url}/app/heap too" in str(caught.value)
        assert "<html>" not in str(caught.value)


def test_a_500_has_the_bodys_first_line() -> None:
    text = b"Could not enable CPU profiling: cpu profiling already in use\nmore\n"
    refuses = serving(lambda h: reply(h, 500, text, "text/plain", X_Go_Pprof="1"))
    with refuses as server, pytest.raises(cprof.FetchError, match=r"500 .*: Could not .* in use$"):
        cprof.fetch(server.url, seconds=1)


def test_a_web_page_is_not_a_profile() -> None:
    asks_in = serving(lambda h: reply(h, 200, b"<!doctype html><p>Log in", "text/html"))
    with asks_in as server, pytest.raises(cprof.ProfileError, match=r"127\.0\.0\.1.*HTML"):
        cprof.fetch(server.url, "heap")


def test_redirects_stay_with_the_server() -> None:
    """A profile names every function of a program: it is asked of the host that was named."""

    def moved(handler: Any) -> None:
        if handler.path == "/debug/pprof/heap":
            reply(handler, 302, b"", Location="/debug/pprof/goroutine")
        elif handler.path == "/debug/pprof/block":
            reply(handler, 302, b"", Location="http://127.0.0.2:1/x")
        elif handler.path == "/debug/pprof/mutex":
            reply(handler, 302, b"", Location="/debug/pprof/mutex")
        else:
            as_go(handler)

    with serving(moved) as server:
        assert cprof.fetch(server.url, "heap").total() == 1_095_000_000
        with pytest.raises(cprof.FetchError, match="not following a redirect to another server"):
            cprof.fetch(server.url, "block")
        with pytest.raises(cprof.FetchError, match="more than 5 redirects"):
            cprof.fetch(server.url, "mutex")


def test_loopback_never_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """http_proxy is set in many shells, and the proxy's 127.0.0.1 is another machine."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving(as_go) as server:
        assert cprof.fetch(server.url, "heap").total() == 1_095_000_000
        assert cprof.fetch(f"localhost:{server.port}", "heap").total() == 1_095_000_000


def test_other_hosts_go_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(as_go) as server:
        monkeypatch.setenv("http_proxy", server.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        cprof.fetch("http://profiled.invalid:6060", "heap")
        assert server.asked == ["http://profiled.invalid:6060/debug/pprof/heap"]
        assert server.headers[0]["Host"] == "profiled.invalid:6060"


# --- servers that die -----------------------------------------------------------------------------


def raw(answer: bytes, reset: bool = False) -> Callable[[Any], None]:
    def send(handler: Any) -> None:
        handler.wfile.write(answer)
        handler.wfile.flush()
        if reset:
            linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.connection.close()

    return send


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"


@pytest.mark.parametrize(
    ("answer", "reset", "words"),
    [
        (HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 10, False, "after 10 of 1000 bytes"),
        (HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 10, True, "of 1000 bytes"),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\n" + b"x" * 10,
            False,
            "after 10 of an unknown number of bytes",
        ),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\na\r\n" + b"x" * 10 + b"\r\n",
            False,
            "after 10 of an unknown number of bytes",
        ),
        (b"", False, "without a word: the program has probably ended$"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", False, "not HTTP"),
    ],
)
def test_a_broken_answer_says_how_far_it_came(answer: bytes, reset: bool, words: str) -> None:
    """http.client's read(n) ends a truncated body as if it were whole."""
    with serving(raw(answer, reset)) as server, pytest.raises(cprof.FetchError, match=words):
        cprof.fetch(server.url, "heap")


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(cprof.FetchError, match=f"127.0.0.1:{port}.*Connection refused"):
        cprof.fetch(f"127.0.0.1:{port}", "heap")


def test_a_server_that_hangs_is_left() -> None:
    release = threading.Event()

    def hang(handler: Any) -> None:
        release.wait(20)

    with serving(hang) as server:
        with pytest.raises(cprof.FetchError, match="timed out"):
            cprof.fetch(server.url, "heap", timeout=0.2)
        release.set()


def test_nobody_waits_for_what_cannot_come() -> None:
    """An alarm that was set to 1 s and rings after 3."""
    with serving(as_go) as server:
        with pytest.raises(cprof.FetchError, match="window of 3 s is longer than the timeout of 1"):
            cprof.fetch(server.url, seconds=3, timeout=1)
        assert server.asked == []
        for wrong in (0, -1, float("nan"), float("inf")):
            with pytest.raises(ValueError, match="above 0"):
                cprof.fetch(server.url, "heap", timeout=wrong)


def test_connecting_is_part_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that drops packets costs the whole of what connecting may take."""
    monkeypatch.setattr(_http, "CONNECT_SECONDS", DEADLINE_S)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as waiting:
        for _ in range(3):  # more than the kernel lets wait
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        began = time.monotonic()
        with pytest.raises(cprof.FetchError, match="cannot connect: timed out"):
            cprof.fetch(f"127.0.0.1:{full.getsockname()[1]}", "heap", timeout=0.2)
        assert time.monotonic() - began < DEADLINE_S / 2


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (HEAD + b"Content-Length: 1000\r\n\r\n", "of 1000 bytes: timed out"),
        (HEAD + b"X-Long: ", "unknown number of bytes: timed out"),
        (HEAD + b"\r\n", "unknown number of bytes: timed out"),
        (b"HTTP", "no answer: timed out"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", "unknown number of bytes: timed out"),
    ],
)
def test_one_that_drips_is_left_too(head: bytes, words: str) -> None:
    """A timeout per read never ends with a byte now and then: there is one for the whole answer."""
    gone = threading.Event()

    def drip(handler: Any) -> None:
        handler.wfile.write(head)
        while not gone.wait(0.05):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return

    with serving(drip) as server:
        with pytest.raises(cprof.FetchError, match=words):
            cprof.fetch(server.url, "heap", timeout=0.4)
        gone.set()


# --- progress -------------------------------------------------------------------------------------


def test_progress_in_a_log_only_grows(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(as_go) as server:
        cprof.fetch(server.url, seconds=1, progress=True)
        assert capsys.readouterr().err == "profiling 1s [##########] done\n"
        cprof.fetch(server.url, seconds=1)
        cprof.fetch(server.url, seconds=1, progress=False)
        cprof.fetch(server.url, "heap", progress=True)
        assert capsys.readouterr().err == ""


def test_progress_tells_failure(capsys: pytest.CaptureFixture[str]) -> None:
    refuses = serving(lambda h: reply(h, 500, b"no", "text/plain"))
    with refuses as server, pytest.raises(cprof.FetchError):
        cprof.fetch(server.url, seconds=60, progress=True)
    assert capsys.readouterr().err == "profiling 60s [] failed\n"


def test_progress_on_a_terminal_is_one_line_and_then_gone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(_progress, "PERIOD_SECONDS", 0.01)
    with _progress.bar(1, None):
        threading.Event().wait(0.3)
    text = capsys.readouterr().err
    assert "\n" not in text
    shown = text.split("\r")
    assert any("1s left" in line for line in shown)
    assert max(map(len, shown)) <= 60
    assert shown[-2:] == [" " * len(shown[-3]), ""]
