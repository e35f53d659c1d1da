"""What the doors show: the room, its session, its alarms, as plain values."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, Field

from devices.model import DeviceState


class SessionState(StrEnum):
    """One class: planned → preparing → live ⇄ paused → ending → ended; then the room is free."""

    PLANNED = "planned"
    PREPARING = "preparing"
    LIVE = "live"
    PAUSED = "paused"
    ENDING = "ending"
    ENDED = "ended"


class AccessRole(StrEnum):
    """Who may do what; each role may do what the ones before it may."""

    STUDENT = "student"
    INSTRUCTOR = "instructor"
    TECHNICIAN = "technician"
    ADMIN = "admin"


class Actor(BaseModel):
    """Who pressed: goes into the journal with every change."""

    name: str
    role: AccessRole
    door: Literal["panel", "api", "osc", "mqtt", "cli", "timetable", "daemon"]


class StepResult(BaseModel):
    """One step of a scene on one device, for the panel: what happened and what to do."""

    device: str
    command: str
    value: bool | int | float | str | None = None
    state: Literal["waiting", "running", "confirmed", "queued", "failed"]
    detail: str = ""
    remedy: str = ""


class SourceView(BaseModel):
    """One source as the panel shows it."""

    id: str
    role: str
    state: Literal["idle", "opening", "running", "lost", "failed"]
    detail: str = ""
    video: bool = False
    audio: bool = False
    level_dbfs: float | None = None
    has_picture: bool = False


class SessionView(BaseModel):
    """The class that is on, or the last one. Times are UTC; durations are seconds.

    `elapsed_s` counts from the press of the button at `now`; `undo_until` stands while an End
    can still be taken back; `recording_error` says why nothing is being recorded, if so.
    """

    id: str
    state: SessionState
    title: str
    course: str | None = None
    lecturer: str | None = None
    slot: str | None = None
    started: datetime
    planned_end: datetime | None = None
    ended: datetime | None = None
    now: datetime
    elapsed_s: float = 0.0
    recorded_s: float = 0.0
    layout: str = "slides+presenter"
    recording: str | None = None
    recording_state: Literal[
        "none", "starting", "recording", "paused", "restarting", "finishing", "finished", "failed"
    ] = "none"
    recording_error: str | None = None
    undo_until: datetime | None = None
    start_to_first_frame_ms: float | None = None
    steps: list[StepResult] = Field(default_factory=list)


class Alarm(BaseModel):
    """Something a person can act on. `who` decides which page shows it."""

    id: str
    severity: Literal["info", "warning", "critical"]
    who: Literal["instructor", "technician", "admin"]
    text: str
    remedy: str
    since: datetime
    subject: str = ""


class DeliveryView(BaseModel):
    """One product set on its way to one target; `rate` in bytes per second while bytes move."""

    id: str
    recording: str
    target: str
    state: Literal[
        "waiting",
        "sending",
        "verifying",
        "verified",
        "retrying",
        "failed",
        "held",
        "withdrawing",
        "withdrawn",
    ]
    attempts: int = 0
    sent_bytes: int = 0
    total_bytes: int = 0
    rate: float | None = None
    eta_s: float | None = None
    detail: str = ""
    remedy: str = ""
    next_try: datetime | None = None
    receipt: dict[str, Any] | None = None


class ProductionView(BaseModel):
    """What is made of a recording after class. `progress` (0 to 1) is that of the `step` at work.

    `detail` says why the last try failed, `notices` what could not be made here.
    """

    state: Literal["waiting", "paused", "working", "done", "failed"]
    step: str = ""
    progress: float = 0.0
    detail: str = ""
    notices: list[str] = Field(default_factory=list)
    next_try: datetime | None = None


class RecordingView(BaseModel):
    """One recording folder in a list. `production` is None when nobody asked for it.

    `going`: from when on its media is deleted here, `pruned`: when it was; it is proved to be
    elsewhere.
    """

    id: str
    session: str
    title: str
    started: datetime
    duration_s: float | None
    life: str
    folder: str
    lecture: bool
    bytes: int
    error: str | None = None
    production: ProductionView | None = None
    going: datetime | None = None
    pruned: datetime | None = None


class SlotView(BaseModel):
    """One class of the timetable; times are UTC.

    `due` can be started now, `now` runs by the clock but was not started here.
    """

    id: str
    title: str
    course: str | None = None
    lecturer: str | None = None
    starts: datetime
    ends: datetime
    state: Literal["later", "due", "now", "started", "skipped", "over"]


class TimetableView(BaseModel):
    """What the timetable says. `next` can be days away; `today` is the room's own day.

    `start`, `stop`, `extend` and `gap_minutes` are the room's policy; `error` says why the
    calendar could not be asked the last time, `updated` how old what is shown is at most.
    """

    start: Literal["ask", "start", "never"]
    stop: Literal["ask", "stop", "never"]
    extend: Literal["shorten", "ask", "allow"]
    gap_minutes: float = 0.0
    current: SlotView | None = None
    next: SlotView | None = None
    today: list[SlotView] = Field(default_factory=list)
    updated: datetime | None = None
    error: str = ""
    remedy: str = ""


class HelpView(BaseModel):
    """A call for help from the panel: `called` until a technician answers, then `answered`."""

    state: Literal["none", "called", "answered"] = "none"
    phone: str = ""
    at: datetime | None = None
    by: str = ""
    note: str = ""


class RoomView(BaseModel):
    """Everything the wall panel needs, in one value."""

    room: str
    name: str
    timezone: str
    languages: list[str]
    now: datetime
    session: SessionView | None
    devices: list[DeviceState]
    sources: list[SourceView]
    alarms: list[Alarm]
    deliveries: list[DeliveryView]
    scenes: list[str]
    scene_names: dict[str, str] = Field(default_factory=dict)
    layouts: list[str]
    timetable: TimetableView | None = None
    help: HelpView = Field(default_factory=HelpView)


class Event(BaseModel):
    """One event on the bus and on the WebSocket.

    Kinds: `session` (SessionView), `device` (DeviceState), `sources` (list of SourceView under
    `sources`), `levels` (source id → dBFS), `alarms` (list of Alarm under `alarms`), `delivery`
    (DeliveryView), `recording` (RecordingView), `step` (StepResult), `timetable` (TimetableView),
    `help` (HelpView).
    """

    kind: Literal[
        "session",
        "device",
        "sources",
        "levels",
        "alarms",
        "delivery",
        "recording",
        "step",
        "timetable",
        "help",
        "lesson",
    ]
    data: dict[str, Any]
