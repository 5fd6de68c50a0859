"""/debug/pprof/trace: what `go tool trace` reads in it, and Go's contract on the wire."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from conftest import Build, Start
from harness import ROOT, Reply, Running, cprof_command, eventually
from require import require_go

pytestmark = pytest.mark.alone


def parsed(path: Path) -> str:
    """What Go's reader says, which refuses whatever breaks its rules."""
    go = require_go()
    command = [go, "tool", "trace", "-d=parsed", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "flag provided but not defined" in done.stderr or "bad trace file" in done.stderr:
        version = subprocess.run([go, "version"], capture_output=True, text=True, check=False)
        minor = re.search(r"go1\.(\d+)", version.stdout)
        if minor and int(minor.group(1)) < 23:
            pytest.skip("this go reads no trace of version 1.23")
    assert done.returncode == 0, done.stderr
    return done.stdout


def changes(text: str) -> dict[str, list[str]]:
    """Name of a thread -> the states that it goes through, by Go's names."""
    names: dict[str, str] = {}
    steps: dict[str, list[str]] = {}
    for event in re.split(r"^(?=M=)", text, flags=re.M):
        found = re.search(r"GoID=(\d+) (\S+)", event)
        if found:
            steps.setdefault(found.group(1), []).append(found.group(2))
            frames = re.findall(r"^\t(\S.*?) @ 0x", event.split("\nStack=")[0], re.M)
            if frames:
                names.setdefault(found.group(1), frames[-1])
    return {names.get(g, g): s for g, s in steps.items()}


@pytest.fixture
def target(build: Build, start: Start) -> Running:
    running = start(build("traced.c"))
    url = running.url()
    assert url

    def named() -> bool:
        tasks = Path(f"/proc/{running.pid}/task")
        names = {(t / "comm").read_text().strip() for t in tasks.iterdir()}
        return {"runs", "locks", "ends"} <= names and any("sleeps" in n for n in names)

    eventually(named, "the threads to have their names")
    return running


def address_of(target: Running) -> tuple[str, int]:
    host, port = urlsplit(target.url()).netloc.rsplit(":", 1)
    return host, int(port)


def save(reply: Reply, path: Path) -> Path:
    assert reply.status == 200, reply.body
    path.write_bytes(reply.body)
    return path


def test_go_lists_our_threads(target: Running, tmp_path: Path) -> None:
    """Waits are those of the moment that was looked at: a thread in a page fault has none, so each
    thread is asked for until it stands still."""

    def stands_still() -> bool:
        reply = target.get("/debug/pprof/trace?seconds=0.05")
        steps = changes(parsed(save(reply, tmp_path / "trace")))
        assert set(steps) == {"traced", "runs", "sleeps (1) \u00e9", "locks", "ends"}, steps
        return all(
            steps[name] == [f"Undetermined->{state}", f"{state}->{state}"]
            for name, state in {
                "runs": "Running",
                "locks": "Waiting",
                "ends": "Waiting",
                "traced": "Waiting",
                "sleeps (1) \u00e9": "Waiting",
            }.items()
        )

    eventually(stands_still, "every thread where it always is")


def test_what_begins_and_ends_in_between_is_seen(target: Running, tmp_path: Path) -> None:
    at = address_of(target)
    with socket.create_connection(at) as s:
        s.sendall(b"GET /debug/pprof/trace?seconds=3 HTTP/1.0\r\n\r\n")
        # Served after it, so its first look is over; where it is not, "ends" is not in it.
        assert target.get("/debug/pprof/trace?seconds=0.01").status == 200
        assert target.process.stdin
        target.process.stdin.write(b"\n")
        target.process.stdin.flush()
        with s.makefile("rb") as answer:
            body = answer.read().split(b"\r\n\r\n", 1)[1]
    path = tmp_path / "trace"
    path.write_bytes(body)
    steps = changes(parsed(path))
    assert steps["begins"][-1] in ("Undetermined->Waiting", "Waiting->Waiting")
    assert "ends" not in steps or steps["ends"][-1] == "Running->NotExist", steps


def test_every_change_of_state_is_by_gos_rules(tmp_path: Path) -> None:
    """Its reader refuses a whole trace for one step that its states do not allow."""
    program = ROOT / "build" / "c" / "ctest" / "test_gotrace"
    subprocess.run(["make", "-s", str(program.relative_to(ROOT))], cwd=ROOT, check=True)
    path = tmp_path / "trace"
    subprocess.run([str(program), str(path)], check=True, stdout=subprocess.DEVNULL)
    states = ["Running", "Waiting", "Syscall"]
    steps = changes(parsed(path))
    assert len(steps) == 15
    for name, seen in steps.items():
        before, after = (int(n) for n in re.findall(r"\d", name))
        first = states[before] if before < 3 else states[after]
        last = states[after] if after < 3 else "NotExist"
        assert seen[0] == f"Undetermined->{first}", (name, seen)
        assert seen[-1].endswith(f"->{last}"), (name, seen)


def test_headers_are_gos(target: Running) -> None:
    reply = target.get("/debug/pprof/trace?seconds=0.01")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-disposition"] == 'attachment; filename="trace"'
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.body.startswith(b"go 1.23 trace\0\0\0")
    index = target.get("/debug/pprof/").body.decode()
    assert "<a href='trace?debug=1'>trace</a>" in index and "go tool trace" in index
    assert target.get("/debug/pprof/trace", data=b"").status == 405


@pytest.mark.parametrize(
    "asked, low, high",
    [("0.3", 0.3, 0), ("1e-1", 0.1, 0), ("0x1p-2", 0.25, 0), ("nan", 0, 1), ("inf", 0, 1)]
    + [(word, 1, 0) for word in ("", "0", "-1", "abc", "0,5", "1e999")],
)
def test_seconds_are_read_as_go_reads_them(
    target: Running, asked: str, low: float, high: float
) -> None:
    """high: for those that are over at once; on a busy machine several tries may be needed."""

    def as_wanted() -> bool:
        began = time.monotonic()
        assert target.get(f"/debug/pprof/trace?seconds={asked}").status == 200
        took = time.monotonic() - began
        assert took >= low
        return not high or took < high

    eventually(as_wanted, "a window of that length")


def test_any_number_at_once_and_leaving_frees_it(target: Running) -> None:
    at = address_of(target)
    sockets = []
    for _ in range(8):
        s = socket.create_connection(at)
        s.sendall(b"GET /debug/pprof/trace?seconds=3600 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        sockets.append(s)
    assert target.get("/debug/pprof/trace?seconds=0.01").status == 200
    for s in sockets:
        s.close()
    assert target.get("/debug/pprof/trace?seconds=0.01").status == 200
    assert target.stop() == 0


def test_the_command_fetches_it(target: Running, tmp_path: Path) -> None:
    path = tmp_path / "t"
    command = [cprof_command(), "fetch", target.url(), "--profile", "trace", "--seconds", "1"]
    done = subprocess.run([*command, "-o", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "runs" in changes(parsed(path))
