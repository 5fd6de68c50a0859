"""Programs that nobody here wrote, with everything that exists switched on: the same outcome as
bare. Their own test suites know how a process ought to behave better than we do: a lock of ours
that a child of fork inherited, a thread of ours that kept a process alive whose last thread had
ended, a descriptor too many were all found by CPython's."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import cprof
from harness import cprof_command, eventually

pytestmark = pytest.mark.alone

HZ = "1000"
SQL = """
create table t(a, b);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 200000)
insert into t select x, x * x % 97 from c;
create index i on t(b);
select sum(a), count(distinct b), group_concat(distinct b) from t where a % 7 = 3;
"""
# On a busy machine these take long: nothing here is judged by its speed.
PATIENCE_S = 600
PYTHON_TESTS = {
    "quick": ["test_os", "test_fork1", "test_threading"],
    "slow": ["test_signal", "test_subprocess", "test_socket", "test_multiprocessing_fork"],
}


def clean_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("CPROF_")}


def finished(command: list[str], cwd: Path, log: Path) -> tuple[int, bytes, bytes]:
    env = {**clean_environment(), "CPROF_LOG": str(log)}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, timeout=PATIENCE_S)
    return done.returncode, done.stdout, done.stderr


def into_file(command: list[str], output: Path) -> list[str]:
    return [cprof_command(), "run", "--follow", "--cpu-hz", HZ, "-o", str(output), "--", *command]


def served(command: list[str]) -> list[str]:
    return [cprof_command(), "run", "--follow", "--cpu-hz", HZ, "--", *command]


class Curious:
    """Takes profiles of whatever says in the log that it serves, over and over."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.taken = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        while not self.stop.wait(0.05):
            words = self.log.read_text().split() if self.log.exists() else []
            for url in [w for w in words if w.startswith("http://")][-1:]:
                try:
                    cprof.fetch(url.split("/debug")[0], "cpu", seconds=1)
                    self.taken += 1
                except cprof.FetchError:
                    pass  # it has ended

    def __enter__(self) -> Curious:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()


def samples_in(folder: Path) -> int:
    return sum(cprof.load(path).total("samples") for path in folder.glob("*.pb.gz"))


PROGRAMS = {
    "xz": ["xz", "-k", "-6", "-T1", "-c", "data"],
    "xz with threads": ["xz", "-k", "-6", "-T2", "--block-size=1MiB", "-c", "data"],
    "sqlite3": ["sqlite3", ":memory:", SQL],
    "sh": [
        "sh",
        "-c",
        "for i in 1 2 3 4 5 6 7 8; do xz -0 -c data | sha256sum; done; exec wc -c data",
    ],
}


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with the file "data": some megabytes that do not compress to nothing."""
    libc = next(Path(p) for p in sys_libraries() if "libc.so" in p)
    (tmp_path / "data").write_bytes(libc.read_bytes() * 3)
    return tmp_path


def sys_libraries() -> list[str]:
    return [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_says_and_returns_the_same(name: str, workplace: Path) -> None:
    command = PROGRAMS[name]
    log, profiles = workplace / "log", workplace / "profiles"
    profiles.mkdir()
    bare = finished(command, workplace, log)
    assert bare[0] == 0 and bare[1]
    assert finished(into_file(command, profiles / "%p.pb.gz"), workplace, log) == bare
    assert samples_in(profiles) > 10, log.read_text() if log.exists() else ""
    with Curious(log):
        assert finished(served(command), workplace, log) == bare


def test_openssl_finds_all_its_speeds(workplace: Path) -> None:
    """It forks, sets alarms and counts by SIGALRM handlers what was done until then."""
    command = ["openssl", "speed", "-seconds", "1", "-multi", "2", "-evp", "sha256"]
    log, profiles = workplace / "log", workplace / "profiles"
    profiles.mkdir()
    code, out, _ = finished(into_file(command, profiles / "%p.pb.gz"), workplace, log)
    assert code == 0
    last = out.decode().splitlines()[-1].split()
    assert last[0] == "sha256" and len(last) == 7 and all(float(x[:-1]) > 0 for x in last[1:])
    assert samples_in(profiles) > 1000


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(params=["-o", "served"])
def redis(request: pytest.FixtureRequest, free_port: int, tmp_path: Path) -> Iterator[int]:
    command = ["redis-server", "--port", str(free_port), "--save", "", "--appendonly", "no"]
    command += ["--bind", "127.0.0.1", "--enable-debug-command", "local"]
    log = tmp_path / "log"
    how = into_file(command, tmp_path / "%p.redis.pb.gz")
    if request.param == "served":
        how = served(command)
    env = {**clean_environment(), "CPROF_LOG": str(log)}
    with (tmp_path / "out").open("wb") as out:
        server = subprocess.Popen(how, cwd=tmp_path, env=env, stdout=out, stderr=out)
    try:
        with Curious(log):
            eventually(lambda: ask_redis(free_port, "ping") == "PONG", "redis to answer")
            yield free_port
            assert ask_redis(free_port, "shutdown", "nosave") == ""
            assert server.wait(60) == 0, (tmp_path / "out").read_text()
    finally:
        server.kill()
        server.wait()
    if request.param == "-o":
        assert_stacks_begin(tmp_path, 100)


def ask_redis(port: int, *words: str) -> str:
    command = ["redis-cli", "-h", "127.0.0.1", "-p", str(port), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    return done.stdout.strip()


def test_redis_serves_as_ever(redis: int) -> None:
    command = [
        "redis-benchmark",
        "-p",
        str(redis),
        "-n",
        "50000",
        "-q",
        "-t",
        "set,get,lpush,lrange_100",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert done.stdout.count("requests per second") >= 4
    assert int(ask_redis(redis, "llen", "mylist")) >= 20000
    assert "No such key" not in ask_redis(redis, "object", "encoding", "mylist")
    # A child of fork writes the file while both go on.
    assert ask_redis(redis, "bgsave") == "Background saving started"
    eventually(
        lambda: "rdb_bgsave_in_progress:0" in ask_redis(redis, "info", "persistence"), "bgsave"
    )
    assert "rdb_last_bgsave_status:ok" in ask_redis(redis, "info", "persistence")


PYTHON_WORK = """
import hashlib, json, re, zlib
for turn in range(8):
    table = {str(k): [k * 1.1] * 5 for k in range(20000)}
    text = json.dumps(table)
    json.loads(text)
    sorted(table, key=lambda k: table[k][0])
    len(re.findall(r"([0-9]+)[.]([0-9])", text))
    zlib.compress(text.encode())
    hashlib.sha512(text.encode()).hexdigest()
"""
SQL_WORK = """
create table t(a, b);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 2000000)
insert into t select x, x * 1.1 * x % 97 from c;
create index i on t(b);
select sum(a), count(distinct b), length(group_concat(distinct printf('%.3f', b))) from t
where a % 7 = 3;
"""
OPENSSL_WORK = ["rsa2048", "ecdsap256", "sha256", "aes-128-cbc", "sha512"]
WORK = {
    "xz": ["xz", "-k", "-6", "-T1", "-c", "data"],
    "sqlite3": ["sqlite3", ":memory:", SQL_WORK],
    "openssl": ["openssl", "speed", "-seconds", "1", "-bytes", "4096", *OPENSSL_WORK],
    "python3": ["/usr/bin/python3", "-c", PYTHON_WORK],
}
STARTS = {"_start", "start_thread", "clone", "__clone", "clone3", "__clone3"}


def began(sample: cprof.Sample) -> bool:
    """Its outermost frame is where the program or a thread starts. Programs are stripped: then it
    is the nameless caller of libc's __libc_start_main, or, where libc has no debug file either, of
    what clone calls."""
    frames = sample.frames
    if frames[-1].name:
        return frames[-1].name in STARTS
    if len(frames) > 1 and frames[-2].name.startswith("__libc_start_main"):
        return True
    return all(not f.name and "libc.so" in f.mapping for f in frames[-2:])


def assert_stacks_begin(folder: Path, least_ticks: int) -> None:
    """99 of 100, weighed by ticks; of the rest it says where they end."""
    ends: Counter[str] = Counter()
    whole = 0
    for sample in (s for path in folder.glob("*.pb.gz") for s in cprof.load(path).samples):
        if sample.frames[0].name.startswith(("<lost", "<kernel")):
            continue  # a count, no stack
        whole += sample.values[0] * began(sample)
        if not began(sample):
            names = [f"{f.name or hex(f.address)} ({f.mapping})" for f in sample.frames]
            ends[" < ".join(names[-3:])] += sample.values[0]
    total = whole + sum(ends.values())
    print(f"{whole} of {total} stacks begin at a start; others: {ends.most_common(8)}")
    assert total >= least_ticks
    assert whole >= 0.99 * total, ends.most_common(8)


@pytest.mark.parametrize("name", WORK)
def test_stacks_reach_the_start_of_the_program(name: str, workplace: Path) -> None:
    """Without frame pointers, and through assembler."""
    (workplace / "data").write_bytes((workplace / "data").read_bytes() * 3)
    command = into_file(WORK[name], workplace / "%p.pb.gz")
    code, _, err = finished(command, workplace, workplace / "log")
    assert code == 0, err
    assert_stacks_begin(workplace, 500)


def python_suite(name: str, how: str, python: str, tmp_path: Path) -> None:
    # Sockets of virtual machines hang on kernels that have no peer for them, with us or without.
    command = [python, "-m", "test", "-i", "*VSOCK*", name]
    log = tmp_path / "log"
    wrapped = into_file(command, tmp_path / "%p.pb.gz") if how == "-o" else served(command)
    with Curious(log):
        code, out, err = finished(wrapped, tmp_path, log)
    if code != 0:  # perhaps it does not pass here at all
        bare = finished(command, tmp_path, log)[0]
        assert code == bare, (out + err).decode(errors="replace")[-8000:]
    if how == "-o":
        assert samples_in(tmp_path) > 0


@pytest.mark.parametrize("how", ["-o", "served"])
@pytest.mark.parametrize("name", PYTHON_TESTS["quick"])
def test_cpythons_own_suite(name: str, how: str, tmp_path: Path) -> None:
    python_suite(name, how, "/usr/bin/python3", tmp_path)


def pythons() -> list[str]:
    found = [shutil.which(f"python3.{minor}") for minor in range(9, 14)]
    others = sorted(map(str, Path.home().glob(".pyenv/versions/3.*/bin/python3")))
    known = ["/usr/bin/python3", *filter(None, found), *others]
    with_tests = [p for p in known if has_tests(p)]
    return list(dict.fromkeys(os.path.realpath(p) for p in with_tests))


def has_tests(python: str) -> bool:
    probe = "import sys, test.test_os; sys.exit(sys.version_info < (3, 9))"
    return subprocess.run([python, "-c", probe], capture_output=True, check=False).returncode == 0


@pytest.mark.long
@pytest.mark.parametrize("how", ["-o", "served"])
def test_cpythons_own_suite_whole_and_on_all(how: str, tmp_path: Path) -> None:
    failed = []
    for python in pythons():
        for name in [*PYTHON_TESTS["quick"], *PYTHON_TESTS["slow"]]:
            folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            try:
                python_suite(name, how, python, folder)
            except AssertionError as why:
                failed.append(f"{python} {name}: {why}")
            shutil.rmtree(folder)
            print(python, name, how, "done", file=sys.stderr)
    assert not failed, "\n\n".join(failed)
