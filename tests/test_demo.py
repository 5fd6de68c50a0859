"""`make demo` does what the README promises, and leaves nothing running."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import cprof
from harness import ROOT

pytestmark = pytest.mark.alone


def test_the_demo() -> None:
    command = [sys.executable, str(ROOT / "examples" / "demo.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[##########] done" in done.stderr, "the progress bar"
    assert "Showing nodes accounting for" in done.stdout
    assert re.search(r"measured [23]\.\d\d : 1", done.stdout), done.stdout
    for line in ("curl -o", "go tool pprof", "cprof top"):
        assert line in done.stdout
    profile = cprof.load(ROOT / "demo" / "cpu.pb.gz")
    rows = {row.name: row for row in profile.top()}
    three, one = rows["render_page"].flat, rows["parse_request"].flat
    assert 2.4 < three / one < 3.8, (three, one)  # 4 standard errors of 700 ticks
    page = (ROOT / "demo" / "cpu.html").read_text()
    assert "render_page" in page and not re.search(r'(src|href)="https?://', page)
    alive = subprocess.run(
        ["pgrep", "-f", "demo/server 0"], capture_output=True, text=True, check=False
    )
    assert not alive.stdout, "the demo's server still runs"
