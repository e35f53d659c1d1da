"""Frames in a stream of bytes: wraps bodies, cuts what arrives, checks check sums.

A Framer never raises on bytes from the wire. What can't be a frame is dropped, up to the next
place where one can begin, and counted in `garbage`.
"""

from __future__ import annotations

from collections.abc import Sequence

from firmware_profiles.fields import Encoding
from firmware_profiles.wire import Checksum, Framing


def checksum(kind: str, data: bytes, constant: int = 0) -> bytes:
    """The check sum of `data`: one byte, or two little-endian bytes for sum16le."""
    if kind == "sum8":
        return bytes([sum(data) & 0xFF])
    if kind == "negsum8":
        return bytes([-sum(data) & 0xFF])
    if kind == "sum16le":
        return ((sum(data) + constant) & 0xFFFF).to_bytes(2, "little")
    value = 0
    for byte in data:
        value = value ^ byte if kind == "xor8" else value | byte
    return bytes([value])


def _raw(text: str, encoding: Encoding) -> bytes:
    return bytes.fromhex(text) if encoding == "hex" else text.encode("latin-1")


class _Cutter:
    """One way in which a frame may look."""

    def __init__(self, framing: Framing, encoding: Encoding, *, datagram: bool) -> None:
        self.datagram = datagram
        self.start = _raw(framing.start, encoding)
        self.ends = [_raw(end, encoding) for end in framing.end]
        self.keep_end = framing.keep_end
        self.length, self.fixed, self.max = framing.length, framing.fixed, framing.max
        self.trim, self.strip = framing.trim, framing.strip.encode("latin-1")
        self.sum: Checksum | None = framing.checksum
        self.sum_size = 0
        if self.sum:
            self.sum_size = len(self._sum(b""))

    def _sum(self, data: bytes) -> bytes:
        assert self.sum is not None
        raw = checksum(self.sum.kind, data[self.sum.start :], self.sum.constant)
        return raw.hex().upper().encode() if self.sum.hex else raw

    def wrap(self, body: bytes) -> bytes:
        frame = self.start + body
        if self.sum:
            frame += self._sum(frame)
        return frame + (self.ends[0] if self.ends and not self.keep_end else b"")

    def size(self, data: bytes) -> tuple[int, int] | None:
        """(whole size, size of the end) of the frame at the front; None when more must come.
        A size of 0 means that no frame begins here."""
        head = data[: len(self.start)]
        if not self.start.startswith(head):
            return 0, 0
        if len(head) < len(self.start):
            return None
        if self.fixed is not None:
            return (self.fixed, 0) if len(data) >= self.fixed else None
        if self.length is not None:
            return self._by_length(data)
        if self.datagram and not self.ends:
            return (len(data), 0) if len(data) <= self.max else (0, 0)
        return self._by_end(data)

    def _by_end(self, data: bytes) -> tuple[int, int] | None:
        """The first end; with a check sum the first one before which it is right, because the
        check sum itself may look like an end."""
        after = len(self.start)
        while True:
            places = [(data.find(end, after), len(end)) for end in self.ends]
            places = [(at, size) for at, size in places if at >= 0]
            if not places:
                return None if len(data) <= self.max else (0, 0)
            at, size = min(places)
            if not self.sum or self.body(data[: at + size], size) is not None:
                return at + size, size
            after = at + 1

    def _by_length(self, data: bytes) -> tuple[int, int] | None:
        assert self.length is not None
        at, size = self.length.at, self.length.size
        if len(data) < at + size:
            return None
        whole = int.from_bytes(data[at : at + size], self.length.endian) + self.length.adds
        if not at + size <= whole <= self.max:
            return 0, 0
        if len(data) < whole:
            return None
        return whole, 0

    def body(self, frame: bytes, end: int) -> bytes | None:
        """What lies between start and check sum; None when the check sum is wrong."""
        inner = frame[: len(frame) - (0 if self.keep_end else end)]
        if self.sum:
            if len(inner) < len(self.start) + self.sum_size:
                return None
            inner, given = inner[: -self.sum_size], inner[-self.sum_size :]
            if (
                given.upper() != self._sum(inner).upper()
                if self.sum.hex
                else given != self._sum(inner)
            ):
                return None
        body = inner[len(self.start) :]
        if self.strip:
            body = body.lstrip(self.strip)
        return body.strip() if self.trim else body


class Framer:
    """Both directions of one link; the first of `tx` frames what is sent.

    `datagram`: each received piece is a frame of its own.
    """

    def __init__(
        self,
        tx: Sequence[Framing],
        rx: Sequence[Framing],
        encoding: Encoding,
        *,
        datagram: bool = False,
    ) -> None:
        self._tx = _Cutter(tx[0], encoding, datagram=datagram)
        self._rx = [_Cutter(framing, encoding, datagram=datagram) for framing in (rx or tx)]
        self._datagram = datagram
        self._buffer = b""
        self.garbage = 0

    def wrap(self, body: bytes) -> bytes:
        """The whole frame for a body."""
        return self._tx.wrap(body)

    def reset(self) -> None:
        """Forget what arrived of an unfinished frame."""
        self._buffer = b""

    def resync(self) -> list[bytes]:
        """What waits isn't the beginning of a frame after all: look behind it."""
        if self._buffer:
            self._skip()
        return self.feed(b"")

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies of all frames that are whole now."""
        self._buffer += data
        bodies: list[bytes] = []
        while self._buffer and self._take(bodies):
            pass
        if self._datagram:
            self.garbage += len(self._buffer)
            self._buffer = b""
        return bodies

    def _take(self, bodies: list[bytes]) -> bool:
        """Take one frame or drop one stretch of garbage; False when more must come."""
        waiting = False
        for cutter in self._rx:
            size = cutter.size(self._buffer)
            if size is None:
                waiting = True
                continue
            whole, end = size
            if not whole:
                continue
            body = cutter.body(self._buffer[:whole], end)
            if body is None:
                continue
            self._buffer = self._buffer[whole:]
            bodies.append(body)
            return True
        if waiting and len(self._buffer) <= max(c.max for c in self._rx):
            return False
        self._skip()
        return True

    def _skip(self) -> None:
        """Drop bytes up to where a frame can begin."""
        starts = [cutter.start for cutter in self._rx if cutter.start]
        at = len(self._buffer)
        if len(starts) == len(self._rx):
            ahead = [self._buffer.find(start[:1], 1) for start in starts]
            at = min([found for found in ahead if found > 0], default=at)
        elif any(cutter.length or cutter.fixed for cutter in self._rx):
            at = 1
        elif any(cutter.ends for cutter in self._rx):
            ends = [end for cutter in self._rx for end in cutter.ends]
            places = [self._buffer.find(end) + len(end) for end in ends if end in self._buffer]
            at = min(places, default=at)
        self.garbage += at
        self._buffer = self._buffer[at:]
