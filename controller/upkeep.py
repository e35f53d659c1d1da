"""Small jobs that come round: planned ends, the disk, retention, forgotten pauses, speech."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from controller import health
from controller.lesson import Lesson
from controller.publication import keep_days
from controller.register import DAEMON
from controller.session import Session, now_utc
from controller.settings import RoomConfig
from controller.state import SessionState
from recorder.retention import WARN_DAYS, Verdict, going, prune

_log = structlog.get_logger(__name__)

TICK_S = 1.0
DISK_S = 30.0
PRUNE_S = 3600.0
SPEECH_DBFS = -45.0
SPEECH_TICKS = 4


class Upkeep:
    """Looks round once a second; whatever fails is logged and tried again the next time."""

    def __init__(self, config: RoomConfig, lesson: Lesson) -> None:
        self._config = config
        self._lesson = lesson
        self._alarms = lesson.register.alarms
        self._task: asyncio.Task[None] | None = None
        self._paused_since: float | None = None
        self._speech = 0
        self._disk_at = 0.0
        self._prune_at = 0.0

    def start(self) -> None:
        """Begin to look round."""
        self._task = asyncio.create_task(self._run(), name="upkeep")

    async def stop(self) -> None:
        """Stop looking round."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def tick(self) -> None:
        """One round."""
        session = self._lesson.register.current
        if session is not None and session.active:
            await self._times(session)
            self._forecast(session)
            self._pause(session)
        now = asyncio.get_running_loop().time()
        if now >= self._disk_at:
            self._disk_at = now + DISK_S
            words = await asyncio.to_thread(self._lesson.capture.recorders.disk_words)
            self._alarms.set("disk.reserve", None if self._lesson.register.on else words)
            minutes = self._config.session.minutes or 90
            words = await asyncio.to_thread(self._lesson.capture.recorders.forecast_words, minutes)
            self._alarms.set("disk.next_class", None if self._lesson.register.on else words)
        if now >= self._prune_at and not self._lesson.register.on:
            self._prune_at = now + PRUNE_S
            await self._prune()

    async def _run(self) -> None:
        while True:
            try:
                await self.tick()
            except Exception:
                _log.exception("upkeep")
            await asyncio.sleep(TICK_S)

    async def _prune(self) -> None:
        """Delete the media that every target has confirmed, when its time here is over."""
        storage = self._config.storage
        ruled = any(rule.keep_days is not None for rule in self._config.courses)
        if (storage.keep_days is None and not ruled) or not storage.recordings.is_dir():
            return
        verdicts = await asyncio.to_thread(
            prune,
            storage.recordings,
            required=[target.id for target in self._config.publish if target.auto],
            keep_days=lambda course: keep_days(course, self._config.courses, storage.keep_days),
            warn_days=WARN_DAYS,
        )
        for verdict in verdicts:
            data = {"recording": verdict.recording, "bytes": verdict.size}
            if verdict.prune:
                await self._lesson.register.note(DAEMON, "pruned", data)
            elif verdict.announced and verdict.due:
                data["from"] = verdict.due.isoformat()
                await self._lesson.register.note(DAEMON, "prune_announced", data)
        self._alarms.set("retention.going", health.going(await asyncio.to_thread(_going, verdicts)))

    async def _times(self, session: Session) -> None:
        """The planned end: remind, or end the class after the overtime."""
        policy = self._config.session
        now = now_utc()
        ends_at = None
        timetable = self._config.timetable if session.slot is not None else None
        by_itself = policy.overtime == "end" and (timetable is None or timetable.stop != "never")
        if by_itself and session.planned_end is not None:
            ends_at = session.planned_end + timedelta(minutes=policy.overtime_minutes)
        running = session.state is not SessionState.ENDING
        if running and ends_at is not None and now >= ends_at:
            await self._lesson.end(DAEMON, 0.0)
            return
        words = health.overtime(session.planned_end, now, ends_at) if running else None
        self._alarms.set("class.overtime", words)

    def _forecast(self, session: Session) -> None:
        recorder = self._lesson.capture.recorder
        status = recorder.status if recorder else None
        rest = None
        if session.planned_end is not None:
            rest = max(0.0, (session.planned_end - now_utc()).total_seconds())
        left = status.disk_seconds_left if status else None
        self._alarms.set("class.disk", health.disk_forecast(left, rest))

    def _pause(self, session: Session) -> None:
        """A pause that lasts, and speech that nobody records."""
        if session.state is not SessionState.PAUSED:
            self._paused_since = None
            self._speech = 0
            self._alarms.set("class.paused", None)
            self._alarms.set("class.speaking", None)
            return
        now = asyncio.get_running_loop().time()
        self._paused_since = self._paused_since or now
        self._alarms.set("class.paused", health.long_pause(now - self._paused_since))
        heard = [name for name, level in self._lesson.capture.heard.items() if level > SPEECH_DBFS]
        self._speech = (
            min(2 * SPEECH_TICKS, self._speech + 1) if heard else max(0, self._speech - 1)
        )
        if self._speech >= SPEECH_TICKS and heard:
            self._alarms.set("class.speaking", health.speaking(heard))
        elif self._speech == 0:
            self._alarms.set("class.speaking", None)


def _going(verdicts: Sequence[Verdict]) -> list[datetime]:
    """From when on recordings go that are announced, the first one first."""
    return sorted(when for one in verdicts if (when := going(one.folder)) is not None)
