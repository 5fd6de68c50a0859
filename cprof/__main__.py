"""`python -m cprof` is the command `cprof`."""

import sys

from cprof.cli import main

sys.exit(main())
