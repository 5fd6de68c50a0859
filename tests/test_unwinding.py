"""The walk against libunwind, at 100,000 random instructions of programs of every make: the trap
flag stops them at each instruction, so nothing is too short to be met (tests/unwinding/)."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest

from harness import ROOT

HERE = ROOT / "tests" / "unwinding"
SOURCES = ("calls.c", "libraries.c", "throws.cc")
LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os")
GAP = "60"
POINTERS = ("-fomit-frame-pointer", "-fno-omit-frame-pointer")

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="programs cannot set the trap flag on this machine"
)


def run(command: list[str]) -> str:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-8000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def stepper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("stepper") / "stepper"
    run(["make", "-s", "-C", str(ROOT), "build/c/libcprof_all.a"])
    libraries = run(["make", "-s", "-C", str(ROOT), "print-core-libs"]).split()
    command = ["cc", "-O2", "-g", "-fomit-frame-pointer", "-D_GNU_SOURCE", "-rdynamic"]
    command += [f"-I{ROOT / 'csrc'}", f"-I{HERE}"]
    command += [str(HERE / "stepper.c"), str(ROOT / "build" / "c" / "libcprof_all.a"), *libraries]
    # libunwind has functions of libgcc's names. Exceptions are to go by libgcc's: the others block
    # signals, the trap's too.
    command += ["-Wl,--push-state,--no-as-needed", "-lgcc_s", "-Wl,--pop-state", "-lunwind", "-ldl"]
    run([*command, "-o", str(program)])
    return program


def compiled(source: str, level: str, pointer: str, folder: Path) -> Path:
    output = folder / f"{Path(source).stem}{level}{pointer}.so"
    compiler = "c++" if source.endswith(".cc") else "cc"
    command = [compiler, level, pointer, "-D_GNU_SOURCE", "-shared", "-fPIC", "-Wl,-z,lazy"]
    run([*command, str(HERE / source), "-lm", "-o", str(output)])
    return output


@pytest.mark.parametrize("wanted", [20_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_frames_are_libunwinds(wanted: int, stepper: Path, tmp_path: Path) -> None:
    """Where libunwind is lost and our walk is not the two cannot be the same; those are few."""
    kinds = list(product(SOURCES, LEVELS, POINTERS))
    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(lambda k: compiled(k[0], k[1], k[2], tmp_path), kinds))
    said = run([str(stepper), str(wanted // len(kinds) + 1), GAP, *map(str, objects)])
    print(said, file=sys.stderr)
    words = ("samples", "same", "better", "complete")
    found = re.findall(" ".join(rf"{word} (\d+)" for word in words), said)
    assert len(found) == len(kinds)
    sums = {word: sum(int(line[i]) for line in found) for i, word in enumerate(words)}
    assert sums["samples"] >= wanted
    assert sums["same"] + sums["better"] >= 0.999 * sums["samples"], said
    assert sums["better"] <= 0.002 * sums["samples"], said
    assert sums["complete"] >= 0.999 * sums["samples"], said
    # All of them were met: stubs of the linker, libc's resolver behind them, realigned stacks and
    # their prologues, the trampoline of signal handlers, functions' first instructions, the vdso.
    hits = re.findall(r"(\w+) (\d+)", said[said.rindex("kinds") + len("kinds") :])
    assert len(hits) == 8 and all(int(n) > 0 for _, n in hits), said
