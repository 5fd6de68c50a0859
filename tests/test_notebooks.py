"""The notebooks' code runs from top to bottom on what `make demo` leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import ROOT
from profiles import Builder

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_code_cells_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    (tmp_path / "demo").mkdir()
    (tmp_path / "notebooks").mkdir()
    profile = Builder()
    stack = [profile.location((profile.function(name), 1)) for name in ("leaf", "main")]
    profile.sample(stack, [3, 30_000_000])
    profile.save(tmp_path / "demo" / "cpu.pb.gz")
    monkeypatch.chdir(tmp_path / "notebooks")
    names: dict[str, object] = {}
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), str(path), "exec"), names)
