"""Compiles programs, runs each in its own process, waits for its server, and says how it crashed.

Nothing here sleeps a fixed time: `eventually` polls with a deadline far beyond what a loaded
machine needs.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ROOT / "tests" / "targets"
DEADLINE_S = 60.0

T = TypeVar("T")


def eventually(ask: Callable[[], T], what: str, deadline_s: float = DEADLINE_S) -> T:
    """The first true answer of ask()."""
    end = time.monotonic() + deadline_s
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < end, f"waited {deadline_s} s in vain for {what}"
        time.sleep(0.01)


def link_flags() -> list[str]:
    """What `cprof config` tells a C programmer."""

    out = subprocess.run(
        [cprof_command(), "config", "--cflags", "--libs"],
        check=True,
        capture_output=True,
        text=True,
    )
    return shlex.split(out.stdout)


def cprof_command() -> str:
    import sys

    return str(Path(sys.executable).with_name("cprof"))


def compile_program(
    source: Path, output: Path, flags: Sequence[str] = (), link: bool = True, crash: bool = True
) -> Path:
    """cc or c++ by the file's ending; a failure shows the compiler's words."""
    compiler = "c++" if source.suffix == ".cc" else "cc"
    objects = []
    if crash:
        objects.append(output.parent / "crash.o")
        command = ["cc", "-O1", "-g", "-c", str(TARGETS / "crash.c"), "-o", str(objects[0])]
        subprocess.run(command, check=True)
    command = [compiler, "-O2", "-g", "-D_GNU_SOURCE", f"-I{TARGETS}", str(source)]
    command += [str(o) for o in objects] + list(flags)
    command += (link_flags() if link else []) + ["-lpthread", "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stderr}"
    return output


class Running:
    """A started target."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], scratch: Path) -> None:
        self.log = scratch / "cprof.log"
        self.out = scratch / "stdout"
        self.err = scratch / "stderr"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("CPROF_")}
        clean.update({"CPROF_LOG": str(self.log)}, **env)
        self.clean_env = {k: v for k, v in clean.items() if v != "<unset>"}
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                list(command), env=self.clean_env, stdin=subprocess.PIPE, stdout=out, stderr=err
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def stdout(self) -> str:
        return self.out.read_text(errors="replace")

    def stderr(self) -> str:
        return self.err.read_text(errors="replace")

    def check_alive(self) -> None:
        code = self.process.poll()
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            raise AssertionError(f"target died by {name}\n{self.stderr()[-8000:]}")
        assert code is None, f"target ended early with {code}\n{self.stderr()[-8000:]}"

    def line(self, prefix: str) -> str:
        """The rest of the first stdout line that begins so, as soon as it is there."""

        def find() -> str:
            for line in self.stdout().splitlines(keepends=True):
                if line.startswith(prefix) and line.endswith("\n"):
                    return line[len(prefix) :].strip() or " "
            self.check_alive()
            return ""

        return eventually(find, f"the target to print {prefix!r}")

    def url(self) -> str:
        """Where its debug server listens: printed by the target, or said by the environment's
        door."""

        def find() -> str:
            text = self.stdout() + (self.log.read_text() if self.log.exists() else "")
            for word in text.split():
                if word.startswith("http://") and "/debug/pprof/" in word:
                    return word.split("/debug/pprof/")[0]
            self.check_alive()
            return ""

        return eventually(find, "the target's debug server")

    def get(self, path: str, data: bytes | None = None, method: str | None = None) -> Reply:
        return http(self.url() + path, data=data, method=method)

    def wait(self, deadline_s: float = DEADLINE_S) -> int:
        """Its exit code; death by a signal is an AssertionError with the native stack."""
        try:
            code = self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"target still runs after {deadline_s} s") from None
        assert code >= 0, f"target died by {signal.Signals(-code).name}\n{self.stderr()[-8000:]}"
        return code

    def stop(self) -> int:
        """Asks it to end the way the targets agree on: end of stdin."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.wait()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()


class Reply:
    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = {k.lower(): v for k, v in headers.items()}
        self.body = body


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def http(url: str, data: bytes | None = None, method: str | None = None) -> Reply:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)
    request = urllib.request.Request(url, data=data, method=method)
    try:
        with opener.open(request, timeout=DEADLINE_S) as answer:
            return Reply(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, dict(error.headers), error.read())
