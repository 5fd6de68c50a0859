"""Go's own tools on what we serve, and Go's contract on the wire for the endpoints that exist."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
from pathlib import Path

import pytest

import cprof
from conftest import Build, Start
from harness import Reply, Running
from require import require_go
from shares import assert_share

NOSNIFF = ("x-content-type-options", "nosniff")
TEXT = "text/plain; charset=utf-8"


def go_pprof(*args: str, home: Path) -> str:
    env = {**os.environ, "PPROF_TMPDIR": str(home)}
    command = ["go", "tool", "pprof", *args]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def target(build: Build, start: Start) -> Running:
    return start(build("shares.c"), "1")


def test_go_tool_pprof_takes_a_profile_from_the_server(target: Running, tmp_path: Path) -> None:
    require_go()
    out = go_pprof("-top", f"{target.url()}/debug/pprof/profile?seconds=4", home=tmp_path)
    assert "Type: cpu" in out and "Showing nodes accounting for" in out
    ticks = {}
    for number, unit, name in re.findall(r"([\d.]+)(m?s)\s+[\d.]+%\s+(three|one)$", out, re.M):
        ticks[name] = round(float(number) * (100 if unit == "s" else 0.1))
    assert set(ticks) == {"three", "one"}, out
    assert_share(ticks["three"], ticks["three"] + ticks["one"], 0.75)


def test_go_reads_the_raw_profile_with_lines_and_mappings(target: Running, tmp_path: Path) -> None:
    require_go()
    path = tmp_path / "cpu.pb.gz"
    cprof.fetch(target.url(), "cpu", seconds=1).save(path)
    raw = go_pprof("-raw", str(path), home=tmp_path)
    assert "PeriodType: cpu nanoseconds" in raw and "Period: 10000000" in raw
    assert re.search(r"samples/count cpu/nanoseconds", raw)
    assert re.search(r"three .*/shares\.c:\d+:0 s=\d+", raw), raw
    assert re.search(r"0x[0-9a-f]+/0x[0-9a-f]+/0x[0-9a-f]+ .*/shares [0-9a-f]{40} ", raw), raw


def test_go_symbolizes_through_our_symbol_endpoint(target: Running, tmp_path: Path) -> None:
    """pprof POSTs addresses to /debug/pprof/symbol when a profile has no names, and gives up where
    that is refused."""
    require_go()
    profile = cprof.fetch(target.url(), "cpu", seconds=1)
    addresses = {f.address for s in profile.samples for f in s.frames if f.name == "spin"}
    body = "+".join(hex(a) for a in sorted(addresses)).encode()
    for reply in (
        target.get("/debug/pprof/symbol", data=body),
        target.get("/debug/pprof/symbol?" + body.decode()),
    ):
        assert reply.status == 200
        lines = reply.body.decode().splitlines()
        assert lines[0] == "num_symbols: 1"
        assert lines[1:] == [f"{hex(a)} spin" for a in sorted(addresses)]


def check(reply: Reply, status: int, content_type: str, body: bytes | None) -> None:
    assert reply.status == status
    assert reply.headers["content-type"] == content_type
    assert reply.headers.get(NOSNIFF[0]) == NOSNIFF[1] or status == 301
    if body is not None:
        assert reply.body == body


def test_status_headers_and_texts_are_gos(target: Running) -> None:
    unknown = target.get("/debug/pprof/heapx?debug=1")
    check(unknown, 404, TEXT, b"Unknown profile\n")
    assert unknown.headers["x-go-pprof"] == "1"
    check(target.get("/debug/pprof/<script>scripty<script>".replace("<", "%3C")), 404, TEXT, None)
    moved = target.get("/debug/pprof")
    assert (moved.status, moved.headers["location"]) == (301, "/debug/pprof/")
    check(target.get("/debug/pprof/"), 200, "text/html; charset=utf-8", None)
    check(target.get("/nothing"), 404, TEXT, b"404 page not found\n")
    refused = target.get("/debug/pprof/profile", method="DELETE")
    check(refused, 405, TEXT, b"Method Not Allowed\n")
    assert refused.headers["allow"] == "GET, HEAD"
    cmdline = target.get("/debug/pprof/cmdline")
    check(cmdline, 200, TEXT, None)
    assert (
        cmdline.body.split(b"\0")
        == Path(f"/proc/{target.pid}/cmdline").read_bytes().split(b"\0")[:-1]
    )
    profile = target.get("/debug/pprof/profile?seconds=1")
    check(profile, 200, "application/octet-stream", None)
    assert profile.headers["content-disposition"] == 'attachment; filename="profile"'
    assert "x-go-pprof" not in profile.headers
    assert gzip.decompress(profile.body)


def test_an_idle_program_gives_a_valid_empty_profile(build: Build, start: Start) -> None:
    target = start(build("shares.c"), "0")
    profile = cprof.fetch(target.url(), "cpu", seconds=1)
    assert profile.sample_types == [("samples", "count"), ("cpu", "nanoseconds")]
    assert profile.total("samples") <= 2
    assert profile.period == 10_000_000 and profile.duration > 0.9
