"""Sign-ins that were ended before their hours were over, kept until then.

Cookies are not stored, so that what ends one must be: in the room's state folder, for its owner's
eyes only, as hashes, so that the daemon may begin anew and a copied cookie stays worthless.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import threading
import time
from pathlib import Path

from publishing.record import replace

log = logging.getLogger(__name__)


class Revocations:
    """The ended sign-ins by their ids, in `file` (or in memory alone)."""

    def __init__(self, file: Path | None = None) -> None:
        """Reads the disk. A damaged file is as good as none."""
        self._file = file
        self._ends: dict[str, float] = {}
        self._lock = threading.Lock()
        with contextlib.suppress(OSError, ValueError, RecursionError):
            found = json.loads(file.read_text("utf-8")) if file is not None else {}
            if isinstance(found, dict):
                self._ends = {k: float(v) for k, v in found.items() if isinstance(v, int | float)}

    def __contains__(self, sign_in: str) -> bool:
        return _hash(sign_in) in self._ends

    def add(self, sign_in: str, until: float) -> None:
        """End this one; it need not be remembered after `until` (seconds since 1970). Writes the
        disk; when that fails it holds for as long as this process lives, with a line in the log."""
        with self._lock:
            now = time.time()
            kept = {key: end for key, end in self._ends.items() if end > now}
            kept[_hash(sign_in)] = until
            self._ends = kept
            if self._file is None:
                return
            try:
                self._file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
                replace(self._file, json.dumps(kept).encode(), mode=0o600)
            except (OSError, ValueError) as error:
                log.warning("a sign-out is not kept over a restart: %s", error)


def _hash(sign_in: str) -> str:
    return hashlib.sha256(sign_in.encode()).hexdigest()
