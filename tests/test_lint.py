"""Formatting, static analysis and types are part of the suite: they are clean and stay so."""

from __future__ import annotations

import subprocess

from harness import ROOT


def test_make_lint() -> None:
    done = subprocess.run(
        ["make", "-s", "lint"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
