"""What goes out of the room while a class is live: viewers, shared screens, pushes; who speaks in.

`[streaming]` of room.toml, and one object that follows the class: pushes begin and end with it,
shared screens and raised hands end with it. It only reads `live/`, and can slow no recording.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any, Protocol

import structlog

from controller.config import SecretError, resolve_secret
from controller.errors import ClassroomError
from controller.events import EventBus, SlowSubscriber
from controller.health import AlarmBoard, Words
from controller.journal import Journal, JournalError
from controller.live_settings import StreamingSection
from controller.register import DAEMON
from controller.state import Actor, RoomView, SessionState, SessionView
from streaming.live import LiveRoom
from streaming.push import Pushes, PushStatus
from streaming.share import Sharer, ShareRoom
from streaming.talk import Hand, TalkRoom

_OVER = {SessionState.ENDED, SessionState.PLANNED}
_log = structlog.get_logger(__name__)
TROUBLE_AFTER = 2


class Room(Protocol):
    """The part of `Classroom` that a broadcast follows."""

    events: EventBus
    alarms: AlarmBoard
    journal: Journal

    def view(self) -> RoomView: ...

    def recording_folder(self, recording: str) -> Path: ...

    async def mark(self, kind: str, data: dict[str, Any]) -> None: ...


class Broadcast:
    """The room's live streams, as the daemon makes them and the dashboard serves them."""

    def __init__(
        self, room: Room, settings: StreamingSection, run_dir: Path, secret_key: bytes
    ) -> None:
        self.settings = settings
        self.live = LiveRoom(
            secret_key,
            default_visibility=settings.visibility,
            of_courses=settings.courses,
            whep=settings.whep,
        )
        self.share = ShareRoom(run_dir, on_shown=self._shown, enabled=settings.share)
        self.talk = TalkRoom(
            run_dir,
            enabled=settings.talk.enabled,
            output=settings.talk.output,
            on_speaking=self._speaking,
            on_output=self._output,
        )
        self.pushes = Pushes(settings.push, resolve=_secret, on_change=self._pushed)
        self._room = room
        self._folder: Path | None = None
        self._states: dict[str, str] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Begins to follow the class; one that is on already is pushed at once."""
        self._later(self._follow())

    async def stop(self) -> None:
        """Ends every viewer's stream, every push, what is shared and what is said."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.pushes.stop()
        await self.share.stop()
        await self.talk.stop()
        await self.live.close()

    async def push(self, actor: Actor, id_: str, on: bool) -> PushStatus:
        """Switches one destination on or off for this class."""
        if id_ not in self.pushes.specs:
            raise ClassroomError(
                "unknown_push", f"There is no push {id_!r}.", "See [[streaming.push]].", 404
            )
        if on and self._folder is None:
            raise ClassroomError("no_session", "No class is live.", "Start one first.", 409)
        with contextlib.suppress(JournalError):
            await self._room.journal.enter(actor, "push", data={"push": id_, "on": on})
        if on and self._folder is not None:
            self.pushes.start(self._folder, id_)
        elif not on:
            await self.pushes.stop(id_)
        return next(one for one in self.pushes.statuses() if one.id == id_)

    async def _follow(self) -> None:
        while True:
            try:
                async with self._room.events.subscribe() as events:
                    await self._be_at(self._room.view().session)
                    async for event in events:
                        if event.kind == "session":
                            await self._be_at(SessionView.model_validate(event.data))
                    return
            except SlowSubscriber:
                continue
            except Exception as error:
                _log.exception("broadcast", error=str(error))
                await asyncio.sleep(1.0)

    async def _be_at(self, session: SessionView | None) -> None:
        if session is None or session.state in _OVER or session.recording is None:
            if self._folder is not None and (session is None or session.state in _OVER):
                self._folder = None
                await self.pushes.stop()
                await self.share.clear()
                await self.talk.clear()
            return
        with contextlib.suppress(ClassroomError):
            folder = await asyncio.to_thread(self._room.recording_folder, session.recording)
            if folder != self._folder:
                if self._folder is not None:
                    await self.pushes.stop()
                self._folder = folder
                self.pushes.start(folder)

    def _pushed(self, status: PushStatus) -> None:
        words = None
        if status.state == "retrying" and status.attempts >= TROUBLE_AFTER:
            words = Words(
                "warning",
                "technician",
                f"The live stream does not reach {status.id} ({status.detail}).",
                "Check its address and key under [[streaming.push]]; it is tried again by itself.",
            )
        if status.state != "connecting":
            self._room.alarms.set(f"push.{status.id}", words, status.id)
        if self._states.get(status.id, "off") != status.state:
            self._states[status.id] = status.state
            if status.state in {"live", "retrying", "off"}:
                self._later(self._note("push", {"push": status.id, "state": status.state}))

    def _shown(self, sharer: Sharer | None) -> None:
        data = {} if sharer is None else {"name": sharer.person.name, "kind": sharer.kind}
        self._later(self._note("share", data))
        label = "" if sharer is None else sharer.kind
        self._later(self._room.mark("share", {"shown": sharer is not None, "label": label}))

    def _speaking(self, hand: Hand | None) -> None:
        self._later(self._note("talk", {} if hand is None else {"speaks": hand.name}))
        self._later(self._room.mark("talk", {"speaking": hand is not None}))

    def _output(self, trouble: str) -> None:
        words = Words(
            "warning",
            "technician",
            f"The room does not hear who speaks from elsewhere ({trouble}).",
            "Check output under [streaming.talk]; it is tried again while somebody speaks.",
        )
        self._room.alarms.set("talk.output", words if trouble else None, "talk")

    async def _note(self, kind: str, data: dict[str, Any]) -> None:
        with contextlib.suppress(JournalError):
            await self._room.journal.enter(DAEMON, kind, data=data)

    def _later(self, job: Any) -> None:
        task: asyncio.Task[Any] = asyncio.ensure_future(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _secret(reference: str) -> str:
    try:
        return resolve_secret(reference)
    except SecretError as error:
        raise RuntimeError(str(error)) from error
