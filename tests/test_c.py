"""The plain-C rooms: each test_*.c as it is, under AddressSanitizer with UBSan, and under
ThreadSanitizer; and the
same sources through the aarch64 cross compiler."""

from __future__ import annotations

import subprocess

import pytest

from harness import ROOT

pytestmark = pytest.mark.alone


@pytest.mark.parametrize("target", ["ctest", "asan", "tsan", "aarch64"])
def test_make(target: str) -> None:
    command = ["make", "-s", "-j2", target]
    if target == "ctest":
        command += ["BUILD=build/check", "CPPFLAGS=-DCPROF_CHECK"]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:]
