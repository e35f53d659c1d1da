"""Memory that was freed goes back to the system: the C library keeps much of it otherwise.

Packets of all sizes come and go in many threads, and a busy moment lets twice as many wait as are
ever there again. glibc would hold what that took, scattered over a heap for each thread, for the
rest of the class.
"""

from __future__ import annotations

import ctypes
import threading
import time

EVERY = 60.0
HEAPS, LARGE = 2, 64 * 1024
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # mallopt(3)


def keep_small() -> None:
    """Call before threads are started. Does nothing where the C library is not glibc.

    Few heaps for all threads; what is large (key frames) lies in none and is gone when it is
    freed; and once a minute what lies free in them is given back (malloc_trim(3)).
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "malloc_trim"):
        return
    library.mallopt(_M_ARENA_MAX, HEAPS)
    library.mallopt(_M_MMAP_THRESHOLD, LARGE)
    threading.Thread(target=_keep, args=(library.malloc_trim,), name="heap", daemon=True).start()


def _keep(trim: ctypes._NamedFuncPointer) -> None:
    while True:
        time.sleep(EVERY)
        trim(0)
