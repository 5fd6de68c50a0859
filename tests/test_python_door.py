"""The Python door: `cprof.serve`, `cprof.record`, and CPROF_HTTP with `import cprof`."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import cprof
from conftest import Start
from cprof import _server
from harness import TARGETS, Running, eventually, http

Python = Callable[..., Running]

BURN = """
    def burn(seconds=0.05):
        end = time.process_time() + seconds
        while time.process_time() < end:
            sum(range(1000))
"""

# From 3.12 on os.fork() warns in a process that has any second thread, and the server's is one.
FORKS = {"PYTHONWARNINGS": "ignore:This process:DeprecationWarning"}


@pytest.fixture
def python(start: Start) -> Python:
    """python(code, *args, env={...}) runs code, which finds the usual modules imported."""

    def run(code: str, *args: str, env: Mapping[str, str] | None = None) -> Running:
        head = "import os, signal, sys, threading, time\n" + textwrap.dedent(BURN)
        code = head + textwrap.dedent(code)
        return start(Path(sys.executable), "-c", code, *args, env={**FORKS, **(env or {})})

    return run


def program(start: Start, name: str, *args: str, env: Mapping[str, str]) -> Running:
    return start(Path(sys.executable), str(TARGETS / name), *args, env={**FORKS, **env})


def passes(target: Running) -> str:
    """stdout of a program that ends well, and says nothing by the way."""
    code = target.wait()
    assert code == 0, target.stderr()
    assert target.stderr() == "" and not target.log.exists()
    return target.stdout()


def free_address() -> str:
    """On a loopback address nobody else uses, so that nobody takes the port meanwhile."""
    host = "127." + ".".join(str(random.randint(2, 250)) for _ in range(3))
    with socket.create_server((host, 0)) as found:
        return f"{host}:{found.getsockname()[1]}"


def listens(pid: int) -> list[str]:
    """The TCP addresses at which a process listens: the server's threads have a descriptor table
    of their own."""
    mine = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # one that has just ended
            for entry in (task / "fd").iterdir():
                with contextlib.suppress(OSError):
                    mine.add(str(entry.readlink()))
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        row = line.split()
        if row[3] == "0A" and f"socket:[{row[9]}]" in mine:
            host, port = row[1].split(":")
            octets = reversed(bytes.fromhex(host))
            found.append(f"{'.'.join(map(str, octets))}:{int(port, 16)}")
    return found


def announced(target: Running, word: str, n: int) -> list[int]:
    """The pids of the first n lines `word PID ...` on stdout."""

    def find() -> list[int]:
        target.check_alive()
        lines = [line.split() for line in target.stdout().splitlines(keepends=True)]
        pids = [int(line[1]) for line in lines if len(line) > 2 and line[0] == word]
        return pids if len(pids) >= n else []

    return eventually(find, f"{n} lines {word!r}")


# ---- the server the program opens ----


def test_serve_close_and_serve_again(python: Python) -> None:
    target = python("""
        import select, cprof
        with cprof.serve("127.0.0.1:0") as server:
            assert server.serving and server.url == "http://" + server.address
            print(server.url + "/debug/pprof/", flush=True)
            while not select.select([0], [], [], 0)[0]:
                burn()
        assert not server.serving and server.url == server.address == ""
        assert repr(server) == "<cprof.Server: not serving>"
        server.close()
        again = cprof.serve(0)
        assert again.serving and not server.serving
        server.close()
        assert again.serving, "an old handle closed the new server"
        assert again.address in repr(again)
    """)
    profile = cprof.fetch(target.url(), "cpu", seconds=1)
    assert profile.total("samples") > 10
    assert target.process.stdin
    target.process.stdin.close()
    passes(target)


def test_what_cannot_be_served_is_an_exception_that_names_it(python: Python) -> None:
    """A door that writes to stderr, or a status nobody looks at."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        passes(python("""
            import cprof
            def refusal(addr):
                try:
                    cprof.serve(addr)
                except cprof.ServeError as why:
                    assert isinstance(why, cprof.Error)
                    return str(why)
            port = sys.argv[1]
            assert f"127.0.0.1:{port} is in use" in refusal(int(port))
            assert "no port" in refusal("nonsense")
            assert "not a port" in refusal("127.0.0.1:99999")
            assert "not a port" in refusal(-1)
            assert "loopback" in refusal("0.0.0.0:0")
            assert "6060" not in refusal("")
            try:
                cprof.serve(3.5)
            except TypeError:
                pass
            server = cprof.serve(0)
            try:
                cprof.serve()
            except cprof.ServeError as why:
                assert server.address in str(why) and why.server is server
            else:
                raise AssertionError("two servers")
        """, str(port)))  # fmt: skip


def test_switched_off_everything_is_inert(python: Python) -> None:
    """A program that is started with CPROF_DISABLE=1 must not fail in a call it made for years."""
    passes(python("""
        import cprof
        with cprof.serve() as server:
            assert (server.serving, server.url, server.address) == (False, "", "")
        with cprof.record("cpu", hz=500) as r:
            burn()
        assert "libcprof_core" not in open("/proc/self/maps").read()
        assert len(r.profile.samples) == 0 and r.profile.total("cpu") == 0
        assert r.profile.comments == ["cprof: switched off by CPROF_DISABLE"]
        assert "cpu" in str(r.profile.top())
        cprof.merge([r.profile, r.profile])
        cprof.load(r.profile.to_bytes())
        assert len(os.listdir("/proc/self/task")) == 1
    """, env={"CPROF_DISABLE": "1", "CPROF_HTTP": "0"}))  # fmt: skip


def test_import_alone_loads_next_to_nothing(python: Python) -> None:
    """`import cprof` stands in programs that are started for each request."""
    passes(python("""
        import __future__, importlib.util  # which site may or may not have brought
        before = set(sys.modules)
        import cprof
        assert set(sys.modules) - before == {"cprof", "cprof._version"}, set(sys.modules) - before
        assert "libcprof" not in open("/proc/self/maps").read()
    """))  # fmt: skip


def test_names_can_be_used_twice() -> None:
    """A module of the same name takes the place of the function on its second use."""
    for name in ("serve", "record", "Server", "Recording", "ServeError", "RecordError"):
        first = getattr(cprof, name)
        assert getattr(cprof, name) is first and callable(first), name


def test_a_socket_is_its_own_url() -> None:
    assert _server.url_of("unix:/run/app.sock") == "unix:/run/app.sock"
    assert _server.url_of("[::1]:6060") == "http://[::1]:6060"


def test_the_core_joins_no_scope_of_the_program(python: Python) -> None:
    """Programs that call sys.setdlopenflags(RTLD_GLOBAL) for one plugin got libdw's symbols into
    all later ones."""
    passes(python("""
        import ctypes, cprof
        flags = sys.getdlopenflags() | os.RTLD_GLOBAL
        sys.setdlopenflags(flags)
        cprof.serve(0)
        assert sys.getdlopenflags() == flags
        for name in ("dwarf_begin", "cprof_core_table"):
            assert not hasattr(ctypes.CDLL(None), name), name
    """))  # fmt: skip


def test_a_program_that_is_linked_too_has_one_core(python: Python) -> None:
    """Two cores would be two handlers for one SIGPROF."""
    passes(python("""
        import ctypes, cprof
        front = ctypes.CDLL(os.path.dirname(cprof.__file__) + "/lib/libcprof.so")
        front.cprof_serve_addr.restype = ctypes.c_char_p
        assert front.cprof_serve(b"127.0.0.1:0") == 0
        address = front.cprof_serve_addr().decode()
        try:
            cprof.serve(0)
        except cprof.ServeError as why:
            assert address in str(why) and why.server is None
        else:
            raise AssertionError("two servers")
        assert front.cprof_close() == 0
        assert cprof.serve(0).serving
    """))  # fmt: skip


def test_interpreters_share_the_one_server(python: Python) -> None:
    passes(python("""
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import cprof
        server = cprof.serve(0)
        code = '''
        import cprof
        try:
            cprof.serve(0)
        except cprof.ServeError as why:
            assert %r in str(why) and why.server is None
        else:
            raise AssertionError("two servers")
        with cprof.record() as r:
            sum(range(100000))
        r.profile.top()
        ''' % server.address
        import textwrap
        other = interpreters.create()
        failed = interpreters.run_string(other, textwrap.dedent(code))
        assert failed is None, failed
        interpreters.destroy(other)
        assert server.serving
    """))  # fmt: skip


# ---- the environment's door ----

STAY = """
    import cprof
    print("ready", os.getpid(), 1, flush=True)
    sys.stdin.read()
    sys.exit(7)
"""


def test_the_environment_switches_a_program_on(python: Python) -> None:
    target = python(STAY, env={"CPROF_HTTP": "0"})
    assert http(target.url() + "/debug/pprof/").status == 200
    assert target.stop() == 7
    assert target.log.read_text().count("\n") == 1
    assert target.stderr() == "", "CPROF_LOG names a file: nothing goes to stderr"


def test_an_explicit_address_is_served_without_a_word(python: Python) -> None:
    address = free_address()
    target = python(STAY, env={"CPROF_HTTP": address, "CPROF_LOG": "<unset>"})
    announced(target, "ready", 1)
    assert listens(target.pid) == [address]
    assert target.stop() == 7
    assert target.stderr() == ""


@pytest.mark.parametrize(
    "env", [{"CPROF_HTTP": ""}, {"CPROF_HTTP": "0", "CPROF_DISABLE": "1"}], ids=str
)
def test_empty_and_disabled_are_off(env: dict[str, str], python: Python) -> None:
    target = python(STAY, env=env)
    announced(target, "ready", 1)
    assert "libcprof" not in Path(f"/proc/{target.pid}/maps").read_text()
    assert target.stop() == 7
    assert target.stderr() == "" and not target.log.exists()


@pytest.mark.parametrize("log", ["<unset>", "off", "/nonexistent/folder/log"])
def test_a_taken_port_is_one_line_and_the_program_runs_on(log: str, python: Python) -> None:
    """A service that does not start because its profiler could not is an outage."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        # The holder is this process, an ancestor: a second process between makes it a stranger.
        taken.set_inheritable(True)
        with Stranger(taken):
            taken.close()
            target = python(STAY, env={"CPROF_HTTP": address, "CPROF_LOG": log})
            announced(target, "ready", 1)
            assert target.stop() == 7
    lines = target.stderr().splitlines()
    if log == "off":
        assert lines == []
    else:
        assert lines == [f"cprof: not serving on {address}: in use"]


class Stranger:
    """A process that holds a listening socket and is no relative of what a test starts: a sibling
    with another command line."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener

    def __enter__(self) -> None:
        import subprocess

        self.process = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()", "stranger"],
            stdin=subprocess.PIPE,
            pass_fds=[self.listener.fileno()],
        )

    def __exit__(self, *unused: object) -> None:
        self.process.communicate()


@pytest.mark.parametrize("bad", ["nonsense", "0.0.0.0:6060", "127.0.0.1:x", "unix:"])
def test_a_wrong_address_is_one_line(bad: str, python: Python) -> None:
    target = python(STAY, env={"CPROF_HTTP": bad, "CPROF_LOG": "<unset>"})
    assert target.stop() == 7
    assert target.stderr().count("\n") == 1
    assert target.stderr().startswith(f"cprof: not serving on {bad}: ")
    if bad.startswith("0"):
        assert "6060: not a loopback address" in target.stderr()


def test_a_core_that_cannot_be_loaded_is_one_line(python: Python) -> None:
    """A library missing on one machine of many must not keep the program from starting there."""
    code = "sys.modules['cprof._core'] = None\n" + textwrap.dedent(STAY)
    target = python(code, env={"CPROF_HTTP": "0", "CPROF_LOG": "<unset>"})
    assert target.stop() == 7
    assert target.stderr().count("\n") == 1 and "compiled core" in target.stderr()


def test_what_has_the_number_of_a_closed_stderr_gets_no_line(start: Start, tmp_path: Path) -> None:
    """A daemon without a stderr opens its data file as number 2."""
    data = tmp_path / "data"
    code = f"import os; fd = os.open({str(data)!r}, os.O_CREAT | os.O_WRONLY); import cprof"
    command = f"exec {sys.executable} -c '{code}; print(fd)' 2>&-".replace(repr(str(data)), '"$0"')
    command = command.replace('"$0"', f'"{data}"')
    env = {"CPROF_HTTP": "nonsense", "CPROF_LOG": "<unset>"}
    target = start(Path("/bin/sh"), "-c", command, env=env)
    assert target.wait() == 0
    assert target.stdout() == "2\n" and data.read_bytes() == b""


def test_the_command_itself_does_not_serve(start: Start) -> None:
    """With the variable exported in a shell, `cprof top` took the port that the program wanted."""
    env = {"CPROF_HTTP": "0"}
    command = Path(sys.executable).with_name("cprof")
    for target in (
        start(command, "version", env=env),
        start(Path(sys.executable), "-m", "cprof", "version", env=env),
    ):
        assert passes(target).startswith("cprof ")


def test_served_by_the_front_already_is_served(python: Python) -> None:
    """Two doors that read the same variable opened two servers, and said it twice."""
    front = Path(cprof.__file__).parent / "lib" / "libcprof.so"
    target = python(STAY, env={"CPROF_HTTP": "0", "LD_PRELOAD": str(front)})
    announced(target, "ready", 1)
    assert len(listens(target.pid)) == 1
    assert target.stop() == 7
    assert target.log.read_text().count("\n") == 1


# ---- children ----


def test_a_child_of_fork_is_clean_and_may_serve_itself(python: Python) -> None:
    target = python("""
        import cprof, ctypes
        server = cprof.serve(0)
        pid = os.fork()
        if not pid:
            assert not server.serving and server.url == "", "the parent's"
            server.close()
            mine = cprof.serve(0)
            assert mine.serving and not server.serving
            server.close()
            assert mine.serving
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        front = ctypes.CDLL(os.path.dirname(cprof.__file__) + "/lib/libcprof.so")
        pid = os.fork()
        if not pid:
            assert front.cprof_serve(b"127.0.0.1:0") == 0
            assert not server.serving, "the child's own, taken for the parent's"
            server.close()
            assert front.cprof_close() == 0
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        print(server.url + "/debug/pprof/", flush=True)
        print("facts", os.getpid(), 1, flush=True)
        sys.stdin.read()
    """)
    assert http(target.url() + "/debug/pprof/").status == 200, "the child closed the parent's"
    assert target.stop() == 0, target.stderr()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing_leave_an_explicit_port_alone(
    method: str, start: Start
) -> None:
    """A line on stderr for each worker, about a port their own parent holds."""
    address = free_address()
    target = program(start, "pool.py", method, env={"CPROF_HTTP": address, "CPROF_LOG": "<unset>"})
    children = announced(target, "child", 2)
    assert listens(target.pid) == [address]
    assert [listens(pid) for pid in children] == [[], []]
    assert target.stop() == 0
    assert target.stderr() == ""


def test_of_spawned_processes_whose_parent_does_not_serve_one_does(start: Start) -> None:
    """uvicorn --workers: a line from each but the first."""
    address = free_address()
    env = {"CPROF_HTTP": address, "CPROF_LOG": "<unset>"}
    target = program(start, "pool.py", "spawn", "late", env=env)
    children = announced(target, "child", 2)
    assert listens(target.pid) == []
    assert sorted(map(len, map(listens, children))) == [0, 1]
    assert target.stop() == 0
    assert target.stderr() == ""


@pytest.mark.parametrize(("method", "each"), [("fork", 0), ("spawn", 1)])
def test_with_port_0_every_process_that_starts_anew_has_its_own(
    method: str, each: int, start: Start
) -> None:
    target = program(start, "pool.py", method, env={"CPROF_HTTP": "127.0.0.1:0"})
    pids = [target.pid, *announced(target, "child", 2)]
    found = [listens(pid) for pid in pids]
    assert [len(one) for one in found] == [1, each, each]
    assert target.stop() == 0
    assert target.log.read_text().count("cprof: serving http://127.0.0.1:") == 1 + 2 * each


def test_a_preloading_server_has_one_and_its_workers_may_have_theirs(start: Start) -> None:
    address = free_address()
    env = {"CPROF_HTTP": address, "CPROF_LOG": "<unset>"}
    target = program(start, "prefork.py", "preload", env=env)
    workers = announced(target, "worker", 3)
    assert listens(target.pid) == [address]
    assert [listens(pid) for pid in workers] == [[], [], []]
    assert target.stop() == 0
    own = program(start, "prefork.py", "preload", "own", env=env)
    workers = announced(own, "worker", 3)
    for pid in workers:
        url = own.line(f"worker {pid} ")
        assert url == f"http://{listens(pid)[0]}"
        assert http(url + "/debug/pprof/").status == 200
    assert own.stop() == 0
    assert target.stderr() == own.stderr() == ""


@pytest.mark.parametrize("port", ["explicit", "free"])
def test_of_workers_that_import_each_for_itself(port: str, start: Start) -> None:
    """With an explicit port one has it, and the others say nothing; with 0 each has its own."""
    address = free_address() if port == "explicit" else "127.0.0.1:0"
    target = program(start, "prefork.py", "each", env={"CPROF_HTTP": address})
    workers = announced(target, "worker", 3)
    found = sorted(one for pid in workers for one in listens(pid))
    assert listens(target.pid) == []
    assert found == [address] if port == "explicit" else len(set(found)) == 3
    assert target.stop() == 0
    assert target.stderr() == "" and target.log.exists() == (port == "free")


@pytest.mark.parametrize("address", ["explicit", "127.0.0.1:0"])
@pytest.mark.parametrize("mark", ["WERKZEUG_RUN_MAIN", "RUN_MAIN"])
def test_of_a_reloaders_processes_the_one_that_serves_has_it(
    mark: str, address: str, start: Start
) -> None:
    """The parent that only watches files imports the app first, and kept the port."""
    wanted = free_address() if address == "explicit" else address
    target = program(start, "reloader.py", mark, env={"CPROF_HTTP": wanted})
    for generation in (1, 2, 3):
        app = announced(target, "app", generation)[-1]
        assert listens(target.pid) == [], "the watcher kept its server"
        assert len(listens(app)) == 1, "the app lost its server to what it started"
        if address == "explicit":
            assert listens(app) == [wanted]
        assert target.process.stdin
        if generation < 3:
            target.process.stdin.write(b"x")
            target.process.stdin.flush()
    assert target.stop() == 0
    assert target.stderr() == ""
    assert address != "explicit" or not target.log.exists()


def test_a_child_that_will_not_serve_takes_nothing_away(python: Python) -> None:
    """A runner that starts a marked child without CPROF_HTTP lost its own server for nobody."""
    code = """
        import cprof, subprocess
        env = {k: v for k, v in os.environ.items() if k != "CPROF_HTTP"}
        for mark in ("RUN_MAIN", "WERKZEUG_RUN_MAIN"):
            subprocess.run([sys.executable, "-c", "pass"], check=True, env={**env, mark: "true"})
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    """
    target = python(textwrap.dedent(code) + textwrap.dedent(STAY), env={"CPROF_HTTP": "0"})
    announced(target, "ready", 1)
    assert len(listens(target.pid)) == 1
    assert target.stop() == 7


def test_an_audit_hook_that_refuses_others_keeps_the_server(python: Python) -> None:
    code = """
        def hook(event, args):
            if event == "sys.addaudithook":
                raise ValueError("no hooks here")
        sys.addaudithook(hook)
    """
    target = python(textwrap.dedent(code) + textwrap.dedent(STAY), env={"CPROF_HTTP": "0"})
    announced(target, "ready", 1)
    assert len(listens(target.pid)) == 1
    assert target.stop() == 7
    assert target.log.read_text().startswith("cprof: serving ")


# ---- records ----


def test_a_record_has_what_its_block_did(python: Python) -> None:
    out = passes(python("""
        import cprof
        with cprof.record("cpu", hz=200) as r:
            try:
                r.profile
            except cprof.RecordError as why:
                assert "still runs" in str(why)
            else:
                raise AssertionError("a profile before the end")
            assert "running" in repr(r)
            burn(0.5)
        p = r.profile
        assert isinstance(p, cprof.Profile) and p is r.profile and p is r.stop()
        assert "ended" in repr(r)
        assert p.period == 5_000_000 and 0.4e9 < p.total("cpu") < 1e9, p
        assert any(s.frames[0].mapping for s in p.samples)
        burn(0.5)
        assert r.profile.total("cpu") == p.total("cpu")
    """))  # fmt: skip
    assert out == ""


def test_a_record_by_hand(python: Python) -> None:
    passes(python("""
        import cprof
        r = cprof.record(hz=200)
        for wrong in (lambda: r.profile, r.stop):
            try:
                wrong()
            except cprof.RecordError as why:
                assert "not started" in str(why)
            else:
                raise AssertionError("a profile from nowhere")
        assert r.start() is r
        try:
            r.start()
        except cprof.RecordError as why:
            assert "started already" in str(why)
        else:
            raise AssertionError("started twice")
        burn(0.2)
        assert r.stop().total("samples") > 10
        cprof.record().start()      # forgotten without an end
        forgotten = cprof.record("profile").start()
        del forgotten
        end = time.monotonic() + 60
        while len(os.listdir("/proc/self/task")) > 1:
            assert time.monotonic() < end, "the program is sampled for nobody"
            time.sleep(0.01)
        with cprof.record() as r:
            burn()
        assert r.profile.total("samples") > 0
    """))  # fmt: skip


def test_what_cannot_be_recorded_says_so() -> None:
    with pytest.raises(cprof.UnsupportedError, match="heap cannot be recorded yet: cpu can"):
        cprof.record("heap")
    with pytest.raises(cprof.UnsupportedError, match='did you mean "cpu"'):
        cprof.record("cpuu")
    for hz in (0, -5, 1 << 40):
        with pytest.raises(ValueError, match="hz is"):
            cprof.record(hz=hz)
    with pytest.raises(TypeError):
        cprof.record(hz=1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        cprof.record(hz=10_001).start()


def test_records_are_independent(python: Python) -> None:
    """Nested, on threads, and in tasks of asyncio: each has its own rate, window and end."""
    passes(python("""
        import asyncio, cprof
        with cprof.record(hz=100) as outer:
            burn(0.2)
            with cprof.record(hz=500) as inner:
                burn(0.2)
        assert inner.profile.total("cpu") < outer.profile.total("cpu")
        assert outer.profile.total("cpu") > 0.3e9, outer.profile

        made = []
        def one(seconds):
            with cprof.record(hz=100) as r:
                burn(seconds)
            made.append(r.profile)
        threads = [threading.Thread(target=one, args=(0.1,)) for _ in range(4)]
        for t in threads: t.start()
        for t in threads: t.join()
        assert len(made) == 4 and all(p.total("samples") > 0 for p in made)

        async def task(n):
            with cprof.record() as r:
                for _ in range(n):
                    burn(0.05)
                    await asyncio.sleep(0)
            return r.profile
        async def main():
            return await asyncio.gather(task(2), task(6))
        short, long = asyncio.run(main())
        assert short.total("cpu") < long.total("cpu")
        assert short.duration < long.duration
    """))  # fmt: skip


def test_an_exception_ends_the_record_and_comes_through(python: Python) -> None:
    passes(python("""
        import cprof
        for error in (KeyError, KeyboardInterrupt, SystemExit, GeneratorExit):
            try:
                with cprof.record(hz=200) as r:
                    burn(0.1)
                    raise error("mine")
            except error as why:
                assert why.args == ("mine",) and why.__context__ is None
            assert r.profile.total("samples") > 0
    """))  # fmt: skip


def test_ctrl_c_in_the_block_keeps_the_profile(python: Python) -> None:
    """What ran until Ctrl-C is what the user wants to see; a second Ctrl-C while it is written
    must not lose it."""
    target = python("""
        import cprof
        try:
            with cprof.record(hz=200) as r:
                burn(0.1)
                print("ready", flush=True)
                while True:
                    burn()
        except KeyboardInterrupt:
            pass
        while True:
            try:
                assert r.stop().total("samples") > 0
                break
            except KeyboardInterrupt:
                pass
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("done", flush=True)
    """)
    target.line("ready")
    for _ in range(3):
        os.kill(target.pid, signal.SIGINT)
    assert target.wait() == 0, target.stderr()
    assert target.stdout().endswith("done\n")


def test_stopping_lets_other_threads_run(python: Python) -> None:
    """Naming takes a while: with the GIL held the whole program stood still."""
    passes(python("""
        import cprof
        ticks, stop = [0], threading.Event()
        def tick():
            while not stop.is_set():
                ticks[0] += 1
                time.sleep(0.0002)
        r = cprof.record().start()
        burn(0.2)
        r2 = cprof.record().start()
        thread = threading.Thread(target=tick)
        thread.start()
        sys.setswitchinterval(100)
        before = ticks[0]
        r2._end()
        r._end()
        after = ticks[0]
        sys.setswitchinterval(0.005)
        stop.set()
        thread.join()
        assert after > before
    """))  # fmt: skip


def test_a_record_is_not_the_childs(python: Python) -> None:
    """A child that ended its parent's record would take memory and a window apart that belong to
    somebody else's threads."""
    passes(python("""
        import cprof
        with cprof.record(hz=200) as r:
            pid = os.fork()
            if not pid:
                try:
                    r.stop()
                except cprof.RecordError as why:
                    assert "the parent" in str(why) and str(os.getppid()) in str(why)
                else:
                    os._exit(1)
                with cprof.record(hz=200) as mine:
                    burn(0.1)
                os._exit(0 if mine.profile.total("samples") > 0 else 2)
            assert os.waitpid(pid, 0)[1] == 0
            burn(0.2)
        assert r.profile.total("samples") > 10

        r = cprof.record(hz=200).start()
        pid = os.fork()
        if not pid:
            del r               # forgotten, not ended
            with cprof.record(hz=200) as mine:
                burn(0.1)
            os._exit(0 if mine.profile.total("samples") > 0 else 2)
        assert os.waitpid(pid, 0)[1] == 0
        burn(0.2)
        assert r.stop().total("samples") > 10

        with cprof.record(hz=200) as r:
            pid = os.fork()
        if not pid:             # leaving the block in the child is no error, the profile is one
            try:
                r.profile
            except cprof.RecordError:
                del r
                sys.exit(0)
            sys.exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        r.profile
    """))  # fmt: skip


# ---- ends ----

ENDS = {
    "by return": "pass",
    "by sys.exit": "sys.exit(5)",
    "by os._exit": "os._exit(5)",
    "by an exception": "raise SystemExit(5)",
    "by sys.exit in a thread": """
        t = threading.Thread(target=sys.exit, args=(5,)); t.start(); t.join()
    """,
    "with daemon threads that record": """
        def work():
            while True:
                with cprof.record(hz=200):
                    burn(0.01)
        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        burn(0.3)
    """,
    "with a daemon thread that opens and closes": """
        server.close()
        def work():
            while True:
                cprof.serve(0).close()
        threading.Thread(target=work, daemon=True).start()
        burn(0.1)
    """,
    "with an atexit function that closes": """
        import atexit
        atexit.register(server.close)
        atexit.register(record.stop)
    """,
    "with the objects in a cycle": """
        cycle = [server, record]
        cycle.append(cycle)
        del server, record
    """,
}


@pytest.mark.parametrize("how", ENDS)
def test_the_program_ends_as_ever(how: str, python: Python) -> None:
    """Our threads, and records nobody stopped, while the interpreter is taken apart."""
    code = """
        import cprof
        server = cprof.serve(0)
        record = cprof.record(hz=1000).start()
        burn()
    """
    target = python(textwrap.dedent(code) + textwrap.dedent(ENDS[how]))
    code_ = target.wait()
    assert code_ == (5 if ENDS[how].endswith("exit(5)") or "SystemExit" in ENDS[how] else 0), (
        target.stderr()
    )
    assert target.stderr() == ""
