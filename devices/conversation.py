"""One device's link in use: connects, sends one request at a time, waits for its answer.

Answers are told from late answers and unasked messages here, so that the driver above deals in
meanings only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from devices.clock import Clock
from devices.codec import Codec, Meaning, Request, printable
from devices.framing import Framer
from devices.session_kinds import KINDS
from devices.sessions import Session
from devices.traffic import TrafficLog
from devices.transports.link import Link, LinkError
from firmware_profiles.messages import TOPIC_END
from firmware_profiles.wire import Session as SessionSpec


class NoAnswer(Exception):  # noqa: N818 - reads as what it says
    """The device didn't answer in time."""


class Interrupted(Exception):  # noqa: N818 - reads as what it says
    """A stop went before the answer came."""


class Conversation:
    """A link with its session and framer. `heard` gets every meaning that answers nothing."""

    def __init__(
        self,
        link: Link,
        codec: Codec,
        session: SessionSpec,
        options: dict[str, Any],
        *,
        clock: Clock,
        traffic: TrafficLog,
        heard: Callable[[Meaning], None],
        lost: Callable[[str], None],
    ) -> None:
        self.link, self.codec, self.spec = link, codec, session
        self.options, self._clock, self._traffic = options, clock, traffic
        self._heard, self._lost = heard, lost
        frame, timing = codec.profile.frame, codec.profile.timing
        self._timing = timing
        self._framer = Framer(frame.tx, frame.rx, frame.encoding, datagram=link.datagram)
        self._session: Session | None = None
        self._pending: Request | None = None
        self._answer: asyncio.Future[Meaning] | None = None
        self._late: Request | None = None
        self._late_until = 0.0
        self._late_came = asyncio.Event()
        self._completions = 0
        self._last_sent: bytes | None = None
        self._quiet_until = 0.0
        self.settled_until = 0.0

    @property
    def is_open(self) -> bool:
        """Does the connection stand?"""
        return self._session is not None and self.link.lost is None

    async def open(self) -> None:
        """Connect and hold the session's opening. Raises LinkError."""
        session = KINDS[self.spec.kind](self.spec, self.link, self.options)
        self._framer.reset()
        self._pending = self._late = None
        self._completions = 0
        self.link.on_data, self.link.on_late = self._received, self._came_late
        self.link.on_lost = self._link_lost
        self._session = session
        try:
            await self.link.open()
            await session.open()
        except BaseException:
            self._session = None
            await self.link.close()
            raise
        self._traffic.add("note", b"", f"connected to {self.link.address}")
        for data in session.opened():
            self._take(data)

    async def close(self) -> None:
        """Disconnect; never raises."""
        self._session = None
        await self.link.close()

    def _link_lost(self, why: str) -> None:
        self._traffic.add("note", b"", why)
        if self._session is not None:
            self._session.link_lost()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(LinkError(why))
        self._lost(why)

    def interrupt(self) -> None:
        """End the wait for the present answer: a stop must go out now."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Interrupted())

    # --- sending -------------------------------------------------------------------------------

    async def ask(
        self, request: Request, *, timeout: float, sent: Callable[[], None], urgent: bool = False
    ) -> Meaning:
        """Send and wait for what it means. Raises NoAnswer, Interrupted or LinkError."""
        if not urgent:
            await self._pace(request)
        if self._session is None:
            raise LinkError(self.link.lost or "not connected")
        spec = request.command.spec
        expects = not self.codec.broadcast and (
            bool(request.command.acks) if request.action == "set" else True
        )
        self._answer = asyncio.get_running_loop().create_future() if expects else None
        self._pending = request if expects else None
        try:
            await self._write(request.body, inquiry=request.action == "get", text=str(request))
            sent()
            gap = spec.gap_ms if spec.gap_ms is not None else self._timing.gap_ms
            self._quiet_until = time.monotonic() + gap / 1000
            if self._answer is None:
                meaning = Meaning("ack", answer=True, states={request.state: request.value})
                return meaning if request.command.kind != "action" else Meaning("ack", answer=True)
            return await self._wait(timeout)
        except (TimeoutError, Interrupted) as error:
            self._expect_late(request)
            for body in self._framer.resync():
                self._frame(body)
            if isinstance(error, TimeoutError):
                raise NoAnswer from None
            raise
        finally:
            if self._answer is not None and self._answer.done() and not self._answer.cancelled():
                self._answer.exception()
            self._pending = self._answer = None

    async def _wait(self, timeout: float) -> Meaning:
        assert self._answer is not None
        while True:
            async with asyncio.timeout(timeout):
                meaning = await self._answer
            if meaning.kind != "wait":
                return meaning
            self._answer = asyncio.get_running_loop().create_future()

    async def keep_alive(self) -> None:
        """Say, as often as the profile wants, what keeps the connection; never ends by itself.

        Raises LinkError.
        """
        keep, body = self.codec.profile.keepalive, self.codec.keepalive()
        while keep is not None and body is not None and self.spec.connection != "per-command":
            await self._write(body, inquiry=False, text="keep-alive")
            await asyncio.sleep(keep.every_s)
        await asyncio.Event().wait()

    async def _write(self, body: bytes, *, inquiry: bool, text: str) -> None:
        if self._session is None:
            raise LinkError(self.link.lost or "not connected")
        frame = self._framer.wrap(body)
        self._last_sent = body if self.spec.echo else None
        self._traffic.add("out", frame.replace(TOPIC_END, b" "), text)
        await self.link.write(self._session.wrap(frame, inquiry=inquiry))

    async def _pace(self, request: Request) -> None:
        """Keep the gap, the settle time, and the window in which a late answer may come."""
        settle = self.settled_until - self._clock.now()
        if settle > 0:
            await self._clock.sleep(settle)
        if (gap := self._quiet_until - time.monotonic()) > 0:
            await asyncio.sleep(gap)
        if self._late is not None and request is not self._late:
            wait = self._late_until - time.monotonic()
            if wait > 0:
                try:
                    async with asyncio.timeout(wait):
                        await self._late_came.wait()
                except TimeoutError:
                    pass
            self._late = None

    def _expect_late(self, request: Request) -> None:
        self._late = request
        self._late_until = time.monotonic() + self._timing.late_s
        self._late_came.clear()

    def repeated(self, request: Request) -> None:
        """The request was sent more than once: a second answer to it may still come."""
        self._expect_late(request)

    # --- receiving -----------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        session = self._session
        if session is None:
            return
        for piece in session.received(data):
            self._take(piece)
        if session.refused is not None:
            error = session.refused
            self._traffic.add("note", b"", str(error))
            if self._answer is not None and not self._answer.done():
                self._answer.set_exception(error)

    def _came_late(self, data: bytes) -> None:
        """The link says that this answers something older than what is asked now."""
        self._traffic.add("note", b"", f"late answer to {self._late or 'an older question'}")
        self._late_came.set()

    def notice(self, data: bytes) -> list[Meaning]:
        """What a datagram says that came by another way than this link."""
        frame = self.codec.profile.frame
        framer = Framer(frame.tx, frame.rx, frame.encoding, datagram=True)
        meanings = []
        for body in framer.feed(data):
            meaning = self.codec.understand(body, None)
            self._traffic.add("in", body, f"notice: {_words(meaning, body)}")
            meanings.append(meaning)
        return meanings

    def _take(self, data: bytes) -> None:
        for body in self._framer.feed(data):
            self._frame(body)

    def _frame(self, body: bytes) -> None:
        if self._last_sent is not None and body == self._last_sent:
            self._last_sent = None
            self._traffic.add("in", body, "echo")
            return
        waiting = self._answer is not None and not self._answer.done()
        meaning = self.codec.understand(body, self._pending if waiting else None)
        if meaning.answer and meaning.kind == "ack" and self._completions > 0:
            self._completions -= 1
            self._traffic.add("in", body, "completed")
            return
        if meaning.answer:
            self._traffic.add("in", body, _words(meaning, body))
            if meaning.kind == "accepted":
                self._completions = min(self._completions + 1, 4)
                assert self._pending is not None
                states = {self._pending.state: self._pending.value}
                done = {} if self._pending.command.kind == "action" else states
                meaning = Meaning("ack", answer=True, states=done)
            assert self._answer is not None
            self._answer.set_result(meaning)
            return
        if self._late is not None and time.monotonic() < self._late_until:
            late = self.codec.understand(body, self._late)
            if late.answer:
                self._traffic.add("in", body, f"late answer to {self._late}")
                self._late_came.set()
                self._heard(Meaning("ignored"))
                return
        if meaning.kind == "ignored" and self._completions > 0:
            self._completions -= 1
        self._traffic.add("in", body, _words(meaning, body))
        self._heard(meaning)


def _words(meaning: Meaning, body: bytes) -> str:
    if meaning.states:
        return ", ".join(f"{key}={value}" for key, value in meaning.states.items())
    if meaning.kind == "unknown":
        return f"not understood: {printable(body)}"
    return " ".join(part for part in (meaning.kind, meaning.detail) if part)
