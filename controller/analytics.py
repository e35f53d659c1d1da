"""Analytics of a room: its classes, what they left, how recordings are watched, its devices.

Read from what is there anyway: the journal, the tablets' store, the recordings' folders. Only
aggregates; names never.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel

from controller import lesson_figures
from controller.journal import Journal
from controller.lesson_figures import Count, PageFigures, PollFigures
from controller.session import Session, now_utc
from controller.tablet_store import TabletStore
from controller.whose import Own
from devices.tablets.attendance import confusion
from devices.tablets.question import Question

BUCKET_S = 10
MOST_SESSIONS = 2000


class SessionFigures(BaseModel):
    """A class in numbers. `seats` took part on tablets; `views` of ten seconds of its recording."""

    id: str
    title: str
    course: str | None
    started: datetime
    minutes: float
    recording: str | None
    seats: int
    seat_minutes: float
    polls: int
    lost: int
    watched_minutes: float


class DayFigures(BaseModel):
    """A day (UTC): how many classes began, and how long they took."""

    day: str
    sessions: int
    minutes: float


class Overview(BaseModel):
    """The classes of the last days, the newest first, and each day that had some."""

    days: int
    sessions: list[SessionFigures]
    by_day: list[DayFigures]


class Detail(BaseModel):
    """One class: seats there, seats lost, polls, pages, and where its recording is watched.

    Times are seconds into class; of `watched`, into the lecture (in steps of ten).
    """

    session: SessionFigures
    present: list[Count]
    lost: list[Count]
    polls: list[PollFigures]
    pages: list[PageFigures]
    watched: list[Count]


class DeviceFigures(BaseModel):
    """A device: hours on, hours that it could not be reached, how often it failed."""

    id: str
    name: str
    on_hours: float
    away_hours: float
    faults: int


class UnknownSessionError(Exception):
    """There was no such class in this room."""


class NotTheirsError(Exception):
    """The class was held by somebody else; the text names them where they are known."""


class Analytics:
    """Figures of one room. `folder_of` finds a recording's folder."""

    def __init__(
        self, journal: Journal, store: TabletStore | None, folder_of: Callable[[str], Path]
    ) -> None:
        self._journal, self._store, self._folder_of = journal, store, folder_of

    async def overview(
        self, days: int, course: str | None = None, *, of: str | None = None
    ) -> Overview:
        """The classes of the last `days` days, of one course or all; `of`: that lecturer's."""
        since = (now_utc() - timedelta(days=days)).isoformat()
        rows = await self._journal.read(
            "SELECT body FROM sessions WHERE started >= ? ORDER BY started DESC LIMIT ?",
            (since, MOST_SESSIONS),
        )
        held = [Session.model_validate_json(row[0]) for row in rows]
        if of is not None:
            own = await Own.of(self._journal, of)
            held = [one for one in held if own.holds(one)]
        watched = await self._watched()
        figures = [
            await self._figures(one, watched) for one in held if course in (None, one.course)
        ]
        by_day: dict[str, DayFigures] = {}
        for one in reversed(figures):
            day = one.started.astimezone(UTC).date().isoformat()
            kept = by_day.setdefault(day, DayFigures(day=day, sessions=0, minutes=0))
            kept.sessions += 1
            kept.minutes = round(kept.minutes + one.minutes, 1)
        return Overview(days=days, sessions=figures, by_day=list(by_day.values()))

    async def held(self, session: str, *, of: str | None = None) -> Session:
        """That class. Raises UnknownSessionError, and NotTheirsError when it is not `of`'s."""
        rows = await self._journal.read("SELECT body FROM sessions WHERE id = ?", (session,))
        if not rows:
            raise UnknownSessionError(session)
        held = Session.model_validate_json(rows[0][0])
        if of is not None and not (await Own.of(self._journal, of)).holds(held):
            raise NotTheirsError(held.lecturer or "")
        return held

    async def detail(self, session: str, *, of: str | None = None) -> Detail:
        """One class. Raises UnknownSessionError and NotTheirsError."""
        held = await self.held(session, of=of)
        start, end = _ms(held.started), _ms(held.ended or now_utc())
        detail = Detail(
            session=await self._figures(held, await self._watched()),
            present=[],
            lost=[],
            polls=[],
            pages=[],
            watched=await self._heat(held.recording),
        )
        if self._store is not None:
            store = self._store
            stays, entries = await store.attendance(session), await store.read(session)
            asked = await store.questions(session)
            questions = {key: Question.model_validate(body) for key, body in asked.items()}
            detail.present = lesson_figures.present(stays, start, end) if stays else []
            lost = confusion(await store.signals(session), start)
            detail.lost = [Count(at=one["at"], n=one["lost"]) for one in lost]
            answers = await store.answers(session)
            detail.polls = lesson_figures.polls(entries, questions, answers, stays)
            detail.pages = lesson_figures.pages(entries, end)
        if not detail.pages and held.recording:
            detail.pages = await asyncio.to_thread(self._slides, held.recording)
        return detail

    async def devices(self, days: int, names: Mapping[str, str]) -> list[DeviceFigures]:
        """The devices of the last `days` days; `names` are those that the room has now."""
        since = (datetime.now(UTC) - timedelta(days=days)).date().isoformat()
        rows = await self._journal.read(
            "SELECT device, sum(on_s), sum(away_s), sum(faults) FROM device_days"
            " WHERE day >= ? GROUP BY device",
            (since,),
        )
        sums = {device: (on, away, faults) for device, on, away, faults in rows}
        found = []
        for device in [*names, *(one for one in sums if one not in names)]:
            on_s, away_s, faults = sums.get(device, (0.0, 0.0, 0))
            found.append(
                DeviceFigures(
                    id=device,
                    name=names.get(device, device),
                    on_hours=round(on_s / 3600, 2),
                    away_hours=round(away_s / 3600, 2),
                    faults=int(faults),
                )
            )
        return found

    async def _figures(self, held: Session, watched: Mapping[str, int]) -> SessionFigures:
        end = held.ended or now_utc()
        seats, minutes, polls, lost = 0, 0.0, 0, 0
        if self._store is not None:
            stays = await self._store.attendance(held.id)
            seats, minutes = lesson_figures.seats_and_minutes(stays, _ms(end))
            polls = len(await self._store.questions(held.id))
            signals = await self._store.signals(held.id)
            lost = max((one["lost"] for one in confusion(signals, 0)), default=0)
        return SessionFigures(
            id=held.id,
            title=held.title,
            course=held.course,
            started=held.started,
            minutes=round(max(0.0, (end - held.started).total_seconds()) / 60, 1),
            recording=held.recording,
            seats=seats,
            seat_minutes=minutes,
            polls=polls,
            lost=lost,
            watched_minutes=round(watched.get(held.recording or "", 0) * BUCKET_S / 60, 1),
        )

    async def _watched(self) -> dict[str, int]:
        rows = await self._journal.read(
            "SELECT recording, sum(count) FROM views GROUP BY recording", ()
        )
        return dict(rows)

    async def _heat(self, recording: str | None) -> list[Count]:
        rows = await self._journal.read(
            "SELECT bucket, count FROM views WHERE recording = ? ORDER BY bucket", (recording,)
        )
        return [Count(at=bucket * BUCKET_S, n=count) for bucket, count in rows]

    def _slides(self, recording: str) -> list[PageFigures]:
        """How long the recording's own slides were shown, when no deck was."""
        try:
            file = self._folder_of(recording) / "products" / "slides.json"
            slides = json.loads(file.read_bytes())["slides"]
            return [
                PageFigures(
                    title=slide["title"] or str(slide["number"]),
                    seconds=round(slide["end"] - slide["time"], 1),
                    times=1,
                )
                for slide in slides
            ]
        except Exception:
            return []


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
