"""Where the segments of a growing fMP4 lie: byte ranges that begin at key frames.

Reads box headers and moofs only, never the media, and remembers how far it has come. The file may
still be growing, or be closed as a hybrid MP4, whose fragments stand where they always stood.
"""

from __future__ import annotations

import contextlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from streaming.boxes import BoxError, parse_moof, parse_moov
from streaming.fragments import MAX_BOX, Fragment, Init, fragment

SEGMENT_S = 1.9
_MAX_HEADER = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Stretch:
    """A segment: bytes [offset, offset + size) of the file, seconds [start, end) of its clock."""

    offset: int
    size: int
    start: float
    end: float

    @property
    def duration(self) -> float:
        return self.end - self.start


class FileIndex:
    """The init segment and the segments of one file, as far as they are whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.init: Init | None = None
        self.segments: list[Stretch] = []
        self.ended = False
        self._handle: int | None = None
        self._offset = 0
        self._end = 0  # of the last whole fragment
        self._ftyp = b""
        self._open: Fragment | None = None  # the first fragment of the segment under way
        self._last: Fragment | None = None
        self._moof: tuple[int, bytes] | None = None

    def refresh(self) -> bool:
        """Reads what has been added; True when a segment came."""
        before = len(self.segments)
        if self._handle is None:
            try:
                self._handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return False
        with contextlib.suppress(OSError):
            size = os.fstat(self._handle).st_size
            try:
                while not self.ended and self._step(self._handle, size):
                    pass
            except BoxError:
                self.ended = True
        return len(self.segments) > before

    def _step(self, handle: int, size: int) -> bool:
        """Takes the next box; False when it is not whole yet."""
        at = self._offset
        head = os.pread(handle, 16, at)
        if len(head) < 8:
            return False
        length, kind = struct.unpack_from(">I4s", head)
        if length == 1 and len(head) == 16:
            length = struct.unpack_from(">Q", head, 8)[0]
        if kind == b"mdat" and self._moof is None and self.init is None:
            # A closed hybrid MP4 hides its fragments in one mdat, whose header took the place of
            # a free box; the first moov is where it was.
            inner = os.pread(handle, 8, at + 36)
            if inner[4:] == b"moov":
                self._offset = at + 36
                return True
        if length < 8 or length > MAX_BOX:
            raise BoxError(f"box {kind!r} at byte {at} is damaged")
        if at + length > size:
            return False
        self._offset = at + length
        if kind == b"ftyp":
            self._ftyp = os.pread(handle, length, at)
        elif kind == b"moov" and self.init is not None:
            self.ended = True
        elif kind == b"moov" and length <= _MAX_HEADER:
            moov = os.pread(handle, length, at)
            self.init = Init(self._ftyp + moov, parse_moov(moov))
        elif kind == b"moof" and length <= _MAX_HEADER:
            self._moof = (at, os.pread(handle, length, at))
        elif kind == b"mdat" and self._moof is not None and self.init is not None:
            start, moof = self._moof
            self._moof = None
            runs = parse_moof(moof, self.init.tracks)
            self._take(fragment(b"", runs, self.init.has_video, start), start)
            self._end = self._offset
        return True

    def _take(self, one: Fragment, at: int) -> None:
        first = self._open
        if first is None:
            self._open = one if one.key else None
        elif one.key and one.start - first.start >= SEGMENT_S:
            self.segments.append(Stretch(first.offset, at - first.offset, first.start, one.start))
            self._open = one
        elif one.start < first.start:
            raise BoxError("time runs backwards")
        self._last = one

    def flush(self) -> bool:
        """No more will come: the segment under way is the last one."""
        first, last = self._open, self._last
        self.ended, self._open = True, None
        if first is None or last is None or self._handle is None:
            return False
        self.segments.append(Stretch(first.offset, self._end - first.offset, first.start, last.end))
        return True

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of the file. Raises OSError when they cannot be read."""
        if self._handle is None:
            raise FileNotFoundError(self.path)
        return os.pread(self._handle, size, offset)

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
