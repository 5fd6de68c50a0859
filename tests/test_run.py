"""`cprof run` with the real stub: whatever the end of a program, its profile is there, and the
program ended, said and found what it would have without.

tests/targets/endings.c spends some CPU time in `spend` and ends in as many ways as there are.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import cprof
from conftest import Build, Start
from harness import DEADLINE_S, TARGETS, Running, compile_program, cprof_command, eventually, http
from shares import assert_share, function_names, ticks_in, total_ticks

pytestmark = pytest.mark.alone

LIBRARIES = Path(cprof.__file__).parent / "lib"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change root and user")


class Ended(NamedTuple):
    code: int
    stdout: str
    stderr: str


Run = Callable[..., Ended]


def ended(words: list[str], **more: Any) -> Ended:
    env = {k: v for k, v in os.environ.items() if not k.startswith("CPROF_")}
    env.update(more.pop("env", {}))
    done = subprocess.run(
        words,
        env=env,
        timeout=more.pop("deadline_s", DEADLINE_S),
        check=False,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=more.pop("stdout", subprocess.PIPE),
        stderr=more.pop("stderr", subprocess.PIPE),
        **more,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def programs() -> Iterator[Path]:
    """Where nobody, too, may read what runs."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def endings(programs: Path) -> Path:
    """Not linked with cprof, and without a handler of its own for crashes."""
    return compile_program(TARGETS / "endings.c", programs / "endings", link=False, crash=False)


@pytest.fixture(scope="session")
def dispositions(programs: Path) -> Path:
    output = programs / "dispositions"
    return compile_program(TARGETS / "dispositions.c", output, link=False, crash=False)


@pytest.fixture
def run(endings: Path, tmp_path: Path) -> Run:
    """run("exit", "3") runs it under `cprof run -o tmp_path/cpu.gz`; options=[...] instead."""

    def start(*words: str, options: list[str] | None = None, **more: Any) -> Ended:
        if options is None:
            options = ["-o", str(tmp_path / "cpu.gz")]
        command = [cprof_command(), "run", "--cpu-hz", "1000", *options, "--", str(endings)]
        more.setdefault("env", {"PATH": f"{endings.parent}:{os.environ['PATH']}"})
        return ended([*command, *words], **more)

    return start


@pytest.fixture
def bare(endings: Path) -> Run:
    def start(*words: str, **more: Any) -> Ended:
        more.setdefault("env", {"PATH": f"{endings.parent}:{os.environ['PATH']}"})
        return ended([str(endings), *words], **more)

    return start


def one_line(text: str) -> str:
    """The text, which is one line of ours."""
    assert text.startswith("cprof: ") and text.endswith("\n") and text.count("\n") == 1, text
    return text


def number(name: str) -> str:
    return str(int(getattr(signal, name)))


# --- The end of a program -------------------------------------------------------------------------

FATAL = ["SIGSEGV", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGALRM", "SIGPIPE"]
FATAL += ["SIGXCPU", "SIGSYS", "SIGPROF", "SIGRTMIN", "SIGRTMAX"]
ENDS = [
    *(
        ["return"],
        ["exit", "3"],
        ["exit-thread", "4"],
        ["exit-threads", "4"],
        ["late-thread", "4"],
        ["_exit", "5"],
    ),
    *(["_Exit", "6"], ["quick_exit", "7"], ["abort"], ["fault"], ["trap"]),
    *(["signal", number(name)] for name in FATAL),
    *(["handled", number(name)] for name in ("SIGTERM", "SIGSEGV")),
]


@pytest.mark.parametrize("words", ENDS, ids=" ".join)
def test_a_program_that_ends_leaves_its_profile(
    words: list[str], run: Run, bare: Run, tmp_path: Path
) -> None:
    """An end that is not noticed is an empty file; one that is noticed wrongly is another exit
    status, a core without its signal, or output that is lost."""
    assert run(*words) == bare(*words)
    profile = cprof.load(tmp_path / "cpu.gz")
    assert "spend" in function_names(profile), function_names(profile)


@pytest.mark.parametrize("how", ["ruined-heap", "locked-malloc"])
def test_a_crash_that_holds_the_heap_is_written_all_the_same(
    how: str, run: Run, bare: Run, tmp_path: Path
) -> None:
    """Why the writer is a process of its own. In the second program malloc and free wait for ever
    from the crash on, and the first one's heap ends a process that asks it: who named or wrote
    anything in that process would hang with it, or die once more."""
    assert run(how) == bare(how)
    assert "spend" in function_names(cprof.load(tmp_path / "cpu.gz"))


def test_a_signal_at_the_end_does_not_wait_for_itself(run: Run, tmp_path: Path) -> None:
    """A thread of the program sends SIGTERM while its exit() is written: the handler for fatal
    signals ran inside the writing of the profile, and waited a minute for its end."""
    for _ in range(5):
        done = run("kill-while-ending")
        assert done.code in (0, -signal.SIGTERM) and not done.stderr
        assert "spend" in function_names(cprof.load(tmp_path / "cpu.gz"))


def test_sigkill_leaves_an_empty_file_and_nothing_else(run: Run, tmp_path: Path) -> None:
    """Nothing can be written then; half a profile, or somebody still at it, would be worse."""
    assert run("signal", number("SIGKILL")) == (-signal.SIGKILL, "signal\n", "")
    assert [p.name for p in tmp_path.iterdir()] == ["cpu.gz"]
    assert (tmp_path / "cpu.gz").stat().st_size == 0


def test_cpu_time_used_up(run: Run, bare: Run, tmp_path: Path) -> None:
    """SIGXCPU from the kernel, in the middle of the work."""
    assert run("cpu-time") == bare("cpu-time")
    profile = cprof.load(tmp_path / "cpu.gz")
    assert ticks_in(profile, "spend")["spend"] > 0.5 * total_ticks(profile)


def test_known_shares(run: Run, tmp_path: Path) -> None:
    """A chain of 20 programs, each an exec of the one before it in the same process, is one
    profile with all of them: the first half spends three times as long as the second, elsewhere."""
    done = run("chain", "19", "10")
    assert (done.code, done.stderr) == (0, "")
    profile = cprof.load(tmp_path / "cpu.gz")
    seen = ticks_in(profile, "spend", "spend_after")
    assert_share(seen["spend"], sum(seen.values()), 0.75, sigmas=6)
    used = 10 * 0.36 + 10 * 0.12
    nanoseconds = profile.total("cpu")
    assert 0.9 * used < nanoseconds / 1e9 < 1.5 * used, nanoseconds


# --- exec -----------------------------------------------------------------------------------------

EXECS = ["execve", "execv", "execvpe", "execvp", "execl", "execlp", "execle", "fexecve"]
EXECS += ["execveat", "execveat-fd"]


@pytest.mark.parametrize("how", EXECS)
def test_exec_goes_on_in_one_profile(how: str, run: Run, bare: Run, tmp_path: Path) -> None:
    """What the program did before exec is gone with its memory if it is not written before; what
    comes after is not there if the stub is not told again."""
    assert run("exec", how, "3") == bare("exec", how, "3")
    assert {"spend", "spend_after"} <= function_names(cprof.load(tmp_path / "cpu.gz"))


def test_exec_by_another_thread(run: Run, bare: Run, tmp_path: Path) -> None:
    assert run("exec-thread", "execv", "5") == bare("exec-thread", "execv", "5")
    assert {"spend", "spend_after"} <= function_names(cprof.load(tmp_path / "cpu.gz"))


def test_an_exec_that_fails(run: Run, bare: Run, tmp_path: Path) -> None:
    """The program goes on, with its errno, and so does the profile: the parts before and after."""
    assert run("exec-fails") == bare("exec-fails")
    profile = cprof.load(tmp_path / "cpu.gz")
    seen = ticks_in(profile, "spend", "spend_after")
    assert all(seen.values()), seen
    assert profile.total("cpu") < 2 * 0.24e9, "a part is there twice"


# --- What the program finds -----------------------------------------------------------------------


@pytest.mark.parametrize("preload", [None, "{lib}", "{lib}:/no/such.so", "/no/such.so {lib}"])
def test_the_environment_is_the_programs(
    preload: str | None, run: Run, bare: Run, tmp_path: Path
) -> None:
    """environ, main's third argument and a child's /usr/bin/env show no stub and no variable of
    ours, and the LD_PRELOAD of the user as it was, and loaded."""
    env = {"A": "b"}
    if preload:
        library = tmp_path / "mine.so"
        source = '__attribute__((constructor)) void f(void) { write(1, "mine\\n", 5); }'
        command = ["cc", "-shared", "-fPIC", "-w", "-x", "c", "-", "-o", str(library)]
        subprocess.run(command, input=source, text=True, check=True)
        env["LD_PRELOAD"] = preload.format(lib=library)
    seen, wanted = run("environment", env=env), bare("environment", env=env)

    def settled(e: Ended) -> tuple[int, list[str]]:  # Python's own start, which bare has not
        lines = [x for x in e.stdout.splitlines() if x != "mine"]
        return e.code, [line for line in lines if not line.startswith(("_=", "LC_CTYPE="))]

    assert settled(seen) == settled(wanted)
    assert bool(preload) == ("mine\n" in seen.stdout)
    assert "cprof" not in seen.stdout.replace(str(tmp_path), "").replace("test_the_env", "")


@pytest.mark.parametrize("seed", range(6))
def test_what_signals_do_is_the_programs(seed: int, tmp_path: Path, dispositions: Path) -> None:
    """A thousand random calls of sigaction, signal, sigset and so on, while our handlers stand for
    SIGPROF and for what is fatal: results, errno, what is shown as old, flags, masks, who is called
    and how it all ends must be libc's and the kernel's own. Ours showed, lost flags after
    SA_RESETHAND, refused sigset(SIG_ERR), called address 0 for a default with SA_SIGINFO, and kept
    what was pending when a signal began to be ignored."""
    words = [str(dispositions), str(seed), "1000"]
    wanted = ended(words)
    assert wanted.stdout.count("\n") > 20
    output = tmp_path / "cpu.gz"
    assert ended([cprof_command(), "run", "-o", str(output), "--", *words]) == wanted


def test_a_terminal_is_the_programs(endings: Path, tmp_path: Path) -> None:
    """stdin of a session leader in the foreground: the helper must not take the terminal, nor a
    process group of its own be stopped for reading it."""
    pid, terminal = pty.fork()
    if not pid:
        words = [cprof_command(), "run", "-o", str(tmp_path / "cpu.gz"), "--", str(endings)]
        os.execv(words[0], [*words, "terminal"])
    os.write(terminal, b"hello\n")
    seen = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while chunk := os.read(terminal, 1024):
            seen += chunk
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert b"session 1 group 1 foreground 1 read 6 hello" in seen, seen
    assert "spend" in function_names(cprof.load(tmp_path / "cpu.gz"))


# --- Children -------------------------------------------------------------------------------------


def test_children_are_left_alone(run: Run, bare: Run, tmp_path: Path) -> None:
    """fork, fork and exec, vfork, posix_spawn, system and popen: no stub in them, nothing of
    theirs in the profile, and no file of theirs."""
    done = run("children")
    assert done == bare("children")
    assert done.stdout.count("stub not there") == 5
    names = function_names(cprof.load(tmp_path / "cpu.gz"))
    assert "spend" in names and "spend_in_child" not in names
    assert [p.name for p in tmp_path.iterdir()] == ["cpu.gz"]


def test_variables_that_are_about_another_process(endings: Path, tmp_path: Path) -> None:
    """Who copies an environment (from /proc, or one kept from before) starts a program with our
    variables in it: the stub sleeps there, and the profile of their process is left alone."""
    output = tmp_path / "cpu.gz"
    output.write_bytes(b"of another process")
    given = {
        "LD_PRELOAD": str(LIBRARIES / "libcprof_preload.so"),
        "CPROF_RUN_PID": "1",
        "CPROF_RUN_GENERATION": "0",
        "CPROF_RUN_FOLLOW": "0",
        "CPROF_RUN_OUTPUT": str(output),
    }
    assert ended([str(endings), "exit", "3"], env=given) == (3, "exit\n", "")
    assert output.read_bytes() == b"of another process"


def test_children_are_followed(run: Run, tmp_path: Path) -> None:
    """With --follow each writes its own file, with what it did and nothing of its parent's."""
    done = run("children", options=["--follow", "-o", str(tmp_path / "%p.gz")])
    assert (done.code, done.stderr) == (0, "") and done.stdout.count("stub there") == 5
    seen = [function_names(cprof.load(p)) for p in tmp_path.iterdir()]
    parents = [names for names in seen if "spend" in names]
    assert len(parents) == 1 and "spend_in_child" not in parents[0]
    assert sum("spend_in_child" in names for names in seen) == 6


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_a_followed_child_can_be_switched_off(endings: Path, tmp_path: Path) -> None:
    """A script that knows of a program which must not be touched says so."""
    words = [cprof_command(), "run", "--follow", "-o", str(tmp_path / "%p.gz"), "--"]
    script = f"CPROF_DISABLE=1 {endings} exit 3; echo $?"
    assert ended([*words, "sh", "-c", script]) == (0, "exit\n3\n", "")
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("explicit", [True, False])
def test_followed_children_serve_each_on_its_own_port(explicit: bool, run: Run) -> None:
    """An explicit port is taken by the parent: a child counts up from there."""
    port = free_port() if explicit else 0
    done = run("fork", options=["--follow", "--http", f"127.0.0.1:{port}"])
    assert (done.code, done.stdout) == (0, "fork\nfork 0\n")
    ports = [int(p) for p in re.findall(r"serving http://127.0.0.1:(\d+)/debug", done.stderr)]
    assert len(ports) == len(done.stderr.splitlines()) == 2, done.stderr
    assert ports[0] != ports[1]
    if explicit:
        assert ports[0] == port and port < ports[1] <= port + 100


# --- Where the profile goes -----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "chdir", "descriptors"])
def test_a_program_that_leaves_its_place(how: str, run: Run, bare: Run, tmp_path: Path) -> None:
    """It closed every descriptor, ours too; it went elsewhere, and the name was relative; it has
    no number left to open anything with."""
    few = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))}
    more = few if how == "descriptors" else {}
    options = ["-o", "cpu.gz"]
    assert run(how, options=options, cwd=tmp_path, **more) == bare(how, cwd=tmp_path, **more)
    assert "spend" in function_names(cprof.load(tmp_path / "cpu.gz"))


@as_root
def test_a_program_that_gives_up_its_rights(run: Run, bare: Run, tmp_path: Path) -> None:
    """The file is not writable for nobody, and the process is not dumpable any more."""
    assert run("nobody") == bare("nobody")
    profile = cprof.load(tmp_path / "cpu.gz")
    assert "spend" in function_names(profile)


@as_root
def test_a_program_without_the_machine_around_it(run: Run, bare: Run, tmp_path: Path) -> None:
    """After chroot there is neither /proc nor the writer: one line, and the program's own end."""
    root = tmp_path / "root"
    root.mkdir()
    done = run("chroot", str(root))
    assert done[:2] == bare("chroot", str(root))[:2]
    assert "no profile in" in one_line(done.stderr)
    assert not list(root.iterdir())


def test_a_pipe_gets_the_profile(run: Run, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["cat", str(fifo)], stdout=subprocess.PIPE) as reader:
        assert run("return", options=["-o", str(fifo)]).code == 0
        content, _ = reader.communicate(timeout=DEADLINE_S)
    (tmp_path / "cpu.gz").write_bytes(content)
    assert "spend" in function_names(cprof.load(tmp_path / "cpu.gz"))


def test_stdout_gets_the_profile_after_what_the_program_says(endings: Path, tmp_path: Path) -> None:
    words = [cprof_command(), "run", "-o", "/dev/stdout", "--", str(endings), "return"]
    done = subprocess.run(words, capture_output=True, check=False, timeout=DEADLINE_S)
    assert done.returncode == 0 and done.stdout.startswith(b"return\n")
    (tmp_path / "cpu.gz").write_bytes(done.stdout[len("return\n") :])
    assert "spend" in function_names(cprof.load(tmp_path / "cpu.gz"))


def test_a_full_disk_is_one_line(run: Run) -> None:
    done = run("exit", "3", options=["-o", "/dev/full"])
    assert done[:2] == (3, "exit\n")
    assert "No space left on device" in one_line(done.stderr)


def test_a_limit_of_file_sizes_is_one_line(run: Run, tmp_path: Path) -> None:
    """SIGXFSZ is for who writes, which is not the program."""
    with (tmp_path / "stderr").open("w") as stderr:
        done = run("file-size", stderr=stderr)
    assert done[:2] == (0, "file-size\n")
    said = run("file-size")
    assert said[:2] == (0, "file-size\n") and "no profile in" in one_line(said.stderr)


@pytest.mark.parametrize("options", [[], ["-o", "/dev/full"]], ids=["serving", "failing"])
def test_nobody_reads_our_line(options: list[str], run: Run) -> None:
    """stderr is a pipe whose reader has gone: a program that never writes there was ended by our
    line's SIGPIPE."""
    reading, writing = os.pipe()
    os.close(reading)
    done = run("exit", "3", options=options, stderr=writing)
    os.close(writing)
    assert done[:2] == (3, "exit\n")


# --- Settings -------------------------------------------------------------------------------------


@as_root
def test_the_first_process_of_a_namespace_survives_its_signals(tmp_path: Path) -> None:
    """SIGTERM does not end it: what came after was not in the profile."""
    profile = tmp_path / "cpu.pb.gz"
    script = "kill -TERM $$; i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; echo on"
    words = [cprof_command(), "run", "-o", str(profile), "sh", "-c", script]
    came = ended(["unshare", "-pf", "--mount-proc", *words])
    assert came[:2] == (0, "on\n"), came
    assert cprof.load(profile).total("samples") > 0


def test_a_full_pipe_does_not_stop_the_program() -> None:
    """The line about the server waited for whoever should read stderr, before main."""
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)
        for size in (4096, 1):
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(writer, b"x" * size)
        os.set_blocking(writer, True)
        came = ended([cprof_command(), "run", "echo", "went on"], stderr=writer)
        assert came[:2] == (0, "went on\n")
    finally:
        os.close(reader)
        os.close(writer)


def test_who_ends_first_says_how(build: Build, tmp_path: Path) -> None:
    """While the profile of a crash is written the other threads run on: one that ended the process
    meanwhile was at times quicker than the fault, and the status was its own."""
    program = build("ends_twice.c")
    command = [cprof_command(), "run", "-o", str(tmp_path / "cpu.pb.gz"), "--", str(program)]
    assert {ended(command).code for _ in range(15)} == {-signal.SIGSEGV}


def test_the_rate(endings: Path, tmp_path: Path) -> None:
    for hz in (None, 50):
        output = tmp_path / f"{hz}.gz"
        words = [cprof_command(), "run", "-o", str(output)]
        words += ["--cpu-hz", str(hz)] if hz else []
        assert ended([*words, "--", str(endings), "return"]).code == 0
        assert cprof.load(output).comments[0].startswith(f"cprof: {hz or 100} Hz")


def test_a_port_that_is_taken_is_one_line(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("exit", "3", options=["--http", address])
    assert done[:2] == (3, "exit\n")
    assert one_line(done.stderr).startswith(f"cprof: not serving: {address} ")


def test_the_line_goes_where_cprof_log_says(run: Run, tmp_path: Path) -> None:
    """At the start, at the end, and from the writer."""
    log = tmp_path / "log"
    for options in ([], ["-o", "/dev/full"]):
        for value in ("off", str(log)):
            done = run("exit", "3", options=options, env={"CPROF_LOG": value})
            assert done == (3, "exit\n", "")
    first, second = log.read_text().splitlines()
    assert first.startswith("cprof: serving http://127.0.0.1:")
    assert second == "cprof: no profile in /dev/full: No space left on device"


def test_switched_off(run: Run, bare: Run, tmp_path: Path) -> None:
    assert run("exit", "3", env={"CPROF_DISABLE": "1"}) == bare("exit", "3")
    assert not list(tmp_path.iterdir())


# --- A damaged installation -----------------------------------------------------------------------


@pytest.fixture
def libraries(tmp_path: Path) -> Iterator[Path]:
    """A copy of cprof/lib to be changed."""
    copy = tmp_path / "lib"
    shutil.copytree(LIBRARIES, copy)
    yield copy
    shutil.rmtree(copy)


def run_with(libraries: Path, output: Path, *words: str, **more: Any) -> Ended:
    """As `cprof run -o` does it, with other libraries."""
    env: Mapping[str, str] = {
        "LD_PRELOAD": str(libraries / "libcprof_preload.so"),
        "CPROF_RUN_GENERATION": "0",
        "CPROF_RUN_FOLLOW": "0",
        "CPROF_RUN_CPU_HZ": "1000",
        "CPROF_RUN_OUTPUT": str(output),
    }
    script = 'CPROF_RUN_PID=$$ exec env "$@"'
    return ended(["sh", "-c", script, "sh", *(f"{k}={v}" for k, v in env.items()), *words], **more)


def test_a_core_of_another_version(libraries: Path, endings: Path, tmp_path: Path) -> None:
    """A stub that calls what it does not know would crash the program."""
    (libraries / "libcprof_core.so").unlink()
    source = "const void *cprof_core_table(unsigned abi) { return abi == 1 ? &abi : 0; }"
    command = ["cc", "-w", "-shared", "-fPIC", "-x", "c", "-"]
    command += ["-Wl,-soname,libcprof_core.so", "-o", str(libraries / "libcprof_core.so")]
    subprocess.run(command, input=source, text=True, check=True)
    done = run_with(libraries, tmp_path / "cpu.gz", str(endings), "exit", "3")
    assert done[:2] == (3, "exit\n")
    assert "another version" in one_line(done.stderr)


def test_no_core(libraries: Path, endings: Path, tmp_path: Path) -> None:
    (libraries / "libcprof_core.so").unlink()
    done = run_with(libraries, tmp_path / "cpu.gz", str(endings), "exit", "3")
    assert done[:2] == (3, "exit\n")
    assert "libcprof_core.so" in one_line(done.stderr)


def test_no_writer(libraries: Path, endings: Path, tmp_path: Path) -> None:
    (libraries / "cprof_write").unlink()
    done = run_with(libraries, tmp_path / "cpu.gz", str(endings), "exit", "3")
    assert done[:2] == (3, "exit\n")
    assert "cprof_write cannot be started" in one_line(done.stderr)


def test_a_signal_while_the_writer_writes(libraries: Path, endings: Path, tmp_path: Path) -> None:
    """A writer that signals the program: it waits blocked until the profile is written, and then
    ends the program at once, as it would have."""
    writer = libraries / "cprof_write"
    writer.write_text(
        "#!/bin/sh\nkill -TERM ${3%/exe*} 2>/dev/null\nkill -TERM $(basename "
        "$(dirname $2))\nexit 0\n"
    )
    writer.chmod(writer.stat().st_mode | stat.S_IXUSR)
    done = run_with(libraries, tmp_path / "cpu.gz", str(endings), "exit", "3")
    assert done == (-signal.SIGTERM, "exit\n", "")


@pytest.mark.long
def test_a_writer_that_does_not_end(libraries: Path, endings: Path, tmp_path: Path) -> None:
    """Whoever ends the program waits a minute for it; that was two."""
    writer, pid = libraries / "cprof_write", tmp_path / "pid"
    writer.write_text(f"#!/bin/sh\necho $$ >{pid}\nexec sleep 1000\n")
    writer.chmod(writer.stat().st_mode | stat.S_IXUSR)
    words = (str(endings), "exit", "3")
    try:
        done = run_with(libraries, tmp_path / "cpu.gz", *words, deadline_s=100)
        assert done[:2] == (3, "exit\n")
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)


# --- Beside a server ------------------------------------------------------------------------------


def test_a_program_with_a_server_of_its_own(build: Build, start: Start, tmp_path: Path) -> None:
    """A program that is linked with cprof and serves, run with -o: one core, both work, and the
    profile has the known shares."""
    output = tmp_path / "cpu.gz"
    program = build("shares.c")
    words = ["run", "--cpu-hz", "1000", "-o", str(output), "--", str(program), "2"]
    target: Running = start(Path(cprof_command()), *words)
    reply = http(target.url() + "/debug/pprof/profile?seconds=1")
    assert reply.status == 200
    assert target.stop() == 0
    profile = cprof.load(output)
    seen = ticks_in(profile, "three", "one")
    assert_share(seen["three"], sum(seen.values()), 0.75)


def test_run_serves(endings: Path, start: Start, build: Build) -> None:
    """Without -o: an address on stderr, profiles from there, and no line more."""
    target = start(Path(cprof_command()), "run", "--", "/bin/cat", env={"CPROF_LOG": "<unset>"})
    line = eventually(lambda: target.stderr().partition("\n")[0], "the line")
    url = re.fullmatch(r"cprof: serving (http://127\.0\.0\.1:\d+)/debug/pprof/", line)
    assert url, line
    assert http(url[1] + "/debug/pprof/").status == 200
    assert target.stop() == 0
    assert target.stderr() == line + "\n"
