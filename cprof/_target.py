"""What TARGET and KIND mean: a file, or the requests to try at a server."""

from __future__ import annotations

import difflib
import os
import urllib.parse
from pathlib import Path
from typing import NamedTuple

from cprof._errors import FetchError, ProfileError, UnsupportedError

WIRE_NAMES = {"cpu": "profile", "thread": "goroutine"}
KINDS = (
    *("cpu", "wall", "heap", "allocs", "block", "mutex", "thread", "threadcreate", "trace"),
    *("profile", "goroutine"),
)
NOT_PROFILES = {"cmdline", "symbol"}  # beside the profiles, on a server's index
DEFAULT_SECONDS = {"cpu": 30, "profile": 30, "wall": 30}
SERVES = "/debug/pprof"


class Request(NamedTuple):
    """One GET."""

    scheme: str
    """"http", "https" or "unix"."""
    host: str
    """A host name, or the socket's path for "unix"."""
    port: int
    path: str
    query: str
    userinfo: str = ""

    @property
    def selector(self) -> str:
        return self.path + (f"?{self.query}" if self.query else "")

    @property
    def authority(self) -> str:
        if self.scheme == "unix":
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """For messages: without user name and password."""
        if self.scheme == "unix":
            return f"unix:{self.host} {self.selector}"
        return f"{self.scheme}://{self.authority}{self.selector}"


class Target(NamedTuple):
    file: str | None
    requests: list[Request]
    """To be tried in turn while the answer is a 404 that is not from a profile handler."""
    seconds: int | None
    """Length of the window, None for a profile that is taken at once."""


def resolve(
    target: str | int | os.PathLike[str], kind: str | None, seconds: float | None
) -> Target:
    """Where target's profile of this kind is. An existing file wins over any other reading."""
    if isinstance(target, int):
        text = _address_of(target)
    else:
        text = os.fspath(target)
        if not isinstance(target, str) or is_file(text):
            return Target(text, [], None)
        if text.isascii() and text.isdecimal():
            text = _address_of(int(text))
    if kind == "ui":
        raise UnsupportedError("ui is not a kind of profile: the name is reserved for the web page")
    window = whole_seconds(seconds)
    base = _parse(text)
    if named := _names_one_profile(base.path, base.query):
        if kind is not None and WIRE_NAMES.get(kind, kind) != named:
            raise UnsupportedError(
                f"{text} already names the profile {named}: leave out the kind {kind}, "
                "or the end of the URL"
            )
        requests = [base]
    else:
        named = WIRE_NAMES.get(kind or "cpu", kind or "cpu")
        requests = [base._replace(path=path) for path in _paths(base.path, named)]
    if named in NOT_PROFILES:
        raise ProfileError(f"{named} is text, not a profile")
    if window is not None:
        requests = [r._replace(query=_with_seconds(r.query, window)) for r in requests]
    else:
        window = _seconds_of(base.query) or DEFAULT_SECONDS.get(named)
        if not _seconds_of(base.query) and window:
            requests = [r._replace(query=_with_seconds(r.query, window)) for r in requests]
    return Target(None, requests, window)


def _address_of(pid: int) -> str:
    """Where a running process serves."""
    from cprof import _registry

    entry = _registry.find(pid)
    if entry:
        return entry.addresses[0]
    owner = _registry.owner_of(pid)
    if owner is None:
        raise FetchError(f"there is no process {pid}; a port is written :{pid}")
    if os.geteuid() not in (0, owner):
        raise FetchError(f"process {pid} is another user's; a port is written :{pid}")
    if reason := _registry.obstacle(owner):
        raise FetchError(f"process {pid}: {reason}; give its address")
    raise FetchError(
        f"process {pid} has no cprof server, and attaching to a running process is not supported "
        "yet: start it with `cprof run`, or let it call cprof_serve() in C, or `import cprof; "
        f"cprof.serve()` in Python (cprof ps lists those that serve; a port is written :{pid})"
    )


def whole_seconds(seconds: float | None) -> int | None:
    """Servers read whole seconds only, and quietly take 30 for anything else: refuse it here."""
    if seconds is None:
        return None
    if not 1 <= seconds < 1e9 or seconds != int(seconds):
        raise ValueError(f"seconds is {seconds}; it must be a whole number, 1 or more")
    return int(seconds)


def did_you_mean(word: str, known: list[str] | tuple[str, ...]) -> str:
    """`; did you mean "heap"?`, or nothing if nothing is near."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f'; did you mean "{near[0]}"?' if near else ""


def is_file(text: str) -> bool:
    """A file, or the pipe that a shell has put in the place of one."""
    path = Path(text)
    return path.is_file() or (text.startswith(("/dev/", "/proc/")) and path.exists())


def _parse(text: str) -> Request:
    if text.startswith("unix:"):
        path = text[len("unix:") :]
        if not path:
            raise FetchError(f"{text}: the path of the socket is missing, as in unix:/run/app.sock")
        return Request("unix", path, 0, "", "")
    if not text:
        raise FetchError("the target is empty: a URL, host:port, unix:/path, PID or file is wanted")
    if Path(text).is_dir():
        raise FetchError(f"{text} is a directory, not a profile")
    if "://" not in text:
        if text.startswith((".", "/", "~")) or not _looks_like_host(text):
            raise FetchError(f"{text}: no such file, and neither a URL nor host:port")
        text = "http://" + ("127.0.0.1" + text if text.startswith(":") else text)
    try:
        parts = urllib.parse.urlsplit(text)
        port = parts.port
    except ValueError as why:
        raise FetchError(f"{text}: {why}") from why
    if parts.scheme not in ("http", "https"):
        raise UnsupportedError(f"{text}: {parts.scheme} is not supported, http and https are")
    if not parts.hostname:
        raise FetchError(f"{text}: the host is missing")
    userinfo = parts.netloc.rpartition("@")[0]
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    path = urllib.parse.quote(parts.path, safe="/%:@!$&'()*+,;=~")
    query = urllib.parse.quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    return Request(parts.scheme, parts.hostname, port, path, query, userinfo)


def _looks_like_host(text: str) -> bool:
    authority = text.split("/", 1)[0]
    host, colon, port = authority.rpartition(":")
    if not colon:
        return authority == "localhost"
    return port.isdecimal() and " " not in host


def _names_one_profile(path: str, query: str) -> str:
    """The last part of a path to one profile; "" for a base or a mount prefix."""
    _, found, tail = path.rpartition(SERVES)
    if found and (tail == "" or tail.startswith("/")):
        return urllib.parse.unquote(tail.strip("/"))
    last = path.rsplit("/", 1)[-1]
    if last in KINDS or "." in last or (last and query):
        return urllib.parse.unquote(last)
    return ""


def _paths(prefix: str, name: str) -> list[str]:
    """A mount prefix may be what /debug/pprof hangs below, or what stands in its place."""
    name = urllib.parse.quote(name, safe="")
    bare = prefix.rstrip("/")
    if bare.endswith(SERVES):
        return [f"{bare}/{name}"]
    usual = f"{bare}{SERVES}/{name}"
    return [usual, f"{bare}/{name}"] if bare else [usual]


def _with_seconds(query: str, seconds: int) -> str:
    others = [part for part in query.split("&") if part and not part.startswith("seconds=")]
    return "&".join([*others, f"seconds={seconds}"])


def _seconds_of(query: str) -> int | None:
    for part in query.split("&"):
        if part.startswith("seconds=") and part[len("seconds=") :].isdecimal():
            return int(part[len("seconds=") :]) or None
    return None
