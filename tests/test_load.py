"""The server under load, and under clients that want it for themselves: the program does not
notice, others are served, and nothing is left of it."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from conftest import Build, Start
from harness import Running, eventually, http
from require import require_wrk

pytestmark = pytest.mark.alone

INDEX = "/debug/pprof/"
PATHS = [INDEX, "/debug/vars"]
HEAD = b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
GET = b"GET /debug/pprof/" + HEAD
CMDLINE = b"GET /debug/pprof/cmdline" + HEAD

# A page of the heap more or less is no leak: 10,000 connections that leave 100 bytes each are 1 MB.
SLACK_KB = 1024


class Holds(NamedTuple):
    """What a process has of what a server could lose."""

    descriptors: int
    threads: int
    rss_kb: int


def descriptors(task: Path) -> int:
    with suppress(OSError):  # a thread that has just ended
        return len(list((task / "fd").iterdir()))
    return 0


def holds(pid: int) -> Holds:
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return Holds(sum(map(descriptors, tasks)), len(tasks), int(found[1]))


def holds_when_calm(pid: int) -> Holds:
    """As soon as nobody samples any more, and what a thread of ours was started for is done."""
    passing = {"cprof-cpu", "cprof-finish", "cprof-redirect", "cprof-register"}

    def names() -> set[str]:
        return {(task / "comm").read_text().strip() for task in Path(f"/proc/{pid}/task").iterdir()}

    def calm() -> bool:
        try:
            return passing.isdisjoint(names())
        except OSError:  # one has just ended
            return False

    eventually(calm, "an end of sampling")
    return holds(pid)


def assert_nothing_left(pid: int, before: Holds, slack_kb: int = SLACK_KB) -> None:
    def as_before() -> bool:
        now = holds(pid)
        return now.descriptors <= before.descriptors and now.threads <= before.threads

    eventually(as_before, f"{before}, has {holds(pid)}")
    assert holds(pid).rss_kb <= before.rss_kb + slack_kb


def address_of(target: Running) -> tuple[str, int]:
    parts = urlsplit(target.url())
    return str(parts.hostname), int(parts.port or 0)


REQUEST_LIMIT_S = 60  # how long the server waits for the rest of a request (docs/server.md)


def dial(target: Running) -> socket.socket:
    return socket.create_connection(address_of(target), timeout=60)


# --- load ---


@contextmanager
def profiles_taken(target: Running) -> Iterator[list[int]]:
    """One after the other all the time; the statuses."""
    end, taken = threading.Event(), list[int]()

    def take() -> None:
        while not end.is_set():
            taken.append(http(target.url() + INDEX + "profile?seconds=1").status)

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield taken
    finally:
        end.set()
        thread.join()


def wrk(url: str, seconds: int) -> int:
    """How many were answered; all of them well."""
    command = [require_wrk(), "-t1", "-c16", f"-d{seconds}s", url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
    assert "Non-2xx" not in done.stdout and "Socket errors" not in done.stdout, done.stdout
    found = re.search(r"(\d+) requests in", done.stdout)
    assert found
    return int(found[1])


def cost(target: Running, seconds: float) -> float:
    """CPU time of the program's own thread for one unit of its work, in that time."""

    def done() -> tuple[int, int]:
        assert target.process.stdin
        n = target.stdout().count("done ")
        target.process.stdin.write(b"\n")
        target.process.stdin.flush()
        eventually(lambda: target.stdout().count("done ") > n, "an answer")
        units, ns = target.stdout().splitlines()[-1].split()[1:]
        return int(units), int(ns)

    units, ns = done()
    time.sleep(seconds)
    more_units, more_ns = done()
    return (more_ns - ns) / (more_units - units)


def read_all_names(target: Running) -> None:
    """Of every module one: the first sample in a library costs what its debug file takes, 10 MB for
    libc's, and it is chance when that comes."""
    maps = Path(f"/proc/{target.pid}/maps").read_text()
    for line in re.findall(r"^([0-9a-f]+)-[0-9a-f]+ r-xp .* /", maps, re.MULTILINE):
        assert http(target.url() + INDEX + f"symbol?0x{int(line, 16) + 0x1000:x}").status == 200


def under_load(target: Running, seconds: int) -> None:
    read_all_names(target)
    with profiles_taken(target) as taken:
        for path in PATHS:  # caches and arenas are as large as they get
            wrk(target.url() + path, 1)
        eventually(lambda: len(taken) > 1, "two profiles")
    before = holds_when_calm(target.pid)
    with profiles_taken(target) as taken:
        for path in PATHS:
            assert wrk(target.url() + path, seconds) > 100 * seconds
    assert taken and set(taken) == {200}
    assert_nothing_left(target.pid, before, 2 * SLACK_KB)


def test_under_load_nothing_fails_and_nothing_grows(build: Build, start: Start) -> None:
    under_load(start(build("units.c"), env={"CPROF_HTTP": "127.0.0.1:0"}), 2)


@pytest.mark.long
def test_under_half_a_minute_of_load_nothing_fails_and_nothing_grows(
    build: Build, start: Start
) -> None:
    under_load(start(build("units.c"), env={"CPROF_HTTP": "127.0.0.1:0"}), 30)


def test_requests_cost_the_programs_threads_nothing(build: Build, start: Start) -> None:
    """They are answered on threads of ours, so a unit of the program's work takes the CPU time that
    it takes without them. The cheapest of several looks, since others work on this machine too."""
    target = start(build("units.c"), env={"CPROF_HTTP": "127.0.0.1:0"})
    target.url()
    calm, busy = [], []
    for _ in range(4):
        calm.append(cost(target, 0.3))
        load = threading.Thread(target=wrk, args=(target.url() + INDEX, 1))
        load.start()
        busy.append(cost(target, 0.7))
        load.join()
    assert min(busy) < min(calm) * 1.15, (calm, busy)


# --- clients that want it for themselves ---


def hang_up(s: socket.socket) -> None:
    """Not even a goodbye."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    s.close()


def open_and_drop(target: Running, n: int) -> None:
    """In every state that a connection can be in."""
    sent = [b"", b"GET", GET, GET[:-2], GET + GET, b"\x16\x03\x01"]
    sent += [b"GET /debug/pprof/profile?seconds=60" + HEAD]
    sent += [
        b"POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n0x"
    ]
    sent += [GET.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: x\r\n\r\n")]
    for i in range(n):
        s = dial(target)
        with suppress(ConnectionError):
            s.sendall(sent[i % len(sent)])
        if i % 3:
            s.close()
        else:
            hang_up(s)


def test_connections_that_were_dropped_leave_nothing_behind(build: Build, start: Start) -> None:
    target = start(build("units.c"), env={"CPROF_HTTP": "127.0.0.1:0"})
    for _ in range(3):  # whoever names a profile first opens what names are read from, and keeps it
        open_and_drop(target, 700)
        assert http(target.url() + INDEX + "profile?seconds=1").status == 200
    before = holds_when_calm(target.pid)
    open_and_drop(target, 10_000)
    assert http(target.url() + INDEX + "profile?seconds=1").status == 200
    assert_nothing_left(target.pid, before)


def test_differences_that_nobody_waits_for_leave_nothing_behind(build: Build, start: Start) -> None:
    """Each has its earlier snapshot, a page or two."""
    target = start(build("units.c"), env={"CPROF_HTTP": "127.0.0.1:0"})

    def ask_and_leave() -> None:
        held = [dial(target) for _ in range(200)]
        for s in held:
            s.sendall(b"GET /debug/pprof/threadcreate?seconds=600&symbolize=0" + HEAD)
        assert http(target.url() + INDEX + "heap?symbolize=0").status == 200  # behind all of them
        for s in held:
            s.close()
        assert http(target.url() + INDEX).status == 200  # after which the server knows

    for _ in range(2):
        ask_and_leave()
    before = holds_when_calm(target.pid)
    for _ in range(10):
        ask_and_leave()
    assert_nothing_left(target.pid, before)


def test_a_client_that_holds_all_connections_locks_nobody_out(build: Build, start: Start) -> None:
    target = start(build("units.c"), env={"CPROF_HTTP": "127.0.0.1:0"})
    target.url()
    held = [dial(target) for _ in range(300)]
    for i, s in enumerate(held):
        with suppress(ConnectionError):
            s.sendall(GET[: i % 40])
    begun = time.monotonic()
    for _ in range(20):
        assert http(target.url() + INDEX).status == 200
    assert time.monotonic() - begun < REQUEST_LIMIT_S / 2, "they were only waited for to time out"
    for s in held:
        s.close()


def test_profiles_that_are_waited_for_leave_places_for_others(build: Build, start: Start) -> None:
    """Whoever takes them all gets a refusal for the last ones, and the index is there."""
    target = start(build("units.c"), env={"CPROF_HTTP": "127.0.0.1:0"})
    held = [dial(target) for _ in range(230)]
    for s in held:
        s.sendall(b"GET /debug/pprof/profile?seconds=600" + HEAD)
    assert held[-1].recv(100).startswith(b"HTTP/1.1 503 ")
    for _ in range(20):
        assert http(target.url() + INDEX).status == 200
    for s in held:
        s.close()
    eventually(
        lambda: http(target.url() + INDEX + "profile?seconds=1").status == 200, "a place again"
    )


def flood(target: Running, end: threading.Event) -> None:
    """Requests without a pause; the answers are read, or they would be its own brake."""
    with suppress(OSError), dial(target) as s:
        s.setblocking(False)
        data = (GET + CMDLINE) * 200
        while not end.is_set():
            with suppress(BlockingIOError):
                s.send(data)  # half a request at the end is a bad one: then the next connection
            with suppress(BlockingIOError):
                if not s.recv(1 << 20):
                    return


def test_a_flood_of_requests_delays_others_by_a_moment_only(build: Build, start: Start) -> None:
    target = start(build("units.c"), env={"CPROF_HTTP": "127.0.0.1:0"})
    target.url()
    end = threading.Event()

    def keep_flooding() -> None:
        while not end.is_set():
            flood(target, end)

    floods = [threading.Thread(target=keep_flooding) for _ in range(4)]
    for thread in floods:
        thread.start()
    try:
        waits = []
        for _ in range(30):
            begun = time.monotonic()
            assert http(target.url() + INDEX).status == 200
            waits.append(time.monotonic() - begun)
    finally:
        end.set()
        for thread in floods:
            thread.join()
    assert sorted(waits)[len(waits) // 2] < 2, waits
