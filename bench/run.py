"""`make bench`: runs every row's configurations in turn and writes RESULTS.md.

A B C A B C ...: what else the machine does then meets all of them, and a figure against the first
one is taken within its round. What a run must show for its figures to count is in truth.py.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cprof
import machine
from build import Programs
from report import Results, markdown
from rows import Configuration, Table, tables
from truth import NOT_INSTALLED, Run, Truth

HERE = Path(__file__).resolve().parent
TIMEOUT_S = 60


class Failed(Exception):
    """A target ended badly; the message says how."""


def execute(
    config: Configuration, program: Path, launcher: Path | None, scratch: Path, seed: int
) -> Run:
    profile = scratch / "profile"
    profile.unlink(missing_ok=True)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("CPROF_", "CPUPROFILE"))}
    env.update(config.env, BENCH_PROFILE=str(profile))
    command = [str(program), *(a.replace("{seed}", str(seed)) for a in config.arguments)]
    command = [a.replace("{profile}", str(profile)) for a in command]
    env.update({k: v.replace("{profile}", str(profile)) for k, v in config.env.items()})
    if launcher:
        command = [str(launcher), *command]
    done = [spawn(command, env) for _ in range(config.repeat)]
    return Run(
        cpu_s=statistics.median(cpu_s for cpu_s, _, _ in done),
        wall_s=statistics.median(wall_s for _, wall_s, _ in done),
        said={k: float(v) for k, v in (line.split() for line in done[-1][2].splitlines())},
        profile=profile,
        tool=config.tool,
        hz=config.hz,
    )


def spawn(command: Sequence[str], env: dict[str, str]) -> tuple[float, float, str]:
    """CPU seconds, wall seconds, output."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        with deadline(process):
            # wait4 and not wait: it has the CPU time of this child alone.
            _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            words = err.read().strip().splitlines()
            raise Failed(f"exit {process.returncode}: {words[-1] if words else 'no message'}")
        return usage.ru_utime + usage.ru_stime, wall_s, out.read()


@contextlib.contextmanager
def deadline(process: subprocess.Popen[bytes]) -> Iterator[None]:
    timer = threading.Timer(TIMEOUT_S, lambda: os.kill(process.pid, signal.SIGKILL))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def measure(table: Table, programs: Programs, scratch: Path) -> Results:
    names = [config.name for config in table.configs]
    results = Results(table, {n: [] for n in names}, {n: [] for n in names})
    for number in range(table.rounds):
        print(f"{table.title}: round {number + 1} of {table.rounds}", file=sys.stderr)
        for config in table.configs:
            values, truth = attempt(table, config, programs, scratch, number)
            results.values[config.name].append(values)
            results.truths[config.name].append(truth)
    return results


def attempt(
    table: Table, config: Configuration, programs: Programs, scratch: Path, seed: int
) -> tuple[list[float] | None, Truth]:
    """One run of one configuration; no figures where it does not count."""
    program = Path(config.program) if config.program else programs.path(config.target, config.tool)
    launcher = programs.path("launch", "bare") if config.launched else None
    if program is None:
        return None, Truth(False, NOT_INSTALLED)
    try:
        run = execute(config, program, launcher, scratch, seed)
        truth = config.truth(run)
        values = [figure.read(run) for figure in table.figures] if truth.valid else None
    except (Failed, OSError, ValueError, cprof.Error) as error:
        return None, Truth(False, str(error))
    return values, truth


def library_state() -> list[tuple[str, int]]:
    folder = Path(cprof.__file__).parent / "lib"
    return sorted((str(file), file.stat().st_mtime_ns) for file in folder.glob("*.so"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures cprof beside gperftools.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a minute")
    parser.add_argument(
        "--only", metavar="WORD", default="", help="print tables with WORD in the title"
    )
    parser.add_argument("-o", "--output", type=Path, help="instead of bench/RESULTS.md")
    options = parser.parse_args()
    began, measured = time.monotonic(), library_state()
    with tempfile.TemporaryDirectory(prefix="cprof-bench-") as name:
        scratch = Path(name)
        programs = Programs(HERE / "targets", scratch)
        facts = machine.facts(programs)
        chosen = [t for t in tables(options.quick) if options.only.lower() in t.title.lower()]
        done = [measure(table, programs, scratch) for table in chosen]
    seconds = time.monotonic() - began
    if library_state() != measured:
        sys.exit(
            "bench: cprof was rebuilt meanwhile, so the rounds are not comparable: run it again"
        )
    text = markdown(done, facts, seconds, options.quick)
    print(text)
    if options.output or not options.only:
        (options.output or HERE / "RESULTS.md").write_text(text)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
