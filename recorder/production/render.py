"""Renders a span of the lecture from the tracks, through the same program as in class."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from recorder import encoders, feed
from recorder.engines.lecture import Program
from recorder.engines.sound import samples_at
from recorder.production import camerawork
from recorder.production.replay import replay
from recorder.production.work import Result
from recorder.program import layout_at
from recorder.recording import Recording, write_durably

US = 1_000_000
_WARM_US = 20_000_000


@dataclass(frozen=True)
class Rendered:
    """A rendered span: its file, class seconds, and the page turns noticed in it."""

    path: Path
    begin: float
    end: float
    pages: list[float]


def render(
    recording: Recording,
    begin: float,
    end: float,
    path: Path,
    *,
    layout: str | None = None,
) -> Rendered:
    """Renders class seconds `begin` to `end`, which hold no pause, into `path`.

    A span that was rendered before, whole and with the same settings, is not rendered again.
    `layout` overrides the layouts that were chosen in class. The same span gives the same bytes
    wherever it is rendered. Raises OSError and av.error.FFmpegError when the file cannot be
    written.
    """
    manifest = recording.manifest
    facts_path = path.with_suffix(".json")
    wanted = {
        "begin": begin,
        "end": end,
        "layout": layout,
        "program": manifest.program.model_dump(mode="json"),
    }
    known = _known(path, facts_path, wanted)
    if known is not None:
        return Rendered(path, begin, end, known)
    first = layout or layout_at(recording, manifest, begin)
    new = path.with_suffix(f".{os.uname().nodename}-{os.getpid()}.part")
    program = Program(
        new,
        manifest.program,
        first,
        round(begin * US),
        encoder=encoders.SOFTWARE,  # on one thread: more of them change what x264 decides
    )
    program.compositor.framing = camerawork.ways(recording)
    _warm(program, recording, round(begin * US))
    if layout is None:
        for change in _layouts(recording, begin, end):
            program.take(change)
    for message in replay(recording, round(begin * US), round(end * US)):
        program.take(message)
    program.take(feed.Command("finish", {"t": end}))
    new.replace(path)
    pages = [turn / US for turn, _ in program.pages()]
    write_durably(facts_path, json.dumps({**wanted, "pages": pages}).encode())
    return Rendered(path, begin, end, pages)


def perform(folder: Path, begin: float, end: float, path: str, layout: str | None) -> Result:
    """The job `render`: `path` is relative to the recording's products."""
    recording = Recording.open(folder)
    made = render(recording, begin, end, recording.products / path, layout=layout)
    return {"pages": made.pages}


def _warm(program: Program, recording: Recording, begin: int) -> None:
    """Lets the sound's slow gain hear what was said before the span, so that no seam is heard."""
    start = max(0, begin - _WARM_US)
    position = samples_at(start)
    for message in replay(recording, start, begin, media=frozenset(("audio",))):
        match message:
            case feed.StreamInfo():
                with contextlib.suppress(ValueError):  # a codec that is not known here
                    program.mixer.add(message)
            case feed.FeedPacket():
                with contextlib.suppress(KeyError):
                    program.mixer.push(message)
            case feed.Tick():
                heard = max(position, samples_at(message.now))
                program.mixer.read(position, heard - position)
                position = heard


def _known(path: Path, facts_path: Path, wanted: Mapping[str, object]) -> list[float] | None:
    try:
        facts = json.loads(facts_path.read_bytes())
        pages = facts.pop("pages")
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return list(map(float, pages)) if facts == wanted and path.exists() else None


def _layouts(recording: Recording, begin: float, end: float) -> Iterator[feed.Command]:
    for marker in sorted(recording.markers(), key=lambda marker: marker.t):
        if marker.kind == "layout" and begin < marker.t < end:
            yield feed.Command("layout", {"t": marker.t, "layout": marker.data.get("layout")})
