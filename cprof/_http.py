"""One GET, with the deadlines and refusals a profile needs.

On http.client rather than urllib, which would follow redirects to any host, hide how much of
a body had come when it broke off, and offer no socket path.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import math
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from cprof._errors import FetchError
from cprof._target import Request

CONNECT_SECONDS = 5.0
MAX_REDIRECTS = 5
MAX_BODY_BYTES = 1 << 30  # as the decoder's own limit for an inflated profile
CHUNK_BYTES = 1 << 16


class Answer(NamedTuple):
    request: Request
    """The one that was answered, redirects followed."""
    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def status_line(self) -> str:
        return f"{self.status} {self.reason}".strip()

    @property
    def from_handler(self) -> bool:
        """True if a profile handler said no, rather than whatever server is in front."""
        return "X-Go-Pprof" in self.headers

    @property
    def first_line(self) -> str:
        """The first line of a text body; markup and binary say nothing to a reader."""
        if self.headers.get_content_type() != "text/plain":
            return ""
        text = self.body[:2000].decode("utf-8", "replace").strip()
        return text.splitlines()[0][:300] if text else ""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path
        self._seconds = seconds

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._seconds)
        self.sock.connect(self._path)


def get(request: Request, deadline: float, headers: dict[str, str] | None = None) -> Answer:
    """The answer, whatever its status; FetchError where there was none or only half of one, and
    where it was not whole by the deadline, in seconds of time.monotonic()."""
    for _ in range(MAX_REDIRECTS + 1):
        answer = _get_once(request, deadline, headers or {})
        location = answer.headers.get("Location")
        if answer.status not in (301, 302, 303, 307, 308) or not location:
            return answer
        request = _redirected(request, location)
    raise FetchError(f"{request.url}: more than {MAX_REDIRECTS} redirects")


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return False


def _get_once(request: Request, deadline: float, headers: dict[str, str]) -> Answer:
    left = deadline - time.monotonic()
    if left <= 0:
        raise FetchError(f"{request.url}: timed out")
    connection, selector = _connection(request, min(CONNECT_SECONDS, left))
    try:
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as why:
            raise FetchError(f"{request.url}: cannot connect: {_why(why)}") from why
        with _hung_up_at(deadline, connection.sock):
            return _ask(request, connection, selector, deadline, headers)
    finally:
        connection.close()


@contextmanager
def _hung_up_at(deadline: float, connected: socket.socket) -> Iterator[None]:
    """Ends the connection when the time is over: a timeout of the socket begins anew with each
    byte, and http.client reads whole lines."""
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), _hang_up, [connected])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(connected: socket.socket) -> None:
    with suppress(OSError):
        # Not the method of a TLS socket, which would pull the rug from under the reader.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _ask(
    request: Request,
    connection: http.client.HTTPConnection,
    selector: str,
    deadline: float,
    headers: dict[str, str],
) -> Answer:
    try:
        _limit(connection, deadline)
        connection.request("GET", selector, headers=_headers(request, headers))
        _limit(connection, deadline)
        response = connection.getresponse()
    except (OSError, http.client.HTTPException) as why:
        raise FetchError(f"{request.url}: no answer: {_why(why, deadline)}") from why
    with response:
        body = _read(request, connection, response, deadline)
    return Answer(request, response.status, response.reason, response.headers, body)


def _connection(request: Request, seconds: float) -> tuple[http.client.HTTPConnection, str]:
    """A connection, and what to ask for on it: a proxy wants the whole URL."""
    if request.scheme == "unix":
        return _UnixConnection(request.host, seconds), request.selector
    proxy = _proxy(request)
    host, port = (proxy.hostname or "", proxy.port or 80) if proxy else (request.host, request.port)
    if request.scheme == "http":
        plain = http.client.HTTPConnection(host, port, timeout=seconds)
        return plain, request.url if proxy else request.selector
    secure = http.client.HTTPSConnection(
        host, port, timeout=seconds, context=ssl.create_default_context()
    )
    if proxy:
        secure.set_tunnel(request.host, request.port)
    return secure, request.selector


def _proxy(request: Request) -> urllib.parse.SplitResult | None:
    """The environment's proxy, never for this machine itself: it would answer for another one."""
    if is_loopback(request.host):
        return None
    url = urllib.request.getproxies().get(request.scheme)
    if not url or urllib.request.proxy_bypass(request.host):
        return None
    return urllib.parse.urlsplit(url if "://" in url else "http://" + url)


def _headers(request: Request, extra: dict[str, str]) -> dict[str, str]:
    headers = {
        "Host": request.authority,
        "Accept-Encoding": "identity",
        "User-Agent": "cprof",
        "Connection": "close",
    }
    if request.userinfo:
        plain = urllib.parse.unquote(request.userinfo).encode()
        headers["Authorization"] = "Basic " + base64.b64encode(plain).decode()
    return {**headers, **extra}


def _limit(connection: http.client.HTTPConnection, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise socket.timeout("timed out")
    if connection.sock is not None:
        connection.sock.settimeout(left)


def _read(
    request: Request,
    connection: http.client.HTTPConnection,
    response: http.client.HTTPResponse,
    deadline: float,
) -> bytes:
    expected = response.length
    chunks: list[bytes] = []
    received = 0
    broken: BaseException | None = None
    try:
        while True:
            _limit(connection, deadline)
            # read1 hands over what has come: read would lose it when the rest never does.
            chunk = response.read1(CHUNK_BYTES)
            if not chunk:
                _limit(connection, deadline)  # or it was us who hung up
                break
            chunks.append(chunk)
            received += len(chunk)
            if received > MAX_BODY_BYTES:
                raise FetchError(f"{request.url}: the answer is larger than {MAX_BODY_BYTES} bytes")
    except http.client.IncompleteRead as why:
        received += len(why.partial)
        broken = why
    except (OSError, http.client.HTTPException) as why:
        broken = why
    if broken is None and (expected is None or received == expected):
        return b"".join(chunks)
    whole = f"{expected}" if expected is not None else "an unknown number of"
    raise FetchError(
        f"{request.url}: the answer broke off after {received} of {whole} bytes: "
        f"{_why(broken, deadline)}"
    ) from broken


def _redirected(request: Request, location: str) -> Request:
    if request.scheme == "unix":
        parts = urllib.parse.urlsplit(urllib.parse.urljoin(request.path, location))
        if parts.netloc:
            raise FetchError(f"{request.url}: not following a redirect away from it, to {location}")
        return request._replace(path=parts.path, query=parts.query)
    parts = urllib.parse.urlsplit(urllib.parse.urljoin(request.url, location))
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        port = -1
    moved = request._replace(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=port,
        path=parts.path,
        query=parts.query,
    )
    upgrade = request[:3] == ("http", moved.host, 80) and moved[:3] == ("https", moved.host, 443)
    if moved[:3] != request[:3] and not upgrade:
        raise FetchError(f"{request.url}: not following a redirect to another server, {location}")
    return moved


def _why(error: BaseException | None, deadline: float = math.inf) -> str:
    if time.monotonic() >= deadline:
        return "timed out"
    if error is None:
        return "the server closed the connection"
    if isinstance(error, http.client.RemoteDisconnected):
        return "the server closed the connection without a word: the program has probably ended"
    if isinstance(error, http.client.IncompleteRead):
        return "the server closed the connection"
    if isinstance(error, http.client.BadStatusLine):
        return f"not HTTP: {str(error)[:80]}"
    if isinstance(error, (socket.timeout, TimeoutError)):
        return "timed out"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
