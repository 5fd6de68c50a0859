"""The facts of the machine that the figures depend on; none that names it."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import cprof
from build import Programs, output_of


def facts(programs: Programs) -> dict[str, str]:
    return {
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "CPU": f"{os.cpu_count()} x {cpu_model()}",
        "CPU timers": tick_rate(programs),
        "gcc": output_of("cc", "-dumpfullversion") or "unknown",
        "libc": os.confstr("CS_GNU_LIBC_VERSION") or "unknown",
        "cprof": cprof.__version__,
        "gperftools": output_of("pkg-config", "--modversion", "libprofiler") or "not installed",
        "Go": output_of("go", "env", "GOVERSION") or "not installed",
        "debug files of system libraries": debug_files(),
        "load at the start": f"{os.getloadavg()[0]:.1f}",
    }


def debug_files() -> str:
    """cprof reads those of each library that has samples in it, when it writes the profile."""
    return "installed" if Path("/usr/lib/debug/.build-id").is_dir() else "not installed"


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


def tick_rate(programs: Programs) -> str:
    """The median of a few: a thread that is often preempted sees fewer ticks in its CPU time."""
    program = programs.path("ticks", "bare")
    assert program
    runs = [dict(line.split() for line in output_of(str(program)).splitlines()) for _ in range(3)]
    said = sorted(runs, key=lambda run: int(run["signals_hz"]))[1]
    asked, signals, ticks = (said[k] for k in ("asked_hz", "signals_hz", "ticks_hz"))
    return f"{asked} Hz asked: {signals} signals/s that stand for {ticks} ticks/s (CONFIG_HZ)"
