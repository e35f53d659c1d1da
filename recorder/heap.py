"""What was freed goes back to the system: the C library keeps it otherwise.

Packets of all sizes come and go in many threads, and a busy moment lets twice as many wait as are
ever there again; glibc would hold what that took, scattered, for the rest of the class.
"""

from __future__ import annotations

import ctypes
import threading
import time

EVERY = 60.0


def keep_small() -> None:
    """Gives freed memory back once a minute from now on, where the C library can (malloc_trim(3)).

    A thread of its own, at the end of which nobody waits.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        threading.Thread(target=_keep, args=(trim,), name="heap", daemon=True).start()


def _keep(trim: ctypes._NamedFuncPointer) -> None:
    while True:
        time.sleep(EVERY)
        trim(0)
