"""The Python door: the main of a host that is a shared object, in a Python process that records.

inside.py PROFILE HZ PROGRAM ARGUMENTS...; without PROFILE the Python process is bare.
"""

from __future__ import annotations

import ctypes
import sys

profile, hz, program = sys.argv[1:4]
arguments = [argument.encode() for argument in sys.argv[3:]]
argv = (ctypes.c_char_p * (len(arguments) + 1))(*arguments, None)


def run() -> int:
    return int(ctypes.CDLL(program).main(len(arguments), argv))


if profile:
    import cprof

    with cprof.record("cpu", hz=int(hz)) as record:
        code = run()
    record.profile.save(profile)
else:
    code = run()
sys.exit(code)
