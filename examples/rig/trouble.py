"""What keeps an example from running at all, told to whoever started it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

# As sysexits.h has it: what is needed is not there.
NOT_HERE = 69


class Trouble(Exception):
    """One or two sentences: what is wrong, and what to do about it."""


class Missing(Trouble):
    """Something that this machine does not have."""


def told(main: Callable[[], int]) -> int:
    """The exit code of `main`; where the example could not run, 1, or 69 if something is missing, and a sentence on stderr."""
    # As Ctrl-C does: what was started is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return main()
    except Trouble as trouble:
        print(f"error: {trouble}", file=sys.stderr)
        return NOT_HERE if isinstance(trouble, Missing) else 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
