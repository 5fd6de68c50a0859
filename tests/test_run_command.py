"""`cprof run`: the program that runs is the one that would have run, in every respect.

Two kinds of tests. What the stub is told is a pure function, `_launch.compose`. What the program
notices is asked of a program that prints all it was given, bare and under a copy of the package
whose stub does nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import cprof
from conftest import Build
from cprof import _launch, _profilable
from cprof.cli import _filename
from cprof.cli import run as command
from harness import DEADLINE_S, eventually

Compile = Callable[..., Path]
CprofRun = Callable[..., list[str]]
HOST = _profilable.this_host()
PATH = b"/usr/local/bin:/usr/bin:/bin"
ADDED = ("LD_PRELOAD=", "CPROF_RUN_")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture(scope="module")
def compile_c(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """compile_c("text", "flag", ..., cc="gcc"); a compiler that cannot is a skip."""
    where = tmp_path_factory.mktemp("c")

    def make(text: str, *flags: str, cc: str = "gcc", output: Path | None = None) -> Path:
        source = where / "source.c"
        source.write_text(text)
        output = output or where / f"p{len(list(where.iterdir()))}"
        tool = shutil.which(cc)
        if not tool:
            pytest.skip(f"no {cc}")
        words = [tool, str(source), "-o", str(output), *flags]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{cc} {' '.join(flags)} does not work here: {done.stderr[-200:]}")
        return output

    return make


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, compile_c: Compile) -> Path:
    """A copy of the package, with a stub that does nothing."""
    home = tmp_path_factory.mktemp("copy") / "cprof"
    ignore = shutil.ignore_patterns("*.so", "include", "lib", "__pycache__")
    shutil.copytree(Path(cprof.__file__).parent, home, ignore=ignore)
    (home / "lib").mkdir()
    output = home / "lib" / "libcprof_preload.so"
    compile_c("int cprof_test_stub;\n", "-shared", "-fPIC", output=output)
    return home


@pytest.fixture
def environment() -> dict[str, str]:
    return {"PATH": os.fsdecode(PATH), "LANG": "C"}


@pytest.fixture(scope="module")
def cprof_run(package: Path) -> CprofRun:
    """cprof_run("-o", "x", program) is a command line, without help from the environment."""
    return lambda *words: command_line(package, *words)


def command_line(package: Path, *words: str | Path) -> list[str]:
    start = package.parent / "start.py"  # its directory is the first of sys.path
    if not start.exists():
        start.write_text("import sys\nfrom cprof.cli import main\nsys.exit(main())\n")
    return [sys.executable, str(start), "run", *map(str, words)]


def ran(words: list[str], env: Mapping[str, str], **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        env=env,
        timeout=DEADLINE_S,
        check=False,
        text=True,
        errors="surrogateescape",
        stdin=more.pop("stdin", subprocess.DEVNULL),
        capture_output=True,
        **more,
    )


# --- What the program is told ---------------------------------------------------------------------


def composed(env: Mapping[str, str], **wishes: Any) -> dict[str, str]:
    pairs = [(name.encode(), value.encode()) for name, value in env.items()]
    made = _launch.compose(pairs, _launch.Wishes("/lib/stub.so", **wishes), 42)
    assert len(dict(made)) == len(made), "a name twice"
    return {name.decode(): value.decode() for name, value in made}


ALWAYS = {
    "LD_PRELOAD": "/lib/stub.so",
    "CPROF_RUN_PID": "42",
    "CPROF_RUN_GENERATION": "0",
    "CPROF_RUN_FOLLOW": "0",
}
SERVER = {"CPROF_RUN_HTTP": "127.0.0.1:0"}


@pytest.mark.parametrize(
    ("given", "wishes", "more"),
    [
        ({}, {}, SERVER),
        ({"A": "b"}, {}, {"A": "b", **SERVER}),
        ({}, {"http": ":1"}, {"CPROF_RUN_HTTP": ":1"}),
        ({}, {"output": "/x"}, {"CPROF_RUN_OUTPUT": "/x"}),
        ({}, {"output": "/x", "http": "1"}, {"CPROF_RUN_OUTPUT": "/x", "CPROF_RUN_HTTP": "1"}),
        ({}, {"follow": True}, {"CPROF_RUN_FOLLOW": "1", **SERVER}),
        ({}, {"cpu_hz": 997}, {"CPROF_RUN_CPU_HZ": "997", **SERVER}),
        # One server: the environment's wish is the default of --http, and never stays.
        ({"CPROF_HTTP": "6060"}, {}, {"CPROF_RUN_HTTP": "6060"}),
        ({"CPROF_HTTP": ""}, {}, SERVER),
        ({"CPROF_HTTP": "6060"}, {"http": "7070"}, {"CPROF_RUN_HTTP": "7070"}),
        ({"CPROF_HTTP": "6060"}, {"output": "/x"}, {"CPROF_RUN_OUTPUT": "/x"}),
        # What an outer `cprof run` said is not for this one.
        ({"CPROF_RUN_OUTPUT": "/old", "CPROF_RUN_FOLLOW": "1", "CPROF_RUN_NEW": "1"}, {}, SERVER),
        ({"LD_PRELOAD": "/a.so b.so"}, {}, {"LD_PRELOAD": "/lib/stub.so:/a.so b.so", **SERVER}),
        ({"LD_PRELOAD": "/a:/lib/stub.so"}, {}, {"LD_PRELOAD": "/lib/stub.so:/a", **SERVER}),
        ({"LD_PRELOAD": "/lib/stub.so"}, {}, SERVER),
        ({"LD_PRELOAD": ""}, {}, SERVER),
        ({"CPROF_LOG": "off"}, {}, {"CPROF_LOG": "off", **SERVER}),
    ],
)
def test_the_stub_is_told(
    given: dict[str, str], wishes: dict[str, Any], more: dict[str, str]
) -> None:
    """The contract with the stub: a wish lost here is a profile that nobody gets, a variable left
    here a second server."""
    assert composed(given, **wishes) == {**ALWAYS, **more}


@pytest.mark.parametrize(
    ("value", "disabled"), [(None, False), (b"", False), (b"0", False), (b"1", True), (b"x", True)]
)
def test_disabled_is_read_as_in_c(value: bytes | None, disabled: bool) -> None:
    env = [] if value is None else [(b"CPROF_DISABLE", value)]
    assert _launch.is_disabled(env) == disabled


def test_file_names() -> None:
    """A profile that lands elsewhere is lost: the program changes its directory, or the directory
    has a percent sign."""
    assert _filename.absolute("a.%p", "/x/100%p") == "/x/100%%p/a.%p"
    assert _filename.absolute("/a/../b", "/x") == "/a/../b"
    assert _filename.expand("/x/100%%p/a.%p", 7) == "/x/100%p/a.7"
    assert _filename.has_pid("%%%p")
    assert not _filename.has_pid("%%p")
    assert [_filename.stray(f) for f in ("a%p%%", "a%", "%d%p")] == ["", "%", "%d"]


def test_our_words_end_where_the_program_begins() -> None:
    """`cprof run ./a.out -o x` must not take the program's -o, nor write over its x."""
    assert command.split(["./a", "-o", "x"]) == ([], ["./a", "-o", "x"])
    assert command.split(["--", "-a", "--"]) == ([], ["-a", "--"])
    assert command.split(["-o", "x", "--follow", "a"]) == (["-o", "x", "--follow"], ["a"])
    assert command.split(["-ox", "--http=1", "a", "--", "b"]) == (
        ["-ox", "--http=1"],
        ["a", "--", "b"],
    )
    assert command.split(["--follow", "-m", "x", "-v"]) == (["--follow"], ["-m", "x", "-v"])
    assert command.split(["--follow", "-mx", "-v"]) == (["--follow"], ["-mx", "-v"])
    assert command.split(["-o"]) == (["-o"], [])


# --- What the program notices ---------------------------------------------------------------------


def outcome(done: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    """With what `compose` adds taken out again: the real stub takes it out itself."""
    lines = done.stdout.splitlines(keepends=True)
    kept = [x for x in lines if not x.startswith(tuple(f"environment {name}" for name in ADDED))]
    return done.returncode, "".join(kept), done.stderr


def assert_same(
    cprof_run: CprofRun,
    program: str | Path,
    *args: str,
    env: Mapping[str, str],
    before: tuple[str, ...] = (),
    **how: Any,
) -> None:
    """The program's words are the same bare, under `cprof run`, and when that is switched off."""
    wanted = outcome(ran([*before, str(program), *args], env, **how))
    assert wanted[0] == 42, wanted
    run = cprof_run("--http", "0", "--", program, *args)
    assert outcome(ran([*before, *run], env, **how)) == wanted
    off = {**env, "CPROF_DISABLE": "1"}
    wanted = outcome(ran([*before, str(program), *args], off, **how))
    assert outcome(ran([*before, *run], off, **how)) == wanted


def test_a_program_is_given_what_it_is_given_bare(
    build: Build, environment: dict[str, str], tmp_path: Path, cprof_run: CprofRun
) -> None:
    """Environment in its order, dispositions, mask, descriptors with their positions, directory,
    umask, limits. LANG=C: Python puts LC_CTYPE into its own environment there."""
    program = build("inherited.c", link=False)
    assert "LC_ALL" not in environment
    file = tmp_path / "file"
    file.write_text("abcdef")
    with file.open("rb", buffering=0) as stdin, file.open("rb", buffering=0) as other:
        stdin.seek(3)
        assert_same(
            cprof_run,
            program,
            "a",
            "",
            "--",
            "-o",
            "\udce4",
            env={**environment, "Z": "1", "A": "2", "PYTHONHASHSEED": "3"},
            stdin=stdin,
            pass_fds=[other.fileno()],
            cwd=tmp_path,
        )
        assert stdin.tell() == 3


def test_a_program_is_given_what_a_shell_ignores(
    build: Build, environment: dict[str, str], cprof_run: CprofRun
) -> None:
    """`trap '' PIPE` is how scripts shield what they start, nohup shields from HUP; Python itself
    ignores SIGPIPE and SIGXFSZ, and must neither leave that behind nor lose what was there."""
    program = build("inherited.c", link=False)
    for ignored in ("PIPE", "PIPE XFSZ", "HUP INT", "XFSZ TERM"):
        # Two commands, or the shell would exec the second in place.
        shell = ("sh", "-c", f'trap "" {ignored}; "$@"; exit $?', "sh")
        assert_same(cprof_run, program, env=environment, before=shell)


def test_a_program_is_given_the_mask_and_the_rest(
    build: Build, environment: dict[str, str], cprof_run: CprofRun
) -> None:
    """Blocked and pending signals pass an exec, and so do umask, limits and the nice value."""

    def unusual() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
        os.kill(os.getpid(), signal.SIGUSR1)
        os.umask(0o137)
        os.nice(1)
        os.setsid()

    assert_same(cprof_run, build("inherited.c", link=False), env=environment, preexec_fn=unusual)


def test_a_program_is_given_closed_descriptors(
    build: Build, environment: dict[str, str], cprof_run: CprofRun
) -> None:
    """Daemons are started with less than three descriptors; none may appear, or be written to."""
    program = build("inherited.c", link=False)
    for closing in ("<&-", "2>&-", "<&- 2>&-"):
        assert_same(
            cprof_run, program, env=environment, before=("sh", "-c", f'"$@" {closing}', "sh")
        )


def test_a_program_is_given_an_environment_as_it_is(build: Build, cprof_run: CprofRun) -> None:
    """Names twice, a name that begins with =, bytes that are no UTF-8: os.environ has none of it
    whole."""
    program = build("inherited.c", link=False)
    bare = outcome(ran([str(program), "messy", str(program)], {}))
    run = cprof_run(program)
    assert "environment TWICE=2\n" in bare[1]
    assert outcome(ran([str(program), "messy", *run], {})) == bare


def test_it_is_the_same_process(environment: dict[str, str], cprof_run: CprofRun) -> None:
    """The pid that a supervisor started is the one it signals and waits for."""
    process = subprocess.Popen(
        cprof_run("sh", "-c", "echo $$; read line; exit 7"),
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    assert int(process.stdout.readline()) == process.pid
    process.communicate(b"go\n", timeout=DEADLINE_S)
    assert process.returncode == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_death_by_signal_is_death_by_signal(
    number: signal.Signals, environment: dict[str, str], cprof_run: CprofRun
) -> None:
    """Ctrl-C ends the program as it would: not a Python traceback, nor exit code 130 where a shell
    looks for a signal."""
    process = subprocess.Popen(cprof_run("sleep", "600"), env=environment, stderr=subprocess.PIPE)
    try:
        comm = Path(f"/proc/{process.pid}/comm")
        eventually(lambda: comm.read_text() == "sleep\n", "sleep to run")
        process.send_signal(number)
        _, err = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, err) == (-number, b"")


INTERRUPTED = """
import os, signal
from cprof.cli import run
run._start = lambda *_: os.kill(os.getpid(), signal.SIGINT) or 9
raise SystemExit(run.run(["true"]))
"""


def test_ctrl_c_before_the_program_runs(package: Path) -> None:
    """It may come a moment too early; who has it ignored, as in `cmd &` of a script, keeps that."""
    env = {"PATH": os.fsdecode(PATH)}
    words = [sys.executable, "-c", INTERRUPTED]
    done = ran(words, env, cwd=package.parent)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
    done = ran(["sh", "-c", 'trap "" INT; "$@"; exit $?', "sh", *words], env, cwd=package.parent)
    assert (done.returncode, done.stderr) == (9, "")


def test_a_pipe_that_breaks_ends_the_program(
    environment: dict[str, str], cprof_run: CprofRun
) -> None:
    """`cprof run yes | head` ends, instead of an error message about a broken pipe."""
    process = subprocess.Popen(
        cprof_run("yes"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == b"y\n"
    process.stdout.close()
    assert process.wait(DEADLINE_S) == -signal.SIGPIPE
    assert process.stderr.read() == b""
    process.stderr.close()


# --- What runs ------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Things that a shell can be asked to run."""
    texts = {
        "plain": 'echo "$0" "$@"; exit 3\n',
        "script": '#!/bin/sh\necho "$0" "$@"; exit 3\n',
        "env-script": '#!/usr/bin/env sh\necho "$0" "$@"; exit 3\n',
        "second": "#!./script -x\n",
        "empty": "",
        "lost": "#!/no/such/interpreter\n",
        "junk": "\x7fELF junk\n",
        "blank": '#!\necho "$0"\n',
        "unreadable": "echo x\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "unreadable").chmod(0o644)
    (tmp_path / "directory").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        *("plain", "script", "env-script", "second", "empty", "lost", "junk", "blank"),
        *("unreadable", "directory", "absent", "script/x"),
    ],
)
@pytest.mark.parametrize("by_path", [False, True])
def test_found_and_started_as_by_env(
    name: str, by_path: bool, files: Path, environment: dict[str, str], cprof_run: CprofRun
) -> None:
    """126, 127, and the shell for a text without #!: as the real env(1) has them, for a name in
    PATH and for a path."""
    environment["PATH"] = f"/nonexistent:{files}:{environment['PATH']}"
    program = f"./{name}" if by_path else name
    wanted = ran(["/usr/bin/env", program, "a", "b"], environment, cwd=files)
    done = ran(cprof_run("--", program, "a", "b"), environment, cwd=files)
    assert (done.returncode, done.stdout) == (wanted.returncode, wanted.stdout), done.stderr
    if wanted.returncode in (126, 127) and "env: " in wanted.stderr:
        assert done.stderr.startswith("cprof: ")
        assert len(done.stderr.splitlines()) == 1
    else:
        assert done.stderr == wanted.stderr


def test_without_path_the_c_librarys_is_searched(
    environment: dict[str, str], cprof_run: CprofRun
) -> None:
    del environment["PATH"]
    assert ran(cprof_run("true"), environment).returncode == 0
    assert _profilable.find(b"sh", None) in (b"/bin/sh", b"/usr/bin/sh")


def test_an_empty_name_is_not_found(environment: dict[str, str], cprof_run: CprofRun) -> None:
    assert ran(cprof_run("--", ""), environment).returncode == 127


def test_python_programs_run_under_this_python(
    tmp_path: Path, environment: dict[str, str], cprof_run: CprofRun
) -> None:
    """With its own arguments, options that look like ours among them, and its own directory first
    on sys.path."""
    app = tmp_path / "app.py"
    app.write_text("import sys; print(sys.executable, *sys.argv[1:], sys.path[0]); sys.exit(9)\n")
    for words in (["app.py"], ["--", "app.py"], ["-m", "app"], ["--", "-m", "app"], ["-mapp"]):
        done = ran(cprof_run(*words, "-o", "x"), environment, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (9, "")
        assert done.stdout == f"{sys.executable} -o x {tmp_path}\n"
    (tmp_path / "package.py").mkdir()
    done = ran(cprof_run("package.py"), environment, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (126, "cprof: package.py: Is a directory\n")
    # A program named so that is no file here is looked up in PATH, as any other.
    assert ran(cprof_run("other.py"), environment, cwd=tmp_path).returncode == 127


# --- What cannot be profiled ----------------------------------------------------------------------

EMPTY = "int main(void) { return 5; }\n"


def why_not(path: Path, search: bytes | None = PATH) -> str:
    return _profilable.why_not(os.fsencode(path), search, HOST)


def loader() -> str:
    assert HOST
    assert HOST.interpreter
    return os.fsdecode(HOST.interpreter)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["-static"], "it is statically linked"),
        (["-static-pie"], "it is statically linked"),
        (["-fsanitize=address"], "it is built with AddressSanitizer"),
        (["-fsanitize=address", "-static-libasan"], "it is built with a sanitizer"),
        (["-fsanitize=thread"], "it is built with ThreadSanitizer"),
        (["-fsanitize=thread", "-static-libtsan"], "it is built with a sanitizer"),
        (["-fsanitize=leak"], "it is built with LeakSanitizer"),
        (["-fsanitize=undefined"], ""),
        (["-fsanitize=undefined", "-static-libubsan"], ""),
        ([], ""),
        (["-no-pie"], ""),
        (["-Wl,--hash-style=sysv"], ""),
    ],
)
def test_how_it_was_linked(flags: list[str], words: str, compile_c: Compile) -> None:
    """In a static program a preload is silently without effect, and under ASan it aborts."""
    assert why_not(compile_c(EMPTY, *flags)) == words


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("address", "it is built with AddressSanitizer"),
        ("memory", "it is built with MemorySanitizer"),
        ("thread", "it is built with ThreadSanitizer"),
        ("leak", "it is built with LeakSanitizer"),
        ("undefined", ""),
    ],
)
def test_clang_links_its_sanitizers_statically(flag: str, words: str, compile_c: Compile) -> None:
    assert why_not(compile_c(EMPTY, f"-fsanitize={flag}", cc="clang-14")) == words


def test_another_c_library(compile_c: Compile, tmp_path: Path) -> None:
    """Our stub needs this machine's glibc; with musl or an older glibc the loader would refuse it,
    and the program with it. Both programs do run: their loader is a copy of ours."""
    musl = tmp_path / "ld-musl-x86_64.so.1"
    other = tmp_path / Path(loader()).name
    for copy in (musl, other):
        shutil.copy(loader(), copy)
    with_musl = compile_c(EMPTY, f"-Wl,--dynamic-linker={musl}")
    assert subprocess.run([with_musl], check=False).returncode == 5
    assert why_not(with_musl) == "it is built with musl"
    assert why_not(compile_c(EMPTY, f"-Wl,--dynamic-linker={other}")) == (
        f"it brings its own C library ({other})"
    )
    link = tmp_path / "ld-link.so"
    link.symlink_to(loader())
    assert why_not(compile_c(EMPTY, f"-Wl,--dynamic-linker={link}")) == ""


def test_without_its_loader_nothing_starts(
    compile_c: Compile, environment: dict[str, str], cprof_run: CprofRun
) -> None:
    """One line, the right one: not that it runs unprofiled, since it does not run."""
    program = compile_c(EMPTY, "-Wl,--dynamic-linker=/no/such/ld-musl-x86_64.so.1")
    assert why_not(program) == ""
    done = ran(cprof_run(program), environment)
    said = f"cprof: {program}: the interpreter that it names is not there\n"
    assert (done.returncode, done.stderr) == (127, said)


def test_another_machine(compile_c: Compile, tmp_path: Path) -> None:
    data = bytearray(compile_c(EMPTY).read_bytes())
    patched = tmp_path / "patched"
    patched.write_bytes(data[:18] + struct.pack("=H", 22) + data[20:])  # EM_S390
    assert why_not(patched) == "it is built for another machine"
    patched.write_bytes(data[:4] + b"\1" + data[5:52])  # all that such a header has
    assert why_not(patched) == "it is a 32-bit program"
    patched.write_bytes(data[:5] + b"\2" + data[6:])  # the other byte order
    assert why_not(patched) == "it is built for another machine"


def test_a_damaged_program_is_left_to_exec(compile_c: Compile, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    cut.write_bytes(compile_c(EMPTY).read_bytes()[:100])
    assert why_not(cut) == ""


def test_of_a_script_the_interpreter_counts(compile_c: Compile, tmp_path: Path) -> None:
    """Through other scripts and through env, which are binaries of their own."""
    static = compile_c(EMPTY, "-static").rename(tmp_path / "static-sh")
    its = f"its interpreter {static} is statically linked"
    search = os.fsencode(tmp_path) + b":" + PATH
    rows = {
        f"#!{static}\n": its,
        f"#! \t{static} -x y\nmore": its,
        "#!/usr/bin/env static-sh": its,
        "#!/usr/bin/env -S static-sh -u x": its,
        "#!/usr/bin/env -S A=1 B=2 static-sh": its,
        "#!/usr/bin/env static-sh -x": "",  # one word with a blank: env will not find it
        f"#!{tmp_path}/0\n": its,  # the first row's
        "#!/usr/bin/env 2\n": its,  # env, and then a script through env
        "#!/bin/sh\n": "",
        "#!/usr/bin/env sh\n": "",
        "#!/no/such\n": "",
        "#!\n": "",
        "#!/usr/bin/env -S": "",
        "echo\n": "",
        f"#!{tmp_path}/14\n": "",  # itself, for ever
        "MZ\0\0": "",
    }
    for i, (text, words) in enumerate(rows.items()):
        script = tmp_path / str(i)
        script.write_text(text)
        script.chmod(0o755)
        assert why_not(script, search) == words, text
    env = compile_c(EMPTY, "-static").rename(tmp_path / "env")
    script.write_text(f"#!{env} sh\n")
    assert why_not(script) == f"its interpreter {env} is statically linked"


# Runs a function of ours and then the program, both as another user.
AS_OTHER = """
import os, sys
from cprof import _profilable
program, *ids = sys.argv[1:]
real, effective, group = map(int, ids)
host = _profilable.this_host()
os.setgroups([]); os.setresgid(group, group, group); os.setresuid(real, effective, effective)
print(_profilable.why_not(os.fsencode(program), b"/bin", host), flush=True)
os.execv(program, [program, "secure"])
"""
NOBODY = 65534
SUID, SGID = stat.S_ISUID, stat.S_ISGID


@as_root
@pytest.mark.parametrize(
    ("mode", "owner", "real", "effective", "capable", "words"),
    [
        (0o755, 0, NOBODY, NOBODY, False, ""),
        (0o755 | SUID, 0, NOBODY, NOBODY, False, "setuid"),
        (0o755 | SUID, NOBODY, NOBODY, NOBODY, False, ""),
        (0o755 | SUID, NOBODY, 0, 0, False, "setuid"),
        (0o755 | SUID, 0, 0, 0, False, ""),
        (0o755 | SGID, 0, NOBODY, NOBODY, False, "setgid"),
        (0o745 | SGID, 0, NOBODY, NOBODY, False, ""),
        (0o755 | SGID, NOBODY, NOBODY, NOBODY, False, ""),
        (0o755, 0, NOBODY, 0, False, "setuid"),
        (0o755, 0, NOBODY, NOBODY, True, "capabilities"),
        (0o755, 0, 0, 0, True, ""),
    ],
)
def test_what_the_kernel_does_not_trust(
    mode: int,
    owner: int,
    real: int,
    effective: int,
    capable: bool,
    words: str,
    build: Build,
    package: Path,
) -> None:
    """The judge is the kernel: where it sets AT_SECURE the loader ignores us, and nowhere else."""
    where = Path("/tmp") / f"cprof-test-{os.getpid()}"  # pytest's own is closed to others
    where.mkdir(mode=0o755)
    try:
        where.chmod(0o755)
        program = Path(shutil.copy(build("inherited.c", link=False), where / "p"))
        os.chown(program, owner, owner)
        program.chmod(mode)
        if capable:
            raw = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)  # effective, NET_BIND_SERVICE
            try:
                os.setxattr(program, "security.capability", raw)
            except OSError as why:
                pytest.skip(f"no file capabilities in /tmp: {why}")
        if os.statvfs(where).f_flag & os.ST_NOSUID:
            pytest.skip("/tmp is mounted nosuid")
        ids = [str(real), str(effective), str(real)]
        words_said, secure = ran(
            [sys.executable, "-c", AS_OTHER, str(program), *ids],
            {"PYTHONPATH": str(package.parent)},
        ).stdout.splitlines()
    finally:
        shutil.rmtree(where)
    assert words in words_said
    assert bool(words_said) == bool(words)
    assert secure == ("1" if words else "0")


def test_unprofiled_it_runs_all_the_same(
    build: Build, environment: dict[str, str], tmp_path: Path, cprof_run: CprofRun
) -> None:
    """One line, then the program with its own exit code, and an environment without a trace of
    us; the line goes where CPROF_LOG says."""
    static = build("inherited.c", ["-static"], link=False)
    environment["CPROF_HTTP"] = "6060"
    bare = outcome(ran([str(static)], environment))
    line = f"cprof: {static} runs unprofiled: it is statically linked\n"
    done = ran(cprof_run(static), environment)
    assert (done.returncode, done.stdout, done.stderr) == (42, bare[1], line)
    assert ran(cprof_run(static), {**environment, "CPROF_LOG": "off"}).stderr == ""
    log = tmp_path / "log"
    log.write_text("before\n")
    assert ran(cprof_run(static), {**environment, "CPROF_LOG": str(log)}).stderr == ""
    assert log.read_text() == "before\n" + line
    assert ran(cprof_run(static), {**environment, "CPROF_LOG": "/no/log"}).stderr == line
    assert ran(cprof_run(static), {**environment, "CPROF_DISABLE": "1"}).stderr == ""


def test_nobody_reading_stderr_is_no_reason_not_to_run(
    build: Build, environment: dict[str, str], cprof_run: CprofRun
) -> None:
    """Nor may the line go to stdout where stderr is closed."""
    static = build("inherited.c", ["-static"], link=False)
    closed = ran(["sh", "-c", '"$@" 2>&-', "sh", *cprof_run(static)], environment)
    assert (closed.returncode, closed.stdout[:9]) == (42, "argument ")
    closed = ran(["sh", "-c", '"$@" 2>&-', "sh", *cprof_run("absent")], environment)
    assert (closed.returncode, closed.stdout) == (127, "")
    reader, writer = os.pipe()
    os.close(reader)
    broken = subprocess.run(
        cprof_run(static),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=writer,
        timeout=DEADLINE_S,
        check=False,
    )
    os.close(writer)
    assert (broken.returncode, broken.stdout[:9]) == (42, b"argument ")


def test_a_stub_that_cannot_be_preloaded(package: Path, environment: dict[str, str]) -> None:
    """Missing, or at a path that LD_PRELOAD takes apart: the loader would print an error of its
    own for each piece, in every process."""
    odd = package.parent / "a b" / "cprof"
    shutil.copytree(package, odd)
    done = ran(command_line(odd, "sh", "-c", "exit 4"), environment)
    assert done.returncode == 4
    assert done.stderr.startswith("cprof: sh runs unprofiled: LD_PRELOAD cannot name")
    (odd / "lib" / "libcprof_preload.so").unlink()
    done = ran(command_line(odd, "sh", "-c", "exit 4"), environment)
    assert done.returncode == 4
    assert "this installation of cprof has no " in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_preloaded_sanitizer_comes_first_or_aborts() -> None:
    """ASan ends a program in which it is not the first library, and ours would be."""
    env = [(b"LD_PRELOAD", b"/usr/lib/libx.so /usr/lib/gcc/12/libasan.so.8")]
    assert _launch.why_unprofiled(b"/bin/sh", env, __file__) == "LD_PRELOAD brings AddressSanitizer"
    assert _launch.why_unprofiled(b"/bin/sh", [], __file__) == ""


# --- Usage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "a program is needed"),
        (["--"], 2, "a program is needed"),
        (["--follow"], 2, "a program is needed"),
        (["-m"], 2, "-m wants"),
        (["--nonsense", "true"], 2, "--nonsense"),
        (["-o"], 2, "expected one argument"),
        (["-o", "", "true"], 2, "and this one is empty"),
        (["-o", "-", "true"], 2, "stdout is the program's own"),
        (["-o", "x%d", "true"], 2, "'%d' in x%d"),
        (["-o", "x", "--follow", "true"], 2, "put %p into x"),
        (["-o", "x%%p", "--follow", "true"], 2, "put %p into x%%p"),
        (["--profile", "cpu", "true"], 2, "there is no -o"),
        (["-o", "x", "--profile", "cpu", "--profile", "heap", "true"], 3, "not supported yet"),
        (["-o", "x", "--profile", "cup", "true"], 2, 'did you mean "cpu"?'),
        (["-o", "/no/such/x", "true"], 3, "no directory /no/such"),
        (["-o", "/tmp", "true"], 3, "Is a directory"),
        (["--http", "localhost", "true"], 2, "cannot read 'localhost'"),
        (["--http", "", "true"], 2, "cannot read ''"),
        (["--http", "unix:", "true"], 2, "cannot read 'unix:'"),
        (["--follow", "--http", "unix:/p", "true"], 2, "put %p into unix:/p of --http"),
        (["--follow", "--http", "unix:/%%p", "true"], 2, "put %p into unix:/%%p"),
        (["--http", "1.2.3.4:65536", "true"], 2, "cannot read"),
        (["--http", "::1:80", "true"], 2, "cannot read"),
        (["--http", "[::1]", "true"], 2, "cannot read"),
        (["--cpu-hz", "0", "true"], 2, "not a rate"),
        (["--cpu-hz", "10001", "true"], 2, "not a rate"),
    ],
)
def test_wrong_usage_is_said_before_anything_runs(
    words: list[str],
    code: int,
    said: str,
    environment: dict[str, str],
    tmp_path: Path,
    cprof_run: CprofRun,
) -> None:
    """Not after an hour, when the profile would have been written."""
    done = ran(cprof_run(*words), environment, cwd=tmp_path)
    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_environments_address_is_read_as_the_option_is(
    environment: dict[str, str], cprof_run: CprofRun
) -> None:
    """With a typing error in it the program would run on, and nobody find a server."""
    for value, option, said in (
        ("nonsense", "--http=0", ""),
        ("nonsense", "-o/dev/null", ""),
        ("nonsense", "--cpu-hz=99", "CPROF_HTTP: cannot read 'nonsense'"),
        ("unix:/p", "--follow", "put %p into unix:/p of CPROF_HTTP"),
        ("unix:/%p", "--follow", ""),
    ):
        env = {**environment, "CPROF_HTTP": value}
        done = ran(cprof_run(option, "true"), env)
        assert done.returncode == (2 if said else 0), (value, option)
        assert said in done.stderr
        assert done.stderr.count("cprof run: ") == bool(said)
        assert ran(cprof_run(option, "true"), {**env, "CPROF_DISABLE": "1"}).returncode == 0


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "0",
        "6060",
        ":6060",
        "localhost:6060",
        "127.0.0.1:0",
        "[::1]:1",
        "unix:/a b",
        "unix:/%p",
        "*:1",
    ],
)
def test_addresses_that_the_core_reads_are_passed_on(text: str) -> None:
    assert command.address(text) == text


def test_the_wishes_arrive(
    environment: dict[str, str], tmp_path: Path, cprof_run: CprofRun
) -> None:
    """From the command line to the program's environment, in one piece."""
    words = ["-o", "%p.gz", "--http", ":0", "--profile", "cpu", "--profile", "profile"]
    words += ["--cpu-hz", "250", "--follow"]
    shown = ran(cprof_run(*words, "/usr/bin/env"), environment, cwd=tmp_path).stdout.splitlines()
    assert f"CPROF_RUN_OUTPUT={tmp_path}/%p.gz" in shown
    assert {"CPROF_RUN_HTTP=:0", "CPROF_RUN_CPU_HZ=250", "CPROF_RUN_FOLLOW=1"} <= set(shown)


def test_it_is_quick() -> None:
    """The user waits for us before each start of the program."""
    code = (
        "import sys\nfrom cprof.cli import run\n"
        "heavy = {'difflib', 'ssl', 'json', 'ctypes', 'subprocess', 'cprof._core'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-S", "-c", code], check=True, cwd=Path(__file__).parent.parent)
