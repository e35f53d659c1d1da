"""The end of a class: tracks are cut, the lecture is made whole, the manifest is completed."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from recorder import salvage
from recorder.clock import synchronised
from recorder.crew import Crew
from recorder.feeds import Feeds
from recorder.recording import Life, Recording, RecordingError, lecture_spans
from recorder.sources import Source
from recorder.track import Track

log = logging.getLogger(__name__)

SILENT_PROGRAM = 20.0


@dataclass(frozen=True)
class Outcome:
    """`error` is None when the recording is ready."""

    error: str | None = None


class Ending(Protocol):
    """What is finished: a class being recorded. `end` is in class seconds, once it is decided."""

    end: float | None
    first_frame_ms: float | None
    recording: Recording
    renders: bool
    tracks: dict[str, Track]
    feeds: Feeds
    crew: Crew

    @property
    def sources(self) -> Mapping[str, Source]: ...
    def now(self) -> float: ...
    def mark(self, kind: str, t: float, **data: Any) -> asyncio.Future[None]: ...
    def stop_sources(self) -> None: ...


async def finish(recorder: Ending, end: float, lag: float) -> Outcome:
    """Ends the recording at class second `end`. Never raises for what one part of it cannot do."""
    recording, crew = recorder.recording, recorder.crew
    recorder.end = end
    crew.end()
    if not any(marker.kind == "end" for marker in recording.markers()):
        await recorder.mark("end", end)
    # What was on its way when End was pressed still belongs to the lecture.
    await asyncio.sleep(max(0.0, end + lag - recorder.now()) if recorder.tracks else 0.0)
    recorder.feeds.tick(round(end * 1e6))
    recorder.feeds.command("finish", end)
    recorder.stop_sources()
    await end_tracks(recorder.tracks.values(), end)
    if any(track.torn for track in recorder.tracks.values()):
        await asyncio.to_thread(_repair, recording)
    tracks = {name: track.summary() for name, track in recorder.tracks.items()}
    error = await _lecture(recorder)
    fields: dict[str, Any] = {
        "life": Life.FAILED if error else Life.READY,
        "ended": datetime.now(UTC),
        "duration_s": round(sum(b - a for a, b in lecture_spans(recording.markers(), end)), 3),
        "error": error,
    }
    if tracks:
        fields["tracks"] = tracks
    try:
        fields["measured"] = recording.manifest.measured | _measured(recorder)
        await asyncio.to_thread(recording.update, **fields)
    except (OSError, RecordingError) as problem:
        log.exception("the manifest could not be completed")
        return Outcome(str(problem))
    return Outcome(error)


async def end_tracks(tracks: Iterable[Track], end: float | None = None) -> None:
    """All at once, so that the end takes as long as the slowest of them, however many there are."""
    done = [track.end(end) for track in tracks]
    await asyncio.to_thread(lambda: [event.wait() for event in done])


def _repair(recording: Recording) -> None:
    """A disk that failed has torn segments: what is torn goes into quarantine now."""
    try:
        log.info("salvaged: %s", salvage.salvage(recording.folder))
    except (OSError, RecordingError):
        log.exception("salvaging failed; what is there stays as it is")


def _measured(recorder: Ending) -> dict[str, Any]:
    if not recorder.sources:
        return {}
    clocks = {name: source.measured() for name, source in recorder.sources.items()}
    return {
        "first_frame_ms": recorder.first_frame_ms,
        "clock_synchronised": synchronised(),
        "sources": {name: found for name, found in clocks.items() if found},
        "microphones": _microphones(recorder.recording),
    }


def _microphones(recording: Recording) -> dict[str, float]:
    """For how many seconds each microphone was heard, as the parts of the lecture say."""
    found: dict[str, float] = {}
    for path in sorted((recording.products / "parts").glob("lecture-*.json")):
        try:
            told = json.loads(path.read_bytes()).get("microphones", {})
        except (OSError, ValueError, AttributeError):
            continue
        for name, seconds in told.items():
            found[name] = round(found.get(name, 0.0) + seconds, 3)
    return found


async def _lecture(recorder: Ending) -> str | None:
    """Waits for the program, or has production make the lecture. Returns what went wrong."""
    recording, crew = recorder.recording, recorder.crew
    folder = recording.folder
    if not any(folder.glob("tracks/*/*.m*")):
        return "nothing was recorded: no source delivered anything"
    if crew.has_program:
        await _wait_for_program(recorder)
    if recording.lecture.exists() or not recorder.renders:
        return None
    log.info("the lecture is made whole from its parts and the tracks")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "recorder.production.finish", str(folder)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )
    status = await process.wait()
    if status != 0 or not recording.lecture.exists():
        return (
            f"the lecture could not be made (status {status}); the tracks are whole: "
            f"run `classroomd produce {folder.name}`"
        )
    return None


async def _wait_for_program(recorder: Ending) -> None:
    """Until it has finished or died, or has said nothing for SILENT_PROGRAM seconds."""
    crew = recorder.crew
    loop = asyncio.get_running_loop()
    crew.heard = loop.time()
    while not crew.program_gone.is_set():
        left = crew.heard + SILENT_PROGRAM - loop.time()
        if left <= 0:
            log.warning("the program does not finish; it is ended")
            crew.stop()
            return
        try:
            async with asyncio.timeout(left):
                await crew.program_gone.wait()
        except TimeoutError:
            continue
