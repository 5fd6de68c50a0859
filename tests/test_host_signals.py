"""Signals, waits and handlers of hosts are their own."""

from __future__ import annotations

import pytest

from doors import ALL, LINKED, PYTHON, RUN, Outcome, by_every_door

pytestmark = pytest.mark.alone


@by_every_door(
    "shutdown.c", "sigwait", "sigtimedwait", "signalfd", "ppoll", "sigsuspend", doors=ALL
)
def test_a_host_that_waits_for_sigterm_shuts_down_cleanly(outcome: Outcome) -> None:
    """A thread of ours that let the host's signals in received SIGTERM, and its default killed the
    host."""
    outcome.assert_sampled()


@by_every_door("durations.c", "all", "alarm", doors=ALL)
def test_each_wait_lasts_as_long_and_returns_the_same(outcome: Outcome) -> None:
    """One signal to a blocked thread ended each of these waits early, SA_RESTART or not."""
    outcome.assert_sampled()


@by_every_door("handlers.c", "itimer", "timer_create")
def test_a_host_with_its_own_profiling_timer_gets_its_own_ticks(outcome: Outcome) -> None:
    """What is not our tick is passed on; what is ours never reaches the host's handler."""
    outcome.assert_sampled()


@by_every_door("handlers.c", "asks")
def test_the_host_is_told_what_it_set(outcome: Outcome) -> None:
    """Libraries save a handler and put it back: ours, put back later, would be an orphan."""
    outcome.assert_sampled()


@by_every_door("handlers.c", "default", "ignored")
def test_sigprof_may_be_set_to_what_kills(outcome: Outcome) -> None:
    """A tick that is pending when the host restores the default killed it."""
    outcome.assert_sampled()


@by_every_door("handlers.c", "all")
def test_no_other_signal_has_a_handler_of_ours(outcome: Outcome) -> None:
    outcome.assert_sampled()


@by_every_door("masks.c", "jumps", "forks")
def test_handlers_come_while_the_host_changes_its_mask(outcome: Outcome) -> None:
    """A handler that left by siglongjmp took our lock with it, one that forked waited for itself:
    the next fork hung."""
    outcome.assert_sampled()


def test_the_doors_are_all_tried() -> None:
    """A table that leaves out too much would leave nothing to fail."""
    assert set(ALL) >= {LINKED, RUN, PYTHON}
