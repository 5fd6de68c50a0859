"""The command: its exit codes, its one-line complaints, its flags for a C compiler."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import cprof
from cprof.cli import COMMANDS
from profiles import folded, rich
from test_fetch import PROFILE, as_go, reply, serving

PACKAGE_PARENT = str(Path(cprof.__file__).resolve().parent.parent)
ENVIRONMENT = {**os.environ, "PYTHONPATH": PACKAGE_PARENT, "LC_ALL": "C.UTF-8"}


def run(*args: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cprof", *args]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=ENVIRONMENT, timeout=120, **more
    )


def complaint(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The one line on stderr; anything more, or a traceback, is a failure."""
    assert done.returncode == code, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("cprof")
    return lines[0]


@pytest.fixture
def saved(tmp_path: Path) -> str:
    return str(rich().save(tmp_path / "p.pb.gz"))


def test_version_and_help() -> None:
    assert run("version").stdout == run("--version").stdout == f"cprof {cprof.__version__}\n"
    for args in (["--help"], ["-h"], ["help"]):
        text = run(*args).stdout
        assert all(f"  {name} " in text for name in COMMANDS)
    assert run("help", "top").stdout == run("top", "--help").stdout


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(name: str) -> None:
    done = run(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: cprof {name}")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "a command is needed"),
        (["tpo"], "unknown command 'tpo'; did you mean \"top\"?"),
        (["--nope"], "unknown option"),
        (["top"], "TARGET"),
        (["top", "x", "--seconds", "0.5"], "whole number"),
        (["top", "x", "--timeout", "0"], "above 0"),
        (["top", "x", "-n", "0"], "number of rows"),
        (["top", "x", "--nonsense"], "--nonsense"),
        (["top", "x", "--header", "nocolon"], "not a header"),
        (["flame", "x"], "-o"),
        (["config"], "--cflags"),
    ],
)
def test_wrong_usage_is_one_line_and_2(args: list[str], words: str) -> None:
    assert words in complaint(run(*args), 2)


@pytest.mark.parametrize("command", ["top", "flame", "diff", "fetch"])
def test_options_that_a_file_cannot_obey(command: str, saved: str, tmp_path: Path) -> None:
    """`top old.pb.gz --seconds 5` would show the old profile as if it were five new seconds."""
    out = tmp_path / "out"
    words = [command, saved, *([saved] if command == "diff" else []), "-o", str(out)]
    words = words[:-2] if command == "top" else words
    for option in (["--seconds", "5"], ["--profile", "heap"]):
        told = complaint(run(*words, *option), 2)
        assert f"{option[0]} goes with a server" in told and saved in told
    if command != "fetch":
        told = complaint(run(*words, "--sample-index", "foo"), 2)
        assert "no sample type 'foo' in this profile; it has samples, cpu" in told
    assert not out.exists()


def test_diff_with_one_server_takes_a_window(saved: str) -> None:
    with serving(as_go) as server:
        assert run("diff", saved, server.url, "--seconds", "1").returncode == 0
        assert server.asked == ["/debug/pprof/profile?seconds=1"]


def test_top_prints_what_python_prints(saved: str) -> None:
    p = cprof.load(saved)
    assert run("top", saved).stdout == f"{p.top()}\n"
    cum = run(
        "top", saved, "-n", "2", "--cum", "--sample-index", "samples", "--granularity", "lines"
    )
    assert cum.stdout == str(p.top(2, "cum", "samples", "lines")) + "\n"
    assert json.loads(run("top", saved, "--json").stdout) == p.top().to_dict()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["top", "nowhere.pb.gz"], "no such file"),
        (["top", "127.0.0.1:1"], "Connection refused"),
        (["top", __file__], "test_cli.py"),
        (["top", ""], "the target is empty"),
        (["fetch", "127.0.0.1:1", "--profile", "cmdline"], "cmdline is text, not a profile"),
        (["fetch", "127.0.0.1:1", "-o", "/dev/null"], "Connection refused"),
    ],
)
def test_no_profile_is_4(args: list[str], words: str) -> None:
    assert words in complaint(run(*args), 4)


def test_a_pid_without_a_server_is_4() -> None:
    assert "no cprof server" in complaint(run("top", str(os.getpid())), 4)


def test_fetch_saves_what_the_server_sent(tmp_path: Path) -> None:
    with serving(as_go) as server:
        out = tmp_path / "cpu.pb.gz"
        done = run("fetch", server.url, "--seconds", "1", "-o", str(out), "--header", "X-A: b c")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert out.read_bytes() == PROFILE
        assert server.asked == ["/debug/pprof/profile?seconds=1"]
        assert server.headers[0]["X-A"] == "b c"
        named = run("fetch", server.url, "--profile", "heap", cwd=tmp_path).stdout.strip()
        assert named.startswith("cprof.heap.")
        assert (tmp_path / named).read_bytes() == PROFILE
        piped = subprocess.run(
            [sys.executable, "-m", "cprof", "fetch", server.url, "--profile", "heap", "-o", "-"],
            capture_output=True,
            check=True,
            env=ENVIRONMENT,
        )
        assert piped.stdout == PROFILE


def test_fetch_saves_no_web_page(tmp_path: Path) -> None:
    """A saved login page is found out a day later, by somebody else."""
    out = tmp_path / "cpu.pb.gz"
    with serving(lambda h: reply(h, 200, b"<!doctype html>", "text/html")) as server:
        assert "HTML" in complaint(run("fetch", server.url, "--seconds", "1", "-o", str(out)), 4)
    assert not out.exists()


def test_a_trace_is_saved_as_it_is(tmp_path: Path) -> None:
    with serving(lambda h: reply(h, 200, b"go 1.23 trace\0\0\0")) as server:
        out = tmp_path / "t"
        assert run("fetch", server.url, "--profile", "trace", "-o", str(out)).returncode == 0
        assert out.read_bytes().startswith(b"go 1.23")


def test_an_unwritable_output_is_3_before_anything_is_fetched(tmp_path: Path, saved: str) -> None:
    """Finding out after a 30 s window that the directory is missing costs the window."""
    with serving(as_go) as server:
        missing = str(tmp_path / "no" / "x")
        assert "no directory" in complaint(run("fetch", server.url, "-o", missing), 3)
        assert "Is a directory" in complaint(run("flame", server.url, "-o", str(tmp_path)), 3)
        assert server.asked == []
    assert "cannot write" in complaint(run("flame", saved, "-o", missing), 3)


def test_flame_writes_the_page(tmp_path: Path, saved: str) -> None:
    out = tmp_path / "f.html"
    done = run("flame", saved, "-o", str(out), "--title", "mine", "--sample-index", "samples")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "<title>mine</title>" in out.read_text()


def test_diff(tmp_path: Path) -> None:
    base = folded({"main;a": (1, 10), "main;b": (1, 10)}).save(tmp_path / "a.gz")
    new = folded({"main;a": (1, 30), "main;b": (1, 10)}).save(tmp_path / "b.gz")
    out = tmp_path / "d.gz"
    done = run("diff", str(base), str(new), "-o", str(out))
    difference = cprof.diff(cprof.load(base), cprof.load(new))
    assert (done.returncode, done.stdout) == (0, f"{difference.top()}\n")
    assert cprof.load(out).total() == 20
    assert json.loads(run("diff", str(base), str(new), "--json").stdout)["total"] == 20


def test_a_closed_pipe_is_silent(tmp_path: Path) -> None:
    """`cprof top x | head -1` is what everybody types."""
    many = {f"main;f{i}{'x' * 200}": (1, 10**9) for i in range(150)}
    path = folded(many).save(tmp_path / "p.gz")
    line = f"{shlex.quote(sys.executable)} -m cprof top {path} --granularity lines --json | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")


def test_ctrl_c_ends_the_window_at_once(tmp_path: Path) -> None:
    """130, no traceback, and the server sees the connection go."""
    gone = tmp_path / "gone"

    def wait(handler: Any) -> None:
        handler.connection.settimeout(60)
        if handler.connection.recv(1) == b"":
            gone.touch()

    with serving(wait) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "cprof", "top", server.url, "--progress=always"],
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        until(lambda: server.asked)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 130
        assert err.startswith("profiling 30s [")
        assert err.endswith("] interrupted\n")
        until(gone.exists)


def until(ask: Any) -> None:
    end = time.monotonic() + 30
    while not ask():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_version_is_quick() -> None:
    """The modules a profile needs have no part in `cprof version`."""
    code = (
        "import sys; from cprof.cli import main; main(['version'])\n"
        "heavy = {'http.client', 'ssl', 'json', 'matplotlib', 'cprof._core', 'cprof._profile'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=ENVIRONMENT)


# --- config ---------------------------------------------------------------------------------------


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy of the package in a directory with a blank, with empty files for the C library."""
    home = tmp_path / "a b" / "cprof"
    ignore = shutil.ignore_patterns("*.so", "include", "lib", "__pycache__")
    shutil.copytree(Path(cprof.__file__).parent, home, ignore=ignore)
    for name in ("include/cprof.h", "lib/libcprof.so", "lib/libcprof_core.so"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).touch()
    return home


def config(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    environment = {**ENVIRONMENT, "PYTHONPATH": str(home.parent)}
    return subprocess.run(
        [sys.executable, "-m", "cprof", "config", *args],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=home.parent,
    )


def test_config_prints_flags_a_shell_can_read(installed: Path) -> None:
    done = config(installed, "--cflags", "--libs")
    assert done.returncode == 0, done.stderr
    assert shlex.split(done.stdout) == [
        f"-I{installed}/include",
        f"-L{installed}/lib",
        f"-Wl,-rpath,{installed}/lib",
        "-Wl,--push-state,--no-as-needed",
        "-lcprof",
        "-Wl,--pop-state",
    ]
    assert shlex.split(config(installed, "--prefix").stdout) == [str(installed)]


def test_config_knows_that_wl_splits_at_commas(installed: Path) -> None:
    odd = installed.parent.parent / "a,b" / "cprof"
    odd.parent.mkdir()
    installed.rename(odd)
    flags = shlex.split(config(odd, "--libs").stdout)
    assert flags[1:5] == ["-Xlinker", "-rpath", "-Xlinker", f"{odd}/lib"]


def test_config_without_the_library_is_3(installed: Path) -> None:
    (installed / "lib" / "libcprof.so").unlink()
    assert config(installed, "--cflags").returncode == 0
    assert "libcprof.so" in complaint(config(installed, "--libs"), 3)
    (installed / "include" / "cprof.h").unlink()
    assert "cprof.h" in complaint(config(installed, "--cflags"), 3)


def test_without_the_core_everything_else_works(installed: Path, saved: str) -> None:
    """A wheel for another Python: one line that says so, not a traceback. -S: an editable install
    of the package would lend its core to the copy."""
    environment = {**ENVIRONMENT, "PYTHONPATH": str(installed.parent)}
    done = subprocess.run(
        [sys.executable, "-S", "-m", "cprof", "top", saved],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=installed.parent,
    )
    assert "compiled core" in complaint(done, 3)
