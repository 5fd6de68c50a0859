from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from doors import Ended, Host, Hosts, Outcome, Workshop
from harness import TARGETS, Running, compile_program

Build = Callable[..., Path]
Start = Callable[..., Running]


@pytest.fixture(scope="session", autouse=True)
def own_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No target of a test shows up in the `cprof ps` of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        yield


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """build("name.c", flags=[...]) compiles tests/targets/name.c once per session and flag set."""
    done: dict[tuple[str, tuple[str, ...], bool], Path] = {}

    def make(name: str, flags: Sequence[str] = (), link: bool = True) -> Path:
        key = (name, tuple(flags), link)
        if key not in done:
            output = tmp_path_factory.mktemp("target") / Path(name).stem
            done[key] = compile_program(TARGETS / name, output, flags, link)
        return done[key]

    return make


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """start(program, *args, env={...}) runs it in its own process; whatever still runs at the end
    is killed."""
    running: list[Running] = []

    def run(program: Path, *args: str, env: Mapping[str, str] | None = None) -> Running:
        scratch = tmp_path_factory.mktemp("run")
        running.append(Running([str(program), *args], env or {}, scratch))
        return running[-1]

    yield run
    for target in running:
        target.kill()


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("hosts"))


@pytest.fixture(scope="session")
def bare_hosts() -> dict[Host, Ended]:
    return {}


@pytest.fixture
def hosts(workshop: Workshop, start: Start, bare_hosts: dict[Host, Ended]) -> Hosts:
    return Hosts(workshop, start, bare_hosts)


@pytest.fixture
def outcome(request: pytest.FixtureRequest, hosts: Hosts) -> Outcome:
    """What by_every_door asked for: a host has ended by a door as it ends bare."""
    return hosts.outcome(request.param)
