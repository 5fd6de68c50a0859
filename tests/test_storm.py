"""dlopen, throw, malloc, threads and fork at once, sampled at 1,000 Hz: the cycle of three locks
that hangs other profilers within seconds. It hangs ours too when its handler is made like theirs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

import cprof
from conftest import Build, Start
from harness import ROOT, TARGETS, Running, compile_program

pytestmark = pytest.mark.alone

SECONDS = 20
LONG_SECONDS = int(os.environ.get("CPROF_STORM_SECONDS", "3600"))
HZ = 1000

LEAST_A_SECOND = {"loads": 20, "throws": 1000, "mallocs": 10_000, "threads": 20, "forks": 5}


def done(line: str) -> dict[str, int]:
    """How often each kind of work was done, as the program said it."""
    words = line.split()
    return dict(zip(words[::2], map(int, words[1::2])))


def beats(target: Running) -> list[dict[str, int]]:
    lines = target.stdout().splitlines(keepends=True)
    return [done(line) for line in lines if line.startswith("loads") and line.endswith("\n")]


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("storm") / "plugin.so"
    flags = ["-shared", "-fPIC"]
    return compile_program(TARGETS / "plugin.cc", output, flags, link=False, crash=False)


@pytest.mark.parametrize("clock", ["perf", "timer"])
@pytest.mark.parametrize("seconds", [SECONDS, pytest.param(LONG_SECONDS, marks=pytest.mark.long)])
def test_the_storm(
    clock: str, seconds: int, build: Build, start: Start, plugin: Path, tmp_path: Path
) -> None:
    out = tmp_path / "cpu.pb.gz"
    program = build("storm.cc", flags=["-ldl"])
    env = {"CPROF_CPU_CLOCK": clock}
    target = start(program, str(out), str(HZ), str(seconds), str(plugin), env=env)
    assert target.wait(seconds + 120) == 0
    last = beats(target)[-1]
    for kind, least in LEAST_A_SECOND.items():
        assert last[kind] > least * seconds, target.stdout()
    profile = cprof.load(out)
    truth = float(target.line("cpu "))
    seen = sum(s.values[0] for s in profile.samples if not s.frames[0].name.startswith("<lost"))
    print(f"{seen} samples, {seen / (truth * HZ):.3f} of {truth:.1f} s at {HZ} Hz; {last}")
    assert seen >= 0.9 * truth * HZ, (seen, truth, profile.comments)
    assert profile.total("cpu") / 1e9 == pytest.approx(truth, rel=0.05)


def core_around(handler: str, into: Path) -> None:
    """The libraries as they are built, but for what is linked around the walk of the handler."""
    libraries = Path(cprof.__file__).parent / "lib"
    shutil.copytree(ROOT / "build" / "c" / "obj", into / "obj")
    shutil.copytree(ROOT / "build" / "c" / "gen", into / "gen")
    (into / ".deps").touch()
    shutil.copy(libraries / "libcprof.so", into)
    around = into / "around.o"
    source = TARGETS / "handlers" / f"{handler}.c"
    command = ["cc", "-O2", "-fPIC", "-D_GNU_SOURCE", f"-I{ROOT / 'csrc'}", "-c", str(source)]
    subprocess.run([*command, "-o", str(around)], check=True)
    core = into / "libcprof_core.so"
    flags = f"-Wl,--wrap=cwalk {around}"
    command = ["make", "-C", str(ROOT), f"BUILD={into}", f"LDFLAGS={flags}", str(core)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr


STILL_S = 5


class Watch:
    """Has some kind of work come to rest? The thread that tells of it may be stuck itself."""

    def __init__(self, target: Running) -> None:
        self._target = target
        self._seen: dict[str, tuple[int, float]] = {}

    def stands_still(self) -> bool:
        now, said = time.monotonic(), beats(self._target) or [dict.fromkeys(LEAST_A_SECOND, 0)]
        for kind, times in said[-1].items():
            if self._seen.get(kind, (-1, now))[0] != times:
                self._seen[kind] = (times, now)
        return any(now - since > STILL_S for _, since in self._seen.values())


@pytest.mark.parametrize("handler", ["asks_the_loader", "takes_a_lock"])
def test_the_storm_finds_a_handler_that(
    handler: str, build: Build, start: Start, plugin: Path, tmp_path: Path
) -> None:
    """A storm that no handler can fail proves nothing."""
    core_around(handler, tmp_path / "c")
    env = {"LD_LIBRARY_PATH": str(tmp_path / "c")}
    arguments = (str(tmp_path / "cpu.pb.gz"), str(HZ), "60", str(plugin))
    target = start(build("storm.cc", flags=["-ldl"]), *arguments, env=env)
    watch, end = Watch(target), time.monotonic() + 50
    while not watch.stands_still():
        target.check_alive()
        assert time.monotonic() < end, f"it lived on: {beats(target)[-1:]}"
        time.sleep(0.1)
