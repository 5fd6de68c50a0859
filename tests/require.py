"""What a test needs from the machine, asked for in one place.

A missing tool is a visible skip, or a failure where the environment says it has to be there:
CPROF_REQUIRE_GO=1, CPROF_REQUIRE_CHROMIUM=1, CPROF_REQUIRE_W3M=1, CPROF_REQUIRE_WRK=1,
CPROF_REQUIRE_MATPLOTLIB=1, CPROF_REQUIRE_FLASK=1.
"""

from __future__ import annotations

import importlib.util
import os
import shutil

import pytest


def require_go() -> str:
    """The go command, whose `go tool pprof` is the oracle for text reports."""
    return _found("GO", shutil.which("go") or _existing("/usr/local/go/bin/go"), "no go command")


def require_chromium() -> str:
    """A browser that runs a flame graph without a screen."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return _found("CHROMIUM", next(filter(None, map(shutil.which, names)), ""), "no chromium")


def require_wrk() -> str:
    """Makes as many requests as a server takes."""
    return _found("WRK", shutil.which("wrk") or "", "no wrk")


def require_w3m() -> str:
    """A browser for terminals."""
    return _found("W3M", shutil.which("w3m") or "", "no w3m")


def require_matplotlib() -> None:
    found = importlib.util.find_spec("matplotlib")
    _found("MATPLOTLIB", "yes" if found else "", "no matplotlib: pip install matplotlib")


def require_flask() -> None:
    found = importlib.util.find_spec("flask")
    _found("FLASK", "yes" if found else "", "no flask: pip install flask")


def _existing(path: str) -> str:
    return path if os.access(path, os.X_OK) else ""


def _found(what: str, where: str, missing: str) -> str:
    if where:
        return where
    if os.environ.get(f"CPROF_REQUIRE_{what}") == "1":
        pytest.fail(f"{missing}, and CPROF_REQUIRE_{what}=1 asks for it")
    pytest.skip(missing)
