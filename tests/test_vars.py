"""Variables of a linked C program: what /debug/vars and /debug/metrics say of them, and that they
are there without a server."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser

from conftest import Build, Start
from harness import DEADLINE_S, ROOT, Running, cprof_command, eventually, http, link_flags

# Of cprof itself; what they hold is tested elsewhere.
BUILT_IN = ("cmdline", "cprof", "memstats")

# Go's layout and texts, kind by kind; the names in the order of their bytes.
DOCUMENT = rb"""{
"early": 42,
"float.big": 1e+21,
"float.inf": null,
"float.nan": null,
"float.one": 1,
"float.small": 1e-07,
"float.third": 0.3,
"func": {"a":1,"b":"text"},
"func.failing": null,
"func.no_json": null,
"func.stdin": 1,
"int": 9223372036854775807,
"map": {"a": 1, "b": 2, "c": 0.5, "inner": 7, "nil": null},
"map.empty": {},
"paths": {},
"string": "\" \\ \n \r \t \u0001 \u003c \u003e \u0026 \u2028 %b %b %b",
"%b\u003cname\u003e": 1
}
""" % (b"\x7f", "ä".encode(), "\ufffd".encode(), "\ufffd".encode())


def ask(target: Running, line: str) -> str:
    """The line with which the target answers."""
    before = target.stdout().count("\n")
    assert target.process.stdin
    target.process.stdin.write(line.encode() + b"\n")
    target.process.stdin.flush()

    def answer() -> str:
        text = target.stdout()
        target.check_alive()
        return text.splitlines()[before] if text.count("\n") > before else ""

    return eventually(answer, f"an answer to {line!r}")


def started(build: Build, start: Start, **env: str) -> Running:
    target = start(build("vars.c", flags=["-lm"]), env=env)
    target.line("ready")
    return target


def serving(build: Build, start: Start) -> Running:
    target = started(build, start)
    assert ask(target, "serve 127.0.0.1:0").startswith("serve 0")
    return target


def without_built_in(document: bytes) -> bytes:
    lines = document.split(b"\n")
    own = tuple(f'"{name}": '.encode() for name in BUILT_IN)
    return b"\n".join(line for line in lines if not line.startswith(own))


def test_the_document_is_gos_to_the_byte(build: Build, start: Start) -> None:
    reply = serving(build, start).get("/debug/vars")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    assert "x-content-type-options" not in reply.headers
    assert without_built_in(reply.body) == DOCUMENT
    whole = json.loads(reply.body)
    assert list(whole) == sorted(whole, key=lambda name: name.encode())
    assert set(BUILT_IN) <= set(whole)
    assert whole["cmdline"][0].endswith("vars")
    assert len(whole["memstats"]["PauseNs"]) == 256 and whole["cprof"]


def test_a_name_is_published_once(build: Build, start: Start) -> None:
    """Also across the moment when the core is loaded, and for names of cprof's own."""
    target = started(build, start)
    for _ in range(2):
        for name in ("int", "early", *BUILT_IN):
            assert ask(target, f"int {name}") == f"int refused: Reuse of exported var name: {name}"
            assert ask(target, f"publish {name}").startswith("publish -4: Reuse of exported var")
        ask(target, "serve 127.0.0.1:0")
    assert ask(target, "publish late") == "publish 0: "
    assert ask(target, "int late") == "int refused: Reuse of exported var name: late"
    assert json.loads(target.get("/debug/vars").body)["late"] == ""
    assert without_built_in(target.get("/debug/vars").body).count(b'"int"') == 1


@pytest.mark.parametrize("door", ["environment", "cprof run"])
def test_whoever_opens_the_core_finds_them(door: str, build: Build, start: Start) -> None:
    """What constructors have published before there was a core, and what comes later."""
    program = build("vars.c", flags=["-lm"])
    if door == "environment":
        target = start(program, env={"CPROF_HTTP": "127.0.0.1:0"})
    else:
        target = start(Path(cprof_command()), "run", "--http", "127.0.0.1:0", "--", str(program))
    target.line("ready")
    ask(target, "int afterwards")
    url = re.search(r"http://[\d.:]+", target.log.read_text() + target.stderr())
    assert url
    document = http(url.group() + "/debug/vars").body
    assert without_built_in(document) == DOCUMENT.replace(b"{\n", b'{\n"afterwards": 0,\n', 1)


def test_counting_loads_nothing(build: Build, start: Start) -> None:
    """A library that counts must not cost a program a core, and threads, that nobody asked for."""
    target = started(build, start)
    assert ask(target, "storm") == "storm done"
    assert ask(target, "core") == "core 0"
    assert len(list(Path(f"/proc/{target.pid}/task").iterdir())) == 1


def test_switched_off_they_go_on_counting(build: Build, start: Start) -> None:
    target = started(build, start, CPROF_DISABLE="1")
    assert ask(target, "int int") == "int refused: Reuse of exported var name: int"
    assert ask(target, "int mine") == "int made: "
    assert ask(target, "serve 127.0.0.1:0").startswith("serve -11")
    assert ask(target, "core") == "core 0"


def test_children_of_fork_publish_and_add(build: Build, start: Start) -> None:
    """While a thread of the parent's is in the middle of the same."""
    assert ask(started(build, start), "fork") == "fork 0"


def test_no_addition_is_lost(build: Build, start: Start) -> None:
    target = serving(build, start)
    ask(target, "storm")
    assert json.loads(target.get("/debug/vars").body)["paths"]["all"] == 4 * 50000


def test_a_function_that_hangs_is_null_and_holds_up_nobody(build: Build, start: Start) -> None:
    target = serving(build, start)
    target.url()
    assert ask(target, "hang never") == "hang 1"
    first = json.loads(target.get("/debug/vars").body)
    assert first["never"] is None and first["int"] == 2**63 - 1
    began = time.monotonic()
    for _ in range(20):
        again = json.loads(target.get("/debug/vars").body)
        assert again["never"] is None and again["func"] == {"a": 1, "b": "text"}
    assert time.monotonic() - began < 20, "each waits for the one that hangs"
    assert target.get("/debug/pprof/").status == 200
    assert target.stop() == 0


def test_a_child_that_serves_calls_its_functions(build: Build, start: Start) -> None:
    """It has none of the parent's threads, and one that was in a function is in none here."""
    target = serving(build, start)
    ask(target, "hang never")
    assert json.loads(target.get("/debug/vars").body)["never"] is None
    url = ask(target, "child").split()[1]
    got = json.loads(http(url + "/debug/vars").body)
    assert got["func"] == {"a": 1, "b": "text"} and got["int"] == 2**63 - 1
    assert target.stop() == 0


def test_a_prometheus_parser_accepts_the_metrics(build: Build, start: Start) -> None:
    target = serving(build, start)
    target.url()
    ask(target, "int string_info")
    ask(target, "int float_one")
    ask(target, "storm")
    reply = target.get("/debug/metrics")
    kind = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert reply.headers["content-type"] == kind
    assert reply.headers["x-content-type-options"] == "nosniff"
    parse = parser.text_string_to_metric_families
    found = parse(reply.body.decode())  # type: ignore[no-untyped-call]
    families = {family.name: family for family in found}
    assert families["int"].type == "gauge"
    assert families["int"].samples[0].value == 2**63 - 1
    assert {s.labels["key"]: s.value for s in families["map"].samples} == {
        **{"a": 1, "b": 2},
        **{"c": 0.5, "inner": 7},
    }
    assert families["string"].type == "info"
    assert families["string"].samples[0].labels["value"].startswith('" \\ \n')
    assert families["func"].samples[0].labels == {"key": "a"}
    assert any(name.startswith("cprof_memstats_") for name in families), "cprof's own"
    assert {"float_one", "float_one_2", "string_info_"} <= set(families), "names stay different"


def test_the_c_header_compiles_away(tmp_path: Path) -> None:
    """-DCPROF_DISABLE leaves nothing to link, in C and in C++."""
    source = (ROOT / "tests" / "targets" / "vars.c").read_text()
    include = [f"-I{ROOT}/csrc/api", f"-I{ROOT}/tests/targets", "-D_GNU_SOURCE", "-DCPROF_DISABLE"]
    program = tmp_path / "vars.c"
    program.write_text(source)
    command = ["cc", "-Wall", "-Wextra", "-Werror", *include, str(program), "-lm", "-lpthread"]
    subprocess.run([*command, "-o", str(tmp_path / "off")], check=True)
    empty = tmp_path / "empty.cc"
    empty.write_text(
        '#include <cprof.h>\nint main() { return cprof_int_value(cprof_int_new("x")); }\n'
    )
    subprocess.run(
        ["c++", "-Wall", "-Wextra", "-Werror", *include, str(empty), "-o", str(tmp_path / "offcc")],
        check=True,
    )
    assert subprocess.run([str(tmp_path / "offcc")], check=False).returncode == 0


@pytest.fixture
def example(tmp_path: Path, start: Start) -> Running:
    program = tmp_path / "requests"
    source = str(ROOT / "examples" / "requests.c")
    command = ["cc", "-O2", "-Wall", "-Werror", source, *link_flags(), "-lpthread"]
    subprocess.run([*command, "-o", str(program)], check=True)
    return start(program, "0", "0")


def test_the_example_counts_requests_and_threads(example: Running) -> None:
    page = example.line("pages: ")
    assert http(page + "/").body == b"hello from /\n"
    for path in ("/", "/cart", "/cart?item=7"):
        assert http(page + path).status == 200

    def counted() -> bool:
        got = json.loads(example.get("/debug/vars").body)
        return bool(
            got["requests"] == 4
            and got["requests.by_path"] == {"/": 2, "/cart": 2}
            and got["threads.live"] == 0
        )

    eventually(counted, "all connections to be over", DEADLINE_S)
    metrics = example.get("/debug/metrics").body.decode()
    assert re.search(r'^requests_by_path\{key="/cart"\} 2$', metrics, re.M)
    assert example.stop() == 0
