"""The recorder's end of what browsers send: encoded pieces on a Unix socket (`recorder.shared`)."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from recorder.shared import NOTHING, Shared, pack
from streaming.rtc import Encoded

BEHIND_BYTES = 4 * 1024 * 1024


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


class Recorders:
    """Those who record what is sent now; `want_key` is called where one needs a key frame."""

    def __init__(self, want_key: Callable[[], None] = lambda: None) -> None:
        self._want_key = want_key
        self._writers: dict[asyncio.StreamWriter, bool] = {}  # whether it waits for a key frame

    async def serve(self, path: Path) -> None:
        """Listens, for this user only."""
        self._path = path
        _unlink(path)
        mask = os.umask(0o177)
        try:
            await asyncio.start_unix_server(self._connected, path=str(path))
        finally:
            os.umask(mask)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers[writer] = True
        self._want_key()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await reader.read()
        self._writers.pop(writer, None)
        writer.close()

    def close(self) -> None:
        """Ends every connection, and takes the socket away."""
        for writer in self._writers:
            writer.close()
        _unlink(self._path)

    def begin_anew(self) -> None:
        """What comes next has nothing to do with what came before."""
        for writer in self._writers:
            self._writers[writer] = True

    def put(self, piece: Encoded) -> None:
        """Hands a piece on; pictures are left out for a recorder that is behind."""
        data = pack(Shared(piece.media, piece.arrived, piece.codec, piece.key, piece.data))  # type: ignore[arg-type]
        for writer, waited in list(self._writers.items()):
            behind = writer.transport.get_write_buffer_size() > BEHIND_BYTES
            if piece.media == "video":
                waits = self._writers[writer] = behind or (waited and not piece.key)
                if waits:
                    continue
            with contextlib.suppress(OSError):
                writer.write(data)

    def nothing(self) -> None:
        """Nothing is sent now."""
        for writer in self._writers:
            with contextlib.suppress(OSError):
                writer.write(pack(NOTHING))
