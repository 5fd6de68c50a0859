"""Names in profiles: of code made at run time, of the kernel's page in the process, of libraries
that are not there any more."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import cprof
from conftest import Build, Start
from harness import DEADLINE_S, TARGETS, compile_program, cprof_command
from require import require_go
from shares import assert_share, function_names, ticks_in, total_ticks

THREE = "JS:*three times /tmp/a b.js:1:13"
# Counts its argument down to 0.
CODE = {"x86_64": "4889f848ffc875fbc3", "aarch64": "000400f1e1ffff54c0035fd6"}[os.uname().machine]


def test_generated_code_is_named_by_the_map_that_its_maker_writes(
    build: Build, start: Start, tmp_path: Path
) -> None:
    """/tmp/perf-PID.map, where the later of two lines that overlap holds, and a torn one does
    not."""
    out = tmp_path / "cpu.pb.gz"
    assert start(build("jit.c"), str(out)).wait() == 0
    profile = cprof.load(out)
    ticks = ticks_in(profile, THREE, "once")
    assert_share(ticks[THREE], sum(ticks.values()), 0.75)
    assert sum(ticks.values()) > total_ticks(profile) * 0.8, function_names(profile)
    assert not {"torn", "what was here before"} & function_names(profile)
    leaves = [s.frames[0] for s in profile.samples if s.frames[0].name == THREE]
    assert {(f.mapping, f.file, f.line) for f in leaves} == {("[jit]", "", 0)}
    assert profile.main_binary[0].endswith("/jit")


def test_pprof_shows_generated_code(build: Build, start: Start, tmp_path: Path) -> None:
    require_go()
    out = tmp_path / "cpu.pb.gz"
    assert start(build("jit.c"), str(out)).wait() == 0
    done = subprocess.run(
        ["go", "tool", "pprof", "-top", str(out)],
        env={**os.environ, "PPROF_TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert THREE in done.stdout and "File: jit" in done.stdout, done.stdout


def test_generated_code_that_nobody_names_has_its_address_and_no_mapping(
    build: Build, start: Start, tmp_path: Path
) -> None:
    """As in Go."""
    out = tmp_path / "cpu.pb.gz"
    assert start(build("jit.c"), str(out), "plain").wait() == 0
    profile = cprof.load(out)
    nameless = [s for s in profile.samples if not s.frames[0].name]
    assert sum(s.values[0] for s in nameless) > total_ticks(profile) * 0.8
    assert {s.frames[0].mapping for s in nameless} == {""}


def test_generated_code_has_its_names_under_cprof_run(
    build: Build, start: Start, tmp_path: Path
) -> None:
    """There another process looks the names up, when the program ends."""
    out = tmp_path / "run.pb.gz"
    program = tmp_path / "program.py"
    program.write_text(
        "import ctypes, mmap, os, time\n"
        "page = mmap.mmap(-1, 4096, prot=7)\n"
        f"page.write(bytes.fromhex('{CODE}'))\n"
        "at = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "open(f'/tmp/perf-{os.getpid()}.map', 'w').write(f'{at:x} 40 made by a program\\n')\n"
        "spin = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long)(at)\n"
        "while time.process_time() < 1: spin(1000000)\n"
    )
    command = [cprof_command(), "run", "-o", str(out), "--", "/usr/bin/python3", str(program)]
    with subprocess.Popen(command) as process:
        assert process.wait(DEADLINE_S) == 0
    Path(f"/tmp/perf-{process.pid}.map").unlink()
    profile = cprof.load(out)
    ticks = ticks_in(profile, "made by a program")["made by a program"]
    assert ticks > total_ticks(profile) / 2, function_names(profile)


def test_the_kernels_page_has_names(build: Build, start: Start, tmp_path: Path) -> None:
    out = tmp_path / "cpu.pb.gz"
    assert start(build("vdso.c"), str(out)).wait() == 0
    profile = cprof.load(out)
    inside = [s for s in profile.samples if s.frames[0].mapping == "[vdso]"]
    assert sum(s.values[0] for s in inside) > total_ticks(profile) / 4
    assert any("clock_gettime" in s.frames[0].name for s in inside), function_names(profile)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Two libraries of the same layout, by the name of their only function."""
    folder, made = tmp_path_factory.mktemp("parts"), {}
    for name in ("first", "other"):
        made[name] = str(folder / f"{name}.so")
        flags = ["-shared", "-fPIC", f"-DSPIN=in_{name}"]
        compile_program(
            TARGETS / "swapped_part.c", Path(made[name]), flags, link=False, crash=False
        )
    return made


def swapped(build: Build, start: Start, out: Path, *words: str) -> tuple[cprof.Profile, list[str]]:
    """And where the functions lay."""
    target = start(build("swapped.c", ["-ldl"]), str(out), *words)
    assert target.wait() == 0
    return cprof.load(out), [line.split()[1] for line in target.stdout().splitlines()]


def test_a_library_in_the_place_of_another_does_not_lend_it_its_name(
    build: Build, start: Start, tmp_path: Path, parts: dict[str, str]
) -> None:
    words = (parts["first"], "in_first", parts["other"], "in_other")
    profile, places = swapped(build, start, tmp_path / "cpu.pb.gz", *words)
    ticks = ticks_in(profile, "in_first", "in_other", "<unloaded>")
    if places[0] != places[1]:
        pytest.skip("the loader took another place")
    assert ticks["in_first"] == 0 and ticks["in_other"] <= total_ticks(profile) * 0.55
    assert ticks["<unloaded>"] > total_ticks(profile) * 0.4, function_names(profile)
    unloaded = [s.frames[0] for s in profile.samples if s.frames[0].name == "<unloaded>"]
    assert all(f.address and not f.mapping for f in unloaded)


def test_a_library_that_is_opened_again_keeps_its_names(
    build: Build, start: Start, tmp_path: Path, parts: dict[str, str]
) -> None:
    words = (parts["first"], "in_first") * 3
    profile, places = swapped(build, start, tmp_path / "cpu.pb.gz", *words)
    if len(set(places)) > 1:
        pytest.skip("the loader took another place")
    ticks = ticks_in(profile, "in_first", "<unloaded>")
    assert ticks["<unloaded>"] == 0
    assert ticks["in_first"] > total_ticks(profile) * 0.8, function_names(profile)


def test_a_library_that_is_gone_is_said_to_be(
    build: Build, start: Start, tmp_path: Path, parts: dict[str, str]
) -> None:
    words = (parts["first"], "in_first", "-", "-")
    profile, _ = swapped(build, start, tmp_path / "cpu.pb.gz", *words)
    ticks = ticks_in(profile, "at_home", "<unloaded>")
    assert_share(ticks["<unloaded>"], sum(ticks.values()), 0.5)
    assert sum(ticks.values()) > total_ticks(profile) * 0.8, function_names(profile)
