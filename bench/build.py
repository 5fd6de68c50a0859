"""Compiles the targets, each once for every tool it is measured with."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

CPROF = str(Path(sys.executable).with_name("cprof"))
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Wshadow", "-Werror"]

NEEDS = {"vars": "wrk"}
"""What a target runs."""

LIBRARIES = {"real": ("zlib", "sqlite3")}
"""What a target links, by pkg-config."""

ROOT = Path(__file__).resolve().parent.parent

KEEP = ("-Wl,--push-state,--no-as-needed", "-Wl,--pop-state")


def output_of(*command: str) -> str:
    """What it prints, "" where it does not exist or fails."""
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def flags_of(tool: str) -> list[str] | None:
    """What a program needs to link it; None where it is not installed."""
    if tool == "cprof":
        return shlex.split(output_of(CPROF, "config", "--cflags", "--libs")) or None
    if tool == "core":
        return core_flags()
    if tool == "libunwind":
        return shlex.split(output_of("pkg-config", "--cflags", "--libs", "libunwind")) or None
    if tool == "gperftools":
        flags = shlex.split(output_of("pkg-config", "--cflags", "--libs", "libprofiler"))
        # As cprof's own flags say: linked, even by a program that calls nothing of it.
        return [KEEP[0], *flags, KEEP[1]] if flags else None
    return []


def libraries_of(target: str) -> list[str] | None:
    """None where one is not installed."""
    if target not in LIBRARIES:
        return []
    return output_of("pkg-config", "--cflags", "--libs", *LIBRARIES[target]).split() or None


def core_flags() -> list[str] | None:
    """For what no program can call: the files of the core themselves, as the C tests have them."""
    make = ["make", "-s", "-C", str(ROOT)]
    subprocess.run([*make, "build/c/libcprof_all.a"], check=True)
    libraries = output_of(*make, "print-core-libs").split()
    return [f"-I{ROOT / 'csrc'}", str(ROOT / "build" / "c" / "libcprof_all.a"), *libraries]


class Programs:
    def __init__(self, sources: Path, scratch: Path) -> None:
        self._sources = sources
        self._scratch = scratch

    @functools.cache  # noqa: B019 - one object per process
    def path(self, target: str, tool: str) -> Path | None:
        """The program targets/<target>.c with that tool, or targets/<target>.go where Go is the
        tool; None where the tool is not installed, or what asks the program."""
        if shutil.which(NEEDS.get(target, "cc")) is None:
            return None
        if tool == "go":
            return self._go(target)
        flags, own = flags_of(tool), libraries_of(target)
        if flags is None or own is None:
            return None
        program = self._scratch / f"{target}-{tool}"
        command = ["cc", *FLAGS, f"-DTOOL_{tool.upper()}", str(self._sources / f"{target}.c")]
        subprocess.run([*command, *flags, *own, "-lpthread", "-o", str(program)], check=True)
        return program

    def _go(self, target: str) -> Path | None:
        go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
        if go is None:
            return None
        program = self._scratch / f"{target}-go"
        # Without a module around it, and outside of ours.
        command = [go, "build", "-o", str(program), str(self._sources / f"{target}.go")]
        subprocess.run(
            command, cwd=self._scratch, env={**os.environ, "GO111MODULE": "off"}, check=True
        )
        return program
