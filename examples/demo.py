"""`make demo`: profiles the server beside this file and leaves the results in demo/."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "demo"
CPROF = str(Path(sys.executable).with_name("cprof"))
SECONDS = 5


def run(*command: str) -> None:
    """Shows the command as a person would type it, then its output."""
    shown = [Path(command[0]).name, *command[1:]]
    print(f"\n$ {shlex.join(shown)}", flush=True)
    subprocess.run(command, check=True, cwd=ROOT)


def build_server() -> Path:
    source, server = ROOT / "examples" / "server.c", OUT / "server"
    flags = subprocess.run(
        [CPROF, "config", "--cflags", "--libs"], check=True, capture_output=True, text=True
    ).stdout
    if not server.exists() or server.stat().st_mtime < source.stat().st_mtime:
        command = [
            "cc",
            "-O2",
            "-g",
            str(source),
            *shlex.split(flags),
            "-lpthread",
            "-o",
            str(server),
        ]
        subprocess.run(command, check=True)
    return server


def tell_ratio() -> None:
    """What a true profile shows, and what this one does: it is a sample of some hundred ticks."""
    rows = subprocess.run(
        [CPROF, "top", "demo/cpu.pb.gz", "--json"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    flat = {row["name"]: row["flat"] for row in json.loads(rows.stdout)["rows"]}
    three, one = flat.get("render_page", 0), flat.get("parse_request", 0)
    print(
        "\nrender_page does three units of work for each one of parse_request; "
        f"measured {three / one if one else 0:.2f} : 1."
    )


def main() -> None:
    OUT.mkdir(exist_ok=True)
    server = subprocess.Popen([str(build_server()), "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        hello = server.stdout.readline().strip()
        print(f"examples/server.c is running: {hello}")
        url = hello.split("debug server on ")[1].split("/debug/pprof/")[0]
        run(
            CPROF,
            "fetch",
            url,
            "--seconds",
            str(SECONDS),
            "--progress",
            "always",
            "-o",
            "demo/cpu.pb.gz",
        )
        run(CPROF, "top", "demo/cpu.pb.gz", "-n", "10")
        tell_ratio()
        run(CPROF, "flame", "demo/cpu.pb.gz", "-o", "demo/cpu.html")
    finally:
        server.terminate()
        server.wait()
    print(
        """

The server is stopped. The profile is demo/cpu.pb.gz; open demo/cpu.html in a browser. To go on
(Go builds its pprof at the first use, which takes a while):

    demo/server 6060 &
    curl -o demo/cpu2.pb.gz 'http://127.0.0.1:6060/debug/pprof/profile?seconds=5'
    go tool pprof -top 'http://127.0.0.1:6060/debug/pprof/profile?seconds=5'
    .venv/bin/cprof top http://127.0.0.1:6060 --seconds 5
    kill %1"""
    )


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"demo: {Path(error.cmd[0]).name} failed with exit code {error.returncode}")
