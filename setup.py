"""Builds the C core by make, the extension module on top of it, and puts both into the package.

Metadata lives here rather than in pyproject.toml, so that the setuptools that CPython 3.9 brings
can read it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
BUILD = Path("build") / "c"
BUILT = ("libcprof.so", "libcprof_core.so", "libcprof_preload.so", "cprof_write")

# What each header or program comes from on Debian, for the one sentence that says what is missing.
HEADERS = {
    "event2/http.h": "libevent-dev",
    "protobuf-c/protobuf-c.h": "libprotobuf-c-dev",
    "zlib.h": "zlib1g-dev",
    "elfutils/libdwfl.h": "libdw-dev",
    "libelf.h": "libelf-dev",
    "libiberty/demangle.h": "libiberty-dev",
}
PROGRAMS = {"make": "make", "protoc-c": "protobuf-c-compiler"}
BUILT_SUFFIXES = {".so", ".pyc", ".new"}
BUILT_FOLDERS = {"build", "demo", "dist", "__pycache__", "lib", "include"}


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def version() -> str:
    found = re.search(r'^#define CPROF_VERSION "(.+)"', read("csrc/api/cprof.h"), re.M)
    assert found, "csrc/api/cprof.h defines CPROF_VERSION"
    return found.group(1)


def compiler() -> str:
    return os.environ.get("CC", "cc").split()[0]


def preprocesses(header: str) -> bool:
    with tempfile.TemporaryDirectory() as scratch:
        probe = Path(scratch) / "probe.c"
        probe.write_text(f"#include <stddef.h>\n#include <{header}>\n")
        command = [compiler(), "-E", *os.environ.get("CPPFLAGS", "").split(), str(probe)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def require_system() -> None:
    """Stops with one sentence where the compiler would stop with a log."""
    if not sys.platform.startswith("linux"):
        raise SystemExit("cprof: only Linux is supported so far")
    if not shutil.which(compiler()):
        raise SystemExit(f"cprof: no C compiler ({compiler()}) found: apt-get install gcc")
    missing = [deb for tool, deb in PROGRAMS.items() if not shutil.which(tool)]
    missing += [deb for header, deb in HEADERS.items() if not preprocesses(header)]
    if missing:
        raise SystemExit(
            "cprof: the C core needs system libraries that are not installed: "
            f"apt-get install {' '.join(missing)}"
        )
    if not preprocesses_python():
        raise SystemExit("cprof: Python.h is missing: apt-get install python3-dev")


def preprocesses_python() -> bool:
    import sysconfig

    return (Path(sysconfig.get_paths()["include"]) / "Python.h").exists()


class BuildCore(build_ext):
    """make core, then the extension, then libraries and header beside it."""

    def run(self) -> None:
        require_system()
        if subprocess.run(
            ["make", "-s", f"-j{os.cpu_count() or 1}", "core", f"BUILD={BUILD}"],
            cwd=ROOT,
            check=False,
        ).returncode:
            raise SystemExit("cprof: building the C core failed; `make core` shows it again")
        super().run()
        package = ROOT / "cprof" if self.inplace else Path(self.build_lib) / "cprof"
        for name in BUILT:
            self.place(ROOT / BUILD / name, package / "lib" / name)
        self.place(ROOT / "csrc" / "api" / "cprof.h", package / "include" / "cprof.h")

    def place(self, source: Path, target: Path) -> None:
        """By rename, never in place: a running program may have the old library mapped."""
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(target.name + ".new")
        shutil.copy2(source, fresh)
        fresh.replace(target)

    def get_outputs(self) -> list[str]:
        package = Path(self.build_lib) / "cprof"
        return [
            *super().get_outputs(),
            *(str(package / "lib" / name) for name in BUILT),
            str(package / "include" / "cprof.h"),
        ]


class SourceDist(sdist):
    """The whole tree but what was built, without a MANIFEST.in to keep in step."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        kept = [f for f in files if not is_built(Path(f))]
        for top in ("csrc", "cprof", "tests", "examples", "bench", "docs", "notebooks", ".ci"):
            paths = [path.relative_to(ROOT) for path in (ROOT / top).rglob("*") if path.is_file()]
            kept += [str(path) for path in paths if not is_built(path)]
        for name in ("Makefile", "LICENSE", "README.md", ".clang-format", ".clang-tidy"):
            if (ROOT / name).exists():
                kept.append(name)
        super().make_release_tree(base_dir, sorted(set(kept)))


def is_built(path: Path) -> bool:
    return path.suffix in BUILT_SUFFIXES or not BUILT_FOLDERS.isdisjoint(path.parts[:-1])


commands: dict[str, Any] = {"build_ext": BuildCore, "sdist": SourceDist}
try:
    import setuptools.command.bdist_wheel  # noqa: F401  (setuptools >= 70.1)
except ImportError:
    try:
        import wheel.bdist_wheel  # noqa: F401
    except ImportError:
        sys.path.insert(0, str(ROOT / "csrc" / "py"))
        from small_wheel import SmallWheel

        commands["bdist_wheel"] = SmallWheel

setup(
    name="cprof",
    version=version(),
    description="Go's /debug/pprof for C and C++ programs, and the tools to read its profiles",
    long_description=read("README.md"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.9",
    packages=find_packages(include=["cprof", "cprof.*"]),
    package_data={
        "cprof": ["py.typed", "*.pyi", "lib/*.so", "lib/cprof_write", "include/*.h"],
        "cprof.web": ["*.html", "*.js", "*.css"],
    },
    ext_modules=[
        Extension(
            "cprof._core",
            sources=sorted(str(p.relative_to(ROOT)) for p in (ROOT / "csrc" / "py").glob("*.c")),
            include_dirs=["csrc"],
            extra_compile_args=["-std=gnu11", "-fvisibility=hidden"],
            library_dirs=[str(BUILD)],
            libraries=["cprof_core"],
            runtime_library_dirs=["$ORIGIN/lib"],
            depends=[str(p.relative_to(ROOT)) for p in (ROOT / "csrc").rglob("*.h")],
        )
    ],
    entry_points={"console_scripts": ["cprof = cprof.cli:main"]},
    extras_require={
        "plot": ["matplotlib>=3.5"],
        "test": [
            "pytest>=7",
            "pytest-xdist",
            "matplotlib>=3.5",
            "numpy",
            "ruff==0.14.4",
            "mypy==1.18.2",
            "types-setuptools",
            "types-Markdown",
            "markdown>=3.4",
            "prometheus_client>=0.17",
            "flask>=2.2",
        ],
    },
    zip_safe=False,
    cmdclass=commands,
)
