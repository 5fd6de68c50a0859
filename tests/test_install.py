"""Every way in: pip for each CPython, the sdist, make install; and one clear sentence where
something is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from harness import ROOT

SUPPORTED = [(3, minor) for minor in range(9, 14)]
ANALYST_TESTS = [
    "test_profile.py",
    "test_top.py",
    "test_core_module.py",
    "test_fetch.py",
    "test_cli.py",
    "test_python_door.py",
    "test_python_vars.py",
]

OPTIONAL = ["CPROF_REQUIRE_MATPLOTLIB", "CPROF_REQUIRE_FLASK"]  # what the venvs have not


def version_of(python: Path) -> tuple[int, int] | None:
    code = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run(
            [str(python), "-c", code], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    major, minor = done.stdout.split()
    return int(major), int(minor)


def interpreters() -> dict[tuple[int, int], Path]:
    """One interpreter for each supported minor, wherever they usually are."""
    candidates = []
    for major, minor in SUPPORTED:
        candidates += sorted(Path.home().glob(f".pyenv/versions/{major}.{minor}.*/bin/python"))
        found = shutil.which(f"python{major}.{minor}")
        candidates += [Path(found)] if found else []
        candidates.append(Path(f"/usr/bin/python{major}.{minor}"))
    by_version: dict[tuple[int, int], Path] = {}
    for python in candidates:
        version = version_of(python) if python.exists() else None
        if version in SUPPORTED and version is not None:
            by_version.setdefault(version, python)
    return by_version


def label(python: Path) -> str:
    return "cpython" + ".".join(map(str, version_of(python) or ()))


def chosen() -> list[Path]:
    found = interpreters()
    versions = sorted(found)
    if os.environ.get("CPROF_MATRIX") != "all":
        versions = sorted({versions[0], versions[-1]})
    return [found[v] for v in versions]


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(c) for c in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd="/",
        env={**os.environ, **dict.fromkeys(OPTIONAL, "0"), **(env or {})},
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}"
    return done.stdout


def venv(python: Path, where: Path) -> Path:
    run(python, "-m", "venv", where)
    return where / "bin"


PIP = ["-m", "pip", "--disable-pip-version-check", "--quiet", "install"]


@pytest.fixture(scope="session")
def source_dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sdist")
    subprocess.run(
        [sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", str(out)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    return next(out.glob("*.tar.gz"))


@pytest.mark.parametrize("python", chosen(), ids=label)
def test_pip_install_from_the_sdist_and_the_analysts_tests(
    python: Path, source_dist: Path, tmp_path: Path
) -> None:
    """The sdist builds by itself, in an isolated build, and the Python half passes on that
    interpreter."""
    bin_ = venv(python, tmp_path / "venv")
    run(bin_ / "python", *PIP, source_dist, "pytest")
    profile = tmp_path / "run.pb.gz"
    run(bin_ / "cprof", "run", "-o", profile, "--", bin_ / "python", "-c", "sum(range(10**7))")
    assert "Total samples" in run(bin_ / "cprof", "top", profile)
    tests = [str(ROOT / "tests" / name) for name in ANALYST_TESTS]
    out = run(bin_ / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider",
              "-c", ROOT / "pyproject.toml",
              "--rootdir", ROOT / "tests", *tests)  # fmt: skip
    assert re.search(r"\d+ passed", out) and "failed" not in out, out


@pytest.mark.parametrize("python", chosen(), ids=label)
def test_pip_install_without_build_isolation(
    python: Path, source_dist: Path, tmp_path: Path
) -> None:
    """With whatever setuptools the interpreter's venv brings; 3.12 and later bring none."""
    bin_ = venv(python, tmp_path / "venv")
    if (version_of(python) or (0, 0)) >= (3, 12):
        run(bin_ / "python", *PIP, "setuptools")
    with tarfile.open(source_dist) as archive:
        archive.extractall(tmp_path)
    tree = next(tmp_path.glob("cprof-*"))
    run(bin_ / "python", *PIP, "--no-build-isolation", tree)
    assert run(bin_ / "cprof", "version").startswith("cprof ")
    source = tmp_path / "app.c"
    source.write_text("int main(void) { return 0; }\n")
    flags = run(bin_ / "cprof", "config", "--cflags", "--libs").strip()
    run("sh", "-c", f"cc {source} {flags} -o {tmp_path / 'app'} && {tmp_path / 'app'}")


def test_a_missing_library_is_one_sentence(source_dist: Path, tmp_path: Path) -> None:
    """Not a compiler's log. The library is hidden by a compiler wrapper that cannot see its
    header."""
    with tarfile.open(source_dist) as archive:
        archive.extractall(tmp_path)
    tree = next(tmp_path.glob("cprof-*"))
    wrapper = tmp_path / "blind-cc"
    wrapper.write_text(
        '#!/bin/sh\nfor a in "$@"; do\n'
        'case $a in *.c) grep -q event2 "$a" && exit 1;; esac; done\nexec cc "$@"\n'
    )
    wrapper.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build_ext", "--build-lib", str(tmp_path / "lib")],
        cwd=tree, env={**os.environ, "CC": str(wrapper)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "cprof:" in line]
    assert len(lines) == 1 and "apt-get install libevent-dev" in lines[0], done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_make_install_gives_c_users_all_they_need(tmp_path: Path) -> None:
    """DESTDIR for packagers, PREFIX for people; the .pc file's program links, runs, and keeps the
    library."""
    run("make", "-s", "-C", ROOT, "install", f"DESTDIR={tmp_path}/dest", "PREFIX=/opt/cprof")
    assert (tmp_path / "dest/opt/cprof/include/cprof.h").exists()
    prefix = tmp_path / "prefix"
    run("make", "-s", "-C", ROOT, "install", f"PREFIX={prefix}")
    source = tmp_path / "app.c"
    source.write_text("int main(void) { return 0; }\n")
    env = {"PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig")}
    line = f"cc {source} $(pkg-config --cflags --libs cprof) -o {tmp_path / 'app'}"
    run("sh", "-c", line, env=env)
    assert f"{prefix}/lib/libcprof.so" in run("ldd", tmp_path / "app")
    out = run(tmp_path / "app", env={"CPROF_HTTP": "127.0.0.1:0"})
    assert out.startswith("cprof: serving http://127.0.0.1:")
