"""Clients that nobody changed for us: go tool pprof, curl, and what scrapers ask by default.

By every door, since a profile of an unprepared program has other mappings than one of a linked
program, and one of Python's is of another binary.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import cprof
from harness import TARGETS, Running, compile_program, cprof_command, eventually
from harness import http as ask
from require import require_go

PROFILES = ("allocs", "block", "goroutine", "heap", "mutex", "threadcreate")
BUSY = """
import cprof, sys, threading
threading.Thread(target=sys.stdin.read, daemon=True).start()
print(cprof.serve("127.0.0.1:0").url + "/debug/pprof/", flush=True)
while True:
    sum(i * i for i in range(1000))
"""


def linked(folder: Path) -> list[str]:
    return [str(compile_program(TARGETS / "shares.c", folder / "shares")), "1"]


def preloaded(folder: Path) -> list[str]:
    program = compile_program(TARGETS / "busy.c", folder / "busy", link=False)
    return [cprof_command(), "run", "--http", "127.0.0.1:0", "--", str(program)]


def python(folder: Path) -> list[str]:
    return [sys.executable, "-c", BUSY]


@pytest.fixture(scope="module", params=[linked, preloaded, python], ids=lambda f: f.__name__)
def target(request: pytest.FixtureRequest) -> Iterator[Running]:
    with tempfile.TemporaryDirectory() as scratch:
        running = Running(request.param(Path(scratch)), {}, Path(scratch))
        yield running
        running.kill()


def go(*args: str, home: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PPROF_TMPDIR": str(home)}
    done = subprocess.run(
        ["go", "tool", "pprof", *args], capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 0, f"{args}\n{done.stderr}"
    return done


def test_go_tool_pprof_reads_every_profile_in_both_forms(target: Running, tmp_path: Path) -> None:
    require_go()
    types = {"allocs": "alloc_space", "heap": "inuse_space", "block": "delay", "mutex": "delay"}
    for name in PROFILES:
        out = go("-top", f"{target.url()}/debug/pprof/{name}", home=tmp_path).stdout
        assert f"Type: {types.get(name, name)}" in out
        text = tmp_path / f"{name}.txt"
        text.write_bytes(target.get(f"/debug/pprof/{name}?debug=1").body)
        assert "Showing nodes accounting for" in go("-top", str(text), home=tmp_path).stdout
    for index in ("alloc_objects", "alloc_space", "inuse_objects", "inuse_space"):
        out = go(f"-{index}", "-top", f"{target.url()}/debug/pprof/heap", home=tmp_path).stdout
        assert f"Type: {index}" in out


def test_go_tool_pprofs_seconds_are_a_window_or_a_difference(
    target: Running, tmp_path: Path
) -> None:
    require_go()
    url = f"{target.url()}/debug/pprof"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        outputs = pool.map(
            lambda name: go("-seconds", "1", "-raw", f"{url}/{name}", home=tmp_path).stdout,
            ("profile", *PROFILES),
        )
    for name, out in zip(("profile", *PROFILES), outputs):
        duration = re.search(r"^Duration: ([\d.]+)", out, re.M)
        assert duration and 0.9 < float(duration.group(1)) < 30, (name, out[:500])


def test_names_that_are_left_out_are_fetched_by_post(target: Running, tmp_path: Path) -> None:
    """pprof asks /debug/pprof/symbol for what a profile has no names for."""
    require_go()
    url = f"{target.url()}/debug/pprof/profile?seconds=1&symbolize=0"
    bare = go("-symbolize=none", "-raw", url, home=tmp_path).stdout
    assert not re.search(r"^ +\d+: 0x[0-9a-f]+ M=\d+ \w", bare, re.M), bare
    named = go("-symbolize=remote", "-top", url, home=tmp_path).stdout
    assert re.search(r"%  (work_units|three|one|spin|_PyEval|_start|.*[Pp]y\w+)", named), named


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_go_tool_pprofs_web_pages_draw_it(target: Running, tmp_path: Path) -> None:
    """The program behind `go tool` itself: go would leave it running."""
    find = subprocess.run([require_go(), "tool", "-n", "pprof"], capture_output=True, text=True)
    at = f"127.0.0.1:{free_port()}"
    command = [find.stdout.strip(), "-no_browser", f"-http={at}"]
    command.append(f"{target.url()}/debug/pprof/profile?seconds=1")
    env = {**os.environ, "PPROF_TMPDIR": str(tmp_path)}

    def listens() -> bool:
        with contextlib.suppress(urllib.error.URLError):
            return ask(f"http://{at}/ui/top").status == 200
        return False

    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=env) as viewer:
        try:
            eventually(listens, "go tool pprof's pages")
            graph, top = ask(f"http://{at}/ui/flamegraph"), ask(f"http://{at}/ui/top")
        finally:
            viewer.kill()
    assert graph.status == top.status == 200
    assert b"stack" in graph.body and b"cpu" in top.body


def test_curl_and_a_pipe_are_enough(target: Running, tmp_path: Path) -> None:
    out = tmp_path / "cpu.pb.gz"
    url = f"{target.url()}/debug/pprof/profile?seconds=1"
    subprocess.run(["curl", "-sSf", "-o", str(out), url], check=True)
    assert cprof.load(out).total("cpu") > 0
    done = subprocess.run(
        ["curl", "-sS", "-OJ", f"{target.url()}/debug/pprof/heap"], cwd=tmp_path, check=True
    )
    assert done.returncode == 0 and (tmp_path / "heap").exists()
    failed = subprocess.run(
        ["curl", "-sSf", f"{target.url()}/debug/pprof/none"], capture_output=True, check=False
    )
    assert failed.returncode == 22 and b"404" in failed.stderr
    document = subprocess.run(
        ["curl", "-sSf", f"{target.url()}/debug/vars"], capture_output=True, check=True
    )
    assert {"cmdline", "cprof", "memstats"} <= set(json.loads(document.stdout))


def scrape(target: Running, path: str, agent: str) -> bytes:
    """With the headers of a Go client, on a connection of its own as a scraper's first is."""
    at = urlsplit(target.url())
    assert at.hostname
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=60)
    try:
        connection.putrequest("GET", path, skip_accept_encoding=True)
        connection.putheader("User-Agent", agent)
        connection.putheader("Accept-Encoding", "gzip")
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status, body[:200])
        assert answer.getheader("Content-Encoding") is None, "the body's own gzip is the format"
        return body
    finally:
        connection.close()


@pytest.mark.parametrize("agent", ["Parca/0.24.2", "Alloy/v1.11.3 (linux; docker)"])
def test_what_scrapers_ask_by_default_is_there(target: Running, agent: str) -> None:
    """All at once, as both do: an answer that is no profile marks the whole target as down."""
    paths = [f"/debug/pprof/{name}" for name in ("allocs", "block", "goroutine", "mutex")]
    paths += ["/debug/pprof/profile?seconds=2"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        bodies = dict(zip(paths, pool.map(lambda path: scrape(target, path, agent), paths)))
    for path, body in bodies.items():
        profile = cprof.load(body)
        assert profile.sample_types, path
    assert cprof.load(bodies[paths[-1]]).total("cpu") > 0
    assert cprof.load(bodies["/debug/pprof/goroutine"]).total() > 0


def test_sixty_four_windows_need_no_thread_each(target: Running) -> None:
    """And a client that goes away frees its own at once."""

    def status() -> dict[str, int]:
        own: dict[str, int] = json.loads(target.get("/debug/vars").body)["cprof"]
        return own

    before = status()
    connections = []
    for i in range(64):
        at = urlsplit(target.url())
        assert at.hostname
        connections.append(http.client.HTTPConnection(at.hostname, at.port, timeout=60))
        seconds = 600 if i % 2 else 2
        connections[-1].request("GET", f"/debug/pprof/profile?seconds={seconds}&hz={100 + i}")
    eventually(lambda: status()["cpu_windows"] >= 64, "64 windows")
    threads = status()["threads_ours"]
    assert threads <= before["threads_ours"] + 3
    for connection in connections[1::2]:
        connection.close()
    eventually(lambda: status()["cpu_windows"] <= 32, "the windows of clients that left to close")
    for i, connection in enumerate(connections[::2]):
        answer = connection.getresponse()
        profile = cprof.load(answer.read())
        assert profile.period == 1_000_000_000 // (100 + 2 * i)
        connection.close()
    eventually(lambda: status()["cpu_windows"] == 0, "all windows to close")
