"""`cprof run` on programs nobody rebuilt: shells, what they start, and limits they set."""

from __future__ import annotations

import os
import pty
from pathlib import Path

import pytest

from conftest import Start
from doors import RUN, SERVED, Door, Ended, assert_sampled, ended, taking_profiles
from harness import cprof_command

pytestmark = pytest.mark.alone

BURN = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done"

SCRIPTS = {
    # Preloaded into a shell, the stub got into every program that it ran.
    "many": "i=0; while [ $i -lt 200 ]; do /bin/true && echo $i; i=$((i+1)); done | wc -l",
    "environment": "env | sort",
    "codes": "/bin/false; echo $?; sh -c 'exit 7'; echo $?; sh -c 'kill -9 $$'; echo $?; exit 3",
    "pipes": "yes | head -n 1000 | sort -u | tr y n; printf 'x\\n' | cat | rev",
    "substitution": 'echo "$(echo "$(expr 1 + 1)")"; : "${none:=7}"; echo $none',
    "background": "sleep 0.2 & wait $!; echo $?; (exit 4) & wait $!; echo $?",
    "trap": "trap 'echo trapped; exit 5' TERM; kill -TERM $$; echo never",
    "exec": f'{BURN}; exec sh -c \'exec sh -c "exec env sh -c \\"{BURN}; exit 9\\""\'',
    "descriptors": "exec 3>&1 4</dev/null; echo three >&3; ls /proc/self/fd | wc -l",
    "killed": "kill -TERM $$",
    "limits": "ulimit -n 16; ulimit -a | grep -v pending; /bin/true; echo $?",
    "here": "cat <<END\nhere\nEND\nread line <<END\nsome words\nEND\necho $line",
}

OWN_LOG = "CPROF_LOG="  # the harness gives each program another


def said(came: Ended) -> tuple[int, list[str], str]:
    lines = [line for line in came.out.splitlines() if not line.startswith(OWN_LOG)]
    return came.code, lines, came.err


@pytest.mark.parametrize("door", [RUN, SERVED], ids=lambda door: door.value)
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_shell_script_says_and_returns_the_same(
    script: str, door: Door, start: Start, tmp_path: Path
) -> None:
    """Output, environment of what it starts, exit codes and stderr."""
    shell = ["/bin/sh", "-c", f"{BURN}; {SCRIPTS[script]}"]
    profile = tmp_path / "cpu.pb.gz"
    how = ["-o", str(profile)] if door is RUN else ["--http", "127.0.0.1:0"]
    bare = ended(start(*shell), profile, [])
    target = start(cprof_command(), "run", *how, "--cpu-hz", "1000", "--", *shell)
    came = ended(target, profile, [])
    assert said(came) == said(bare)
    if door is RUN:
        assert_sampled(profile)


def test_a_shell_is_served_while_it_starts_programs(start: Start) -> None:
    script = f"for i in 1 2 3 4 5; do {BURN}; /bin/true; done; sh -c 'exit 3'"
    target = start(cprof_command(), "run", "--cpu-hz", "1000", "--", "/bin/sh", "-c", script)
    profiles: list[bytes] = []
    with taking_profiles(target, profiles):
        assert ended(target, Path(), profiles).said() == (3, "")


@pytest.mark.parametrize("limit", ["-n 16", "-n 5", "-s 128", "-v 300000", "-u 50", "-f 0", "-c 0"])
def test_limits_set_before_fall_back(limit: str, start: Start, tmp_path: Path) -> None:
    """Under whatever limit it is started the program runs; without a profile there is one line."""
    profile = tmp_path / "cpu.pb.gz"
    script = f'ulimit {limit}; exec "$@"'
    inner = ["/bin/sh", "-c", f"{BURN}; echo alive; exit 5"]
    run = [cprof_command(), "run", "-o", str(profile), "--cpu-hz", "1000", "--", *inner]
    bare = ended(start("/bin/sh", "-c", script, "sh", *inner), profile, [])
    target = start("/bin/sh", "-c", script, "sh", *run)
    came = ended(target, profile, [])
    assert came.said() == bare.said(), came.err
    lines = target.log.read_text().splitlines() if target.log.exists() else []
    assert len(lines) <= 1, lines


def test_stdin_and_terminal_are_the_programs(tmp_path: Path) -> None:
    """On a terminal: the foreground group, its size, its modes and Ctrl-C are the program's."""
    script = "stty size; [ -t 1 ] && echo tty; ps -o tpgid=,pgid= -p $$ | awk '{print $1==$2}'"
    outputs = []
    for command in (
        ["/bin/sh", "-c", script],
        [cprof_command(), "run", "-o", str(tmp_path / "p"), "--", "/bin/sh", "-c", script],
    ):
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(command[0], command)
        text = b""
        while True:
            try:
                data = os.read(fd, 4096)
            except OSError:
                break
            if not data:
                break
            text += data
        os.close(fd)
        outputs.append((os.waitpid(pid, 0)[1], text))
    assert outputs[0] == outputs[1]
