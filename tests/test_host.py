"""cprof is a guest: a host does, says and returns the same with its threads sampled as without.

Each program of tests/host/ is a host that a profiler ended, hung or changed. It runs bare, and
sampled at 1,000 Hz or more by every door that fits it (tests/doors.py); it must print the same and
end alike. What cprof itself answered wrongly is printed too.
"""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

import cprof
from conftest import Start
from doors import (
    ALL,
    HOSTS,
    LINKED,
    TIMER_CLOCK,
    Host,
    Hosts,
    Outcome,
    Plugin,
    assert_sampled,
    by_every_door,
    ended,
)
from harness import compile_program

pytestmark = pytest.mark.alone

# Signals that hosts take, block and handle.


@by_every_door("masked.c", "sigwait", "signalfd", "ppoll", "sigsuspend")
def test_a_thread_that_blocks_sigprof_never_gets_it(outcome: Outcome) -> None:
    """Each wait of hosts that take their signals themselves was ended by our tick. Such a thread
    gets no timer, and the profile says that it is not covered."""
    profile = outcome.profile()
    assert any("SIGPROF blocked" in comment for comment in profile.comments), profile.comments


@by_every_door("masked.c", "late")
def test_a_thread_that_blocks_sigprof_later_does_not_get_it(outcome: Outcome) -> None:
    """Under a door that is there before the host, each thread has had ticks when it blocks all
    signals: the next one stays pending, and is what sigwait returns."""
    outcome.assert_sampled()


@by_every_door("handlers.c", "mask")
def test_the_hosts_handler_runs_and_leaves_under_its_own_mask(outcome: Outcome) -> None:
    """After a longjmp out of the host's handler all signals stayed blocked: those of our sa_mask,
    for good."""
    outcome.assert_sampled()


@by_every_door("handlers.c", "probe")
def test_the_hosts_handler_may_probe_memory(outcome: Outcome) -> None:
    """Called under our mask, a handler that relies on its own SIGSEGV handler was killed."""
    outcome.assert_sampled()


@by_every_door("handlers.c", "raise", "timer")
def test_a_handler_left_by_longjmp_is_called_each_time(outcome: Outcome) -> None:
    """What guards against calling each other for ever took the next signal for the one that had
    never come back: of ten one arrived."""
    outcome.assert_sampled()


@by_every_door("handlers.c", "chain", "chain_meanwhile", "chain_legacy")
def test_a_later_handler_may_call_ours(outcome: Outcome) -> None:
    """A handler put over ours called ours as the one before, and ours applied the default: the end
    of the process. One by signal() passes on one argument, and garbage for the others."""
    outcome.assert_sampled()


@by_every_door("handlers.c", "sandwich")
def test_both_handlers_of_a_host_keep_being_called(outcome: Outcome) -> None:
    """A first handler, ours, a second one that chains, ours again: the first was never called any
    more."""
    outcome.assert_sampled()


@by_every_door("waits.c", "moments")
def test_waits_for_moments_are_not_cut_short(outcome: Outcome) -> None:
    outcome.assert_sampled()


# Forks.


@by_every_door("forks.c", "dlopen", more=(Plugin("heavy.c"),))
def test_a_child_may_use_the_loader(outcome: Outcome) -> None:
    """A fork while the engine held the loader's lock: the child hung in its first dlopen."""
    outcome.assert_sampled()


@by_every_door("forks.c", "raw")
def test_a_child_of_raw_fork_does_not_touch_its_parents_recording(outcome: Outcome) -> None:
    """_Fork() runs no handlers: the child took its parent's recording for its own, stopped it and
    wrote it into the parent's file."""
    outcome.assert_sampled()
    if outcome.linked:
        assert_sampled(outcome.folder / "child.pb.gz")


# Memory.


@by_every_door("allocator.c", "asks_loader")
def test_an_allocator_may_ask_the_loader_under_its_lock(outcome: Outcome) -> None:
    """We allocated under the loader's lock, the host asked the loader under its allocator's."""
    outcome.assert_sampled()


@by_every_door("allocator.c", "refuses_server")
def test_an_allocation_that_fails_in_the_servers_thread_harms_nobody(outcome: Outcome) -> None:
    """The HTTP library used what it had not been given. Out of memory is an error to report, or a
    server that ends. (Naming is libdw's, which has no such promise: docs/host.md.)"""
    outcome.assert_sampled()


# Descriptors.


@by_every_door("descriptors.c", "zero", "zero_written")
def test_the_lowest_free_descriptor_is_the_hosts(outcome: Outcome) -> None:
    """close(0), then open(): a daemon's new stdin got another number, because a scan of ours was
    open on 0 just then."""


@by_every_door("descriptors.c", "own")
def test_the_hosts_files_stay_open(outcome: Outcome) -> None:
    """The host closed a number of ours and got it for a file; we then closed it for the host."""
    outcome.assert_sampled()


@by_every_door("descriptors.c", "taken")
def test_a_descriptor_the_host_took_is_left_alone(outcome: Outcome) -> None:
    """The host closed everything and its database got the number of our output: the profile was
    written over it, and the file closed."""
    outcome.assert_sampled()


@by_every_door("descriptors.c", "full")
def test_a_full_descriptor_table_ends_nobody(outcome: Outcome) -> None:
    """The HTTP library calls exit() where it cannot have a socket pair."""


@by_every_door("descriptors.c", "closed", "closed_range", "dup2", doors=ALL)
def test_the_hosts_listener_gets_all_its_connections(outcome: Outcome) -> None:
    """A host closed 3..63 and opened its own listener: 20 of 20 connections went to our accept
    loop, which held the number. (A linked one closes the profile's descriptor too.)"""
    if not outcome.linked:
        outcome.assert_sampled()


@by_every_door("descriptors.c", "standard", doors=ALL)
def test_standard_descriptors_are_the_hosts_to_open(outcome: Outcome) -> None:
    outcome.assert_sampled()


@by_every_door("served.c", "numbers", doors=ALL)
def test_a_server_is_in_no_table_of_the_hosts(outcome: Outcome) -> None:
    """The listener, libevent's pipe and each connection took numbers of the host's: a program that
    printed the number of its next file, listed its descriptors or handed all on said something
    else, and CPython's own test of subprocess failed."""


@by_every_door("served.c", "closed", doors=[LINKED])
def test_a_host_that_closes_everything_closes_nothing_of_ours(outcome: Outcome) -> None:
    """Our loop gave up, and nobody was served any more."""


@by_every_door("served.c", "jailed", doors=[LINKED])
def test_a_server_without_a_profile_knows_of_a_jail(outcome: Outcome) -> None:
    """The calls were redirected while a profile was taken only: the threads of a server went into
    the jail with the host, and a filter that kills killed it for what they do."""


# Limits.


@by_every_door("limits.c", "sigpending", each={"": {}, "timer": {"env": TIMER_CLOCK}})
def test_signal_queue_slots_are_left_for_the_host(outcome: Outcome) -> None:
    """A timer per thread took all that RLIMIT_SIGPENDING allows: timer_create and sigqueue of the
    host failed. A perf event takes none."""
    comments = " ".join(outcome.profile().comments)
    by_timer = outcome.host.env == TIMER_CLOCK or "perf clock" not in comments
    assert ("RLIMIT_SIGPENDING" in comments) == by_timer, comments


@by_every_door("limits.c", "fsize")
def test_a_file_size_limit_gives_an_error(outcome: Outcome) -> None:
    """SIGXFSZ, which a program without such a limit in mind does not handle, ended the host."""


# Stacks.


def test_small_default_stacks_can_serve(hosts: Hosts, start: Start, tmp_path: Path) -> None:
    """Our threads took the host's default size, and libdw keeps whole line tables on the stack."""
    program = hosts.workshop.program(Host("stacks.c", "small_default"), LINKED)
    target = start(program, "cprof", "small_default", str(tmp_path))
    profile = cprof.fetch(target.url(), "cpu", seconds=1)
    assert profile.total("samples") > 0
    assert target.stop() == 0


@by_every_door("stacks.c", "small_caller")
def test_a_caller_with_a_small_stack_can_stop(outcome: Outcome) -> None:
    """Names were looked for on the stack of the thread that called cprof_cpu_stop."""
    outcome.assert_sampled()


@by_every_door("stacks.c", "small_alternate")
def test_a_small_alternate_stack_is_not_used(outcome: Outcome) -> None:
    """With SA_ONSTACK our handler overran an alternate stack of MINSIGSTKSZ bytes that the host
    itself never used."""
    outcome.assert_sampled()


@by_every_door("stacks.c", "go")
def test_gos_alternate_stack_is_used(outcome: Outcome) -> None:
    """A library written in Go runs on stacks of 2 KiB and more: the kernel put our frame there."""
    outcome.assert_sampled()


@by_every_door("stacks.c", "deep", "wrong", "switched", "made")
def test_strange_stacks_are_walked_safely(outcome: Outcome) -> None:
    """100,000 frames; frame pointers into nowhere; coroutines on stacks of their own; code that no
    file holds."""
    outcome.assert_sampled()


@by_every_door("stacks.c", "neighbours", "reused", "growing", "downwards")
def test_stacks_that_change_are_walked_safely(outcome: Outcome) -> None:
    """What is remembered of a stack was true a moment ago: its neighbour is unmapped while it runs,
    another thread's stack lies where one was, it grows."""
    outcome.assert_sampled()


# Threads.


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the thread pointer is set otherwise")
@by_every_door("threads.c", "cloned", returns=False)
def test_a_thread_without_a_thread_pointer_survives(outcome: Outcome) -> None:
    """A tick on a thread that clone() made for another runtime used errno, which is a
    thread-local."""
    outcome.assert_sampled()


@by_every_door("threads.c", "jailed")
def test_a_jailed_thread_finishes(outcome: Outcome) -> None:
    """Under seccomp's strict mode the reads of our handler killed the thread, inside a slot of the
    ring: no later recording got past it."""
    outcome.assert_sampled()
    if outcome.linked:
        assert_sampled(outcome.folder / "later.pb.gz")


@by_every_door("threads.c", "cancelled_in_call")
def test_a_thread_cancelled_in_a_call_leaves_no_lock(outcome: Outcome) -> None:
    """pthread_cancel ended a thread inside cprof_serve, and fork waited for its lock for ever."""
    outcome.assert_sampled()


@by_every_door("threads.c", "cancelled_anywhere")
def test_threads_may_be_cancelled_at_any_instruction(outcome: Outcome) -> None:
    """A handler that cancellation unwinds never finishes its slot in the ring."""
    outcome.assert_sampled()


@by_every_door("threads.c", "identity")
def test_the_identity_may_change_while_sampled(outcome: Outcome) -> None:
    """setgid() waits until each thread, ours too, has answered a signal of the library's."""
    outcome.assert_sampled()


@by_every_door("threads.c", "dying")
def test_threads_may_die_with_a_tick_pending(outcome: Outcome) -> None:
    """The thread that it was for is gone, and whoever gets its number is another."""
    outcome.assert_sampled()


# Ends.


@by_every_door("ends.c", "children")
def test_exit_while_recording_and_serving(outcome: Outcome) -> None:
    """Our threads run on while the host's destructors do."""


@by_every_door("ends.c", "exec")
def test_exec_while_recording(outcome: Outcome) -> None:
    """A tick that is pending across exec meets the default action: death by SIGPROF."""


@pytest.mark.parametrize("case", ["early", "plugin"])
def test_constructors_may_serve(case: str, hosts: Hosts, start: Start, tmp_path: Path) -> None:
    """They run under the loader's lock and wait for the server's thread: had it anything to ask of
    the loader, both would wait for ever."""
    plugins = [
        compile_program(
            HOSTS / "constructed.c",
            tmp_path / f"{serves}.so",
            ["-shared", "-fPIC", f"-DPLUGIN={serves}"],
            crash=False,
        )
        for serves in (1, 0)
    ]
    said = []
    for how, door in (("bare", None), ("cprof", LINKED)):
        program = hosts.workshop.program(Host("constructed.c", case), door)
        target = start(program, how, case, str(tmp_path), *map(str, plugins))
        said.append(ended(target, tmp_path, []).said())
    assert said[0] == said[1]
    assert said[0][0] == 0


def test_a_plugin_that_links_us_is_closed_and_opened_again(start: Start, tmp_path: Path) -> None:
    """libcprof.so went with the last dlclose, while the core recorded on: its next instance knew of
    nothing."""
    shared = ["-shared", "-fPIC"]
    plugin = compile_program(HOSTS / "recorder.c", tmp_path / "recorder.so", shared, crash=False)
    program = compile_program(HOSTS / "reopened.c", tmp_path / "reopened", ["-ldl"], link=False)
    profile = tmp_path / "cpu.pb.gz"
    came = ended(start(program, str(plugin), str(profile)), profile, [])
    assert came.said() == (0, "6 recordings\n"), came.err[-8000:]
    assert_sampled(profile)
