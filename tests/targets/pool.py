"""pool.py fork|spawn|forkserver [late]: two processes of multiprocessing, which import this file
again; late: only they import cprof."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.synchronize import Event

if __name__ != "__main__" or len(sys.argv) < 3:
    import cprof


def work(go_on: Event) -> None:
    os.write(1, f"child {os.getpid()} {cprof.__version__}\n".encode())  # in one piece
    parent = multiprocessing.parent_process()
    while not go_on.wait(1) and parent and parent.is_alive():
        pass


def main() -> None:
    context = multiprocessing.get_context(sys.argv[1])
    go_on = context.Event()
    children = [
        context.Process(target=work, args=(go_on,))  # type: ignore[attr-defined]
        for _ in range(2)
    ]
    for child in children:
        child.start()
    sys.stdin.read()
    go_on.set()
    for child in children:
        child.join()
    sys.exit(max(child.exitcode for child in children))


if __name__ == "__main__":
    main()
