"""bdist_wheel for the setuptools that Python 3.9 to 3.11 put into a venv, which needs the wheel
package for it.

Only what `pip install --no-build-isolation .` asks for: the metadata directory and one platform
wheel.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any, ClassVar

from setuptools import Command


def tag() -> str:
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return f"{python}-{python}-{platform}"


def digest(data: bytes) -> str:
    raw = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
    return "sha256=" + raw.rstrip(b"=").decode()


class SmallWheel(Command):
    description = "build a wheel without the wheel package"
    user_options: ClassVar[list[tuple[str, str | None, str]]] = [
        ("dist-dir=", "d", "where the wheel goes"),
        ("bdist-dir=", "b", "scratch directory"),
        ("keep-temp", "k", "ignored"),
        ("plat-name=", "p", "ignored"),
        ("py-limited-api=", None, "ignored"),
    ]

    def initialize_options(self) -> None:
        self.dist_dir: Any = None
        self.bdist_dir: Any = None
        self.keep_temp = False
        self.plat_name: Any = None
        self.py_limited_api: Any = None

    def finalize_options(self) -> None:
        self.dist_dir = self.dist_dir or "dist"

    def egg2dist(self, egg_info: str, dist_info: str) -> None:
        """What setuptools' dist_info command calls to turn .egg-info into .dist-info."""
        target = Path(dist_info)
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        shutil.copy2(Path(egg_info) / "PKG-INFO", target / "METADATA")
        for name in ("entry_points.txt", "top_level.txt"):
            if (Path(egg_info) / name).exists():
                shutil.copy2(Path(egg_info) / name, target / name)
        wheel = f"Wheel-Version: 1.0\nGenerator: cprof\nRoot-Is-Purelib: false\nTag: {tag()}\n"
        (target / "WHEEL").write_text(wheel)
        # setuptools writes the extras' requirements beside PKG-INFO, not into it; a wheel without
        # them installs the same, and extras are asked for by name from an index or by a newer pip.
        shutil.rmtree(egg_info, ignore_errors=True)

    def run(self) -> None:
        self.run_command("build")
        build_lib = Path(self.get_finalized_command("build").build_lib)
        egg_info = self.get_finalized_command("egg_info")
        self.run_command("egg_info")
        name = f"{self.distribution.get_name()}-{self.distribution.get_version()}"
        scratch = Path(self.get_finalized_command("build").build_temp) / f"{name}.dist-info"
        self.egg2dist(egg_info.egg_info, str(scratch))
        wheel = Path(self.dist_dir) / f"{name}-{tag()}.whl"
        wheel.parent.mkdir(parents=True, exist_ok=True)
        files = {str(p.relative_to(build_lib)): p for p in build_lib.rglob("*") if p.is_file()}
        files.update({f"{scratch.name}/{p.name}": p for p in scratch.iterdir()})
        self.write(wheel, files, f"{scratch.name}/RECORD")
        self.distribution.dist_files.append(("bdist_wheel", "", str(wheel)))

    def write(self, wheel: Path, files: dict[str, Path], record: str) -> None:
        lines = []
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, path in sorted(files.items()):
                data = path.read_bytes()
                archive.writestr(name, data)
                lines.append(f"{name},{digest(data)},{len(data)}")
            archive.writestr(record, "\n".join([*lines, f"{record},,"]) + "\n")
