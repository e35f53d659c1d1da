"""After a restart: the journal says what was under way, the run directory what still runs.

A class that was on goes on, with its recorder adopted or, after a power cut, launched again on the
same folder; one whose time has passed meanwhile is ended where its recording stops. Lectures that
were being finished are finished, and handed to their targets.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from controller.lesson import Lesson
from controller.register import DAEMON
from controller.session import Session, now_utc
from controller.state import SessionState
from recorder import control
from recorder.recording import Life, Recording, RecordingError, class_time

_log = structlog.get_logger(__name__)

OPEN_END = timedelta(hours=4)
SCENE_AGE = timedelta(minutes=10)


async def restore(lesson: Lesson) -> None:
    """Bring the room back to where the journal says it was."""
    journal = lesson.register.journal
    last = await journal.last_session()
    sessions = await journal.open_sessions()
    for session in [*sessions, last]:
        if session is not None:
            lesson.register.adopt(session)
    for session in sessions:
        await _take_up(lesson, session)
    await _resume_scene(lesson)


async def _take_up(lesson: Lesson, session: Session) -> None:
    capture, register = lesson.capture, lesson.register
    session = await _with_folder(lesson, session)
    runs = any(r.recording == session.recording for r in control.running(capture.run_dir))
    goes_on = register.is_current(session.id) and (runs or _still_on(lesson, session))
    if session.active and not goes_on:
        _log.warning("class_over", session=session.id, why="its time passed while nothing ran")
        at = await asyncio.to_thread(_close_folder, session)
        register.adopt(session.model_copy(update={"end_pressed": session.end_pressed or at}))
        await lesson.over(session)
        session = register.open(session.id) or session.over(at)
    if session.recording is not None and session.folder is not None:
        capture.recorders.attach(session, Path(session.folder), session.recording)
    elif not session.active or session.recording_error is None:
        register.in_background(capture.record(session.id), "begin recording")
    if session.state is SessionState.ENDING:
        lesson.hold(session)
    if session.state is SessionState.PREPARING:
        capture.prepare(session)


async def _with_folder(lesson: Lesson, session: Session) -> Session:
    """The session with the folder that a crash kept out of the journal, if there is one."""
    if session.recording is not None:
        return session
    orphan = await lesson.capture.recorders.orphan(session)
    if orphan is None:
        return session
    found = {"recording": orphan.id, "folder": str(orphan.folder), "recording_error": None}
    session = session.model_copy(update=found)
    await lesson.register.commit(session, DAEMON, "recording", {"recording": orphan.id})
    return session


def _still_on(lesson: Lesson, session: Session) -> bool:
    """Whether a class that nobody records any more should still go on."""
    if session.planned_end is None:
        return now_utc() < session.started + OPEN_END
    overtime = timedelta(minutes=lesson.config.session.overtime_minutes)
    return now_utc() < session.planned_end + overtime


def _close_folder(session: Session) -> datetime:
    """When the recording's last byte was written; the end is marked there for the recorder."""
    if session.folder is None:
        return session.planned_end or now_utc()
    try:
        recording = Recording.open(Path(session.folder))
        manifest = recording.manifest
        if manifest.life is not Life.RECORDING:
            return manifest.ended or now_utc()
        written = [path.stat().st_mtime for path in recording.folder.glob("tracks/*/*")]
        last = datetime.fromtimestamp(max(written), UTC) if written else manifest.started
        seconds = (now_utc() - last).total_seconds()
        recording.mark("end", max(0.0, class_time(manifest) - max(0.0, seconds)))
    except (RecordingError, OSError) as error:
        _log.warning("close_folder", session=session.id, error=str(error))
        return now_utc()
    return last


async def _resume_scene(lesson: Lesson) -> None:
    """A scene that the crash interrupted is run to its end; finished steps are not repeated."""
    session = lesson.register.current
    if session is None:
        return
    if not session.active and (session.ended is None or now_utc() - session.ended > SCENE_AGE):
        return
    scene = lesson.config.scene("start" if session.active else "end")
    if scene is None:
        return
    steps = await lesson.register.journal.steps(session.id, scene.id)
    lesson.steps = steps
    if any(step.state in {"waiting", "running", "queued"} for step in steps):
        lesson.register.in_background(
            lesson.run_scene(scene, session=session.id, earlier=steps), "resume scene"
        )
