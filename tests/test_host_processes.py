"""Processes: children, ends, daemons, jails and limits of hosts are what they are bare."""

from __future__ import annotations

import pytest

from doors import ALL, LINKED, PYTHON, RUN, SERVED, Outcome, by_every_door

pytestmark = pytest.mark.alone

# Children.


@by_every_door("forks.c", "clean", doors=ALL)
def test_a_child_has_nothing_of_its_parents(outcome: Outcome) -> None:
    """By fork and by _Fork, which runs no handlers: no thread, no timer, no listener; and it can be
    sampled anew."""
    outcome.assert_sampled()


@by_every_door("forks.c", "storm", doors=ALL)
def test_a_thousand_children_of_several_threads_end_as_they_should(outcome: Outcome) -> None:
    outcome.assert_sampled()


@by_every_door("fork_handlers.c", "lock", "calls")
def test_a_fork_waits_for_no_lock_of_ours(outcome: Outcome) -> None:
    """The host's own fork handlers run between ours and the fork. We held our locks meanwhile: a
    handler that called us hung, and one that waited for a thread that called us."""
    if outcome.host.case == "lock" or not outcome.linked:
        outcome.assert_sampled()


@by_every_door("fork_handlers.c", "number", doors=(LINKED,))
def test_a_child_may_have_its_parents_number(outcome: Outcome) -> None:
    """The first process of a namespace forks one into the next: we took the child for its parent,
    whose threads it waited for."""


@by_every_door("own_exec.c", "own")
def test_a_host_may_have_an_exec_of_its_own(outcome: Outcome) -> None:
    """Our execvp went on to the host's execvpe, which is made of execvp."""
    outcome.assert_sampled()


@by_every_door("own_exec.c", "handler", doors=(LINKED, RUN, SERVED))
def test_a_tick_does_not_pend_for_the_next_program(outcome: Outcome) -> None:
    """The kernel blocks SIGPROF in a handler that blocks all: the tick ended the next image."""
    assert outcome.ended.out == "lives\n"


@by_every_door("own_exec.c", "jailed", doors=(LINKED, RUN))
def test_a_jailed_host_becomes_another_program(outcome: Outcome) -> None:
    """We looked for the file first, by a call that its filter did not expect."""
    assert outcome.ended.out == "lives\n"


@by_every_door("forks.c", "vfork", "clone")
def test_a_child_on_its_parents_memory_changes_nothing(outcome: Outcome) -> None:
    """A vfork child shares our thread-locals: what disarms for an exec disarmed the parent."""
    outcome.assert_sampled()


@by_every_door("forks.c", "library")
def test_started_programs_see_the_same_world(outcome: Outcome) -> None:
    """posix_spawn, popen, system: signals, descriptors and environment of the child as bare."""
    outcome.assert_sampled()


@by_every_door("forks.c", "ignored", doors=ALL)
def test_programs_that_a_host_becomes_ignore_what_it_ignored(outcome: Outcome) -> None:
    """Our handler stood for an ignored SIGPROF, and exec made the default of it: the next program
    ended by what its parent had shielded it from."""
    outcome.assert_sampled()


# Ends.

QUIET = ("_exit", "quick_exit", "SIGKILL", "atexit")  # nobody is asked before
WAYS = (
    *("return", "exit", "_exit", "quick_exit", "handler", "atexit", "main_leaves", "all_leave"),
    *("abort", "SIGTERM", "SIGKILL", "SIGSEGV", "SIGFPE", "SIGPIPE"),
)


@by_every_door(
    "ends.c",
    *WAYS,
    doors=ALL,
    more=("0.02",),
    code=None,
    crash=False,
    returns=False,
)
def test_a_host_ends_as_it_ends(outcome: Outcome) -> None:
    """From any thread, while others work: the same wait status, the same destructors in the same
    order, and a profile where somebody was asked before."""
    if outcome.host.door is RUN and outcome.host.case not in QUIET:
        outcome.assert_sampled()


def after(*seconds: str) -> dict[str, dict[str, tuple[str]]]:
    return {f"after {s} s": {"more": (s,)} for s in seconds}


@by_every_door(
    "ends.c",
    "exit",
    "main_leaves",
    doors=(LINKED,),
    each=after("0", "0.001", "0.05"),
    code=None,
    crash=False,
)
def test_a_host_ends_at_any_moment_of_a_recording(outcome: Outcome) -> None:
    pass


@by_every_door(
    "ends.c",
    "exit",
    "SIGTERM",
    doors=(SERVED,),
    each=after("0.001", "0.05", "1.02"),
    code=None,
    crash=False,
)
def test_a_host_ends_at_any_moment_of_a_served_profile(outcome: Outcome) -> None:
    """While it starts, is taken, named, written and sent."""


# Daemons.


@by_every_door("daemons.c", "double_fork", "daemon", doors=ALL)
def test_a_daemon_lives_as_bare(outcome: Outcome) -> None:
    """It closed everything, and its own listener got the number of ours."""
    outcome.assert_sampled()


@by_every_door("daemons.c", "at_once", returns=False, doors=(RUN, SERVED, PYTHON))
def test_a_daemons_first_process_ends_at_once(outcome: Outcome) -> None:
    """Whoever started it waits for that one only."""


# Jails.


@by_every_door("jails.c", "prctl", "tsync", "strict", "polite", returns=False)
def test_a_host_goes_into_its_jail(outcome: Outcome) -> None:
    """A filter that kills for what the host does not need killed it for what we do."""


@by_every_door("jails.c", "refused")
def test_a_filter_that_is_refused_changes_nothing(outcome: Outcome) -> None:
    outcome.assert_sampled()


@by_every_door("jails.c", "unshare_before", "unshare_child", "unshare_thread", "setns")
def test_a_host_leaves_its_namespaces(outcome: Outcome) -> None:
    """Only a process of one thread may: nothing of ours runs before it is switched on."""
    outcome.assert_sampled()


@by_every_door("jails.c", "unshare_processes", doors=(RUN,))
def test_nobody_waits_for_a_writer_that_cannot_come_back(outcome: Outcome) -> None:
    """A thread that changed the process namespace of its children starts no more threads: its
    process ended two minutes late."""
    assert len(outcome.ended.err.splitlines()) <= 1, outcome.ended.err


@by_every_door("jails.c", "join_by_threads", "cancelled")
def test_several_threads_join_namespaces(outcome: Outcome) -> None:
    """What one thread had brought back the next waited for, five seconds each time, and two writers
    wrote at once. One that was cancelled ended in our waiting."""
    outcome.assert_sampled()


# Limits.


@by_every_door("limits.c", "nofile", "nproc", "as", "stack", "unlimited", "core")
def test_small_limits_are_met(outcome: Outcome) -> None:
    outcome.assert_sampled()


@by_every_door("limits.c", "cpu", returns=False)
def test_the_limit_of_cpu_time_is_the_hosts(outcome: Outcome) -> None:
    """SIGXCPU comes to the host, on a thread of its own."""


@by_every_door("limits.c", "no_queue")
def test_without_a_signal_queue_nothing_is_sampled_and_nothing_breaks(outcome: Outcome) -> None:
    pass
