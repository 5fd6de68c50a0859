"""Labels and thread names in profiles: whose they are, what is inherited, and who can filter by
them. What labels may not do to a host is in the second half: the same hosts say the same bare."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest

import cprof
from conftest import Build, Start
from doors import LINKED, Outcome, Plugin, by_every_door
from harness import ROOT, compile_program, cprof_command, eventually
from require import require_go

pytestmark = pytest.mark.alone

RECORDED_HZ = 1000


def recorded(build: Build, start: Start, folder: Path, *case: str, **env: str) -> cprof.Profile:
    """By the program itself."""
    file = folder / "cpu.pb.gz"
    name = "labels.c" if case else "labels_cxx.cc"
    target = start(build(name), *case, str(file), env=env)
    target.wait()
    return cprof.load(file)


def names_of(sample: cprof.Sample) -> list[str]:
    return [frame.name for frame in sample.frames]


def seconds(profile: cprof.Profile, function: str = "", **labels: str | None) -> float:
    """Of the samples with that function and those labels (None: without that one)."""
    at = profile.sample_type_index("cpu")
    ns = 0
    for sample in profile.samples:
        fits = all(sample.labels.get(key) == value for key, value in labels.items())
        if fits and (not function or function in names_of(sample)):
            ns += sample.values[at]
    return ns / 1e9


def assert_share(profile: cprof.Profile, function: str, share: float, **labels: str | None) -> None:
    """Of that function's samples: how many there are depends on when its thread was found."""
    whole, part = seconds(profile, function), seconds(profile, function, **labels)
    assert whole > 0.02, profile.comments
    assert abs(part / whole - share) <= 0.1, (function, labels, part, whole)


@pytest.mark.parametrize("door", ["linked", "cprof run", "cprof run -o"])
def test_samples_have_the_labels_of_their_scope(
    door: str, build: Build, start: Start, tmp_path: Path
) -> None:
    """One function under three sets of labels: three samples of the same stack, innermost value
    first, whether the program records itself, is asked by HTTP, or dumps when it ends."""
    if door == "linked":
        profile = recorded(build, start, tmp_path, "scopes")
    else:
        file = tmp_path / "run.pb.gz"
        knobs = [] if door == "cprof run" else ["-o", str(file)]
        hz = ["--cpu-hz", str(RECORDED_HZ)]
        arguments = [str(file)] if door == "cprof run" else []
        command = [cprof_command(), "run", *hz, *knobs, "--", str(build("labels.c")), "scopes"]
        assert start(Path(command[0]), *command[1:], *arguments).wait() == 0
        profile = cprof.load(file)
    assert_share(profile, "in_scope", 0.4, endpoint=None, method=None)
    assert_share(profile, "in_scope", 0.4, endpoint="/users", method="GET")
    assert_share(profile, "in_scope", 0.2, endpoint='/inner "quoted"', method="GET")
    assert_share(profile, "in_scope", 1, thread="labels")


def test_threads_begin_with_the_labels_of_their_maker(
    build: Build, start: Start, tmp_path: Path
) -> None:
    """And one that is made afterwards without."""
    profile = recorded(build, start, tmp_path, "inherit")
    assert_share(profile, "by_pthread", 1, request="one", step=None)
    assert_share(profile, "by_grandchild", 1, request="one", step="child's own")
    assert_share(profile, "by_detached", 1, request="one")
    assert_share(profile, "by_unlabelled", 1, request=None)
    assert_share(profile, "plain", 1, request=None)


def test_our_start_leaves_no_frame(build: Build, start: Start, tmp_path: Path) -> None:
    """Two programs compared, one with labels and one without, must show the same stacks."""
    profile = recorded(build, start, tmp_path, "inherit")

    def callers(function: str) -> Counter[tuple[str, ...]]:
        stacks = [names_of(s) for s in profile.samples]
        return Counter(
            tuple(names[names.index(function) + 1 :]) for names in stacks if function in names
        )

    assert callers("by_detached").keys() == callers("by_unlabelled").keys()


def test_cxx_scopes_end_with_the_exception(build: Build, start: Start, tmp_path: Path) -> None:
    """std::thread and std::async make their threads by pthread_create, inside the library."""
    profile = recorded(build, start, tmp_path)
    assert_share(profile, "in_thread()", 1, request="one")
    assert_share(profile, "in_future()", 1, request="one")
    assert_share(profile, "in_both()", 1, request="two", step="throws")
    assert_share(profile, "after_throw()", 1, request=None, step=None)


def test_a_child_keeps_its_labels(build: Build, start: Start, tmp_path: Path) -> None:
    """Its one thread has another id than the labels were pushed under."""
    profile = recorded(build, start, tmp_path, "forks")
    assert_share(profile, "by_child", 1, request="one")


def test_labels_are_in_what_a_crash_leaves(start: Start, build: Build, tmp_path: Path) -> None:
    """The writer is another process: it has none of the program's sets."""
    file = tmp_path / "cpu.pb.gz"
    run = ["run", "--cpu-hz", str(RECORDED_HZ), "-o", str(file), "--", str(build("labels.c"))]
    target = start(Path(cprof_command()), *run, "dies")
    target.process.wait(60)
    profile = cprof.load(file)
    assert_share(profile, "in_scope", 1, request="last", thread="labels")


def test_disabled_there_are_none(build: Build, start: Start) -> None:
    target = start(build("labels.c"), "serve", env={"CPROF_DISABLE": "1"})
    assert target.stop() == 0


# Thread names.


def test_samples_have_the_name_of_their_thread(build: Build, start: Start, tmp_path: Path) -> None:
    """Of threads that ended long before the profile was written; a name that is set late is seen,
    and the program's own label of that key wins."""
    profile = recorded(build, start, tmp_path, "names")
    whole = seconds(profile, "in_scope")
    names = ("alpha", 'beta "2"', "late", "the program's")
    parts = [seconds(profile, "in_scope", thread=name) for name in names]
    assert min(parts) > 0.02 and sum(parts) > 0.7 * whole, (parts, whole)
    assert parts[2] > 0.3 * whole
    assert seconds(profile, thread="the kernel's") < 0.05


def test_a_thousand_threads_of_one_name_are_one(build: Build, start: Start, tmp_path: Path) -> None:
    """A profile that grew with the threads would be of no use to a server with a pool."""
    profile = recorded(build, start, tmp_path, "many")
    assert {s.labels.get("kind") for s in profile.samples} == {None, "1", "3"}
    names = {s.labels.get("thread") for s in profile.samples}
    assert names <= {None, "worker", "labels"}
    assert len(profile.samples) < 100
    assert (tmp_path / "cpu.pb.gz").stat().st_size < 8000


def test_python_threads_have_their_names(tmp_path: Path) -> None:
    """Two of one function, told apart by what the program called them."""
    code = """
import cprof, sys, threading, ctypes
def work():
    for i in range(12_000_000):
        pass
def named(name):
    ctypes.CDLL(None).prctl(15, name)
    work()
with cprof.record("cpu", hz=1000) as r:
    for name in (b"first", b"second"):
        t = threading.Thread(target=named, args=(name,))
        t.start()
        t.join()
print(sorted({s.labels.get("thread", "") for s in r.profile.samples}))
"""
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "'first'" in out.stdout and "'second'" in out.stdout


PUSHING = """
import ctypes, sys
if sys.argv[2] == "front first":
    front = ctypes.CDLL(sys.argv[1])
    front.cprof_labels_push(b"pushed", b"before")
import cprof
with cprof.record("cpu", hz=1000) as r:
    front = ctypes.CDLL(sys.argv[1])
    front.cprof_labels_push(b"pushed", b"by a library")
    for i in range(12_000_000):
        pass
    front.cprof_labels_pop()
values = {}
for s in r.profile.samples:
    key = s.labels.get("pushed")
    values[key] = values.get(key, 0) + s.values[0]
print(max(values, key=values.get))
"""


@pytest.mark.parametrize("order", ["front first", "core first"])
def test_a_library_that_pushes_is_understood_by_python(order: str, tmp_path: Path) -> None:
    """Each of the two brings words of its own: those that were there first are in force."""
    front = Path(cprof.__file__).parent / "lib" / "libcprof.so"
    command = [sys.executable, "-c", PUSHING, str(front), order]
    out = subprocess.run(command, check=True, capture_output=True, text=True)
    assert out.stdout == "by a library\n"


def test_the_page_of_labels_has_a_program_that_works(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "labels.md").read_text()
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.M)
    program = next(block for block in blocks if "#include" in block).split("go tool")[0]
    (tmp_path / "app.c").write_text(textwrap.dedent(program))
    compile_program(tmp_path / "app.c", tmp_path / "app", crash=False)
    with (tmp_path / "cpu.pb.gz").open("wb") as file:
        subprocess.run([str(tmp_path / "app")], check=True, stdout=file)
    profile = cprof.load(tmp_path / "cpu.pb.gz")
    found = seconds(profile, endpoint="/users", method="GET", request="batch", thread="app")
    assert found > 0.9 * seconds(profile, thread="app") and found > 0.1


# Readers.


def go(*args: str, home: Path) -> str:
    env = {**os.environ, "PPROF_TMPDIR": str(home)}
    command = [require_go(), "tool", "pprof", *args]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout


def test_go_tool_pprof_filters_by_them(build: Build, start: Start, tmp_path: Path) -> None:
    recorded(build, start, tmp_path, "scopes")
    file = str(tmp_path / "cpu.pb.gz")
    tags = go("-tags", file, home=tmp_path)
    assert re.search(r"endpoint: Total .*\n.*: /users\n.*: /inner \"quoted\"\n", tags), tags
    assert re.search(r"thread: Total .*\n.*: labels\n", tags), tags
    whole, users, others = (
        float(re.findall(r"Showing nodes accounting for ([\d.]+)ms", out)[0])
        for out in (
            go("-top", "-unit=ms", file, home=tmp_path),
            go("-top", "-unit=ms", "-tagfocus", "endpoint=/users", file, home=tmp_path),
            go("-top", "-unit=ms", "-tagignore", "endpoint=/users", file, home=tmp_path),
        )
    )
    assert 0.25 <= users / whole <= 0.55
    assert abs(users + others - whole) <= 0.01 * whole
    by_thread = go("-top", "-unit=ms", "-tagfocus", "thread=labels", file, home=tmp_path)
    assert "in_scope" in by_thread


def test_sums_and_differences_keep_them(build: Build, start: Start, tmp_path: Path) -> None:
    profile = recorded(build, start, tmp_path, "scopes")
    both = profile + profile
    assert both.total("cpu") == 2 * profile.total("cpu")
    assert len(both.samples) == len(profile.samples)
    assert_share(both, "in_scope", 0.4, endpoint="/users")
    assert (profile - profile).total("cpu") == 0


def test_thread_profiles_have_them_in_all_forms(build: Build, start: Start, tmp_path: Path) -> None:
    """Pushed by the thread itself, and inherited."""
    target = start(build("labels.c"), "serve")

    def all_wait() -> str:
        text = target.get("/debug/pprof/goroutine?debug=2").body.decode()
        waiting = len(re.findall(r"\[syscall\]", text))
        return text if waiting == 5 and "request: pushed" in text else ""

    text = eventually(all_wait, "five threads to wait")
    assert text.count('{request: "in\\"herited", thread: waits}:\n') == 3
    assert text.count("{request: pushed, thread: waits}:\n") == 1
    assert text.count(" {thread: waits}:\n") == 2
    text = target.get("/debug/pprof/goroutine?debug=1").body.decode()
    labels = re.findall(r"^(\d+) @.*\n(# labels: .*)\n", text, re.M)
    assert ("3", '# labels: {"request":"in\\"herited", "thread":"waits"}') in labels
    assert ("1", '# labels: {"request":"pushed", "thread":"waits"}') in labels
    profile = cprof.fetch(target.url(), "thread")
    requests = Counter[object]()
    for sample in profile.samples:
        requests[sample.labels.get("request")] += sample.values[0]
    assert requests == {'in"herited': 3, "pushed": 1, None: 2}


# Costs and harm.


def test_a_push_is_tens_of_nanoseconds(build: Build, start: Start) -> None:
    """With its pop. The bound has room for a slow machine: a set that is made anew, or a lock,
    costs more."""
    target = start(build("labels_cost.c"))
    assert target.wait() == 0
    assert float(target.stdout().split()[0]) < 1000


def test_labels_load_nothing(build: Build, start: Start) -> None:
    """What is linked anyway is enough: no core, and no thread."""
    target = start(build("labels_cost.c"))
    assert target.wait() == 0
    assert target.stdout().split()[1:] == ["threads", "1", "core", "0"]


@by_every_door("labelled.c", "refused", "attributes", "cancelled", "vforked", doors=(LINKED,))
def test_making_threads_is_as_without_us(outcome: Outcome) -> None:
    """Errors, errno, attributes and cancellation come from libc, and nothing is used up by what
    was refused."""
    outcome.assert_sampled()


@by_every_door("labelled.c", "filtered", doors=(LINKED,), crash=False)
def test_a_thread_may_begin_under_a_filter(outcome: Outcome) -> None:
    """It asked the kernel for its own number: a filter without that ended the host."""


@by_every_door("labelled.c", "thousand", "forked", doors=(LINKED,))
def test_threads_may_be_made_by_the_thousand_and_while_others_fork(outcome: Outcome) -> None:
    """What a thread has to be told was under a lock that the child of a fork never got back, or
    in an allocator that held one."""
    outcome.assert_sampled()


@by_every_door("labelled.c", "plugin", doors=(LINKED,), more=(Plugin("labelled_plugin.c"),))
def test_a_plugin_may_go_while_its_thread_begins(outcome: Outcome) -> None:
    outcome.assert_sampled()


def test_a_program_with_a_sanitizer_keeps_its_own_threads(
    build: Build, start: Start, tmp_path: Path
) -> None:
    """AddressSanitizer has a pthread_create too, which goes on to ours."""
    file = tmp_path / "cpu.pb.gz"
    target = start(build("labels.c", flags=["-fsanitize=address"]), "inherit", str(file))
    assert target.wait() == 0, target.stderr()
    assert_share(cprof.load(file), "by_pthread", 1, request="one")
