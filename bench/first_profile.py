"""first_profile.py names|addresses: how long node, with LLVM in it, takes to answer its first CPU
profile.

Prints lines of a name and a number, as the targets do: what the answer took beyond the seconds
asked for, and what it took to name ADDRESSES places, evenly spread over the code of both.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import cprof

TARGETS = Path(__file__).resolve().parent / "targets"
SECONDS = 2
HZ = 1000
ADDRESSES = 4000
DEADLINE_S = 30
MODULES = ("libLLVM", "node")


@contextlib.contextmanager
def busy_node(scratch: Path) -> Iterator[tuple[int, str]]:
    """Its process id and the address of its server."""
    library, log = scratch / "compile.so", scratch / "log"
    source = str(TARGETS / "compile.c")
    flags = ["-O2", "-D_GNU_SOURCE", "-shared", "-fPIC", "-Wl,-z,nodelete"]
    subprocess.run(["cc", *flags, source, "-o", str(library), "-lpthread"], check=True)
    cprof_run = [str(Path(sys.executable).with_name("cprof")), "run", "--http", "127.0.0.1:0", "--"]
    command = [*cprof_run, "node", str(TARGETS / "busy.js"), str(library)]
    process = subprocess.Popen(command, env={**os.environ, "CPROF_LOG": str(log)})
    try:
        yield process.pid, address(log)
    finally:
        process.kill()
        process.wait()


def address(log: Path) -> str:
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        found = re.search(r"http://\S+?(?=/debug/pprof/)", log.read_text() if log.exists() else "")
        if found:
            return found[0]
        time.sleep(0.01)
    sys.exit("no server")


def ask(url: str, body: bytes | None = None) -> tuple[float, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    began = time.perf_counter()
    with opener.open(url, data=body, timeout=DEADLINE_S) as answer:
        content = answer.read()
    return time.perf_counter() - began, content


def module_of(path: str) -> str:
    return next((m for m in MODULES if Path(path).name.startswith(m)), "")


def spread(pid: int) -> list[int]:
    """Places all over the code of the two."""
    ranges = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        words = line.split(maxsplit=5)
        if "x" in words[1] and len(words) == 6 and module_of(words[5]):
            low, high = (int(end, 16) for end in words[0].split("-"))
            ranges.append(range(low, high))
    step = max(sum(map(len, ranges)) // ADDRESSES, 1)
    return [place for r in ranges for place in r[::step]]


def main() -> None:
    symbolize = int(sys.argv[1] == "names")
    with tempfile.TemporaryDirectory() as name, busy_node(Path(name)) as (pid, url):
        query = f"seconds={SECONDS}&hz={HZ}&symbolize={symbolize}"
        seconds, content = ask(f"{url}/debug/pprof/profile?{query}")
        places = spread(pid)
        posted = "+".join(map(hex, places)).encode()
        again_s, _ = ask(f"{url}/debug/pprof/profile?{query}")
        spread_s, named = ask(f"{url}/debug/pprof/symbol", posted) if symbolize else (0.0, b"")
    print(f"answer_ms {(seconds - SECONDS) * 1e3}")
    print(f"again_ms {(again_s - SECONDS) * 1e3}")
    print(f"spread_ms {spread_s * 1e3}")
    print(f"spread_named {named.count(bytes([10])) - 1 if symbolize else 0}")
    print(f"spread_places {len(places)}")
    frames = {f for s in cprof.load(content).samples for f in s.frames if module_of(f.mapping)}
    for module in MODULES:
        inside = [f for f in frames if module_of(f.mapping) == module]
        print(f"{module}_places {len({f.address for f in inside})}")
        print(f"{module}_named {len({f.address for f in inside if f.name})}")


if __name__ == "__main__":
    main()
