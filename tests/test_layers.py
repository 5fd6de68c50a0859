"""The marks of csrc/: a room includes only itself and rooms to its left, sig/ needs nothing a
handler may not have,
and each artefact exports what it should."""

from __future__ import annotations

import ctypes
import re
import subprocess
from pathlib import Path

import pytest

import cprof
from harness import ROOT

CSRC = ROOT / "csrc"
OBJECTS = ROOT / "build" / "c" / "obj"
ORDER = [
    *("base/any", "base", "vars", "sig", "hook", "sampler"),
    *("profile", "symbol", "encode", "http", "api"),
]

# Everything that code inside a signal handler may call or name outside itself.
HANDLER_MAY_USE = {
    "__errno_location",
    "_GLOBAL_OFFSET_TABLE_",
    "memcpy",
    "memset",
    "__sigaction",
    # Of the ordinary-thread halves of ring, tick and labelread:
    "mmap",
    "madvise",
    "getpid",
    "getauxval",
}
# Inside an intercepted call of the host's: its allocator and its locks are never asked.
HOOK_MAY_USE = {
    *HANDLER_MAY_USE,
    *("__libc_current_sigrtmax", "__libc_current_sigrtmin"),
    *("sigaddset", "sigdelset", "sigemptyset", "sigfillset", "sigismember", "sigprocmask"),
    *("memmove", "strchr", "strcmp", "strcspn", "strlen", "strncmp", "strstr"),
    *("environ", "faccessat", "fcntl", "getenv", "say"),
    *("close", "memmem", "open", "pread", "strrchr", "strspn"),
    # hook/alone, where a lock of its own is taken with all signals blocked:
    *("fstatfs", "ioctl", "lock_drop", "lock_reset_after_fork", "lock_take"),
    "pthread_setcancelstate",
    *("slab_pages", "slab_pages_free"),
    # Of hook/got, on a thread of ours:
    *("definition_in", "definition_of", "dl_iterate_phdr", "mprotect", "sysconf", "syscall"),
    "atfork_register",
}
DOOR_MAY_INCLUDE = {
    *("api/core_table.h", "api/cprof.h", "base/say.h"),
    *("base/any/here.h", "base/definition.h", "base/labels.h", "base/slab.h"),
    *("hook/entries.h", "hook/environment.h", "vars/published.h"),
    *(f"door/{p.name}" for p in (CSRC / "door").glob("*.h")),
}
INTERCEPTED = {
    *("_exit", "_Exit", "execl", "execle", "execlp", "execv", "execve", "execveat", "execvp"),
    *("execvpe", "fexecve", "posix_spawn", "posix_spawnp", "prctl", "setns", "syscall"),
    *("daemon", "unshare", "sigprocmask", "pthread_sigmask"),
    *("sigaction", "sigignore", "siginterrupt", "signal", "bsd_signal", "ssignal"),
    *("sigset", "sysv_signal", "__sysv_signal"),
}
LIB = Path(cprof.__file__).parent / "lib"


def room_of(path: Path) -> str:
    parts = path.relative_to(CSRC).parts
    return "/".join(parts[:-1])


def sources() -> list[Path]:
    return sorted(p for p in CSRC.rglob("*.[ch]") if room_of(p))


def allowed(room: str, included: str) -> bool:
    if room == included or included.startswith(room + "/"):
        return True
    if room == "door":  # knows the core as a table of function pointers, and shares a few files
        return included in {"api", "base", "base/any", "hook", "vars"}
    if room == "py":
        return included in ORDER
    if included not in ORDER:
        return False
    if room == "base/any":
        return False
    return ORDER.index(included) < ORDER.index(room)


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(CSRC)))
def test_a_file_includes_only_rooms_to_its_left(path: Path) -> None:
    room = room_of(path)
    for included in re.findall(r'^#include "(.+)"', path.read_text(), re.M):
        if "/" not in included:
            assert included == "profile.pb-c.h" and room == "encode", f"{path}: {included}"
            continue
        target = included.rsplit("/", 1)[0]
        assert (CSRC / included).exists(), f"{path} includes {included}, which is not there"
        assert allowed(room, target), f"{room} includes {included}"
        if room == "door":
            assert included in DOOR_MAY_INCLUDE, f"{path} includes {included}"


def test_only_py_knows_python() -> None:
    for path in sources():
        if room_of(path) != "py":
            assert "Python.h" not in path.read_text(), path


def undefined(objects: list[Path], scratch: Path) -> set[str]:
    merged = scratch / "merged.o"
    subprocess.run(["ld", "-r", "-o", str(merged), *map(str, objects)], check=True)
    out = subprocess.run(
        ["nm", "-u", str(merged)], check=True, capture_output=True, text=True
    ).stdout
    return {line.split()[-1].split("@")[0] for line in out.splitlines()}


def test_a_handler_can_only_call_what_is_on_the_list(tmp_path: Path) -> None:
    """A stray malloc, a pthread lock or a lazily allocated thread-local would show here."""
    objects = [*OBJECTS.glob("sig/*.o"), *OBJECTS.glob("base/any/*.o")]
    assert len(objects) >= 6, "built by `make core`"
    extra = undefined(objects, tmp_path) - HANDLER_MAY_USE
    assert not extra, f"sig/ and base/any/ use {sorted(extra)}"


def test_an_intercepted_call_can_only_call_what_is_on_the_list(tmp_path: Path) -> None:
    """An allocation in here would ask the allocator whose lock the host may just hold."""
    objects = [
        *OBJECTS.glob("hook/*.o"),
        *OBJECTS.glob("sig/*.o"),
        *OBJECTS.glob("base/any/*.o"),
    ]
    assert len(objects) >= 14, "built by `make core`"
    extra = undefined(objects, tmp_path) - HOOK_MAY_USE
    assert not extra, f"hook/ uses {sorted(extra)}"


def test_the_list_catches_a_stray_malloc(tmp_path: Path) -> None:
    source = tmp_path / "stray.c"
    source.write_text("#include <stdlib.h>\nvoid *stray(void) { return malloc(8); }\n")
    subprocess.run(["cc", "-c", "-fPIC", str(source), "-o", str(tmp_path / "stray.o")], check=True)
    assert "malloc" in undefined([tmp_path / "stray.o"], tmp_path) - HANDLER_MAY_USE


def exported(library: Path) -> set[str]:
    out = subprocess.run(
        ["nm", "-D", "--defined-only", str(library)], check=True, capture_output=True, text=True
    ).stdout
    return {line.split()[-1].split("@")[0] for line in out.splitlines()}


def test_exports_are_the_public_ones() -> None:
    """Two that stand before libc's: by them a thread begins with its maker's labels."""
    calls = set(re.findall(r"\b(cprof_\w+)\(", (CSRC / "api" / "cprof.h").read_text()))
    declared = {name for name in calls if not name.endswith("_")}
    found = exported(LIB / "libcprof.so")
    assert found == declared | {"cprof_front_join", "pthread_create", "thrd_create"}
    core = exported(LIB / "libcprof_core.so")
    assert core and all(name.startswith("cprof_") for name in core), sorted(core)
    assert exported(LIB / "libcprof_preload.so") == INTERCEPTED


def test_the_core_refuses_a_door_of_another_version() -> None:
    """It would call functions at places where the table has others."""
    found = re.search(r"CPROF_CORE_ABI +(\d+)", (CSRC / "api" / "core_table.h").read_text())
    assert found
    ask = ctypes.CDLL(str(LIB / "libcprof_core.so")).cprof_core_table
    ask.argtypes, ask.restype = [ctypes.c_uint32], ctypes.c_void_p
    abi = int(found.group(1))
    assert ask(abi) and not ask(abi - 1) and not ask(abi + 1)


def needed(dynamic_section: str) -> set[str]:
    """But the loader itself, whose list of what is loaded is asked: it is in every process."""
    names = re.findall(r"NEEDED.*\[(.+)\]", dynamic_section)
    return {name for name in names if not name.startswith("ld-linux")}


@pytest.mark.parametrize("name", ["libcprof.so", "libcprof_preload.so"])
def test_front_and_stub_need_libc_only(name: str) -> None:
    out = subprocess.run(
        ["readelf", "-dW", str(LIB / name)], check=True, capture_output=True, text=True
    ).stdout
    assert needed(out) == {"libc.so.6"}


def test_the_core_brings_few_libraries_into_a_host() -> None:
    out = subprocess.run(
        ["readelf", "-dW", str(LIB / "libcprof_core.so")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert needed(out) == {"libc.so.6", "libdw.so.1", "libelf.so.1"}


@pytest.mark.parametrize("name", ["libcprof.so", "libcprof_core.so", "libcprof_preload.so"])
def test_static_tls_is_small_enough_to_be_opened_late(name: str) -> None:
    """A large initial-exec block fails to dlopen in a program that has used up glibc's surplus."""
    out = subprocess.run(
        ["readelf", "-lW", str(LIB / name)], check=True, capture_output=True, text=True
    ).stdout
    sizes = [int(line.split()[5], 16) for line in out.splitlines() if line.split()[:1] == ["TLS"]]
    assert sum(sizes) <= 64
    assert (
        "BIND_NOW"
        in subprocess.run(
            ["readelf", "-dW", str(LIB / name)], check=True, capture_output=True, text=True
        ).stdout
        or "NOW" in out
    )


def test_the_version_is_the_same_everywhere() -> None:
    found = re.search(r'CPROF_VERSION "(.+)"', (CSRC / "api" / "cprof.h").read_text())
    assert found and found.group(1) == cprof.__version__


def test_every_room_finds_its_place_around_fork() -> None:
    """One that found none would leave its lock as another thread had it: a child that hangs."""
    said = re.search(r"#define ATFORK_MAX (\d+)", (CSRC / "base" / "atfork.h").read_text())
    text = "".join(p.read_text() for p in sources())
    hooks = len(re.findall(r"const struct atfork_hooks \w+ = \{", text))
    assert said and 10 < hooks <= int(said[1])
