"""Processes that serve, from outside: `cprof ps`, PIDs and unix sockets as TARGETs, and a program
that serves by itself while somebody else asked for a server too."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import cprof
from conftest import Build, Start
from cprof import _registry
from cprof.cli import main
from harness import Running, cprof_command, eventually
from profiles import rich
from test_fetch import as_go, serving

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NOBODY = 65534


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry of this test's own. Short, since socket paths must be."""
    folder = tmp_path / "run"
    folder.mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setattr(_registry, "_folders", only(folder))
    return folder


def only(folder: Path):  # type: ignore[no-untyped-def]
    """Not those of whoever runs the tests."""
    return lambda uid: [f"{folder}/cprof"]


@pytest.fixture
def short() -> Iterator[Path]:
    """A socket's path has 107 bytes at most; pytest's folders may be longer."""
    path = Path(f"/tmp/cprof-test-{os.getpid()}")
    path.mkdir(0o755)
    yield path
    shutil.rmtree(path)


def tell(target: Running, line: str) -> str:
    """What it says after this line of its stdin: where it is served."""
    target.line("at ")  # of its start
    before = target.stdout().count("\nat ")
    assert target.process.stdin
    target.process.stdin.write(line.encode() + b"\n")
    target.process.stdin.flush()

    def told() -> str:
        target.check_alive()
        text = target.stdout()
        return text if text.count("\nat ") > before and text.endswith("\n") else ""

    return eventually(told, f"an answer to {line}").rsplit("\nat ", 1)[1].strip()


def entry(pid: int) -> _registry.Entry:
    found = eventually(lambda: _registry.find(pid), f"an entry of {pid}")
    assert found
    return found


Ps = Callable[..., tuple[str, str]]


@pytest.fixture
def ps(capsys: pytest.CaptureFixture[str]) -> Ps:
    """stdout and stderr of `cprof ps`; in this process, whose registry is the test's own."""

    def run(*args: str) -> tuple[str, str]:
        assert main(["ps", *args]) == 0
        return capsys.readouterr()

    return run


# --- a program that serves by itself -------------------------------------------------------------


@pytest.mark.parametrize("door", ["environment", "run"])
def test_the_server_from_outside_is_none_of_the_programs(
    build: Build, start: Start, door: str
) -> None:
    """Its own cprof_serve must not fail as busy, nor its cprof_close end what others asked for."""
    if door == "run":
        run = ["run", "--http", "127.0.0.1:0", "--", str(build("serves.c"))]
        target = start(Path(cprof_command()), *run)
    else:
        target = start(build("serves.c"), env={"CPROF_HTTP": "127.0.0.1:0"})
    outside = target.line("at ")
    assert target.url() == f"http://{outside}"
    assert tell(target, "close") == outside
    assert "close -10\n" in target.stdout()  # not running
    inside = tell(target, "serve 127.0.0.1:0")
    assert "serve 0\n" in target.stdout()
    assert inside != outside
    assert set(eventually(lambda: two(target.pid), "both")) == {inside, outside}
    for address in inside, outside:
        cprof.fetch(address, "cpu", seconds=1)
    assert tell(target, "close") == outside
    with pytest.raises(cprof.FetchError, match="refused"):
        cprof.fetch(inside, "cpu", seconds=1)
    cprof.fetch(outside, "cpu", seconds=1)
    assert tell(target, f"serve {outside}") == outside  # the address that both were given
    assert target.stdout().count("serve 0\n") == 2
    assert target.stop() == 0


def two(pid: int) -> list[str]:
    found = _registry.find(pid)
    return found.addresses if found and len(found.addresses) == 2 else []


# --- unix sockets --------------------------------------------------------------------------------


def test_a_unix_socket_in_every_client(build: Build, start: Start, short: Path) -> None:
    path = short / "s"
    target = start(build("shares.c"), "2", env={"CPROF_HTTP": f"unix:{path}"})
    eventually(path.exists, "the socket")
    assert not target.log.exists(), "whoever set the address knows it"
    status = path.lstat()
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert cprof.fetch(f"unix:{path}", "cpu", seconds=1).total() > 0
    saved, page = str(short / "a.pb.gz"), str(short / "a.html")
    for command in (
        ["top", f"unix:{path}", "--seconds", "1"],
        ["fetch", f"unix:{path}", "--seconds", "1", "-o", saved],
        ["flame", f"unix:{path}", "--seconds", "1", "-o", page],
        ["diff", saved, f"unix:{path}", "--seconds", "1"],
    ):
        done = subprocess.run(
            [cprof_command(), *command], capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, ""), command
    assert "three" in Path(page).read_text()
    with pytest.raises(cprof.FetchError, match="Unknown profile"):
        cprof.fetch(f"unix:{path}", "heapx")
    assert target.stop() == 0
    assert not path.exists()
    with pytest.raises(cprof.FetchError, match="No such file"):
        cprof.fetch(f"unix:{path}", "cpu", seconds=1)


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_curl_reads_a_unix_socket(build: Build, start: Start, short: Path) -> None:
    target = start(build("serves.c"))
    assert tell(target, f"serve unix:{short}/s") == f"unix:{short}/s"
    out = subprocess.run(
        ["curl", "-sf", "--unix-socket", f"{short}/s", "http://localhost/debug/pprof/"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "Types of profiles available" in out.stdout
    assert target.stop() == 0


def test_the_line_on_a_socket_that_is_taken(build: Build, start: Start, short: Path) -> None:
    """The program runs on, and what was there stays."""
    (short / "file").write_text("precious")
    target = start(build("serves.c"), env={"CPROF_HTTP": f"unix:{short}/file"})
    assert target.line("at ") == "none"
    assert "is there already and is no socket" in target.log.read_text()
    assert (short / "file").read_text() == "precious"
    assert target.stop() == 0


# --- cprof ps ------------------------------------------------------------------------------------


def test_ps_lists_what_serves(build: Build, start: Start, ps: Ps) -> None:
    target = start(build("serves.c"), "two words", "\x1b[2J", env={"CPROF_HTTP": "127.0.0.1:0"})
    address = target.line("at ")
    entry(target.pid)
    out, err = ps()
    assert err == ""
    head, row = out.splitlines()
    assert head.split() == ["PID", "ADDRESS", "UP", "COMMAND"]
    assert row.split()[:2] == [str(target.pid), address]
    # A program must not be able to write into the terminal of whoever asks.
    assert row.endswith("serves 'two words' '\\x1b[2J'")
    (found,) = json.loads(ps("--json")[0])
    assert found["pid"] == target.pid
    assert found["addresses"] == [address]
    assert found["command"][1:] == ["two words", "\x1b[2J"]
    assert found["version"] == cprof.__version__
    assert 0 <= found["up_seconds"] < 3600
    assert target.stop() == 0
    assert ps() == ("", "cprof: no process of yours has a cprof server\n")
    assert ps("--json") == ("[]\n", "")


def test_entries_of_killed_and_executed_processes_go(
    build: Build, start: Start, runtime: Path, ps: Ps
) -> None:
    """Pid and start time of a process stay the same over an exec: only knocking tells."""
    killed = start(build("serves.c"), env={"CPROF_HTTP": "127.0.0.1:0"})
    executed = start(build("serves.c"))
    tell(executed, "serve 127.0.0.1:0")
    for target in killed, executed:
        entry(target.pid)
    killed.process.kill()
    killed.process.wait()
    assert tell(executed, "exec") == "none"
    files = runtime / "cprof"
    assert {f.name for f in files.iterdir()} == {str(killed.pid), str(executed.pid)}
    assert ps()[0] == ""
    assert list(files.iterdir()) == []
    assert tell(executed, "serve 127.0.0.1:0") == entry(executed.pid).addresses[0]
    assert executed.stop() == 0


def test_a_childs_end_leaves_the_parents_entry(build: Build, start: Start) -> None:
    target = start(build("serves.c"), env={"CPROF_HTTP": "127.0.0.1:0"})
    address = target.line("at ")
    entry(target.pid)
    tell(target, "fork")
    eventually(lambda: "at none\nchild 0\n" in target.stdout(), "the child's end")
    assert entry(target.pid).addresses == [address]
    assert target.stop() == 0


def write_entry(folder: Path, pid: int, **more: str) -> Path:
    folder.mkdir(0o700, exist_ok=True)
    fields = {"pid": str(pid), "start": started(pid), "version": "0", **more, "command": "x"}
    file = folder / str(pid)
    file.write_text("cprof 1\n" + "".join(f"{k}: {v}\n" for k, v in fields.items()))
    return file


def started(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "1"


def test_what_an_entry_may_say(runtime: Path) -> None:
    """Nobody is sent to another machine, or to another process, by a file."""
    me, files = os.getpid(), runtime / "cprof"
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = f"127.0.0.1:{server.getsockname()[1]}"
        write_entry(files, me, address=here)
        assert entry(me).addresses == [here]
        write_entry(files, me, address=here, start="1")  # an earlier process of this number
        assert _registry.find(me) is None
        assert not (files / str(me)).exists()
        for bad in ("10.0.0.1:80", "unix:relative", "evil.example:80", "127.0.0.1:99999"):
            write_entry(files, me, address=bad)
            assert _registry.find(me) is None, bad
        later = write_entry(files, me, address=here)
        later.write_text(later.read_text().replace("cprof 1", "cprof 2"))
        assert _registry.find(me) is None
        assert later.exists(), "an entry of a later version is removed"
        write_entry(files, me, address=here).rename(runtime / "elsewhere")
        (files / str(me)).symlink_to(runtime / "elsewhere")
        assert _registry.find(me) is None
        (files / str(me)).unlink()
        os.mkfifo(files / str(me))
        assert _registry.find(me) is None
        assert _registry.running() == []


def test_a_server_for_the_network_is_listed(runtime: Path) -> None:
    me = os.getpid()
    with socket.create_server(("0.0.0.0", 0)) as server:
        here = f"0.0.0.0:{server.getsockname()[1]}"
        write_entry(runtime / "cprof", me, address=here)
        assert entry(me).addresses == [here]
    file = write_entry(runtime / "cprof", me, address="192.0.2.1:80")  # nobody's
    assert _registry.find(me) is None
    assert file.exists(), "the entry of a process that runs is removed"


def test_a_socket_of_another_process_is_not_its(runtime: Path, short: Path) -> None:
    """The path of an ended server, taken over by somebody else."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(short / "s"))
        server.listen()
        write_entry(runtime / "cprof", os.getppid(), address=f"unix:{short}/s")
        assert _registry.find(os.getppid()) is None
        write_entry(runtime / "cprof", os.getpid(), address=f"unix:{short}/s")
        assert _registry.find(os.getpid()) is not None


def test_one_that_is_slow_to_answer_is_not_forgotten(runtime: Path, short: Path) -> None:
    """A stopped process, or one whose backlog is full, still has its server."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(short / "s"))
        server.listen(0)
        waiting = []
        for _ in range(3):
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(str(short / "s"))
        write_entry(runtime / "cprof", os.getpid(), address=f"unix:{short}/s")
        assert _registry.find(os.getpid()) is not None
        for w in waiting:
            w.close()


@ROOT_ONLY
def test_a_squatted_folder_is_not_believed(runtime: Path) -> None:
    files = runtime / "cprof"
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = f"127.0.0.1:{server.getsockname()[1]}"
        file = write_entry(files, os.getpid(), address=here)
        os.chown(file, NOBODY, NOBODY)
        assert _registry.find(os.getpid()) is None
        os.chown(file, 0, 0)
        os.chown(files, NOBODY, NOBODY)
        assert _registry.find(os.getpid()) is None
        os.chown(files, 0, 0)
        real = files.rename(runtime / "real")
        files.symlink_to(real)
        assert _registry.find(os.getpid()) is None
        assert _registry.running() == []


def spoil(files: Path, how: str) -> None:
    """What a server refuses as its folder."""
    if how == "mode":
        files.mkdir()
        files.chmod(0o755)
    elif how == "symlink":
        files.symlink_to("nowhere")
    elif how == "file":
        files.touch()
    else:
        files.mkdir(0o700)
        os.chown(files, NOBODY, NOBODY)


@pytest.mark.parametrize("how", ["mode", "symlink", "file", pytest.param("owner", marks=ROOT_ONLY)])
def test_a_list_that_cannot_be_whole_says_so(
    runtime: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """ "No process of yours has a server" would be false: servers write no entry there."""
    spoil(runtime / "cprof", how)
    reason = f"{runtime}/cprof is not yours alone, so what serves is not listed"
    assert main(["ps"]) == 3
    assert capsys.readouterr() == ("", f"cprof: {reason}\n")
    assert main(["ps", "--json"]) == 3
    assert capsys.readouterr() == ("[]\n", f"cprof: {reason}\n")
    with pytest.raises(cprof.FetchError, match=f"process {os.getpid()}: {reason}"):
        cprof.fetch(os.getpid())


@ROOT_ONLY
def test_root_finds_what_another_user_serves(
    build: Build, short: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    uid = 61234
    program = shutil.copy(build("serves.c"), short)
    process = subprocess.Popen(
        [program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"CPROF_HTTP": "127.0.0.1:0", "CPROF_LOG": "off", "LD_LIBRARY_PATH": library(short)},
        user=uid,
    )
    try:
        assert entry(process.pid).addresses
        cprof.fetch(process.pid, "cpu", seconds=1)
        assert process.pid not in [e.pid for e in _registry.running()]
    finally:
        process.communicate()
        shutil.rmtree(f"/tmp/cprof-{uid}")
    assert process.returncode == 0


def library(short: Path) -> str:
    """Where any user can read it."""
    shutil.copytree(Path(cprof.__file__).parent / "lib", short / "lib")
    return str(short / "lib")


# --- a PID as TARGET -----------------------------------------------------------------------------


def test_a_pid_is_a_target(build: Build, start: Start, tmp_path: Path) -> None:
    target = start(build("shares.c"), "2", env={"CPROF_HTTP": "127.0.0.1:0"})
    entry(target.pid)
    assert cprof.fetch(target.pid, "cpu", seconds=1).total() > 0
    assert cprof.fetch(str(target.pid), "cpu", seconds=1).total() > 0
    with pytest.raises(cprof.FetchError, match=r"127\.0\.0\.1:.*Unknown profile"):
        cprof.fetch(target.pid, "heapx")
    done = subprocess.run(
        [cprof_command(), "top", str(target.pid), "--seconds", "1"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "three" in done.stdout, done.stderr
    assert target.stop() == 0


def test_a_file_of_that_name_is_still_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rich().save(tmp_path / str(os.getpid()))
    assert cprof.fetch(str(os.getpid())).total() == 1_095_000_000


def test_a_pid_without_a_server_says_how_to_get_one() -> None:
    with pytest.raises(cprof.FetchError, match=r"cprof run.*cprof_serve.*import cprof"):
        cprof.fetch(os.getpid())
    with pytest.raises(cprof.FetchError, match="no process 99999999"):
        cprof.fetch(99999999)


def test_the_first_address_that_answers_is_used(runtime: Path, short: Path) -> None:
    me = os.getpid()
    with serving(as_go, str(short / "s")):
        file = write_entry(runtime / "cprof", me, address=f"unix:{short}/s")
        file.write_text(file.read_text().replace("address:", "address: unix:/none\naddress:"))
        assert cprof.fetch(me, "heap").total() == 1_095_000_000
