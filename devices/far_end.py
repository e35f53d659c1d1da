"""One connection to a simulated device: session, framing and faults, independent of transport."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from devices.far_sessions import FarSession
from devices.framing import Framer
from devices.session_kinds import FAR_KINDS
from devices.simulated import SimulatedDevice
from firmware_profiles.osc import osc_datagram, osc_text
from firmware_profiles.wire import Session

Piece = tuple[float, bytes]


class FarEnd:
    """What a connection does with received bytes. `closing` asks to hang up after the pieces."""

    def __init__(self, device: SimulatedDevice, session: Session, *, datagram: bool) -> None:
        self.device, self._datagram = device, datagram
        kind = FAR_KINDS.get(session.kind)
        if kind is None:
            raise ValueError(f"session {session.kind} can't be simulated yet")
        self._session: FarSession = kind(session, device.options)
        frame = device.profile.frame
        answers = frame.rx or frame.tx
        self._framer = Framer(answers, frame.tx, frame.encoding, datagram=datagram)
        self._writers = [
            Framer([framing], answers, frame.encoding, datagram=datagram) for framing in answers
        ]
        self.closing = False
        self._listener: Callable[[bytes], None] | None = None

    def open(self, notify: Callable[[bytes], None]) -> list[Piece]:
        """The connection stands; `notify` sends what the device says unasked."""
        if self.device.profile.notices is None:  # those go another way
            self._listener = lambda body: notify(self._wrap(body))
            self.device.listeners.append(self._listener)
        self._session.greet()
        return [(0.0, data) for data in self._drain()]

    def public(self, data: bytes) -> bool:
        """HTTP: is this answered to anyone, whatever the device's password?"""
        return self._session.public(data)

    def close(self) -> None:
        """The connection is gone."""
        if self._listener is not None and self._listener in self.device.listeners:
            self.device.listeners.remove(self._listener)

    def _drain(self) -> list[bytes]:
        replies, self._session.replies = self._session.replies, []
        return replies

    def received(self, data: bytes) -> list[Piece]:
        """Take bytes; returns (seconds to wait, bytes) to send in order."""
        pieces: list[Piece] = []
        for part in self._session.received(data):
            pieces += [(0.0, reply) for reply in self._drain()]
            for body in self._framer.feed(part):
                answer = self.device.receive(body)
                self.closing = self.closing or answer.cut
                sent = [self._wrap(body) for body in answer.bodies]
                pieces += self._damage(sent, answer.delay)
        pieces += [(0.0, reply) for reply in self._drain()]
        self.closing = self.closing or self._session.closing
        return pieces

    def _wrap(self, body: bytes) -> bytes:
        """Framed so that the controlling side would read the same body."""
        if self.device.profile.frame.encoding == "osc":
            body = osc_text(osc_datagram(body)) or b""  # what is no message never gets out
        for writer in self._writers:
            frame = writer.wrap(body)
            if self._datagram or writer.feed(frame) == [body]:
                writer.reset()
                return self._session.wrap(frame)
            writer.reset()
        return self._session.wrap(self._writers[0].wrap(body))

    def _damage(self, frames: list[bytes], delay: float) -> Iterator[Piece]:
        faults = self.device.faults
        if faults.on("merge") and not self._datagram and frames:
            frames = [b"".join(frames)]
        for number, frame in enumerate(frames):
            wait = delay if number == 0 else 0.0
            if faults.on("garbage"):
                noise = bytes(faults.random.randrange(256) for _ in range(3))
                yield wait, noise + self._end() if not self._datagram else noise
                wait = 0.0
            if faults.on("split") and not self._datagram:
                for at in range(0, len(frame), 2):
                    yield (wait if at == 0 else 0.002), frame[at : at + 2]
            else:
                yield wait, frame

    def _end(self) -> bytes:
        """Noise in front of a delimited frame would be part of it: end it as the device does."""
        frame = self.device.profile.frame
        ends = (frame.rx or frame.tx)[0].end
        if not ends:
            return b""
        return bytes.fromhex(ends[0]) if frame.encoding == "hex" else ends[0].encode("latin-1")
