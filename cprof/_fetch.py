"""Profiles from running programs."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cprof._errors import Error, FetchError, UnsupportedError, decode
from cprof._profile import Profile
from cprof._target import KINDS, NOT_PROFILES, WIRE_NAMES, Request, Target, did_you_mean, resolve

if TYPE_CHECKING:
    from cprof import _http

SLACK_SECONDS = 20.0  # a server that names its frames and compresses, on a slow machine
NO_WINDOW_SECONDS = 60.0
INDEX_SECONDS = 2.0


class Fetched(NamedTuple):
    data: bytes
    source: str
    """The file or URL it came from, for messages."""


def fetch(
    target: str | int | os.PathLike[str],
    kind: str | None = None,
    *,
    seconds: float | None = None,
    progress: bool | None = None,
    timeout: float | None = None,
    headers: dict[str, str] | None = None,
) -> Profile:
    """The profile of a running program, or of a file.

    target: a URL (`http://127.0.0.1:6060`, a path to one profile, a mount prefix), `host:port`,
    `unix:/path/of/socket`, the id of a process that has a cprof server, or a file.
    kind: "cpu" (the default), or another profile that the server has: Go programs have "heap",
    "allocs", "block", "mutex", "thread" and "threadcreate".
    seconds: the length of the window, 30 for cpu and wall. The other kinds are fetched as they
    stand, or with seconds as the difference over that time.
    progress: True for a bar on stderr, False for none, None for one where it can be seen.
    timeout: seconds after which to give up, if the whole answer has not come; by default one and
    a half windows and some.
    headers: sent along, as {"Authorization": "Bearer ..."}.
    """
    if kind == "trace":
        raise UnsupportedError(
            "a trace is a stream of events, not a profile: save it with "
            "`cprof fetch TARGET --profile trace -o FILE` and open it with `go tool trace FILE`"
        )
    data, source = fetch_bytes(target, kind, seconds, progress, timeout, headers)
    return Profile(decode(data, source))


def fetch_bytes(
    target: str | int | os.PathLike[str],
    kind: str | None = None,
    seconds: float | None = None,
    progress: bool | None = None,
    timeout: float | None = None,
    headers: dict[str, str] | None = None,
) -> Fetched:
    """What `fetch` decodes, as it came."""
    found = resolve(target, kind, seconds)
    if found.file is not None:
        try:
            return Fetched(Path(found.file).read_bytes(), found.file)
        except OSError as why:
            raise FetchError(f"{found.file}: {why.strerror or why}") from why
    return _fetch_http(found, kind, progress, timeout, headers)


def _fetch_http(
    found: Target,
    kind: str | None,
    progress: bool | None,
    timeout: float | None,
    headers: dict[str, str] | None,
) -> Fetched:
    from cprof import _http, _progress

    deadline = time.monotonic() + _patience(found.seconds, timeout)
    answers: list[_http.Answer] = []
    with _progress.bar(found.seconds, progress):
        for request in found.requests:
            answer = _http.get(request, deadline, headers)
            if answer.status == 200:
                return Fetched(answer.body, answer.request.url)
            answers.append(answer)
            if answer.status != 404 or answer.from_handler:
                break
        deadline = min(deadline, time.monotonic() + _http.CONNECT_SECONDS + INDEX_SECONDS)
        raise FetchError(_refusal(answers, kind, headers, deadline))


def _patience(window: int | None, timeout: float | None) -> float:
    """How many seconds the answer may take; FetchError where it cannot come in time."""
    from cprof import _http

    if timeout is None:
        wait = window * 1.5 + SLACK_SECONDS if window else NO_WINDOW_SECONDS
        return _http.CONNECT_SECONDS + wait
    if not 0 < timeout < 1e9:
        raise ValueError(f"timeout is {timeout}; it must be a number of seconds above 0")
    if window and timeout <= window:
        raise FetchError(
            f"the window of {window} s is longer than the timeout of {timeout:g} s allows"
        )
    return timeout


def _refusal(
    answers: list[_http.Answer],
    kind: str | None,
    headers: dict[str, str] | None,
    deadline: float,
) -> str:
    """`URL: 404 Not Found: Unknown profile; did you mean "heap"?`, of the answer that counts."""
    answer = answers[-1] if answers[-1].from_handler else answers[0]
    text = f"{answer.request.url}: {answer.status_line}"
    if answer.first_line and answer.first_line.lower() != answer.reason.lower():
        text += f": {answer.first_line.removeprefix(answer.reason + ': ')}"
    others = [other.request.url for other in answers if other is not answer]
    if others:
        text += f" (tried {', '.join(others)} too)"
    if answer.status == 404:
        name = answer.request.path.rsplit("/", 1)[-1]
        has = _listed(answer.request, headers, deadline) if answer.from_handler else []
        text += _advice(kind or name, has)
    return text


def _advice(wanted: str, has: list[str]) -> str:
    """The name that was meant, else those there are."""
    known = [*KINDS, *(name for name in has if name not in KINDS)]
    meant = "" if WIRE_NAMES.get(wanted, wanted) in known else did_you_mean(wanted, known)
    return meant or (f"; this server has: {', '.join(has)}" if has else "")


def _listed(request: Request, headers: dict[str, str] | None, deadline: float) -> list[str]:
    """The profiles on the server's index page, none where it has no such page."""
    from cprof import _http

    index = request._replace(path=request.path.rsplit("/", 1)[0] + "/", query="")
    try:
        page = _http.get(index, deadline, headers).body.decode("utf-8", "replace")
    except Error:
        page = ""
    names = re.findall(r"""href=['"]([\w.%~+-]+)\?debug=""", page)
    return [name for name in dict.fromkeys(names) if name not in NOT_PROFILES]
