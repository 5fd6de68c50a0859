"""cprof is a guest: a host does, says and returns the same with its threads sampled as without.

Each program of tests/host/ is a host that a profiler ended, hung or changed. It runs twice, bare
and sampled at 1,000 Hz or more, and both must print the same and end alike; what cprof itself
answered wrongly is printed too.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import cprof
from conftest import Start
from harness import ROOT, Running, compile_program

HOSTS = ROOT / "tests" / "host"
HANG_S = 30.0

BuildHost = Callable[..., Path]
Unchanged = Callable[..., Path]


@pytest.fixture(scope="session")
def build_host(tmp_path_factory: pytest.TempPathFactory) -> BuildHost:
    """build_host("name.c", flags=[...]) compiles tests/host/name.c once per session."""
    done: dict[str, Path] = {}

    def make(name: str, flags: Sequence[str] = (), **how: bool) -> Path:
        if name not in done:
            suffix = ".so" if "-shared" in flags else ""
            output = tmp_path_factory.mktemp("host") / (Path(name).stem + suffix)
            done[name] = compile_program(HOSTS / name, output, flags, **how)
        return done[name]

    return make


def ended(target: Running) -> tuple[int, str]:
    return target.wait(HANG_S), target.stdout()


@pytest.fixture
def unchanged(
    build_host: BuildHost, start: Start, tmp_path_factory: pytest.TempPathFactory
) -> Unchanged:
    """unchanged("name.c", "case", *more) runs it bare and sampled, and gives the folder in which
    the sampled one wrote."""

    def run(name: str, case: str, *more: str) -> Path:
        program = build_host(name)
        bare = start(program, "bare", case, str(tmp_path_factory.mktemp("bare")), *more)
        code, said = ended(bare)
        assert code == 0 and said, f"the bare host itself ends with {code}\n{bare.stderr()}"
        written = tmp_path_factory.mktemp("cprof")
        sampled = start(program, "cprof", case, str(written), *more)
        assert ended(sampled) == (code, said), sampled.stderr()[-8000:]
        return written

    return run


def assert_sampled(profile: Path) -> cprof.Profile:
    """Else a test proves nothing: nobody was there who could have done harm."""
    loaded = cprof.load(profile)
    assert loaded.total("samples") > 0, loaded.comments
    return loaded


# Signals that hosts take, block and handle.


@pytest.mark.parametrize("how", ["sigwait", "signalfd", "ppoll", "sigsuspend"])
def test_a_thread_that_blocks_sigprof_never_gets_it(how: str, unchanged: Unchanged) -> None:
    """Each wait of hosts that take their signals themselves was ended by our tick. Such a thread
    gets no timer, and the profile says that it is not covered."""
    profile = assert_sampled(unchanged("masked.c", how) / "cpu.pb.gz")
    assert any("SIGPROF blocked" in comment for comment in profile.comments), profile.comments


def test_the_hosts_handler_runs_and_leaves_under_its_own_mask(unchanged: Unchanged) -> None:
    """After a longjmp out of the host's handler all signals stayed blocked: those of our sa_mask,
    for good."""
    assert_sampled(unchanged("handlers.c", "mask") / "cpu.pb.gz")


def test_the_hosts_handler_may_probe_memory(unchanged: Unchanged) -> None:
    """Called under our mask, a handler that relies on its own SIGSEGV handler was killed."""
    assert_sampled(unchanged("handlers.c", "probe") / "cpu.pb.gz")


@pytest.mark.parametrize("how", ["raise", "timer"])
def test_a_handler_left_by_longjmp_is_called_each_time(how: str, unchanged: Unchanged) -> None:
    """What guards against calling each other for ever took the next signal for the one that had
    never come back: of ten one arrived."""
    assert_sampled(unchanged("handlers.c", how) / "cpu.pb.gz")


@pytest.mark.parametrize("how", ["chain", "chain_meanwhile", "chain_legacy"])
def test_a_later_handler_may_call_ours(how: str, unchanged: Unchanged) -> None:
    """A handler put over ours called ours as the one before, and ours applied the default: the end
    of the process. One by signal() passes on one argument, and garbage for the others."""
    assert_sampled(unchanged("handlers.c", how) / "cpu.pb.gz")


def test_both_handlers_of_a_host_keep_being_called(unchanged: Unchanged) -> None:
    """A first handler, ours, a second one that chains, ours again: the first was never called any
    more."""
    assert_sampled(unchanged("handlers.c", "sandwich") / "cpu.pb.gz")


def test_waits_for_moments_are_not_cut_short(unchanged: Unchanged) -> None:
    assert_sampled(unchanged("waits.c", "moments") / "cpu.pb.gz")


# Forks.


def test_a_child_may_use_the_loader(build_host: BuildHost, unchanged: Unchanged) -> None:
    """A fork while the engine held the loader's lock: the child hung in its first dlopen."""
    heavy = build_host("heavy.c", ["-shared", "-fPIC"], link=False, crash=False)
    assert_sampled(unchanged("forks.c", "dlopen", str(heavy)) / "cpu.pb.gz")


def test_a_child_of_raw_fork_does_not_touch_its_parents_recording(unchanged: Unchanged) -> None:
    """_Fork() runs no handlers: the child took its parent's recording for its own, stopped it and
    wrote it into the parent's file."""
    folder = unchanged("forks.c", "raw")
    assert_sampled(folder / "cpu.pb.gz")
    assert_sampled(folder / "child.pb.gz")


# Memory.


def test_an_allocator_may_ask_the_loader_under_its_lock(unchanged: Unchanged) -> None:
    """We allocated under the loader's lock, the host asked the loader under its allocator's."""
    assert_sampled(unchanged("allocator.c", "asks_loader") / "cpu.pb.gz")


def test_an_allocation_that_fails_in_the_servers_thread_harms_nobody(unchanged: Unchanged) -> None:
    """The HTTP library used what it had not been given. Out of memory is an error to report, or a
    server that ends. (Naming is libdw's, which has no such promise: docs/host.md.)"""
    assert_sampled(unchanged("allocator.c", "refuses_server") / "cpu.pb.gz")


# Descriptors.


@pytest.mark.parametrize("when", ["zero", "zero_written"])
def test_the_lowest_free_descriptor_is_the_hosts(when: str, unchanged: Unchanged) -> None:
    """close(0), then open(): a daemon's new stdin got another number, because a scan of ours was
    open on 0 just then."""
    unchanged("descriptors.c", when)


def test_the_hosts_files_stay_open(unchanged: Unchanged) -> None:
    """The host closed a number of ours and got it for a file; we then closed it for the host."""
    assert_sampled(unchanged("descriptors.c", "own") / "cpu.pb.gz")


def test_a_descriptor_the_host_took_is_left_alone(unchanged: Unchanged) -> None:
    """The host closed everything and its database got the number of our output: the profile was
    written over it, and the file closed."""
    assert_sampled(unchanged("descriptors.c", "taken") / "cpu.pb.gz")


def test_a_full_descriptor_table_ends_nobody(unchanged: Unchanged) -> None:
    """The HTTP library calls exit() where it cannot have a socket pair."""
    unchanged("descriptors.c", "full")


# Limits.


def test_signal_queue_slots_are_left_for_the_host(unchanged: Unchanged) -> None:
    """A timer per thread took all that RLIMIT_SIGPENDING allows: timer_create and sigqueue of the
    host failed."""
    profile = assert_sampled(unchanged("limits.c", "sigpending") / "cpu.pb.gz")
    assert any("RLIMIT_SIGPENDING" in comment for comment in profile.comments), profile.comments


def test_a_file_size_limit_gives_an_error(unchanged: Unchanged) -> None:
    """SIGXFSZ, which a program without such a limit in mind does not handle, ended the host."""
    unchanged("limits.c", "fsize")


# Stacks.


def test_small_default_stacks_can_serve(
    build_host: BuildHost, start: Start, tmp_path: Path
) -> None:
    """Our threads took the host's default size, and libdw keeps whole line tables on the stack."""
    target = start(build_host("stacks.c"), "cprof", "small_default", str(tmp_path))
    profile = cprof.fetch(target.url(), "cpu", seconds=1)
    assert profile.total("samples") > 0
    assert target.stop() == 0


def test_a_caller_with_a_small_stack_can_stop(unchanged: Unchanged) -> None:
    """Names were looked for on the stack of the thread that called cprof_cpu_stop."""
    assert_sampled(unchanged("stacks.c", "small_caller") / "cpu.pb.gz")


def test_a_small_alternate_stack_is_not_used(unchanged: Unchanged) -> None:
    """With SA_ONSTACK our handler overran an alternate stack of MINSIGSTKSZ bytes that the host
    itself never used."""
    assert_sampled(unchanged("stacks.c", "small_alternate") / "cpu.pb.gz")


@pytest.mark.parametrize("kind", ["deep", "wrong", "switched"])
def test_strange_stacks_are_walked_safely(kind: str, unchanged: Unchanged) -> None:
    """100,000 frames; frame pointers into nowhere; coroutines on stacks of their own."""
    assert_sampled(unchanged("stacks.c", kind) / "cpu.pb.gz")


# Threads.


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the thread pointer is set otherwise")
def test_a_thread_without_a_thread_pointer_survives(unchanged: Unchanged) -> None:
    """A tick on a thread that clone() made for another runtime used errno, which is a
    thread-local."""
    assert_sampled(unchanged("threads.c", "cloned") / "cpu.pb.gz")


def test_a_jailed_thread_finishes(unchanged: Unchanged) -> None:
    """Under seccomp's strict mode the reads of our handler killed the thread, inside a slot of the
    ring: no later recording got past it."""
    folder = unchanged("threads.c", "jailed")
    assert_sampled(folder / "cpu.pb.gz")
    assert_sampled(folder / "later.pb.gz")


def test_a_thread_cancelled_in_a_call_leaves_no_lock(unchanged: Unchanged) -> None:
    """pthread_cancel ended a thread inside cprof_serve, and fork waited for its lock for ever."""
    assert_sampled(unchanged("threads.c", "cancelled_in_call") / "cpu.pb.gz")


def test_threads_may_be_cancelled_at_any_instruction(unchanged: Unchanged) -> None:
    """A handler that cancellation unwinds never finishes its slot in the ring."""
    assert_sampled(unchanged("threads.c", "cancelled_anywhere") / "cpu.pb.gz")


def test_the_identity_may_change_while_sampled(unchanged: Unchanged) -> None:
    """setgid() waits until each thread, ours too, has answered a signal of the library's."""
    assert_sampled(unchanged("threads.c", "identity") / "cpu.pb.gz")


# Ends.


def test_exit_while_recording_and_serving(unchanged: Unchanged) -> None:
    """Our threads run on while the host's destructors do."""
    unchanged("ends.c", "exit")


def test_exec_while_recording(unchanged: Unchanged) -> None:
    """A tick that is pending across exec meets the default action: death by SIGPROF."""
    unchanged("ends.c", "exec")


def test_a_plugin_that_links_us_is_closed_and_opened_again(
    build_host: BuildHost, start: Start, tmp_path: Path
) -> None:
    """libcprof.so went with the last dlclose, while the core recorded on: its next instance knew of
    nothing."""
    plugin = build_host("recorder.c", ["-shared", "-fPIC"], crash=False)
    program = build_host("reopened.c", ["-ldl"], link=False)
    target = start(program, str(plugin), str(tmp_path / "cpu.pb.gz"))
    assert ended(target) == (0, "6 recordings\n"), target.stderr()[-8000:]
    assert_sampled(tmp_path / "cpu.pb.gz")
