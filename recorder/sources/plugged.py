"""Devices that are plugged in and out: a source that waits for its next attempt tries at once."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from urllib.parse import unquote

LOOK_EVERY = 0.25
SETTLE = 0.3  # udev gives a new node its owner a moment after it has appeared
_FOLDERS = {"alsa": Path("/dev/snd"), "screen": Path("/dev/dri")}


def present(url: str) -> frozenset[str] | None:
    """The names of the devices among which that of `url` would be; None where it is no device."""
    scheme, _, rest = url.partition("://")
    folder = _FOLDERS.get(scheme)
    if scheme == "v4l2":
        folder = Path(unquote(rest.partition("?")[0])).parent
    if folder is None:
        return None
    try:
        return frozenset(path.name for path in folder.iterdir())
    except OSError:
        return frozenset()


def wait(wake: threading.Event, seconds: float, url: str) -> bool:
    """Waits for `wake`, `seconds`, or a new device. Returns whether a device has come."""
    before = present(url)
    if before is None:
        wake.wait(seconds)
        return False
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not wake.wait(min(LOOK_EVERY, left)):
        now = present(url) or frozenset()
        if now - before:
            wake.wait(SETTLE)
            return True
        before = now
    return False
