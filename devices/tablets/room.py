"""The room's tablets: every connected member, the lesson that is on, and who may say what."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence, Set
from typing import Any, Protocol

import structlog

from devices.tablets import messages as m
from devices.tablets import showing, views, welcome
from devices.tablets.clock import room_ms
from devices.tablets.inquiries import KINDS as INQUIRIES
from devices.tablets.lesson import Lesson
from devices.tablets.log import Entry, SessionLog
from devices.tablets.member import MAX_REFUSALS, Member, WallPanel, text_of
from devices.tablets.pairing import Pairing, Tablet, TabletStore
from devices.tablets.question import AnswerError
from devices.tablets.teaching import NotNowError, entry_of

VIEWS_EVERY_S = 0.2
HOST_GRACE_S = 2.0
"""A lecturer's page that is loaded again is not away."""

MARKED = {"deck", "page", "ask", "close", "reveal", "inquiry_shown"}
SUMMED = {"begin", "ask", "close", "reveal", "attention"}

_log = structlog.get_logger(__name__)


class RoomStore(SessionLog, TabletStore, Protocol):
    """Both halves of what the room's tablets need kept."""


class TabletRoom:
    """The tablets of one room.

    `on_marker(kind, body)` is called for what a recording should mark: page turns, questions.
    `on_summary(value)` is called when the lesson in numbers has changed (for the panel).
    """

    def __init__(
        self,
        room: str,
        store: RoomStore,
        *,
        now: Callable[[], int] = room_ms,
        on_marker: Callable[[str, dict[str, Any]], None] | None = None,
        on_summary: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.room = room
        self.pairing = Pairing(store, now=now)
        self.lesson: Lesson | None = None
        self.members: set[Member] = set()
        self.broadcasts: list[Callable[[str, str, Set[str]], None]] = []
        """Called with a channel (`log`, `now`), a text and the kinds of entries in it: the MQTT
        door's one publish for all."""
        self._store, self._now = store, now
        self._on_marker, self._on_summary = on_marker, on_summary
        self._told: dict[str, Any] | None = None
        self._shown: m.Share | None = None
        self._stale: set[str] = set()
        self._views: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self.pairing.on_revoked.append(self._dismiss)
        self.pairing.on_changed.append(self._changed)

    # --- life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Reads the tablets that are paired."""
        await self.pairing.load()
        self._views = asyncio.create_task(self._push_views())

    async def stop(self) -> None:
        """Ends every connection; a lesson that is on goes on at the next start."""
        for member in list(self.members):
            member.close("room_away", "The room is restarting.")
        async with self._changing:
            if self.lesson:
                await self.lesson.stop()
                self.lesson = None
        if self._views:
            self._views.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._views

    async def open(self, session: str, title: str = "") -> Lesson:
        """Begins or continues the lesson of `session`; a lesson of another session is ended."""
        async with self._changing:
            if self.lesson and self.lesson.session == session:
                return self.lesson
            if self.lesson:
                await self._end()
            lesson = Lesson(
                session,
                self._store,
                on_entries=self._tell_entries,
                on_change=self._stale.add,
                now=self._now,
            )
            await lesson.start(title)
            self.lesson = lesson
            for member in list(self.members):
                if member.greeted:
                    self._greet(member, m.Hello(type="hello"))
            return lesson

    async def end(self) -> None:
        """Ends the lesson: students' own devices are forgotten."""
        async with self._changing:
            await self._end()

    async def _end(self) -> None:
        lesson, self.lesson = self.lesson, None
        if lesson is None:
            return
        await lesson.put("end", {})
        await lesson.stop()
        await self.pairing.forget_session(lesson.session)

    # --- members -------------------------------------------------------------------------------

    def join(self, member: Member) -> None:
        """A tablet has connected; it hears nothing before its hello."""
        self.members.add(member)

    async def leave(self, member: Member) -> None:
        """A connection ended. The seat stays until its lease runs out."""
        self.members.discard(member)
        if member.greeted and member.drives and not self.host_here:
            asyncio.get_running_loop().call_later(HOST_GRACE_S, self._host_gone)

    def _host_gone(self) -> None:
        if not self.host_here:
            self._tell_host()

    @property
    def host_here(self) -> bool:
        """Whether a device of the lecturer is connected."""
        return any(member.greeted and member.drives for member in self.members)

    def _dismiss(self, tablet: Tablet) -> None:
        for member in [each for each in self.members if each.tablet.id == tablet.id]:
            member.close("revoked", "This device's pairing was taken back.")

    def _changed(self, tablet: Tablet) -> None:
        """Another name or seat: what is said from now on comes from there."""
        for member in [each for each in self.members if each.tablet.id == tablet.id]:
            member.tablet = tablet
            if member.greeted:
                self._greet(member, m.Hello(type="hello"))

    # --- what comes in -------------------------------------------------------------------------

    async def receive(self, member: Member, raw: bytes | str) -> None:
        """Takes one message of `member`: limits, parses, obeys or says why not."""
        if not member.allows():
            if member.refused > MAX_REFUSALS:
                member.close("too_fast", "Too many messages.")
            elif member.refused % 10 == 1:
                member.tell("error", code="too_fast", message="Too many messages; slow down.")
            return
        ident: str | None = None
        try:
            message = m.parse(raw)
            ident = getattr(message, "id", None)
            await self._obey(member, message)
        except m.MessageError as error:
            member.refused += 1
            member.tell("error", code="bad_message", message=str(error))
            if member.refused > MAX_REFUSALS:
                member.close("bad_message", "Too many damaged messages.")
        except AnswerError as error:
            member.tell("refused", id=ident, code="no_answer", message=str(error))
        except NotNowError as error:
            member.tell("refused", id=ident, code=error.code, message=str(error))

    async def _obey(self, member: Member, message: m.Message) -> None:
        if isinstance(message, m.Hello):
            await self._hello(member, message)
            return
        if not member.greeted:
            raise NotNowError("no_hello", "Say hello first.")
        if isinstance(message, m.Ping):
            seq = self.lesson.seq if self.lesson else 0
            member.tell("pong", t=message.t, room=self._now(), seq=seq)
            await self._heard(member, message.visible, message.battery)
            return
        lesson = self.lesson
        if lesson is None:
            raise NotNowError("no_lesson", "No class is on.")
        match message:
            case m.Gap():
                welcome.fill(member, lesson, message.after, message.upto)
            case m.AnswerMessage():
                await self._answer(member, lesson, message)
            case m.Hand() | m.Confused() if member.answers:
                kind, on = (
                    ("hand", message.up) if message.type == "hand" else ("confused", message.on)
                )
                await lesson.signal(member.tablet.seat, kind, on)
                member.tell("saved", id=message.id, state="counted")
            case m.Inquire() if member.answers:
                tablet = member.tablet
                await lesson.inquire(
                    *(message.id, tablet.seat, tablet.name, message.text),
                    remote=False,
                    seat=tablet.seat,
                )
                member.tell("saved", id=message.id, state="counted")
            case m.InkPart() | m.Erase() if member.answers:
                if member.tablet.seat not in lesson.state["permits"]:
                    raise NotNowError("not_allowed", "The lecturer has not let you write here.")
                await self._put(member, lesson, message)
            case _ if not member.drives:
                raise NotNowError("not_allowed", "This is the lecturer's to do.")
            case _:
                await self._teach(member, lesson, message)

    async def _hello(self, member: Member, hello: m.Hello) -> None:
        if hello.v != m.PROTOCOL:
            member.close(
                "wrong_version", f"The room speaks version {m.PROTOCOL} of the tablet protocol."
            )
            return
        first = not member.greeted
        await self.pairing.heard(member.tablet.id, version=hello.version, battery=hello.battery)
        await self._heard(member, True, hello.battery)
        self._greet(member, hello)
        if first and member.drives:
            self._tell_host()

    def _greet(self, member: Member, hello: m.Hello) -> None:
        welcome.greet(member, self.room, self.lesson, hello, now=self._now(), host=self.host_here)

    async def _heard(self, member: Member, visible: bool, battery: int | None) -> None:
        tablet = member.tablet
        await self.pairing.heard(tablet.id, battery=battery)
        if self.lesson and member.answers:
            await self.lesson.heard(
                tablet.seat, tablet.name, tablet.id, visible=visible, battery=battery
            )

    async def _answer(self, member: Member, lesson: Lesson, message: m.AnswerMessage) -> None:
        if not member.answers:
            raise NotNowError("not_allowed", "Only a student's device answers.")
        if message.session != lesson.session:
            raise NotNowError("other_session", "This question belonged to a class that is over.")
        tablet = member.tablet
        receipt = await lesson.answer(
            message.id, message.question, tablet.seat, tablet.id, message.value, message.at
        )
        standing = receipt.answer
        if receipt.fresh:
            await self._keep_current(lesson, message.question, tablet.seat)
        member.tell(
            "saved",
            id=message.id,
            question=message.question,
            state=standing.state,
            revision=standing.revision,
            standing=standing.id,
            value=standing.value,
        )

    async def _keep_current(self, lesson: Lesson, question: str, seat: str) -> None:
        """A group's sheet that is being shown follows what the group hands in."""
        shown = self._shown
        if shown and shown.question == question and seat in (shown.seats or [shown.seat]):
            on = lesson.state["shared"]
            if on is None or on["question"] != question:
                self._shown = None
                return
            with contextlib.suppress(NotNowError):
                await lesson.put("share", showing.sheets(lesson, shown), "lecturer")

    async def _put(self, member: Member, lesson: Lesson, message: Any, author: str = "") -> None:
        kind, body = entry_of(message, lesson.state, self._now())
        if kind == "erase":
            body["any"] = member.drives
        entry = await lesson.put(kind, body, author or member.tablet.seat, message.id)
        member.tell("saved", id=message.id, seq=entry.seq, state="counted")

    async def _teach(self, member: Member, lesson: Lesson, message: m.Message) -> None:
        driver = lesson.state["driver"]
        me = member.tablet.id
        if isinstance(message, m.Drive):
            body = {"tablet": me, "name": member.tablet.name} if message.take else None
            if message.take or (driver and driver["tablet"] == me):
                await lesson.put("driver", {"driver": body}, "lecturer", message.id)
            member.tell("saved", id=message.id, state="counted")
            return
        if driver and driver["tablet"] != me and self._connected(driver["tablet"]):
            raise NotNowError("not_driving", f"{driver['name']} is driving. Take over first.")
        if driver is None or driver["tablet"] != me:
            await lesson.put("driver", {"driver": {"tablet": me, "name": member.tablet.name}})
        await self._lead(member, lesson, message)

    async def _lead(self, member: Member, lesson: Lesson, message: m.Message) -> None:
        match message:
            case m.Pointer():
                self._tell_now({"type": "pointer", "page": message.page, "at": message.at})
            case m.Ask():
                await lesson.keep_questions(message.questions)
                await self._put(member, lesson, message, "lecturer")
                self._stale.add("results")
            case m.Reveal():
                await self._tell_all(member, "reveal", showing.result(lesson, message), message.id)
            case m.Share():
                await self._tell_all(member, "share", showing.sheets(lesson, message), message.id)
                self._shown = message if message.question else None
            case m.LowerHands():
                for seat in [message.seat] if message.seat else list(lesson.hands):
                    await lesson.signal(seat, "hand", False)
                    self._tell_seat(seat, "mine_hand", up=False)
                member.tell("saved", id=message.id, state="counted")
            case m.Settle():
                await lesson.settle(message.inquiry, message.state)
                member.tell("saved", id=message.id, state="counted")
            case _:
                await self._put(member, lesson, message, "lecturer")
                if isinstance(message, m.Close):
                    self._stale.add("results")

    async def direct(self, message: m.StaffMessage) -> None:
        """Does what someone who teaches says at the wall panel, whoever drives the pages.

        Raises NotNowError.
        """
        if self.lesson is None:
            raise NotNowError("no_lesson", "No class is on.")
        await self._lead(WallPanel(), self.lesson, message)

    async def _tell_all(self, member: Member, kind: str, body: dict[str, Any], ident: str) -> None:
        assert self.lesson
        entry = await self.lesson.put(kind, body, "lecturer", ident)
        member.tell("saved", id=ident, seq=entry.seq, state="counted")

    def _connected(self, tablet: str) -> bool:
        return any(each.greeted and each.tablet.id == tablet for each in self.members)

    # --- what goes out -------------------------------------------------------------------------

    def _tell_entries(self, entries: Sequence[Entry]) -> None:
        text = text_of({"type": "log", "entries": [entry.public() for entry in entries]})
        self._tell_class("log", text, {entry.kind for entry in entries})
        for entry in entries:
            if entry.kind in SUMMED:
                self._stale.add("results")
            if entry.kind in INQUIRIES:
                self._stale.add("inquiries")
            if entry.kind in MARKED and self._on_marker:
                self._on_marker(entry.kind, entry.body)

    def _tell_class(self, channel: str, text: str, kinds: Set[str] = frozenset()) -> None:
        for broadcast in self.broadcasts:
            broadcast(channel, text, kinds)
        for member in list(self.members):
            if member.greeted and member.hears_log:
                member.send(text)

    def _tell_now(self, message: dict[str, Any]) -> None:
        self._tell_class("now", text_of(message))

    def _tell_host(self) -> None:
        self._tell_now({"type": "host", "here": self.host_here})

    def _tell_seat(self, seat: str, kind: str, **fields: Any) -> None:
        for member in list(self.members):
            if member.tablet.seat == seat:
                member.tell(kind, **fields)

    async def _push_views(self) -> None:
        while True:
            await asyncio.sleep(VIEWS_EVERY_S)
            lesson = self.lesson
            if not self._stale or lesson is None:
                continue
            names = sorted(self._stale)
            self._stale.clear()
            try:
                staff, board = views.texts(lesson, names, True), views.texts(lesson, names, False)
                self._tell_summary(lesson)
            except Exception as error:
                _log.error("a view of the lesson failed", error=str(error))
                continue
            for member in list(self.members):
                if member.greeted and not member.answers:
                    for text in staff if member.drives else board:
                        member.send(text)

    def _tell_summary(self, lesson: Lesson) -> None:
        told = views.summary(lesson)
        if self._on_summary and told != self._told:
            self._told = told
            self._on_summary(told)
