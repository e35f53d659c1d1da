"""What the doors see of a class, its sources and its recordings, worked out from what is known."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from controller.session import Session, now_utc
from controller.state import (
    ProductionView,
    RecordingView,
    SessionState,
    SessionView,
    SourceView,
    StepResult,
)
from controller.supervisor import RecorderSupervisor
from recorder import production_state, retention
from recorder.recording import Life, Recording, SourceSpec

PICTURE_OLD_S = 6.0

RecordingState = Literal[
    "none", "starting", "recording", "paused", "restarting", "finishing", "finished", "failed"
]


def recording_state(session: Session, supervisor: RecorderSupervisor | None) -> RecordingState:
    """What is really happening to the recording, as its recorder says it."""
    if supervisor is None:
        if session.recording_error is not None:
            return "failed"
        if session.recording is not None:
            return "finished"
        return "starting" if session.state is SessionState.PREPARING else "none"
    if supervisor.phase != "running":
        return supervisor.phase
    status = supervisor.status
    if status is None or (status.state == "recording" and status.first_frame_ms is None):
        return "starting"
    return status.state


def session_view(
    session: Session,
    supervisor: RecorderSupervisor | None,
    steps: Sequence[StepResult],
    boot_id: str,
) -> SessionView:
    """One class as it is shown now."""
    status = supervisor.status if supervisor else None
    return SessionView(
        id=session.id,
        state=session.state,
        title=session.title,
        course=session.course,
        lecturer=session.lecturer,
        slot=session.slot.id if session.slot else None,
        started=session.started,
        planned_end=session.planned_end,
        ended=session.ended,
        now=now_utc(),
        elapsed_s=session.elapsed_s(boot_id),
        recorded_s=status.duration_s if status else session.recorded_s,
        layout=session.layout.value,
        recording=session.recording,
        recording_state=recording_state(session, supervisor),
        recording_error=session.recording_error,
        undo_until=session.undo_until,
        start_to_first_frame_ms=session.start_to_first_frame_ms,
        steps=list(steps),
    )


def source_views(
    sources: Sequence[SourceSpec],
    supervisor: RecorderSupervisor | None,
    levels: Mapping[str, float],
) -> list[SourceView]:
    """Every configured source; `idle` while nothing is recorded."""
    status = supervisor.status if supervisor and supervisor.phase == "running" else None
    views: list[SourceView] = []
    for spec in sources:
        known = status.sources.get(spec.id) if status else None
        if status is None or known is None:
            views.append(SourceView(id=spec.id, role=spec.role.value, state="idle"))
            continue
        views.append(
            SourceView(
                id=spec.id,
                role=spec.role.value,
                state=known.state,
                detail=known.detail,
                video=known.video,
                audio=known.audio,
                level_dbfs=levels.get(spec.id, known.level_dbfs),
                has_picture=known.video
                and known.state == "running"
                and status.state in {"starting", "recording"},
            )
        )
    return views


def recording_view(recording: Recording) -> RecordingView:
    """One recording folder in a list. Reads the disk."""
    manifest = recording.manifest
    return RecordingView(
        id=recording.id,
        session=manifest.session,
        title=manifest.title,
        started=manifest.started,
        duration_s=manifest.duration_s,
        life=manifest.life.value,
        folder=recording.folder.name,
        lecture=manifest.life is not Life.RECORDING and recording.lecture.is_file(),
        bytes=recording.bytes(),
        error=manifest.error,
        production=_production(recording.folder),
        going=retention.going(recording.folder),
        pruned=retention.pruned(recording.folder),
    )


def _production(folder: Path) -> ProductionView | None:
    state = production_state.load(folder)
    if state is None:
        return None
    return ProductionView.model_validate(state.model_dump(include=set(ProductionView.model_fields)))


def picture(folder: Path, source: str) -> bytes | None:
    """The newest confidence picture of a source; None when there is none or it stands still."""
    path = folder / "live" / f"{source}.jpg"
    try:
        if time.time() - path.stat().st_mtime > PICTURE_OLD_S:
            return None
        return path.read_bytes()
    except OSError:
        return None
