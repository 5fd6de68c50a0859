"""The doors by which cprof enters a host, and which hosts cannot be entered by which door.

A host is a case of a program of tests/host/. Bare it knows nothing of cprof: compiled with
-DCPROF_DISABLE and not linked. By a door the same source is sampled at 1,000 Hz or more.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

import cprof
from harness import ROOT, Running, compile_program, cprof_command, http, link_flags

HOSTS = ROOT / "tests" / "host"
HANG_S = 60.0
HZ = "1000"
TIMER_CLOCK = (("CPROF_CPU_CLOCK", "timer"),)


class Door(Enum):
    LINKED = "linked"  # the program calls cprof_cpu_start
    RUN = "run"  # cprof run -o FILE -- program
    SERVED = "served"  # cprof run --http -- program, and a client that takes profile after profile
    PYTHON = "python"  # the program's main inside a Python process that records


LINKED, RUN, SERVED, PYTHON = Door
ALL = (LINKED, RUN, SERVED, PYTHON)
NOT_SERVED = (LINKED, RUN, PYTHON)

# (file, case, or * for all of them): which doors, why not. This is the whole list.
LEFT_OUT: dict[tuple[str, str], tuple[tuple[Door, ...], str]] = {
    ("allocator.c", "*"): (
        (PYTHON,),
        "an executable's allocator; a shared object that is opened late has none",
    ),
    ("limits.c", "fsize"): ((PYTHON,), "nothing can write a profile under that limit"),
    ("limits.c", "sigpending"): (
        (PYTHON,),
        "it becomes a user who may not read Python's own library",
    ),
    ("limits.c", "no_queue"): (
        (PYTHON,),
        "it becomes a user who may not read Python's own library",
    ),
    ("threads.c", "jailed"): (
        (RUN, PYTHON),
        "all of cprof goes quiet when any thread goes into a jail (jails.c)",
    ),
    ("ends.c", "exec"): ((PYTHON,), "/proc/self/exe is the interpreter"),
}


@dataclass(frozen=True)
class Plugin:
    """A shared object that a host opens: its path is an argument of the host."""

    file: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Host:
    """One case by one door, and what is particular about it."""

    file: str
    case: str
    door: Door = RUN
    more: tuple[str | Plugin, ...] = ()  # arguments after SCRATCH
    flags: tuple[str, ...] = ()  # of the compiler
    env: tuple[tuple[str, str], ...] = ()
    crash: bool = True  # link crash.c, which has handlers for fatal signals
    beside: tuple[tuple[str, Plugin], ...] = ()  # plugins that lie there, seen from the program
    code: int | None = 0  # the bare host's own; None is any
    returns: bool = True  # else Python has no chance to write its profile


def doors_of(file: str, case: str) -> Sequence[Door]:
    without = {
        door
        for (a_file, a_case), (doors, _) in LEFT_OUT.items()
        for door in doors
        if a_file == file and a_case in ("*", case)
    }
    return [door for door in ALL if door not in without]


class Workshop:
    """Compiles each program once per door, as the door needs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: dict[tuple[str, tuple[str, ...], str], Path] = {}

    def _make(self, file: str, flags: Sequence[str], kind: str, link: bool, crash: bool) -> Path:
        key = (file, tuple(flags), f"{kind} {crash}")
        if key not in self.done:
            place = self.folder / f"{len(self.done)}-{kind}"
            place.mkdir(exist_ok=True)
            ending = ".so" if kind in ("inside", "plugin") else ""
            shared = ["-shared", "-fPIC"] if ending else []
            output = place / (Path(file).stem + ending)
            out = link_flags() if kind != "linked" else []
            cflags = [flag for flag in out if flag.startswith("-I")]
            disable = ["-DCPROF_DISABLE"] if not link else []
            self.done[key] = compile_program(
                HOSTS / file,
                output,
                [*shared, *disable, *cflags, *flags],
                link=link,
                crash=crash and not shared,
            )
        return self.done[key]

    def plugin(self, plugin: Plugin) -> Path:
        return self._make(plugin.file, plugin.flags, "plugin", link=False, crash=False)

    def program(self, host: Host, door: Door | None) -> Path:
        """door None is bare."""
        kind = {LINKED: "linked", PYTHON: "inside"}.get(door, "bare") if door else "bare"
        made = self._make(host.file, host.flags, kind, link=door is LINKED, crash=host.crash)
        for path, plugin in host.beside:
            (made.parent / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.plugin(plugin), made.parent / path)
        return made


@dataclass
class Ended:
    code: int
    out: str
    err: str
    profile: Path
    served: list[bytes] = field(default_factory=list)

    def said(self) -> tuple[int, str]:
        return self.code, self.out


def command_of(host: Host, program: Path, arguments: Sequence[str], profile: Path) -> list[str]:
    run = [cprof_command(), "run", "--cpu-hz", HZ]
    if host.door is RUN:
        return [*run, "-o", str(profile), "--", str(program), *arguments]
    if host.door is SERVED:
        return [*run, "--http", "127.0.0.1:0", "--", str(program), *arguments]
    if host.door is PYTHON:
        return [*inside(profile), str(program), *arguments]
    return [str(program), *arguments]


def inside(profile: Path | None) -> list[str]:
    return [sys.executable, str(HOSTS / "inside.py"), str(profile or ""), HZ]


def ended(target: Running, profile: Path, served: list[bytes]) -> Ended:
    try:
        code = target.process.wait(HANG_S)
    except subprocess.TimeoutExpired:
        target.process.send_signal(signal.SIGABRT)
        target.kill()
        raise AssertionError(
            f"still runs after {HANG_S} s; so far:\n{target.stdout()}\n{target.stderr()[-4000:]}"
        ) from None
    return Ended(code, target.stdout(), target.stderr(), profile, served)


@contextmanager
def taking_profiles(target: Running, profiles: list[bytes]) -> Iterator[None]:
    """Profile after profile from its server, as long as it answers."""
    end = threading.Event()
    failures: list[BaseException] = []

    def take() -> None:
        try:
            url = target.url() + "/debug/pprof/profile?seconds=1"
        except AssertionError as error:
            failures.append(error)
            return
        while not end.is_set() and target.process.poll() is None:
            try:
                profiles.append(http(url).body)
            except OSError:  # the host ended, or closed what is not its own
                end.wait(0.05)

    client = threading.Thread(target=take)
    client.start()
    try:
        yield
    finally:
        end.set()
        client.join()
    assert not failures, failures


def assert_sampled(profile: Path) -> cprof.Profile:
    """Else a test proves nothing: nobody was there who could have done harm."""
    loaded = cprof.load(profile)
    assert loaded.total("samples") > 0, loaded.comments
    return loaded


@dataclass
class Outcome:
    """How a host ended by a door, which is how it ends bare."""

    host: Host
    ended: Ended
    folder: Path

    @property
    def linked(self) -> bool:
        return self.host.door is LINKED

    def profile(self) -> cprof.Profile:
        return assert_sampled(self.ended.profile)

    def assert_sampled(self) -> None:
        """A host says where it waited for its first tick in vain. So there is something to show
        also where nobody can write a profile: it may end before the first one that is served does,
        or never return to Python."""
        if self.host.door is not SERVED and (self.host.returns or self.host.door is not PYTHON):
            self.profile()


Start = Callable[..., Running]


class Hosts:
    """Runs hosts, bare ones once per session."""

    def __init__(self, workshop: Workshop, start: Start, bare: dict[Host, Ended]) -> None:
        self.workshop = workshop
        self.start = start
        self.bare_ones = bare

    def _arguments(self, host: Host, how: str, scratch: Path) -> list[str]:
        more = [
            str(self.workshop.plugin(part)) if isinstance(part, Plugin) else part
            for part in host.more
        ]
        return [how, host.case, str(scratch), *more]

    def _scratch(self, name: str) -> Path:
        """Anybody may write there: some hosts become another user."""
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.workshop.folder))
        folder.chmod(0o777)
        return folder

    def start_bare(self, host: Host) -> Running:
        door = PYTHON if host.door is PYTHON else None
        program = self.workshop.program(host, door)
        command = [*inside(None), str(program)] if door else [str(program)]
        arguments = self._arguments(host, "bare", self._scratch("bare"))
        return self.start(*command, *arguments, env=dict(host.env))

    def bare(self, host: Host, target: Running) -> Ended:
        came = ended(target, Path(), [])
        well = bool(came.out) and host.code in (None, came.code)
        assert well, f"the bare host ends with {came.code}\n{came.out}\n{came.err}"
        return came

    def sampled(self, host: Host) -> Outcome:
        folder = self._scratch("cprof")
        profile = folder / ("cpu.pb.gz" if host.door is LINKED else "door.pb.gz")
        program = self.workshop.program(host, host.door)
        command = command_of(host, program, self._arguments(host, "cprof", folder), profile)
        target = self.start(*command, env=dict(host.env))
        served: list[bytes] = []
        if host.door is SERVED:
            with taking_profiles(target, served):
                return Outcome(host, ended(target, profile, served), folder)
        return Outcome(host, ended(target, profile, served), folder)

    def outcome(self, host: Host) -> Outcome:
        """It must say and return what it does bare. The bare one runs meanwhile, if it has not."""
        key = replace(host, door=PYTHON if host.door is PYTHON else RUN)
        bare = None if key in self.bare_ones else self.start_bare(host)
        came = self.sampled(host)
        if bare:
            self.bare_ones[key] = self.bare(host, bare)
        wanted = self.bare_ones[key].said()
        differs = f"{came.ended.said()}, bare {wanted}\n{came.ended.err[-8000:]}"
        assert came.ended.said() == wanted, differs
        return came


def by_every_door(
    file: str,
    *cases: str,
    doors: Sequence[Door] = NOT_SERVED,
    each: Mapping[str, Mapping[str, Any]] = MappingProxyType({"": {}}),
    **how: Any,
) -> pytest.MarkDecorator:
    """Gives a test the outcome of each case by each of the doors that fits it. each: the same with
    what differs, {name: arguments of Host}."""
    hosts = {
        "-".join(filter(None, (case, name, door.value))): Host(
            file, case, door, **{**how, **different}
        )
        for case in cases
        for name, different in each.items()
        for door in doors_of(file, case)
        if door in doors
    }
    return pytest.mark.parametrize("outcome", hosts.values(), ids=hosts.keys(), indirect=True)
