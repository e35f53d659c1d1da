"""The register of classes: the one that is on, and those whose lecture is still being finished.

A change is made under the register's lock (`turn`), committed to the journal, then told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from controller import health
from controller.errors import ClassroomError
from controller.health import AlarmBoard
from controller.journal import Journal, JournalError
from controller.session import Session
from controller.state import AccessRole, Actor

_log = structlog.get_logger(__name__)

DAEMON = Actor(name="classroomd", role=AccessRole.ADMIN, door="daemon")


class Register:
    """`current` is the class that is on, or the last one; `tell` shows it after each change."""

    def __init__(self, journal: Journal, alarms: AlarmBoard, tell: Callable[[], None]) -> None:
        self.journal = journal
        self.alarms = alarms
        self.current: Session | None = None
        self.turn = asyncio.Lock()
        self._tell = tell
        self._open: dict[str, Session] = {}
        self._background: set[asyncio.Task[Any]] = set()

    @property
    def on(self) -> bool:
        """A class is on."""
        return self.current is not None and self.current.active

    def need(self) -> Session:
        """The class that is on; `no_session` when the room is free."""
        if self.current is None or not self.current.active:
            raise ClassroomError("no_session", "No class is on.", "Start one first.")
        return self.current

    def last(self) -> Session:
        """The class that is on, or the last one; `no_session` when there was none."""
        return self.current or self.need()

    def open(self, session: str) -> Session | None:
        """The newest state of a class that is on or being finished."""
        return self._open.get(session)

    def is_current(self, session: str) -> bool:
        """Whether this is the class that the room shows."""
        return self.current is not None and self.current.id == session

    def adopt(self, session: Session) -> None:
        """Take a session as it stands in the journal; the newest becomes the current one."""
        if session.open:
            self._open[session.id] = session
        else:
            self._open.pop(session.id, None)
        if self.current is None or session.started >= self.current.started:
            self.current = session

    async def commit(
        self, session: Session, actor: Actor, kind: str, data: dict[str, Any] | None = None
    ) -> None:
        """Save a session's new state, then tell it."""
        try:
            await self.journal.save(session, actor=actor, kind=kind, data=data)
            self.alarms.set("journal", None)
        except JournalError as error:
            # A full disk must not keep anybody from pausing or ending.
            _log.error("journal", error=str(error))
            self.alarms.set("journal", health.journal_trouble(str(error)))
        self.adopt(session)
        if self.is_current(session.id):
            self._tell()

    async def note(self, actor: Actor, kind: str, data: dict[str, Any] | None = None) -> None:
        """An entry of the audit trail that changes no session."""
        session = self.current.id if self.current is not None and self.current.active else None
        try:
            await self.journal.enter(actor, kind, session=session, data=data)
        except JournalError as error:
            self.alarms.set("journal", health.journal_trouble(str(error)))

    def in_background(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run something nobody waits for; a failure is logged."""
        task = asyncio.create_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("background", task=task.get_name(), exc_info=error)

    async def stop(self) -> None:
        """Give up what runs in the background."""
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
