"""The rows: what is run, what is read from it, and what must be true for it to count.

A new row is a Configuration (name, environment, target, truth) in a Table. The first one of a
table is what the others are compared with.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import cprof
import gperftools
from truth import Got, Run, Truth, judge, read_cprof, read_go, read_gperftools

READERS: dict[str, Callable[..., Got]] = {
    "cprof": read_cprof,
    "gperftools": read_gperftools,
    "go": read_go,
}
NATIVE = ("cprof", "gperftools")
PYTHON = sys.executable
FRAMES = 30
"""How deep targets/work.h goes."""


@dataclass(frozen=True)
class Figure:
    title: str
    read: Callable[[Run], float]
    against: str = "difference"
    """To the first configuration: "difference" or "ratio"; "mean" compares with nothing."""
    digits: int = 0


@dataclass(frozen=True)
class Configuration:
    name: str
    target: str
    truth: Callable[[Run], Truth]
    tool: str = "bare"
    arguments: tuple[str, ...] = ()
    """{seed} in them is the number of the round."""
    env: Mapping[str, str] = field(default_factory=dict)
    hz: int = 0
    repeat: int = 1
    program: str = ""
    """Instead of a target."""
    launched: bool = False
    """By targets/launch.c."""


@dataclass(frozen=True)
class Table:
    title: str
    note: str
    figures: tuple[Figure, ...]
    configs: tuple[Configuration, ...]
    rounds: int


def said(name: str, scale: float = 1) -> Callable[[Run], float]:
    return lambda run: run.said[name] * scale


def nothing_recorded(run: Run) -> Truth:
    return Truth(not run.profile.exists(), "no profile")


def sampled(tool: str, least_depth: int = 0) -> Callable[[Run], Truth]:
    """CPU time x rate, and each raised signal."""

    def truth(run: Run) -> Truth:
        expected = run.said.get("sent", 0) + run.said["cpu_ns"] * 1e-9 * run.hz
        return judge(READERS[tool](run.profile), expected, least_depth)

    return truth


def recording(tool: str, hz: int, target: str, *arguments: str, depth: int = 0) -> Configuration:
    return Configuration(
        f"{tool}, {hz} Hz",
        target,
        sampled(tool, depth),
        tool,
        arguments,
        {"BENCH_HZ": str(hz), "CPUPROFILE_FREQUENCY": str(hz)},
        hz,
    )


def one_sample(quick: bool) -> Table:
    batches = ("2", "1") if quick else ("5", "2")
    ours = recording("cprof", 100, "sample", *batches, depth=FRAMES)
    return Table(
        "The cost of one CPU sample",
        f"""SIGPROF raised by a thread at itself, {FRAMES} frames and a few deep, by the same system
        call for all. Warm: the same stack again and again, median of the time around the call.
        Cold: after touching 8 MiB. Process: CPU time of all threads, divided by the samples, so
        with draining the ring and the thread that does it. Each tool's own timer runs
        beside it: cprof's too, and not its perf event, which would answer for each signal.""",
        (
            Figure("warm, ns", said("warm_ns")),
            Figure("cold, ns", said("cold_ns")),
            Figure("process, ns", said("process_ns")),
        ),
        (
            Configuration("empty handler", "sample", nothing_recorded, arguments=batches),
            replace(ours, env={**ours.env, "CPROF_CPU_CLOCK": "timer"}),
            recording("gperftools", 100, "sample", *batches, depth=FRAMES),
        ),
        3 if quick else 9,
    )


def walked(run: Run) -> Truth:
    """Both saw the whole stack, however often they had seen it before."""
    depths = sorted({int(run.said["depth"]), int(run.said["miss_depth"])})
    rows = int(run.said["rows"])
    text = f"{depths[0]} to {depths[-1]} frames" + (f", {rows} rows" if rows else "")
    return Truth(depths[0] >= FRAMES and depths[-1] <= FRAMES + 8, text)


def unwinding(quick: bool) -> Table:
    times = "100000" if quick else "1000000"
    return Table(
        "One walk up the stack",
        f"""{FRAMES} functions and a few, no frame pointers, by what a sample of cprof's calls, and
        by libunwind's unw_backtrace. Warm: again and again. First time: with caches emptied, median
        of 200 threads. Tables: CPU time in which all unwind tables of the process are read, for
        each 30,000 rows; libunwind makes none.""",
        (
            Figure("warm, ns", said("warm_ns"), "ratio"),
            Figure("first time, ns", said("miss_ns"), "ratio"),
            Figure("tables, us", said("tables_us"), "mean"),
        ),
        (
            Configuration("libunwind", "unwind", walked, "libunwind", (times,)),
            Configuration("cprof", "unwind", walked, "core", (times,)),
        ),
        3 if quick else 9,
    )


def slowdown(quick: bool) -> Table:
    work = "50000" if quick else "100000"
    tools = [(t, hz) for hz in (100, 250, 1000) for t in NATIVE]
    return Table(
        "Slowdown of a CPU-bound program",
        f"""A fixed amount of work on 2 threads, {FRAMES} frames and a few deep: CPU time of the
        process between start and stop. What starting and stopping add is the next table. Above the
        rate of the kernel's own tick a signal stands for several periods: cprof says for how many,
        gperftools counts one.""",
        (Figure("CPU s", said("cpu_ns", 1e-9), "ratio", 3),),
        (
            Configuration("bare", "burn", nothing_recorded, arguments=(work,)),
            Configuration("cprof linked, off", "burn", nothing_recorded, "cprof", (work,)),
            *(recording(tool, hz, "burn", work, depth=FRAMES) for tool, hz in tools),
        ),
        3 if quick else 13,
    )


REAL = (("compress", "40"), ("sqlite", "120"), ("locks", "3000"))
"""zlib, an SQLite load, two threads at one mutex; how much of it: one to three seconds."""


def real_programs(quick: bool) -> tuple[Table, ...]:
    return tuple(real_program(name, much, quick) for name, much in REAL)


def real_program(name: str, much: str, quick: bool) -> Table:
    arguments = (name, str(int(much) // 4) if quick else much)
    rows = [Configuration("bare", "real", nothing_recorded, arguments=arguments)]
    for hz in (100, 1000, 10000):
        if name != "locks":  # of several threads the first only would have it
            rows.append(clock_alone(hz, arguments))
        rows.append(recording("cprof", hz, "real", *arguments))
    rows.append(on_timers(recording("cprof", 1000, "real", *arguments)))
    return Table(
        f"Slowdown of a real program: {name}",
        """A fixed amount of work: CPU time of the process between start and stop, the profiler's
        own thread with it. The clock alone: a perf event as cprof's, and a handler that does
        nothing; what is above it is cprof's. What 100 Hz cost is below what can be told from noise:
        a hundredth of what 10,000 Hz cost is the better figure.""",
        (Figure("CPU s", said("cpu_ns", 1e-9), "ratio", 3),),
        tuple(rows),
        3 if quick else 9,
    )


def clock_alone(hz: int, arguments: tuple[str, ...]) -> Configuration:
    env = {"BENCH_HZ": str(hz), "BENCH_CLOCK_ALONE": "1"}
    name = f"the clock alone, {hz} Hz"
    return Configuration(name, "real", nothing_recorded, arguments=arguments, env=env)


def on_timers(of: Configuration) -> Configuration:
    env = {**of.env, "CPROF_CPU_CLOCK": "timer"}
    return replace(of, name=of.name + ", timers", env=env)


def one_recording(quick: bool) -> Table:
    work = "20000"
    return Table(
        "The fixed cost of one recording",
        """The same program with a fifth of the work: CPU time of the whole process, so with loading
        the library, reading unwind tables, and writing the profile. cprof's file has function
        names and lines in it, read from debug files where they are installed; that of gperftools
        has addresses, named later by who reads it.""",
        (
            Figure("CPU, ms", lambda run: run.cpu_s * 1e3, digits=1),
            Figure("wall, ms", lambda run: run.wall_s * 1e3, digits=1),
        ),
        (
            Configuration("bare", "burn", nothing_recorded, arguments=(work,)),
            *(recording(tool, 100, "burn", work, depth=FRAMES) for tool in NATIVE),
        ),
        5 if quick else 15,
    )


LIBRARIES = ("libcprof", "libcprof_core", "libcprof_preload", "libprofiler")


def loaded(expected: str) -> Callable[[Run], Truth]:
    """What is linked is in the address space, and cprof's core, which does the work, is not."""

    def truth(run: Run) -> Truth:
        found = [name for name in LIBRARIES if run.said[name]]
        return Truth(found == expected.split(), f"loaded: {', '.join(found) or 'nothing'}")

    return truth


def start_up(quick: bool) -> Table:
    repeat = 20 if quick else 100

    def row(name: str, tool: str, expected: str) -> Configuration:
        return Configuration(name, "nothing", loaded(expected), tool, repeat=repeat)

    return Table(
        "Starting a program that does nothing",
        f"""Linked and never switched on, beside the same program not linked. A round is the median
        of {repeat} executions, which read their own memory map and end.""",
        (
            Figure("CPU, us", lambda run: run.cpu_s * 1e6),
            Figure("wall, us", lambda run: run.wall_s * 1e6),
        ),
        (
            row("not linked", "bare", ""),
            row("cprof linked, off", "cprof", "libcprof"),
            row("gperftools linked, off", "gperftools", "libprofiler"),
        ),
        5 if quick else 9,
    )


def stub() -> dict[str, str]:
    """What `cprof run` puts into the environment, but for the process id (targets/launch.c)."""
    library = str(Path(cprof.__file__).parent / "lib" / "libcprof_preload.so")
    return {
        "LD_PRELOAD": library,
        "CPROF_LOG": "off",
        "CPROF_RUN_FOLLOW": "0",
        "CPROF_RUN_GENERATION": "0",
    }


def loaded_and_written(expected: str) -> Callable[[Run], Truth]:
    def truth(run: Run) -> Truth:
        found = loaded(expected)(run)
        return Truth(found.valid and run.profile.stat().st_size > 0, found.text)

    return truth


def under_run(quick: bool) -> Table:
    repeat = 20 if quick else 100

    def row(name: str, truth: Callable[[Run], Truth], **env: str) -> Configuration:
        return Configuration(name, "nothing", truth, env=env, repeat=repeat, launched=True)

    return Table(
        "Starting a program under `cprof run`",
        f"""The program does nothing: what is measured is its own time, from the moment that the
        command becomes it, median of {repeat} executions. With -o the CPU time includes the
        process that names the profile, for which the program waits when it ends.""",
        (
            Figure("CPU, us", lambda run: run.cpu_s * 1e6),
            Figure("wall, us", lambda run: run.wall_s * 1e6),
        ),
        (
            row("bare", loaded("")),
            row(
                "cprof run",
                loaded("libcprof_core libcprof_preload"),
                **stub(),
                CPROF_RUN_HTTP="127.0.0.1:0",
            ),
            row(
                "cprof run -o FILE",
                loaded_and_written("libcprof_core libcprof_preload"),
                **stub(),
                CPROF_RUN_OUTPUT="{profile}",
            ),
        ),
        5 if quick else 9,
    )


SERVED = {"CPROF_HTTP": "127.0.0.1:0", "CPROF_LOG": "off"}


def importing(quick: bool) -> Table:
    repeat = 5 if quick else 20
    program = "import sys{}; print('imported', int('cprof' in sys.modules))"

    def truth(expected: int) -> Callable[[Run], Truth]:
        return lambda run: Truth(run.said["imported"] == expected, f"imported: {expected}")

    def row(name: str, code: str, expected: int, **env: str) -> Configuration:
        arguments = ("-c", program.format(code))
        return Configuration(
            name, "", truth(expected), arguments=arguments, env=env, repeat=repeat, program=PYTHON
        )

    return Table(
        "`import cprof`",
        f"""A Python that ends at once: median of {repeat} executions. The core is loaded when
        something is switched on, or a profile looked at.""",
        (
            Figure("CPU, ms", lambda run: run.cpu_s * 1e3, digits=1),
            Figure("wall, ms", lambda run: run.wall_s * 1e3, digits=1),
        ),
        (
            row("bare Python", "", 0),
            row("import cprof", ", cprof", 1),
            row(
                "import cprof, CPROF_HTTP", ", cprof", 1, CPROF_HTTP="127.0.0.1:0", CPROF_LOG="off"
            ),
            row("import cprof; cprof.serve()", ", cprof; cprof.serve(0)", 1),
        ),
        3 if quick else 7,
    )


def serving(code: int) -> Callable[[Run], Truth]:
    def truth(run: Run) -> Truth:
        answer = int(run.said["answered"])
        return Truth(answer == code, f"server answered {answer}" if answer else "no server")

    return truth


def recording_idle(run: Run) -> Truth:
    """A profile was written, with next to nothing in it."""
    ticks = READERS[run.tool](run.profile).ticks
    return Truth(ticks <= 5, f"recorded {ticks} ticks")


def idle(quick: bool) -> Table:
    seconds = "1" if quick else "5"
    serve, record = {"BENCH_SERVE": "1"}, {"BENCH_HZ": "100", "CPUPROFILE_FREQUENCY": "100"}

    def row(name: str, tool: str, truth: Callable[[Run], Truth], **env: str) -> Configuration:
        return Configuration(name, "idle", truth, tool, (seconds,), env)

    return Table(
        "Idle",
        f"""A program that sleeps {seconds} s. The one with the server on asks it for its index
        afterwards.""",
        (
            Figure(f"CPU in {seconds} s, us", said("cpu_ns", 1e-3)),
            Figure("context switches", said("switches")),
            Figure("threads", said("threads")),
            Figure("descriptors", said("descriptors")),
            Figure("RSS, KiB", said("rss_kib")),
            Figure("of it anonymous", said("anon_kib")),
        ),
        (
            row("not linked", "bare", serving(0)),
            row("cprof linked, off", "cprof", serving(0)),
            row("cprof, server on", "cprof", serving(200), **serve),
            row("cprof, recording at 100 Hz", "cprof", recording_idle, **record),
            row("gperftools, recording at 100 Hz", "gperftools", recording_idle, **record),
        ),
        2 if quick else 3,
    )


def in_three_and_one(run: Run) -> tuple[int, int]:
    """Ticks of the two functions: by name where the tool names them, else by address."""
    ticks = {"three": 0, "one": 0}
    if run.tool in ("cprof", "go"):
        for sample in cprof.load(str(run.profile)).samples:
            names = {frame.name.removeprefix("main.") for frame in sample.frames}
            for name in names & ticks.keys():
                ticks[name] += sample.values[0]
    else:
        for record in gperftools.load(run.profile).records:
            for name in ticks:
                low, high = run.said[f"{name}_low"], run.said[f"{name}_high"]
                ticks[name] += record.samples * any(low <= pc < high for pc in record.pcs)
    return ticks["three"], ticks["one"]


def share(run: Run) -> float:
    three, one = in_three_and_one(run)
    return three / (three + one)


def share_error(run: Run) -> float:
    return share(run) - run.said["true_share"]


def share_standard_errors(run: Run) -> float:
    true = run.said["true_share"]
    return share_error(run) / math.sqrt(true * (1 - true) / sum(in_three_and_one(run)))


def shares(quick: bool) -> Table:
    arguments = ("20000" if quick else "40000", "{seed}")
    tools = [(t, hz) for hz in (100, 250) for t in NATIVE]
    return Table(
        "The truth of the profile",
        """Units of equal work, three of four in one function and the rest in another, in an order
        that is drawn; the program counts them. Error: what the profile says of the first function,
        less what the program counted; a sampler owes about one standard error, sqrt(p (1 - p) /
        samples). Means of the rounds.""",
        (
            Figure("share, %", lambda run: 100 * share(run), "mean", 1),
            Figure("error, points", lambda run: 100 * share_error(run), "mean", 1),
            Figure("error, standard errors", share_standard_errors, "mean", 1),
        ),
        tuple(recording(tool, hz, "shares", *arguments) for tool, hz in tools),
        3 if quick else 10,
    )


LOCKSTEPS = ((4, 100), (8, 100), (10, 100), (20, 100), (4, 1000), (8, 1000))
"""Milliseconds a cycle, Hz."""


def lockstep(quick: bool) -> Table:
    seconds = "2" if quick else "5"

    def row(name: str, tool: str, cycle: int, hz: int, **env: str) -> Configuration:
        rate = {"BENCH_HZ": str(hz), "CPUPROFILE_FREQUENCY": str(hz)}
        return Configuration(
            f"{cycle} ms, {hz} Hz: {name}",
            "lockstep",
            in_step(hz),
            tool,
            (str(cycle), seconds),
            {**rate, **env},
            hz,
        )

    return Table(
        "A program that does the same over and over",
        f"""Three quarters of each cycle of CPU time in one function, the rest in another, {seconds}
        s a round. Who samples in step with that, or with the kernel's tick, sees one of the two too
        often; which, chance decides, so the mean over rounds says little and the largest error of
        a round what a reader of one profile may get. A sampler owes about {100 * 0.433:.0f} points
        / sqrt(samples).""",
        (
            Figure("share, %", lambda run: 100 * share(run), "mean", 1),
            Figure("error, points", lambda run: 100 * abs(share_error(run)), "mean", 1),
        ),
        tuple(
            row(name, tool, cycle, hz, **env)
            for cycle, hz in LOCKSTEPS
            for name, tool, env in (
                ("cprof", "cprof", {}),
                ("cprof, timers", "cprof", {"CPROF_CPU_CLOCK": "timer"}),
                ("gperftools", "gperftools", {}),
                ("Go", "go", {}),
            )
        ),
        1 if quick else 4,
    )


def in_step(hz: int) -> Callable[[Run], Truth]:
    """The CPU time that it worked, in whatever ticks the tool makes of it."""

    def truth(run: Run) -> Truth:
        got, expected = READERS[run.tool](run.profile), run.said["cpu_ns"] * 1e-9 * hz
        return Truth(sum(in_three_and_one(run)) >= 60, got=got, expected=expected)

    return truth


def answered(run: Run) -> Truth:
    """Every answer was one, and the document has MemStats in it."""
    if not run.said["memstats"]:
        return Truth(False, "no memstats")
    wrong = int(run.said["wrong"])
    return Truth(not wrong, f"{run.said['bytes']:.0f} bytes" if not wrong else "errors")


def variables(quick: bool) -> Table:
    seconds = "1" if quick else "4"

    def row(name: str, tool: str, *arguments: str) -> Configuration:
        return Configuration(name, "vars", answered, tool, (seconds, *arguments))

    return Table(
        "/debug/vars under wrk, beside Go's expvar",
        f"""16 connections kept alive, {seconds} s a round, wrk on the same machine. Each serves
        what it publishes by itself: Go cmdline and memstats, cprof its own state too. Go answers
        on all cores, cprof on one thread. CPU: of the serving process, for each answer.""",
        (
            Figure("answers per second", said("rate"), "ratio"),
            Figure("CPU per answer, us", said("cpu_us"), "ratio", 1),
        ),
        (
            row("Go's expvar", "go"),
            row("cprof", "cprof"),
            row("cprof, 100 threads, 10,000 blocks", "cprof", "100", "10000"),
        ),
        2 if quick else 7,
    )


LARGE = ("libLLVM", "node")


def named_in_both(run: Run) -> Truth:
    """Samples all over the two, and names for most: LLVM is stripped to what it exports."""
    counts = [(m, int(run.said[f"{m}_named"]), int(run.said[f"{m}_places"])) for m in LARGE]
    text = ", ".join(f"{m}: {named} of {places} places named" for m, named, places in counts)
    enough = all(places >= 100 and 2 * named > places for _, named, places in counts)
    return Truth(enough, text)


def named_in_neither(run: Run) -> Truth:
    places = [int(run.said[f"{m}_places"]) for m in LARGE]
    named = sum(int(run.said[f"{m}_named"]) for m in LARGE)
    return Truth(min(places) >= 100 and named == 0, "addresses only")


def first_profile(quick: bool) -> Table:
    script = str(Path(__file__).with_name("first_profile.py"))

    def row(name: str, word: str, truth: Callable[[Run], Truth]) -> Configuration:
        return Configuration(name, "", truth, arguments=(script, word), program=PYTHON)

    return Table(
        "The first profile of a large process",
        """node runs JavaScript while a thread compiles with Debian's libLLVM-14: 200 MB of code.
        How long after its 2 seconds at 1,000 Hz a CPU profile is there, the first of the process
        and the second, with names and without. Spread: what it takes to name 4,000 addresses at
        equal distances in both, asked for in one request.""",
        (
            Figure("first, ms", said("answer_ms"), digits=0),
            Figure("second, ms", said("again_ms"), digits=0),
            Figure("spread, ms", said("spread_ms"), digits=0),
        ),
        (
            row("?symbolize=0", "addresses", named_in_neither),
            row("with names", "names", named_in_both),
        ),
        2 if quick else 7,
    )


MAKERS = (
    one_sample,
    unwinding,
    slowdown,
    one_recording,
    start_up,
    under_run,
    importing,
    idle,
    first_profile,
    shares,
    lockstep,
    variables,
)


def tables(quick: bool) -> list[Table]:
    first, second, *rest = (make(quick) for make in MAKERS)
    return [first, second, *real_programs(quick), *rest]
