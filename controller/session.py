"""One class as a pure state machine: planned → preparing → live ⇄ paused → ending → ended.

Every step gives a new `Session`; what is not allowed raises `ClassroomError`. Nothing here does
anything: the façade commits the new value to the journal and then acts on it.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from controller.errors import ClassroomError
from controller.slot import Slot
from controller.state import SessionState
from recorder.recording import Layout

LONGEST = timedelta(hours=24)


def now_utc() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


def boottime() -> float:
    """Seconds since the machine started, suspend included; no clock step touches it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Session(BaseModel):
    """One class, as the journal keeps it.

    `boot_id` and `boottime` anchor the press of the button. `recording` and `folder` name what is
    being recorded, `recording_error` why nothing is. `before_end` is the state that an undone End
    returns to; `slot` is the class of the timetable that this is. `open` stays true until the
    lecture is finished and handed to deliveries.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    state: SessionState = SessionState.PREPARING
    title: str
    course: str | None = None
    lecturer: str | None = None
    slot: Slot | None = None
    started: datetime
    boot_id: str
    boottime: float
    planned_end: datetime | None = None
    ended: datetime | None = None
    layout: Layout
    recording: str | None = None
    folder: str | None = None
    recording_error: str | None = None
    recorded_s: float = 0.0
    start_to_first_frame_ms: float | None = None
    end_pressed: datetime | None = None
    undo_until: datetime | None = None
    before_end: SessionState | None = None
    open: bool = True

    @property
    def active(self) -> bool:
        """A class is on (its end may still be undone)."""
        return self.state is not SessionState.ENDED

    def elapsed_s(self, boot_id: str) -> float:
        """Seconds since the press of the button, or its whole length once ended."""
        if self.ended is not None:
            return max(0.0, (self.ended - self.started).total_seconds())
        if boot_id == self.boot_id:
            return max(0.0, boottime() - self.boottime)
        return max(0.0, (now_utc() - self.started).total_seconds())

    def prepared(self) -> Session:
        """Recording runs, or it is known that it cannot."""
        return self._to(SessionState.LIVE) if self.state is SessionState.PREPARING else self

    def paused(self) -> Session:
        """Nothing is saved until it is resumed. Pausing twice is pausing once."""
        self._need("pause", SessionState.LIVE, SessionState.PAUSED)
        return self._to(SessionState.PAUSED)

    def resumed(self) -> Session:
        """Goes on. Resuming a class that is live changes nothing."""
        self._need("resume", SessionState.LIVE, SessionState.PAUSED)
        return self._to(SessionState.LIVE)

    def extended(self, minutes: float, now: datetime) -> Session:
        """`minutes` longer than planned, or than now when nothing was planned or it is over."""
        self._need("extend", SessionState.PREPARING, SessionState.LIVE, SessionState.PAUSED)
        if not 0 < minutes <= 600:
            raise ClassroomError(
                "bad_value",
                "A class is extended by 1 to 600 minutes.",
                "Choose 5, 10 or 15.",
                422,
            )
        end = max(now, self.planned_end or now) + timedelta(minutes=minutes)
        if end - self.started > LONGEST:
            raise ClassroomError(
                "bad_value", "A class lasts at most 24 hours.", "End it and start another.", 422
            )
        return self.model_copy(update={"planned_end": end})

    def laid_out(self, layout: Layout) -> Session:
        """Another layout from now on."""
        self._need("change the layout of", *_ON)
        return self.model_copy(update={"layout": layout})

    def ending(self, now: datetime, undo_s: float) -> Session:
        """End is pressed; it can be taken back until `undo_until`. Twice is once."""
        if self.state is SessionState.ENDING:
            return self
        self._need("end", *_ON)
        return self.model_copy(
            update={
                "state": SessionState.ENDING,
                "before_end": self.state,
                "end_pressed": now,
                "undo_until": now + timedelta(seconds=undo_s),
            }
        )

    def undone(self, now: datetime) -> Session:
        """End is taken back."""
        if self.state in _ON:
            return self
        if self.state is not SessionState.ENDING or not self.undo_until or now > self.undo_until:
            raise ClassroomError(
                "not_allowed_now",
                "The class has already ended.",
                "Start a new one; the recording up to here is kept.",
            )
        return self.model_copy(
            update={
                "state": self.before_end or SessionState.LIVE,
                "before_end": None,
                "end_pressed": None,
                "undo_until": None,
            }
        )

    def over(self, at: datetime) -> Session:
        """Ended at `at`; the room is free. Still `open` while a recording is to be finished."""
        if self.state is SessionState.ENDED:
            return self
        return self.model_copy(
            update={
                "state": SessionState.ENDED,
                "ended": at,
                "undo_until": None,
                "before_end": None,
                "open": self.recording is not None or self.recording_error is None,
            }
        )

    def _to(self, state: SessionState) -> Session:
        return self.model_copy(update={"state": state})

    def _need(self, verb: str, *states: SessionState) -> None:
        if self.state in states:
            return
        why = {
            SessionState.PREPARING: ("is just starting", "Try again in a moment."),
            SessionState.ENDING: ("is ending", "Take the end back first."),
            SessionState.ENDED: ("has ended", "Start a new one."),
        }.get(self.state, (f"is {self.state}", ""))
        raise ClassroomError("not_allowed_now", f"You cannot {verb} a class that {why[0]}.", why[1])


_ON = (SessionState.PREPARING, SessionState.LIVE, SessionState.PAUSED)


def new_session(
    *,
    title: str,
    course: str | None,
    lecturer: str | None,
    minutes: float,
    layout: Layout,
    boot_id: str,
    now: datetime | None = None,
) -> Session:
    """The class that begins now; `minutes` = 0 has no planned end."""
    now = now or now_utc()
    if not 0 <= minutes <= 1440:
        raise ClassroomError(
            "bad_value",
            "A class lasts 1 to 1440 minutes.",
            "Give its length in minutes, or none for an open end.",
            422,
        )
    return Session(
        id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        title=title,
        course=course,
        lecturer=lecturer,
        started=now,
        boot_id=boot_id,
        boottime=boottime(),
        planned_end=now + timedelta(minutes=minutes) if minutes else None,
        layout=layout,
    )
