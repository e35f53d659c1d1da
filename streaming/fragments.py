"""Fragments: the pieces of a growing fMP4 that a viewer can be handed, one after the other.

`FragmentReader` takes bytes as they come, in pieces of any size, and gives the init segment and
each fragment (moof with its mdat) once it is whole. `Tail` reads them from a file that another
process appends to, replaces or removes. Nothing here raises on what the bytes contain.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streaming.boxes import BoxError, Run, Track, parse_moof, parse_moov

MAX_BOX = 64 * 1024 * 1024
READ_BYTES = 1024 * 1024
SEGMENT_NAME = re.compile(r"\d{6}\.mp4")
_KEPT = {b"ftyp", b"moov", b"moof", b"mdat"}


@dataclass(frozen=True, slots=True)
class Init:
    """An init segment: the bytes that a player needs before any fragment."""

    data: bytes
    tracks: Mapping[int, Track]

    @property
    def mime(self) -> str:
        """The type for `MediaSource.isTypeSupported`."""
        kinds = [track for track in self.tracks.values() if track.media != "other"]
        media = "video" if any(track.media == "video" for track in kinds) else "audio"
        return f'{media}/mp4; codecs="{",".join(track.codec for track in kinds)}"'

    @property
    def has_video(self) -> bool:
        return any(track.media == "video" for track in self.tracks.values())


@dataclass(frozen=True, slots=True)
class Fragment:
    """A moof with its mdat; times in seconds of the stream's own clock.

    `key`: decoding can begin with it (its first picture is a key frame; in a stream without
    pictures any fragment). `sync`: it holds a key frame somewhere. `offset` is where it begins
    in what was read.
    """

    data: bytes
    key: bool
    sync: bool
    video: bool
    start: float
    end: float
    offset: int

    @property
    def duration(self) -> float:
        return max(0.0, self.end - self.start)


Piece = Init | Fragment


def fragment(data: bytes, runs: list[Run], has_video: bool, offset: int) -> Fragment:
    """The fragment that `runs` describe; the picture decides over the sound."""
    pictures = [run for run in runs if run.track.media == "video" and run.durations]
    told = pictures or [run for run in runs if run.durations]
    return Fragment(
        data,
        pictures[0].key if pictures else bool(told) and not has_video,
        any(run.sync for run in pictures) if pictures else bool(told) and not has_video,
        bool(pictures),
        min((run.begin_s for run in told), default=0.0),
        max((run.end_s for run in told), default=0.0),
        offset,
    )


@dataclass
class FragmentReader:
    """Cuts a byte stream into pieces. After damage it gives nothing more: `damaged` says why."""

    damaged: str | None = None
    init: Init | None = None
    _buffer: bytearray = field(default_factory=bytearray)
    _position: int = 0
    _skip: int = 0
    _ftyp: bytes = b""
    _moof: bytes = b""
    _moof_at: int = 0

    def feed(self, data: bytes) -> list[Piece]:
        """Takes the next bytes; returns what they complete."""
        pieces: list[Piece] = []
        if self.damaged is not None:
            return pieces
        self._buffer += data
        try:
            while (box := self._next()) is not None:
                piece = self._take(*box)
                if piece is not None:
                    pieces.append(piece)
        except BoxError as error:
            self.damaged = str(error)
            self._buffer.clear()
        return pieces

    def move(self, position: int) -> None:
        """The next bytes come from `position` of the file, where a fragment begins."""
        self._position = position

    def _next(self) -> tuple[bytes, bytes, int] | None:
        """The next whole box that matters: its type, its bytes and where it began."""
        while True:
            if self._skip:
                passed = min(self._skip, len(self._buffer))
                self._drop(passed)
                self._skip -= passed
                if self._skip:
                    return None
            if len(self._buffer) < 8:
                return None
            size, kind = struct.unpack_from(">I4s", self._buffer)
            header = 8
            if size == 1:
                if len(self._buffer) < 16:
                    return None
                size, header = struct.unpack_from(">Q", self._buffer, 8)[0], 16
            if size < header or any(not 0x20 <= letter < 0x7F for letter in kind):
                raise BoxError(f"box {kind!r} at byte {self._position} is damaged")
            if kind not in _KEPT:
                self._skip = size
                continue
            if size > MAX_BOX:
                raise BoxError(f"box {kind!r} at byte {self._position} has {size} bytes")
            if len(self._buffer) < size:
                return None
            at, body = self._position, bytes(self._buffer[:size])
            self._drop(size)
            return kind, body, at

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._position += count

    def _take(self, kind: bytes, data: bytes, at: int) -> Piece | None:
        if kind == b"ftyp":
            self._ftyp = data
        elif kind == b"moov":
            self.init = Init(self._ftyp + data, parse_moov(data))
            return self.init
        elif kind == b"moof":
            self._moof, self._moof_at = data, at
        elif self._moof and self.init is not None:
            moof, self._moof = self._moof, b""
            runs = parse_moof(moof, self.init.tracks)
            return fragment(moof + data, runs, self.init.has_video, self._moof_at)
        return None


def box_at(handle: int, offset: int, end: int) -> tuple[bytes, int] | None:
    """Type and length of the whole box at `offset` of an open file; None when there is none."""
    head = os.pread(handle, 16, offset)
    if len(head) < 8:
        return None
    length, kind = struct.unpack_from(">I4s", head)
    if length == 1 and len(head) == 16:
        length = struct.unpack_from(">Q", head, 8)[0]
    return (kind, length) if length >= 8 and offset + length <= end else None


class Tail:
    """Follows the file at `path` through growth, replacement and removal.

    It begins at the last key frame of what is there already. Reads are short and come from
    the page cache, so they are made on the event loop.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None
        self._identity: tuple[int, int] | None = None
        self._offset = 0
        self._reader = FragmentReader()

    @property
    def damaged(self) -> str | None:
        return self._reader.damaged

    def read(self) -> list[Piece]:
        """What has been added since the last call. A new file begins with its Init."""
        pieces = self._more()
        found = self._look()
        if found is None or found == self._identity:
            return pieces  # a file that is gone may still be open, and shows what it had
        # The writer had finished the old file before the new one came: its last bytes are there.
        pieces += self._more()
        first = self._handle is None
        self.close()
        with contextlib.suppress(OSError):
            self._handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            stat = os.fstat(self._handle)
            self._identity = (stat.st_dev, stat.st_ino)
            self._offset, self._reader = 0, FragmentReader()
            if first:
                pieces += self._near_end(self._handle, stat.st_size)
            pieces += self._more()
        return pieces

    def _near_end(self, handle: int, size: int) -> list[Piece]:
        """The init segment; the next bytes read are those of the last fragment with a key frame."""
        moofs: list[tuple[int, int]] = []
        header, offset = b"", 0
        while (box := box_at(handle, offset, size)) is not None:
            kind, length = box
            if kind == b"moof":
                moofs.append((offset, length))
            elif kind in (b"ftyp", b"moov") and length <= MAX_BOX:
                header += os.pread(handle, length, offset)
            offset += length
        pieces = self._reader.feed(header)
        init = self._reader.init
        if init is not None:
            for at, length in reversed(moofs):
                if self._begins_decoding(init, os.pread(handle, length, at)):
                    self._offset = at
                    self._reader.move(at)
                    return pieces
        self._reader = FragmentReader()  # nothing to begin with yet: read from the beginning
        return []

    @staticmethod
    def _begins_decoding(init: Init, moof: bytes) -> bool:
        try:
            return fragment(b"", parse_moof(moof, init.tracks), init.has_video, 0).sync
        except BoxError:
            return False

    def _look(self) -> tuple[int, int] | None:
        try:
            stat = self.path.stat()
        except OSError:
            return None
        if stat.st_size < self._offset:
            return stat.st_dev, -1  # cut short in place: another file as far as readers go
        return stat.st_dev, stat.st_ino

    def _more(self) -> list[Piece]:
        pieces: list[Piece] = []
        if self._handle is None:
            return pieces
        with contextlib.suppress(OSError):
            while data := os.pread(self._handle, READ_BYTES, self._offset):
                self._offset += len(data)
                pieces += self._reader.feed(data)
        return pieces

    def close(self) -> None:
        """Lets the file go; a later `read` begins anew."""
        if self._handle is not None:
            os.close(self._handle)
        self._handle = self._identity = None
        self._offset = 0


class TrackTail:
    """Follows a recorded source: the newest of the numbered segments in its track folder."""

    LOOK_EVERY = 10

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tail: Tail | None = None
        self._turn = 0

    def read(self) -> list[Piece]:
        """What has been added since the last call, across segments."""
        self._turn -= 1
        newest = None
        if self._turn < 0 or self._tail is None:
            self._turn = self.LOOK_EVERY
            newest = self._newest()
        pieces = self._tail.read() if self._tail else []
        if newest is not None and (self._tail is None or self._tail.path != newest):
            if self._tail is not None:
                pieces += self._tail.read()
                self._tail.close()
            self._tail = Tail(newest)
            pieces += self._tail.read()
        return pieces

    def _newest(self) -> Path | None:
        with contextlib.suppress(OSError):
            names = [path for path in self.folder.iterdir() if SEGMENT_NAME.fullmatch(path.name)]
            return max(names, default=None)
        return None

    def close(self) -> None:
        if self._tail is not None:
            self._tail.close()
            self._tail = None
