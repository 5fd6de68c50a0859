"""What Flask's and Django's debug servers do: a parent that watches, and a child that serves.

reloader.py MARK: the child is told what it is by MARK in its environment. Each line on stdin is a
changed file; the end of stdin is the end.
"""

from __future__ import annotations

import os
import subprocess
import sys

import cprof

RELOAD = 3


def watch(mark: str) -> int:
    while True:
        env = {**os.environ, mark: "true"}
        command = [sys.executable, *sys.argv]
        code = subprocess.call(command, env=env, close_fds=False)
        if code != RELOAD:
            return code


def run_app() -> int:
    # What an app starts inherits the mark, and must not take the server away.
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    subprocess.run([sys.executable, "-c", "import cprof"], check=True, env=dict(os.environ))
    print("app", os.getpid(), cprof.__version__, flush=True)
    return RELOAD if os.read(0, 1) else 0


sys.exit(run_app() if os.environ.get(sys.argv[1]) == "true" else watch(sys.argv[1]))
