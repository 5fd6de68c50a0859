"""A program's own profiles: Go's contract for NewProfile, Add, Remove, Count and Lookup, over HTTP
and by cprof_write."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urljoin

import pytest

import cprof
from conftest import Build, Start
from harness import Running, eventually
from require import require_go
from test_interop import go_pprof

pytestmark = pytest.mark.alone

ODD = 'a/b <c>"\N{LATIN SMALL LETTER E WITH ACUTE}'
FRAMES = ["inner", "outer", "main"]


class Program:
    """tests/targets/custom.c, which answers each line by one."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.asked = 0

    def ask(self, line: str) -> tuple[int, str]:
        """Its status and, where that is negative, what cprof_last_error says."""
        assert self.running.process.stdin
        self.asked += 1
        self.running.process.stdin.write(line.encode() + b"\n")
        self.running.process.stdin.flush()

        def answered() -> list[re.Match[str]]:
            found = list(re.finditer(r"^(-?\d+) (.*)\n", self.running.stdout(), re.M))
            if len(found) < self.asked:
                self.running.check_alive()
            return found if len(found) >= self.asked else []

        answer = eventually(answered, f"an answer to {line!r}")[self.asked - 1]
        return int(answer.group(1)), answer.group(2)

    def text(self, name: str, debug: int = 1) -> str:
        reply = self.running.get(f"/debug/pprof/{quote(name, safe='')}?debug={debug}")
        assert reply.status == 200, reply.body
        assert reply.headers["content-type"] == "text/plain; charset=utf-8"
        return reply.body.decode()

    def profile(self, name: str) -> cprof.Profile:
        reply = self.running.get(f"/debug/pprof/{quote(name, safe='')}")
        assert reply.status == 200, reply.body
        return cprof.load(reply.body)


@pytest.fixture
def program(build: Build, start: Start) -> Iterator[Program]:
    """Where the machine is busy the first stacks may come before the first rows."""
    program = Program(start(build("custom.c")))
    program.ask("new warm")

    def walked() -> bool:
        program.ask("remove 1 warm")
        program.ask("add 1 1 warm")
        return [names(s)[:3] for s in program.profile("warm").samples] == [FRAMES]

    eventually(walked, "the first rows")
    yield program


def names(sample: cprof.Sample) -> list[str]:
    return [f.name for f in sample.frames]


def test_names_are_refused_in_gos_words(program: Program) -> None:
    assert program.ask("new ") == (-1, "pprof: NewProfile with empty name")
    assert program.ask("new mine")[0] == 0
    taken = ["mine", "heap", "allocs", "block", "mutex", "goroutine", "thread", "threadcreate"]
    for name in [*taken, "profile", "cpu", "cmdline", "symbol", "trace", "ui"]:
        assert program.ask(f"new {name}") == (-1, f"pprof: NewProfile name already in use: {name}")


def test_a_value_is_in_once(program: Program) -> None:
    program.ask("new mine")
    assert program.ask("add 1 1 mine")[0] == 0
    assert program.ask("add 1 1 mine") == (-2, "pprof: Profile.Add of duplicate value")
    assert program.ask("count mine")[0] == 1
    assert program.ask("remove 2 mine")[0] == 0
    assert program.ask("count mine")[0] == 1
    assert program.ask("remove 1 mine")[0] == 0
    assert program.ask("count mine")[0] == 0
    assert program.text("mine") == "mine profile: total 0\n"


def test_built_in_profiles_can_be_counted_and_nothing_added(program: Program) -> None:
    assert program.ask("add 1 1 heap") == (-2, "pprof: Add called on built-in Profile heap")
    assert program.ask("remove 1 heap")[0] == 0
    assert program.ask("count goroutine")[0] == 1
    assert program.ask("add 1 1 nothing") == (-2, "pprof: use of uninitialized Profile")
    assert program.ask("count nothing")[0] == 0


def test_skip_says_where_the_stack_begins(program: Program) -> None:
    """One off, and every connection seems to be opened by the pool's own helper."""
    program.ask("new mine")
    want = ["cprof_profile_add", *FRAMES]
    for skip in range(4):
        assert program.ask(f"add {skip} {skip} mine")[0] == 0
    program.ask("add 9 900 mine")
    stacks = [names(s) for s in program.profile("mine").samples]
    for skip in range(4):
        assert any(s[: 4 - skip] == want[skip:] for s in stacks), (skip, stacks)
    assert ["<lost: skipped more than there is>"] in stacks


def test_lines_are_those_of_the_calls(program: Program) -> None:
    program.ask("new mine")
    program.ask("add 1 1 mine")
    source = (Path(__file__).parent / "targets" / "custom.c").read_text().splitlines()
    (sample,) = program.profile("mine").samples
    assert "cprof_profile_add(p, v, skip)" in source[sample.frames[0].line - 1]
    assert "inner(p, v, skip)" in source[sample.frames[1].line - 1]


def test_the_text_is_gos(program: Program) -> None:
    """Tools and scripts read it by columns."""
    program.ask("new mine")
    for value in (1, 2, 3):
        program.ask(f"add {value} 1 mine")
    program.ask("add 4 2 mine")
    text = program.text("mine")
    head, first, second, rest = text.split("\n", 1)[0], *text.split("\n", 1)[1].split("\n\n")
    assert head == "mine profile: total 4" and rest == ""
    for group, count, frames in ((first, 3, FRAMES), (second, 1, FRAMES[1:])):
        top, *lines = group.split("\n")
        assert re.fullmatch(rf"{count} @( 0x[0-9a-f]+)+", top), top
        returns = [int(word, 16) for word in top.split()[2:]]
        assert len(returns) == len(lines) > len(frames)
        for address, line in zip(returns, lines):
            assert re.fullmatch(rf"#\t0x{address - 1:x}\t+\S+\+0x[0-9a-f]+\t+\S+:\d+", line), line
        for name, line in zip(frames, lines):
            assert f"\t{name}+0x" in line and "custom.c:" in line
    assert program.text("mine", -1) == text == program.text("mine", 2)


def test_the_profile_has_its_name_as_type(program: Program, tmp_path: Path) -> None:
    program.ask("new mine")
    program.ask("add 1 1 mine")
    reply = program.running.get("/debug/pprof/mine")
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-disposition"] == 'attachment; filename="mine"'
    assert reply.headers["x-content-type-options"] == "nosniff"
    profile = cprof.load(reply.body)
    assert profile.sample_types == [("mine", "count")]
    assert profile.period_type == ("mine", "count") and profile.period == 1
    assert profile.total("mine") == 1
    assert reply.body[:2] == b"\x1f\x8b"
    require_go()
    out = go_pprof("-top", f"{program.running.url()}/debug/pprof/mine", home=tmp_path)
    assert "Type: mine" in out and re.search(r"1\s+100%\s+100%\s+1\s+100%\s+inner", out), out


def test_there_is_no_delta(program: Program) -> None:
    program.ask("new mine")
    reply = program.running.get("/debug/pprof/mine?seconds=1")
    assert reply.status == 400 and reply.headers["x-go-pprof"] == "1"
    assert reply.body == b'"seconds" parameter is not supported for this profile type\n'
    sound = b'invalid value for "seconds" - must be a positive integer\n'
    assert program.running.get("/debug/pprof/mine?seconds=x").body == sound


def test_the_order_is_always_the_same(program: Program) -> None:
    program.ask("new mine")
    for skip in range(4):
        for i in range(2):
            program.ask(f"add {2 * skip + i} {skip} mine")
    texts = {program.text("mine") for _ in range(5)}
    stacks = {tuple(tuple(names(s)) for s in program.profile("mine").samples) for _ in range(5)}
    assert len(texts) == len(stacks) == 1


def test_a_name_may_hold_anything(program: Program) -> None:
    """Unescaped it would break out of the index page, or of a header."""
    for name in (ODD, "x:y", "//", "tab\tin", "control\x01", "%41"):
        assert program.ask(f"new {name}")[0] == 0
        program.ask(f"add 1 1 {name}")
        assert program.profile(name).sample_types == [(name, "count")]
        shown = name.translate({9: "?", 1: "?"})
        assert program.text(name).startswith(f"{shown} profile: total 1\n")
    reply = program.running.get(f"/debug/pprof/{quote(ODD)}")  # the slash as it is
    assert reply.status == 200
    assert reply.headers["content-disposition"].startswith('attachment; filename="a/b <c>')
    index = program.running.get("/debug/pprof/").body.decode()
    assert "<a href='a%2Fb%20%3Cc%3E%22%C3%A9?debug=1'>a/b &lt;c&gt;&#34;\u00e9</a>" in index
    links = re.findall(r"<td>(\d+)</td><td><a href='(.*?)\?debug=1'>", index)
    listed = [link for _, link in links]
    assert {"x%3Ay", "%2F%2F", "%2541", "tab%09in"} <= set(listed)
    for count, link in links:
        if link not in ("profile", "cmdline", "symbol", "trace"):
            path = urljoin("/debug/pprof/", link)
            assert program.running.get(f"{path}?debug=1").status == 200, link
        if link == "x%3Ay":
            assert count == "1"
    ordered = ["early", "goroutine", "heap", "profile", "symbol", "tab%09in", "trace"]
    assert [link for link in listed if link in ordered] == ordered


def test_a_constructor_may_add(program: Program) -> None:
    """Before main, where nobody may be waited for who wants the loader."""
    assert program.ask("count early")[0] == 1
    (sample,) = program.profile("early").samples
    assert names(sample)[0] in ("inner", "<truncated>")


def test_what_is_loaded_later_is_walked_soon(program: Program, build: Build) -> None:
    """The rows of a plugin come with a look at the loader, which an add asks for and never
    waits for: the constructor of the plugin holds the loader's lock."""
    plugin = build("custom_plugin.c", flags=("-shared", "-fPIC"))
    assert program.ask(f"load {plugin}")[0] == 0
    (sample,) = program.profile("of a constructor").samples
    assert names(sample)[0] in ("plugin_add", "<truncated>")
    program.ask("new mine")
    value = 0

    def walked() -> bool:
        nonlocal value
        value += 1
        assert program.ask(f"plugin {value} mine")[0] == 0
        return any(
            names(s)[:2] == ["plugin_add", "main"] and "<truncated>" not in names(s)
            for s in program.profile("mine").samples
        )

    eventually(walked, "the plugin's rows")


def test_no_thread_of_ours_stays_for_it(program: Program) -> None:
    """What asks the loader ends again: a program that wants to be alone stays alone."""
    program.ask("new mine")
    program.ask("add 1 1 mine")

    def threads() -> set[str]:
        tasks = Path(f"/proc/{program.running.pid}/task")
        return {(t / "comm").read_text().strip() for t in tasks.iterdir()}

    eventually(lambda: "cprof-keeper" not in threads(), "the keeper to end")


def test_adds_survive_what_is_loaded_and_unloaded(build: Build, start: Start) -> None:
    """The tables of a module that goes are freed; a walk that still looked at them, or a lock that
    a child of fork inherits, would be the end."""
    plugin = build("custom_plugin.c", flags=("-shared", "-fPIC"))
    assert start(build("custom_hard.c"), "storm", str(plugin), "3").wait() == 0


def test_nobody_waits_for_the_loader(build: Build, start: Start) -> None:
    assert start(build("custom_hard.c"), "held").wait() == 0


def test_in_a_jail_it_makes_no_system_call(build: Build, start: Start) -> None:
    """A filter kills for one that it does not know."""
    target = start(build("custom_hard.c"), "jail")
    assert target.wait() == 0
    assert target.stdout() == "free again\n"


def test_a_child_goes_on_with_its_parents_values(program: Program) -> None:
    program.ask("new mine")
    program.ask("add 1 1 mine")
    program.ask("fork mine")
    assert program.running.line("child ") == "1 0 2"
    assert program.ask("count mine")[0] == 1


def test_profiles_are_written_without_a_server(program: Program, tmp_path: Path) -> None:
    program.ask("new mine")
    program.ask("add 1 1 mine")
    path = tmp_path / "out"
    for kind in ("mine", "heap", "allocs", "block", "mutex", "goroutine", "thread", "threadcreate"):
        assert program.ask(f"write 0 {path} {kind}")[0] == 0
        served = cprof.fetch(program.running.url(), kind)
        assert cprof.load(path).sample_types == served.sample_types
        assert program.ask(f"write 1 {path} {kind}")[0] == 0
        if kind != "goroutine" and kind != "thread":  # those run on
            assert path.read_text() == program.text(kind)
    for kind in ("cpu", "profile"):
        status, why = program.ask(f"write 0 {path} {kind}")
        assert status == -2 and "cprof_cpu_start" in why
    assert program.ask(f"write 0 {path} nothing") == (-2, "there is no profile named nothing")
    assert program.ask("write 0 /nowhere/at/all mine")[0] == -2


@pytest.mark.parametrize("flags", [(), ("-DCPROF_DISABLE",)], ids=["by the environment", "at all"])
def test_switched_off_it_is_nothing(build: Build, start: Start, flags: tuple[str, ...]) -> None:
    target = start(build("custom.c", flags=flags), env={} if flags else {"CPROF_DISABLE": "1"})
    program = Program(target)
    assert program.ask("new mine")[0] == -1
    assert program.ask("add 1 1 mine")[0] == (0 if flags else -2)
    assert program.ask("remove 1 mine")[0] == 0
    assert program.ask("count mine")[0] == 0
    assert program.ask("write 1 /dev/null heap")[0] == (0 if flags else -11)
    assert "libcprof_core" not in Path(f"/proc/{target.pid}/maps").read_text()
    assert target.stop() == 0


def test_every_kind_is_fetched(program: Program) -> None:
    program.ask(f"new {ODD}")
    program.ask(f"add 1 1 {ODD}")
    for kind in ("heap", "allocs", "block", "mutex", "goroutine", "thread", "threadcreate", ODD):
        profile = cprof.fetch(program.running.url(), kind)
        assert profile.sample_types
    assert profile.total(ODD) == 1
    assert gzip.decompress(program.running.get("/debug/pprof/early").body)
