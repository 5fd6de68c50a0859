"""What gunicorn does: a master that forks three workers.

prefork.py preload|each: who imports the application, and cprof with it. A preloaded worker opens a
server of its own where a second word says so.
"""

from __future__ import annotations

import os
import sys


def work(go_on: int) -> None:
    import cprof

    own = cprof.serve(0).url if len(sys.argv) > 2 else "-"
    os.write(1, f"worker {os.getpid()} {own}\n".encode())  # in one piece
    os.read(go_on, 1)


def main() -> None:
    if sys.argv[1] == "preload":
        import cprof

        print("master", cprof.__version__, flush=True)
    go_on, stop = os.pipe()
    workers = []
    for _ in range(3):
        pid = os.fork()
        if not pid:
            os.close(stop)
            try:
                work(go_on)
                os._exit(0)
            finally:
                os._exit(1)
        workers.append(pid)
    sys.stdin.read()
    os.close(stop)
    sys.exit(sum(os.waitpid(pid, 0)[1] for pid in workers))


main()
