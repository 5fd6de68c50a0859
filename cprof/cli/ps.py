"""`cprof ps`: this user's processes that have a cprof server."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from cprof import _registry
from cprof.cli import MISSING, _options, complain

HEAD = ("PID", "ADDRESS", "UP", "COMMAND")


def run(arguments: list[str]) -> int:
    parser = _options.parser("ps", "Lists your processes that have a cprof server.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    found = _registry.running()
    obstacle = _registry.obstacle(os.geteuid())
    if options.json:
        import json

        print(json.dumps([_as_dict(entry) for entry in found], indent=1))
    elif found:
        print(_table(found))
    elif not obstacle:
        return complain("no process of yours has a cprof server", 0)
    return complain(obstacle, MISSING) if obstacle else 0


def _as_dict(entry: _registry.Entry) -> dict[str, object]:
    return {
        "pid": entry.pid,
        "addresses": entry.addresses,
        "up_seconds": round(entry.up_seconds, 2),
        "command": entry.command,
        "version": entry.version,
    }


def _table(found: Sequence[_registry.Entry]) -> str:
    from cprof._units import label

    rows = [HEAD]
    for entry in found:
        up = label(int(entry.up_seconds * 1e9), "nanoseconds")
        where = ",".join(map(_printable, entry.addresses))
        rows.append((str(entry.pid), where, up, _printable(shlex.join(entry.command))))
    pid, address, age = (max(len(row[i]) for row in rows) for i in range(3))
    return "\n".join(f"{r[0]:>{pid}}  {r[1]:<{address}}  {r[2]:>{age}}  {r[3]}" for r in rows)


def _printable(text: str) -> str:
    """A program names itself as it likes; a terminal obeys what it is sent."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
