"""The linked door: what a C program gets by linking cprof, and what it does not get until it
asks."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

import cprof
from conftest import Build, Start
from harness import Running, cprof_command, eventually, http
from shares import assert_share, ticks_in

pytestmark = pytest.mark.alone


def test_known_functions_come_out_three_to_one(build: Build, start: Start) -> None:
    target = start(build("shares.c"), "2")
    profile = cprof.fetch(target.url(), "cpu", seconds=3)
    assert target.stop() == 0
    ticks = ticks_in(profile, "three", "one")
    assert_share(ticks["three"], ticks["three"] + ticks["one"], 0.75)


def test_lines_name_the_statement(build: Build, start: Start) -> None:
    """A profile that is one line off sends people to the wrong statement."""
    target = start(build("shares.c"), "1")
    profile = cprof.fetch(target.url(), "cpu", seconds=2)
    target.stop()
    source = (Path(__file__).parent / "targets" / "shares.c").read_text().splitlines()
    call_sites = {"three": "three();", "one": "one();"}
    seen = set()
    for sample in profile.samples:
        names = [f.name for f in sample.frames]
        if "spin" in names and names.index("spin") > 0:
            caller = sample.frames[names.index("spin")]
            callee = sample.frames[names.index("spin") - 1].name
            if callee in call_sites:
                seen.add(callee)
                assert source[caller.line - 1].strip() == call_sites[callee]
    assert seen == {"three", "one"}


def untouched_facts(target: Running) -> str:
    target.line("ready")
    return target.stdout()


def test_unset_there_is_no_thread_no_handler_no_socket_and_no_core(
    build: Build, start: Start
) -> None:
    """Linking must cost nothing until something is switched on."""
    linked = start(build("untouched.c"))
    bare = start(build("untouched.c", link=False))
    facts, bare_facts = untouched_facts(linked), untouched_facts(bare)
    assert "libcprof.so" in facts, "--as-needed dropped a library the program calls nothing of"
    assert "libcprof_core" not in facts
    keep = re.compile(r"^(threads|descriptors|SigCgt).*", re.M)
    assert [m.group() for m in keep.finditer(facts)] == [
        m.group() for m in keep.finditer(bare_facts)
    ]
    assert linked.stop() == bare.stop() == 7


def test_the_environment_switches_an_unchanged_program_on(build: Build, start: Start) -> None:
    target = start(build("untouched.c"), env={"CPROF_HTTP": "127.0.0.1:0"})
    profile = cprof.fetch(target.url(), "cpu", seconds=1)
    assert any(f.name == "main" for s in profile.samples for f in s.frames)
    assert target.stop() == 7
    assert target.stderr() == "", "CPROF_LOG names a file: nothing goes to stderr"


def test_an_empty_address_and_the_off_switch_mean_off(build: Build, start: Start) -> None:
    for env in ({"CPROF_HTTP": ""}, {"CPROF_HTTP": "1", "CPROF_DISABLE": "1"}):
        target = start(build("untouched.c"), env=env)
        assert "libcprof_core" not in untouched_facts(target)
        assert target.stop() == 7


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_environment_does_not_reach_a_setgid_program(
    build: Build, start: Start, tmp_path: Path
) -> None:
    """Who starts such a program, and so chooses its environment, may not be who it runs as."""
    if os.statvfs(tmp_path).f_flag & os.ST_NOSUID:
        pytest.skip("nobody is setgid on that file system")
    program = tmp_path / "setgid"
    shutil.copy(build("untouched.c"), program)
    os.chown(program, -1, 65534)
    program.chmod(0o2755)
    target = start(program, env={"CPROF_HTTP": "127.0.0.1:0"})
    assert "libcprof_core" not in untouched_facts(target)
    assert target.stop() == 7


def test_a_taken_port_is_one_line_and_the_program_runs_on(build: Build, start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        target = start(build("untouched.c"), env={"CPROF_HTTP": address, "CPROF_LOG": "<unset>"})
        untouched_facts(target)
        assert target.stop() == 7
        lines = target.stderr().splitlines()
        assert len(lines) == 1 and lines[0].startswith("cprof: ") and address in lines[0]
        quiet = start(build("untouched.c"), env={"CPROF_HTTP": address, "CPROF_LOG": "off"})
        untouched_facts(quiet)
        assert quiet.stop() == 7
        assert quiet.stderr() == ""


def test_every_call_rightly_and_wrongly(build: Build, start: Start, tmp_path: Path) -> None:
    out = tmp_path / "cpu.pb.gz"
    target = start(build("calls.c"), str(out))
    assert target.wait() == 0
    said = dict(line.split(": ", 1) for line in target.stdout().splitlines())
    ok = {
        "serve", "close", "serve again", "close again", "child serve", "child close",
        "start", "stop", "start into a pipe",
    }  # fmt: skip
    for what in ok:
        assert said[what].startswith("0"), f"{what}: {said[what]}"
    failures = {
        "close before serve": -10, "close twice": -10, "serve nowhere": -5, "serve nonsense": -5,
        "serve everyone": -6, "serve twice": -3, "child serve on the parent's port": -4,
        "stop before start": -10, "stop twice": -10, "start twice": -3,
        "start on a closed descriptor": -2, "start on a read-only descriptor": -2,
        "start at a negative rate": -2, "start at an absurd rate": -2,
        "stop with the reader gone": -7,
    }  # fmt: skip
    for what, status in failures.items():
        code, _, sentence = said[what].partition(" ")
        assert int(code) == status, f"{what}: {said[what]}"
        assert len(sentence) > 5, f"{what} is not explained"
    assert said["version"] == "0"
    assert said["rate"] == "100"
    assert said["addr before"] == said["child addr"] == "none"
    assert re.fullmatch(r"127\.0\.0\.1:\d+", said["addr"])
    assert cprof.load(out).total("samples") > 10
    assert target.stderr() == "" and not target.log.exists(), "a linked door never writes"


def test_the_core_of_another_version_is_refused(build: Build, tmp_path: Path) -> None:
    """A front and a core of different builds must not call each other."""
    lib = Path(cprof.__file__).parent / "lib"
    (tmp_path / "libcprof.so").write_bytes((lib / "libcprof.so").read_bytes())
    source = tmp_path / "other.c"
    source.write_text("const void *cprof_core_table(unsigned abi) { (void)abi; return 0; }\n")
    command = ["cc", "-shared", "-fPIC", str(source), "-o", str(tmp_path / "libcprof_core.so")]
    subprocess.run(command, check=True)
    env = {"LD_LIBRARY_PATH": str(tmp_path), "LD_PRELOAD": str(tmp_path / "libcprof.so")}
    done = subprocess.run(
        ["/bin/echo", "still runs"],
        env={**env, "CPROF_HTTP": "127.0.0.1:0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "still runs\n"
    assert done.stderr.count("\n") == 1 and "another version" in done.stderr


def test_config_prints_what_links_and_runs(build: Build, start: Start, tmp_path: Path) -> None:
    """Through the shell, as the README says it."""
    source = tmp_path / "app.c"
    source.write_text("#include <cprof.h>\nint main(void) { return 42; }\n")
    line = f"cc {source} $({cprof_command()} config --cflags --libs) -o {tmp_path / 'app'}"
    subprocess.run(["sh", "-c", line], check=True)
    assert subprocess.run([str(tmp_path / "app")], check=False).returncode == 42


def test_switched_off_at_compile_time_nothing_is_needed(tmp_path: Path) -> None:
    source = tmp_path / "app.c"
    source.write_text(
        "#include <cprof.h>\n"
        "int main(void) { return cprof_serve(0) + cprof_close() + cprof_cpu_start(1, 0)"
        " + cprof_cpu_stop() + cprof_set_cpu_hz(5) + (cprof_serve_addr() != 0)"
        " + *cprof_last_error()"
        " + (*cprof_version() == 0); }\n"
    )
    header = Path(cprof.__file__).parent / "include"
    flags = [
        "-DCPROF_DISABLE",
        "-std=c99",
        "-pedantic",
        "-Wall",
        "-Wextra",
        "-Werror",
        f"-I{header}",
    ]
    subprocess.run(["cc", *flags, str(source), "-o", str(tmp_path / "app")], check=True)
    assert subprocess.run([str(tmp_path / "app")], check=False).returncode == 0


def test_the_header_is_plain_c99_and_cpp(tmp_path: Path) -> None:
    header = Path(cprof.__file__).parent / "include"
    for name, compiler in (("h.c", ["cc", "-std=c99"]), ("h.cc", ["c++", "-std=c++11"])):
        source = tmp_path / name
        source.write_text("#include <cprof.h>\n")
        command = [*compiler, "-pedantic", "-Wall", "-Wextra", "-Werror", f"-I{header}", "-c"]
        subprocess.run([*command, str(source), "-o", "/dev/null"], check=True)


def test_a_host_with_functions_named_like_our_dependencies(build: Build, start: Start) -> None:
    """A host that exported its own crc32 was called by our zlib: every profile was broken."""
    target = start(build("hijack.c", flags=["-rdynamic", "-fno-builtin"]))
    profile = cprof.fetch(target.url(), "cpu", seconds=1)
    assert profile.sample_types
    assert target.stop() == 0
    assert "was called" not in target.stderr()


def test_closing_ends_the_threads(build: Build, start: Start) -> None:
    target = start(build("shares.c"), "1")
    url = target.url()
    tasks = Path(f"/proc/{target.pid}/task")
    before = len(list(tasks.iterdir()))
    assert http(f"{url}/debug/pprof/profile?seconds=1").status == 200
    # The sampling thread ends with its window; event loop and worker stay for the next request.
    eventually(lambda: len(list(tasks.iterdir())) <= before + 1, "the sampling thread to end")
    assert target.stop() == 0
