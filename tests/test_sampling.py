"""CPU sampling: every thread, true totals, right names; and what the program does is not changed
by it."""

from __future__ import annotations

import errno
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import cprof
from conftest import Build, Start
from harness import TARGETS, compile_program
from shares import assert_share, function_names, ticks_in, total_ticks

pytestmark = pytest.mark.alone


def printed(text: str, name: str) -> float:
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))


@pytest.mark.parametrize("hz", [100, 1000])
def test_totals_are_the_cpu_time_used_also_above_the_kernels_tick(
    hz: int, build: Build, start: Start, tmp_path: Path
) -> None:
    """Missed ticks count by si_overrun: a 1,000 Hz timer delivers CONFIG_HZ signals and must still
    add up."""
    out = tmp_path / "cpu.pb.gz"
    target = start(build("threads.c"), str(out), "8", str(hz))
    assert target.wait() == 0
    truth = printed(target.stdout(), "cpu")
    profile = cprof.load(out)
    # 16 threads of 0.15 s: each total is off by up to a tick at both ends, one more period by
    # chance.
    slack = 0.02 * truth + 16 * 0.006 + 3 * (16 * 1e9 / hz / 12) ** 0.5 / 1e9
    assert abs(profile.total("cpu") / 1e9 - truth) <= slack, (profile.total("cpu") / 1e9, truth)
    assert total_ticks(profile) * (1_000_000_000 // hz) == profile.total("cpu")


def test_threads_that_start_later_are_found(build: Build, start: Start, tmp_path: Path) -> None:
    """Threads of 150 ms: found within 100 ms of their start, so each still shows; what came before
    is shown as lost."""
    out = tmp_path / "cpu.pb.gz"
    target = start(build("threads.c"), str(out), "10", "1000")
    assert target.wait() == 0
    truth = printed(target.stdout(), "cpu")
    profile = cprof.load(out)
    in_work = (
        sum(s.values[1] for s in profile.samples if any(f.name == "work" for f in s.frames)) / 1e9
    )
    lost = sum(s.values[1] for s in profile.samples if s.frames[0].name.startswith("<lost")) / 1e9
    assert in_work > truth / 3
    assert lost < truth * 2 / 3


def test_two_equal_threads_get_equal_shares(build: Build, start: Start, tmp_path: Path) -> None:
    """Process-wide timers favour whichever thread the kernel's tick happens to meet."""
    out = tmp_path / "cpu.pb.gz"
    target = start(build("pair.c"), str(out))
    assert target.wait() == 0
    ticks = ticks_in(cprof.load(out), "left", "right")
    left, right = printed(target.stdout(), "left"), printed(target.stdout(), "right")
    assert_share(ticks["left"], sum(ticks.values()), left / (left + right), sigmas=3.0)


def test_windows_overlap_and_both_are_right(build: Build, start: Start) -> None:
    target = start(build("shares.c"), "1")
    url = target.url()
    with ThreadPoolExecutor(4) as pool:
        profiles = list(pool.map(lambda s: cprof.fetch(url, "cpu", seconds=s), [2, 3, 2, 3]))
    target.stop()
    for profile in profiles:
        ticks = ticks_in(profile, "three", "one")
        assert_share(ticks["three"], ticks["three"] + ticks["one"], 0.75)


def test_inlined_frames_have_names_and_lines_of_their_own(
    build: Build, start: Start, tmp_path: Path
) -> None:
    out = tmp_path / "cpu.pb.gz"
    assert start(build("inline.cc"), str(out)).wait() == 0
    profile = cprof.load(out)
    want = [
        ("shop::innermost<unsigned int>(unsigned int)", "line of innermost"),
        ("shop::middle(unsigned int)", "line of middle"),
        ("shop::Cart::total(unsigned int) const", "line of total"),
    ]
    source = (Path(__file__).parent / "targets" / "inline.cc").read_text().splitlines()
    hits = 0
    for sample in profile.samples:
        frames = sample.frames[:3]
        if [f.name for f in frames] != [name for name, _ in want]:
            continue
        if all(mark in source[f.line - 1] for f, (_, mark) in zip(frames, want)):
            hits += sample.values[0]
        assert frames[2].system_name == "_ZNK4shop4Cart5totalEj"
        assert frames[0].inlined and frames[1].inlined and not frames[2].inlined
    assert hits > total_ticks(profile) / 2, function_names(profile)


def test_blocking_calls_last_as_long_as_without_us(
    build: Build, start: Start, tmp_path: Path
) -> None:
    """One signal per blocked thread ends sleep, poll, epoll_wait and timed receives early,
    SA_RESTART or not."""
    program = build("blocking.c")
    bare = start(program, "-")
    assert bare.wait() == 0
    sampled = start(program, str(tmp_path / "cpu.pb.gz"), "1000")
    assert sampled.wait() == 0
    assert sampled.stdout() == bare.stdout()
    assert "cut short" not in bare.stdout()
    assert total_ticks(cprof.load(tmp_path / "cpu.pb.gz")) > 300


KILL = -1


@pytest.mark.parametrize("error", [0, errno.EACCES, errno.EPERM, errno.ENOSYS, KILL])
def test_who_may_not_have_perf_events_gets_timers(
    error: int, build: Build, start: Start, tmp_path: Path
) -> None:
    """Containers forbid them in three ways, and services in a fourth, which ends who asks: so they
    are not asked for under any filter. The profile is there all the same, and says what it cannot
    know; without a ban they are for users who are not root too."""
    out = tmp_path / "cpu.pb.gz"
    target = start(build("denied.c"), str(out), str(error))
    assert target.wait() == 0, target.stderr()
    profile = cprof.load(out)
    said = " ".join(profile.comments)
    may = not error
    if may and "perf clock" not in said:
        pytest.skip("perf events are not allowed here (perf_event_paranoid, a filter)")
    assert ("perf clock" in said) == may, said
    assert ("in step with the kernel's tick may be shown wrongly" in said) == (not may), said
    truth = printed(target.stdout(), "cpu")
    assert profile.total("cpu") / 1e9 == pytest.approx(truth, rel=0.1)
    seen = ticks_in(profile, "three", "one")
    assert_share(seen["three"], sum(seen.values()), 0.75, sigmas=4 if may else 8)


@pytest.mark.parametrize("case", ["blocked", "short"])
def test_cpu_time_that_was_not_sampled_is_a_row(
    case: str, build: Build, start: Start, tmp_path: Path
) -> None:
    """A thread that blocks SIGPROF, and threads that end before anyone sees them, made profiles
    that showed a few percent of the truth as if it were all."""
    out = tmp_path / "cpu.pb.gz"
    target = start(build("unseen.c"), str(out), case)
    assert target.wait() == 0
    profile = cprof.load(out)
    truth = printed(target.stdout(), "cpu")
    assert abs(profile.total("cpu") / 1e9 - truth) < 0.05 * truth + 0.05
    assert "<lost: not sampled>" in function_names(profile)
    assert ("SIGPROF blocked" in " ".join(profile.comments)) == (case == "blocked")


def test_what_was_just_loaded_is_walked_at_once(build: Build, start: Start, tmp_path: Path) -> None:
    """Its rows came with the next look round, 50 ms later: stacks of all that programs do when they
    load something ended in it."""
    plugin = compile_program(
        TARGETS / "late_plugin.c",
        tmp_path / "late_plugin.so",
        ["-shared", "-fPIC"],
        link=False,
        crash=False,
    )
    out = tmp_path / "cpu.pb.gz"
    copies = [tmp_path / f"late_{n}.so" for n in range(12)]
    for copy in copies:
        shutil.copy(plugin, copy)
    program = build("late.c", flags=["-ldl"])
    assert start(program, str(out), *map(str, copies)).wait() == 0
    found = [s for s in cprof.load(out).samples if "burn_in_plugin" in [f.name for f in s.frames]]
    ticks = sum(s.values[0] for s in found)
    whole = sum(s.values[0] for s in found if "main" in [f.name for f in s.frames])
    assert ticks > 100
    assert whole > 0.85 * ticks, (whole, ticks)
