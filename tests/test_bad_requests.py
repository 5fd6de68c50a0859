"""Requests that nobody sends by mistake, or only by mistake: each gets the status it should, the
program lives on, and nothing of them is left behind.

A row is the bytes of one connection, which, when it has been answered, says that it has nothing
more to say; what comes back until the server hangs up is a list of statuses. A request hidden in
another one would show as one status too many.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from conftest import Build
from harness import Running, eventually

IDX = b"/debug/pprof/"
HOST = b"Host: localhost\r\n"
END = b"\r\n"
TOKEN = "0123456789abcdef-token"


def get(target: bytes = IDX, *lines: bytes, host: bytes = HOST, method: bytes = b"GET") -> bytes:
    head = method + b" " + target + b" HTTP/1.1\r\n" + host
    return head + b"".join(line + END for line in lines) + END


def first(line: bytes) -> bytes:
    return line + END + HOST + END


def post(body: bytes, *lines: bytes) -> bytes:
    return get(IDX + b"symbol", *lines, method=b"POST") + body


def sized(body: bytes, *lines: bytes) -> bytes:
    return post(body, b"Content-Length: %d" % len(body), *lines)


def chunked(body: bytes, *lines: bytes) -> bytes:
    return post(body, b"Transfer-Encoding: chunked", *lines)


Row = tuple[bytes, list[int]]
HIDDEN = get(IDX + b"cmdline")
ROWS: dict[str, Row] = {}


def rows(group: str, want: int | list[int], *requests: bytes) -> None:
    for i, request in enumerate(requests):
        ROWS[f"{group} {i}"] = (request, [want] if isinstance(want, int) else want)


# --- sound ones, so that the others are known to fail for what is wrong with them ---
rows("sound", 200, get(), get(IDX + b"cmdline"), sized(b"0x10"), chunked(b"4\r\n0x10\r\n0\r\n\r\n"))
rows("sound bare line feeds", 200, b"GET /debug/pprof/ HTTP/1.1\nHost: localhost\n\n")
rows("sound 1.0", 200, b"GET /debug/pprof/ HTTP/1.0\r\n\r\n")
rows("sound absolute", 200, get(b"http://localhost" + IDX), get(b"HTTP://127.0.0.1:1" + IDX))
rows("sound pipelined", [200, 404, 200], get() + get(b"/x") + get(IDX + b"cmdline"))
rows("sound head", 200, get(method=b"HEAD"))
rows("sound two in a row", [200, 200], sized(b"0x10") + sized(b"0x20"))

# --- methods ---
rows("method not allowed", 405, *(
    get(method=m) for m in (
        b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"BREW", b"get", b"Get",
        b"PROPFIND", b"M-SEARCH", b"GETT", b"HEADER",
    )
))  # fmt: skip
rows("method not allowed on a page", 405, *(
    get(IDX + p, method=m)
    for p in (b"cmdline", b"profile", b"heap") for m in (b"POST", b"OPTIONS", b"DELETE")
))  # fmt: skip
rows("method of symbol", 405, get(IDX + b"symbol", method=b"PUT"))
rows("connect", 400, get(b"localhost:80", method=b"CONNECT"))
rows("method is no word", 400, *(
    first(m + b" /debug/pprof/ HTTP/1.1")
    for m in (b"G(T", b"GE\tT", b"G\x00T", b"G\xc3\xa9T", b"G,T", b"\"GET\"", b"{}", b"", b"G" * 40)
))  # fmt: skip

# --- request lines ---
rows("request line", 400, *map(first, (
    b"GET", b"GET ", b"GET /", b"GET /debug/pprof/", b"GET  /debug/pprof/ HTTP/1.1",
    b"GET /debug/pprof/  HTTP/1.1", b"GET /debug/pprof/ HTTP/1.1 ", b" GET / HTTP/1.1",
    b"GET /a b HTTP/1.1", b"GET\t/\tHTTP/1.1", b"GET / HTTP", b"GET / HTTP/", b"GET / HTTP/1",
    b"GET / HTTP/1.", b"GET / HTTP/.1", b"GET / HTTP/1.1.1", b"GET / HTTP/11.1", b"GET / HTTP/1.10",
    b"GET / HTTP/a.b", b"GET / http/1.1", b"GET / HTP/1.1", b"GET / HTTP 1.1", b"GET / 1.1",
    b"GET / HTTP/-1.1", b"GET / HTTP/1.1\x00", b"/ GET HTTP/1.1", b"HTTP/1.1 200 OK",
)))  # fmt: skip
rows("version", 505, *(first(b"GET / HTTP/" + v) for v in (b"0.9", b"2.0", b"3.0", b"9.9", b"0.0")))
rows("http2 preface", 505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
rows("tls hello", 400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(32)) * 15)
rows("ssl2 hello", 400, b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10")
rows("other protocols", 400, b"SSH-2.0-OpenSSH_9.2\r\n", b"EHLO there\r\n", b"\x04\x01\x00\x50",
     b"\x05\x01\x00", b"*1\r\n$4\r\nPING\r\n", b"\x00" * 100, b"\xff" * 100,
     b"{\"a\": 1}\r\n")  # fmt: skip
rows("nothing but line ends", 400, b"\r\n", b"\n", b"\r\n\r\n" + get(), b"\r\r\n", b"\r\n" * 1000)

# --- targets ---
rows(
    "target no path",
    400,
    *(get(t) for t in (b"*", b"debug/pprof/", b"?", b"localhost" + IDX, b"#")),
)
rows("target other schemes", 400, get(b"ftp://localhost/"), get(b"file:///etc/passwd"),
     get(b"https://localhost/"), get(b"javascript:1"), get(b"://"),
     get(b"http:/debug"))  # fmt: skip
rows(
    "target bad escapes",
    400,
    *(get(t) for t in (b"/%", b"/%4", b"/%zz", b"/%4g", b"/a%", b"/%%41")),
)
rows("target controls", 400, *(
    get(b"/" + c) for c in (b"\x01", b"\x1f", b"\x7f", b"\x0b", b"\r", b"a\x00b", b"\x08")
))  # fmt: skip
rows("target too long", 414, get(b"/" + b"a" * 17000), get(b"/?" + b"a" * 60000),
     b"GET /" + b"a" * 100000)  # fmt: skip
rows("target elsewhere", 404, *(
    get(t) for t in (
        b"/", b"/etc/passwd", b"/%2e%2e/%2e%2e/etc/passwd", b"/debug", b"/debug/", b"/debug/pprof",
        b"/favicon.ico", b"/debug%2Fpprof/", b"/\xff\xfe", b"/debug/varsx", b"/.git/config",
    )[:5]
))  # fmt: skip
rows("target unknown profile", 404, *(
    get(IDX + t) for t in (
        b"%00", b"heap%00", b"..%2f..%2fetc%2fpasswd", b"<script>", b"%3Cscript%3E", b"heap/x",
        b"%ff", b"a" * 10000, b"cmdline/", b"'", b'"', b"%0d%0aX:y", b"heap;x", b"ui%00",
    )
))  # fmt: skip
rows("target cleaned", 301, get(b"/debug/pprof"), get(b"//debug/pprof/"), get(IDX + b"../pprof/"),
     get(b"/debug/./pprof/heap"), get(b"/../../etc/passwd"), get(b"//evil.example/x"))  # fmt: skip
rows("query odd but fine", 200, *(
    get(IDX + b"cmdline?" + q) for q in (
        b"%zz", b"a;b", b"=&=&", b"seconds=-1", b"a" * 10000, b"&" * 5000, b"%00", b"\xff", b"a#b",
    )
))  # fmt: skip
rows("seconds absurd", 400, *(
    get(IDX + b"heap?seconds=" + v)
    for v in (b"0", b"-1", b"abc", b"0.5", b"99999999999999999999", b"1e3", b"0x10", b"+", b"1%00")
))  # fmt: skip

# --- header lines ---
rows("header line", 400, *(get(IDX, line) for line in (
    b"nonsense", b":", b": x", b"X : y", b"X\t: y", b" X: y", b"\tX: y", b"X: y\r\n folded",
    b"X(: y", b"X: \x00", b"X: a\x00b", b"X: \x01", b"X: \x7f", b"X: a\rb", b"X\x00: y", b"\x00",
    b"X\xff: y", b"\"X\": y", b"GET / HTTP/1.1", b"X: \x1b[31m", b"=", b"X y: z",
)))  # fmt: skip
rows("header fine", 200, get(IDX, b"X:"), get(IDX, b"X: \xff\xfe"), get(IDX, b"X:" + b" " * 5000),
     get(IDX, b"X: a:b:c"), get(IDX, *[b"A: b"] * 90))  # fmt: skip
rows("headers too large", 431, get(IDX, b"X: " + b"a" * 70000), get(IDX, *[b"X: y"] * 200),
     get(IDX, *[b"X-%d: " % i + b"a" * 1000 for i in range(80)]),
     b"GET / HTTP/1.1\r\nX: " + b"a" * 200000)  # fmt: skip

# --- Host ---
rows("host missing", 400, get(host=b""), get(host=b"Host : localhost\r\n"))
rows("host twice", 400, get(host=HOST * 2), get(host=HOST + b"host: evil.example\r\n"))
rows("host not ours", 403, *(get(host=b"Host: " + h + END) for h in (
    b"evil.example", b"localhost.evil.example", b"127.0.0.1.evil.example",
    b"localhost@evil.example",
    b"evil.example:80", b"[::1", b"[::1]evil", b"[evil.example]", b"localhost:80:80", b"a b",
    b"127.0.0.1/", b"localhost\\", b"\xff", b"a" * 5000, b".", b".localhost", b"0x7f000001",
    b"local host",
)))  # fmt: skip
rows("host ours", 200, *(get(host=b"Host: " + h + END) for h in (
    b"localhost", b"LOCALHOST:1", b"127.0.0.1", b"[::1]:6060", b"x.localhost", b"10.0.0.1", b"",
)))  # fmt: skip
rows(
    "host of the target",
    403,
    get(b"http://evil.example" + IDX),
    get(b"http://localhost@evil.example/"),
)

# --- bodies ---
rows("length", 400, *(post(b"0x10", b"Content-Length: " + n) for n in (
    b"", b"-1", b"+4", b"4.0", b"0x4", b"4 4", b"4,4", b"4, 4", b"four", b"4;", b"9" * 19,
    b"9" * 400,
    b"\xd9\xa4",
)))  # fmt: skip
rows("lengths that differ", 400, post(b"0x10" + HIDDEN, b"Content-Length: 4", b"Content-Length: 5"))
rows("lengths that agree", 200, post(b"0x10", b"Content-Length: 4", b"Content-Length: 4"))
rows("length and chunks", 400,
     post(b"0\r\n\r\n" + HIDDEN, b"Content-Length: 5", b"Transfer-Encoding: chunked"),
     post(b"0\r\n\r\n" + HIDDEN, b"Transfer-Encoding: chunked", b"Content-Length: 5"))  # fmt: skip
rows("coding", 501, *(post(b"0\r\n\r\n" + HIDDEN, b"Transfer-Encoding: " + c) for c in (
    b"identity", b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked,chunked", b"x",
    b"chunked;q=1",
    b"\"chunked\"", b"", b"cow",
)))  # fmt: skip
rows("coding hidden", 400, post(b"0\r\n\r\n" + HIDDEN, b"Transfer-Encoding : chunked"),
     post(b"0\r\n\r\n" + HIDDEN, b"X: y\rTransfer-Encoding: chunked"))  # fmt: skip
rows(
    "coding 1.0",
    400,
    b"POST /debug/pprof/symbol HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
)
rows("body of a get", 200, get(IDX, b"Content-Length: %d" % len(HIDDEN)) + HIDDEN,
     get(IDX, b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + HIDDEN)  # fmt: skip
rows("body of a delete", 405,
     get(IDX, b"Content-Length: %d" % len(HIDDEN), method=b"DELETE") + HIDDEN)  # fmt: skip
rows("body too large", 413, post(b"", b"Content-Length: 1048577"), post(b"",
     b"Content-Length: 9999999999"),
     sized(b"0" * (2 << 20)), chunked(b"7fffffff\r\n"),
     chunked(b"ffffffffffffffffff\r\n"),
     chunked((b"1000\r\n" + b"0" * 4096 + b"\r\n") * 257))  # fmt: skip
rows(
    "body not whole",
    [],
    post(b"0x1", b"Content-Length: 4"),
    chunked(b"4\r\n0x"),
    chunked(b"4\r\n0x10\r\n"),
)
rows("chunks garbage", 400, *(chunked(c) for c in (
    b"x\r\n", b"-1\r\n", b"g\r\n0\r\n\r\n", b"4;a=b\x00\r\n", b"\x00\r\n",
    b"4\r\n0x10x", b"4\r\n0x10\r\n\r\n", b"\r\n", b" 4\r\n", b"0x4\r\n", b"4\n0x10\n0\n\n",
)))  # fmt: skip
rows("behind chunks", 200, chunked(b"0\r\n\r\n" + HIDDEN))
rows("expect", 417, sized(b"0x10", b"Expect: cake"))
rows("expect too much", 413, post(b"", b"Expect: 100-continue", b"Content-Length: 2000000"))
rows("continue", [200], sized(b"0x10", b"Expect: 100-continue"))
rows("symbol odd but fine", 200, *(sized(b) for b in (
    b"", b"+", b"+++++", b"0x", b"0x10\x00+0x20", b"\xff" * 1000, b"1" * 5000, b"0x10+" * 1000,
    b"<>",
)))  # fmt: skip

# --- cut short ---
rows(
    "cut",
    [],
    b"",
    b"G",
    b"GET",
    b"GET /debug/pprof/ HT",
    get()[:-2],
    get()[:-1],
    b"GET / HTTP/1.1\r\nHost: l",
)
rows("cut behind a sound one", 200, get() + b"GET /debu")

# --- pages of other sites ---
rows("other site", 403, *(get(IDX + b"cmdline", *lines) for lines in (
    (b"Sec-Fetch-Site: cross-site",), (b"Sec-Fetch-Site: same-site",), (b"Sec-Fetch-Site:",),
    (b"Sec-Fetch-Site: none", b"Sec-Fetch-Site: cross-site"), (b"sec-fetch-site: Same-Origin",),
    (b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: navigate", b"Sec-Fetch-Dest: document"),
    (b"Origin: null",), (b"Origin: http://evil.example",), (b"Origin:",), (b"Origin: localhost",),
    (b"Origin: http://localhost:1",), (b"Origin: http://localhost", b"Origin: http://evil.example"),
    (b"Origin: http://localhost.evil.example",),
)))  # fmt: skip
rows(
    "own pages",
    200,
    get(IDX, b"Sec-Fetch-Site: same-origin"),
    get(IDX, b"Origin: http://localhost"),
)
rows("preflight", 405, get(IDX, b"Origin: http://localhost", method=b"OPTIONS"))

# --- with a token ---
WITH_TOKEN: dict[str, Row] = {
    f"token {i}": (get(IDX, *lines), [want])
    for i, (want, lines) in enumerate(
        [
            (200, [f"Authorization: Bearer {TOKEN}".encode()]),
            (200, [b"authorization:  bEARER  " + TOKEN.encode()]),
            (401, []),
            (401, [b"Authorization:"]),
            (401, [b"Authorization: Bearer"]),
            (401, [b"Authorization: Bearer "]),
            (401, [f"Authorization: Bearer {TOKEN[:-1]}".encode()]),
            (401, [f"Authorization: Bearer {TOKEN}x".encode()]),
            (401, [f"Authorization: Bearer {TOKEN.upper()}".encode()]),
            (401, [f"Authorization: Bearer {TOKEN} {TOKEN}".encode()]),
            (401, [f"Authorization: {TOKEN}".encode()]),
            (401, [f"Authorization: Basic {TOKEN}".encode()]),
            (401, [b"Authorization: Basic"]),
            (401, [b"Authorization: Basic !!!!"]),
            (401, [b"Authorization: Basic " + b"QUFB" * 15000]),
            (401, [b"Authorization: Bearer " + b"a" * 60000]),
            (401, [f"Authorization: Bearer {TOKEN}".encode()] * 2),
            (401, [b"Authorization: Bearer x", f"Authorization: Bearer {TOKEN}".encode()]),
            (401, [f"X-Authorization: Bearer {TOKEN}".encode()]),
            (401, [f"Cookie: token={TOKEN}".encode()]),
            (403, [f"Authorization: Bearer {TOKEN}".encode(), b"Origin: null"]),
            (431, [f"Authorization: Bearer {TOKEN}".encode(), b"X: " + b"a" * 70000]),
        ]
    )
}
WITH_TOKEN["token in the target"] = (get(IDX + b"?token=" + TOKEN.encode()), [401])
WITH_TOKEN["token, unknown path"] = (get(b"/"), [401])


# --- the client ---


def converse(address: tuple[str, int], request: bytes, n: int) -> list[int]:
    """The statuses that came back. Nothing is half-closed before n are there: to a server that is
    working on an answer that is a client that leaves."""
    is_head, answers = request.startswith(b"HEAD "), b""
    with socket.create_connection(address, timeout=60) as s:
        with suppress(BrokenPipeError, ConnectionResetError):
            s.sendall(request)
        with suppress(ConnectionResetError):  # what was sent behind the end of a request
            while len(statuses(answers, is_head)) < n and (part := s.recv(1 << 16)):
                answers += part
            s.shutdown(socket.SHUT_WR)
            while part := s.recv(1 << 16):
                answers += part
    assert b"\r\nAccess-Control" not in answers
    return statuses(answers, is_head)


def statuses(answers: bytes, is_head: bool) -> list[int]:
    """Of those that are whole."""
    found = []
    while answers:
        head, _, rest = answers.partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        match = re.fullmatch(rb"HTTP/1\.[01] (\d{3}) [A-Za-z -]+", line)
        fields = dict(x.lower().split(b": ", 1) for x in lines if b": " in x)
        length = int(fields.get(b"content-length", 0)) if not is_head else 0
        if not match or len(rest) < length:
            break
        found.append(int(match[1]))
        answers = rest[length:]
        if found[-1] >= 400 and b"content-length" not in fields:
            assert fields[b"connection"] == b"close"
            break
    return found


def target_with(path: Path, scratch: Path, env: dict[str, str]) -> Iterator[Running]:
    target = Running([str(path)], {"CPROF_HTTP": "127.0.0.1:0", **env}, scratch)
    yield target
    target.kill()


@pytest.fixture(scope="module")
def plain(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    yield from target_with(build("untouched.c"), tmp_path_factory.mktemp("plain"), {})


@pytest.fixture(scope="module")
def closed(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    scratch = tmp_path_factory.mktemp("closed")
    file = scratch / "token"
    file.touch(0o600)
    file.write_text(TOKEN)
    yield from target_with(build("untouched.c"), scratch, {"CPROF_TOKEN_FILE": str(file)})


def address_of(target: Running) -> tuple[str, int]:
    parts = urlsplit(target.url())
    return str(parts.hostname), int(parts.port or 0)


def descriptors(target: Running) -> int:
    """Of all its threads, the server's among them, which have tables of their own."""
    tasks = Path(f"/proc/{target.pid}/task").iterdir()
    return sum(len(list((task / "fd").iterdir())) for task in tasks)


def check(target: Running, row: Row) -> None:
    request, want = row
    assert converse(address_of(target), request, len(want)) == want, request[:300]


@pytest.mark.parametrize("name", ROWS)
def test_each_gets_its_status(plain: Running, name: str) -> None:
    check(plain, ROWS[name])


@pytest.mark.parametrize("name", WITH_TOKEN)
def test_each_gets_its_status_where_a_token_is_wanted(closed: Running, name: str) -> None:
    check(closed, WITH_TOKEN[name])


@pytest.mark.parametrize("target", [b"localhost:80", b"/debug/vars"])
def test_a_tunnel_is_refused_and_closed(plain: Running, target: bytes) -> None:
    """The answer says so, and a client that waits for the end gets it, its own half open."""
    with socket.create_connection(address_of(plain), timeout=20) as s:
        s.sendall(get(target, method=b"CONNECT"))
        answer = b""
        while part := s.recv(1 << 16):
            answer += part
    assert b"\r\nConnection: close\r\n" in answer


def test_there_are_enough_of_them() -> None:
    assert len(ROWS) + len(WITH_TOKEN) >= 300


# What is sent on and on, and leaves nothing in the server's buffers.
DRIPS = {
    "behind what was refused": (first(b"G(T / HTTP/1.1"), b"a"),
    "lines of a trailer": (post(b"0\r\n", b"Transfer-Encoding: chunked"), b"a: b\r\n"),
    "chunks after a 100": (
        post(b"", b"Expect: 100-continue", b"Transfer-Encoding: chunked"),
        b"1\r\n0\r\n",
    ),
}


@pytest.mark.parametrize("name", DRIPS)
def test_what_drips_in_does_not_switch_the_server_off(closed: Running, name: str) -> None:
    """A thousand wake-ups without progress end it: a client with no token could see to them."""
    head, drip = DRIPS[name]
    sent, deadline = 0, time.monotonic() + 20
    while sent < 3000 and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(address_of(closed), timeout=60) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.sendall(head)
            while sent < 3000:
                s.send(drip)
                sent += 1
                time.sleep(0.0003)  # one wake-up each
    assert closed.get("/debug/pprof/").status == 401


def test_and_nothing_of_them_is_left(plain: Running) -> None:
    """All of them at once, some held open; then the program is as it was, and serves."""
    address = address_of(plain)
    check(plain, ROWS["sound 0"])
    before = descriptors(plain)
    held = []
    for request, _ in ROWS.values():
        s = socket.create_connection(address, timeout=60)
        s.setblocking(False)
        with suppress(OSError):
            s.send(request)
        held.append(s)
    check(plain, ROWS["sound 0"])
    for s in held:
        s.close()
    eventually(lambda: descriptors(plain) <= before, f"{before} descriptors")
    check(plain, ROWS["sound 0"])
    assert plain.stdout().count("ready\n") == 1 and plain.stderr() == ""
    plain.check_alive()
