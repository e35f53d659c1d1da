"""The slides of a lecture: when each was shown, its picture, its title and its text.

Found in the slide source's track by the detector of the live program. Times are lecture seconds.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from av.video.frame import VideoFrame

from recorder import feed
from recorder.engines import chapters
from recorder.engines.chapters import Chapter
from recorder.engines.pages import PageTurns
from recorder.engines.picture import VideoTrack, planes_of
from recorder.production import brought, text
from recorder.production.readings import Reading, Readings, content
from recorder.production.replay import replay
from recorder.production.timeline import Timeline, marks, timeline
from recorder.production.work import Inline, Job, Result, Workers
from recorder.recording import Recording, write_durably

US = 1_000_000
SLIDES = "slides.json"
FOLDER = "slides"
_WIDTH = 1920
_SHORTEST = 1.0
_SETTLE_US = 2_000_000
_BATCH = 16  # slides that one worker reads: opening a reader takes a second

Progress = Callable[[float, float], None]


@dataclass(frozen=True)
class Slide:
    """A slide from `time` to `end` (s of the lecture). `picture` is a path below products."""

    number: int
    time: float
    end: float
    picture: str | None = None
    title: str = ""
    text: str = ""


class Finder:
    """Runs the detector over a track and keeps a picture (JPEG) of every page."""

    def __init__(self) -> None:
        self.pages = PageTurns()
        self.pictures: dict[int, bytes] = {}
        self._tracks: dict[int, VideoTrack] = {}
        self._track: VideoTrack | None = None
        self._frame: VideoFrame | None = None
        self._seen = 0

    def span(self, messages: Any, begin: int, end: int, *, over: bool = True) -> None:
        """Looks at a stretch without a pause, from class time `begin` to `end` (µs).

        `over`: nothing follows without a gap, so that what stands at its end has come to rest.
        """
        self._tracks = {}
        for message in messages:
            match message:
                case feed.StreamInfo():
                    self._add(message)
                case feed.FeedPacket() if message.index in self._tracks:
                    self._track = self._tracks[message.index]
                    self._track.push(message)
                case feed.Tick():
                    self._look(message.now, begin)
        for later in range(end, end + _SETTLE_US if over else end, 100_000):
            self._look(later, begin, flush=True)

    def _add(self, info: feed.StreamInfo) -> None:
        try:
            self._tracks[info.index] = VideoTrack(info)
        except ValueError:
            return
        self._tracks[info.index].wanted = True

    def _look(self, now: int, begin: int, *, flush: bool = False) -> None:
        track = self._track
        if track is not None and track.advance(now, flush=flush) and track.frame is not None:
            self._frame = track.frame
            self.pages.look(max(begin, self._frame.pts or 0), planes_of(self._frame)[0])
        self.pages.settle(now)
        if self.pages.pictures != self._seen and self._frame is not None:
            self._seen = self.pages.pictures
            self.pictures[len(self.pages.turns)] = jpeg(self._frame)


def jpeg(frame: VideoFrame, width: int = _WIDTH, quality: int = 88) -> bytes:
    """A frame as JPEG, no wider than `width`."""
    picture = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
    if frame.width > width:
        size = (width, round(frame.height * width / frame.width))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def find(recording: Recording, progress: Progress = lambda done, total: None) -> list[Slide]:
    """Finds the slides and writes their pictures to `products/slides/`.

    Without a slide source there are as many slides as `page` markers say, and no pictures.
    """
    line = timeline(recording)
    finder = Finder()
    passed = 0.0
    for begin, end in line.spans:
        first, last = round(begin * US), round(end * US)
        messages = replay(
            recording,
            first,
            last,
            media=frozenset(("video",)),
            roles=frozenset(("slides",)),
        )
        finder.span(messages, first, last)
        passed += end - begin
        progress(passed, line.duration)
    turns = [line.lecture(turn / US) for turn in finder.pages.turns]
    if not finder.pictures:
        turns = [line.lecture(m.t) for m in recording.markers() if m.kind == "page"]
    return _write(recording, line, sorted(turns), finder.pictures)


def _write(
    recording: Recording, line: Timeline, turns: Sequence[float], pictures: dict[int, bytes]
) -> list[Slide]:
    begins: list[tuple[float, bytes | None]] = [(0.0, pictures.get(0))]
    for number, turn in enumerate(turns, 1):
        if turn >= line.duration:
            break
        if turn - begins[-1][0] < _SHORTEST:  # nobody saw what stood there before
            begins[-1] = (begins[-1][0], pictures.get(number))
        else:
            begins.append((turn, pictures.get(number)))
    folder, new = recording.products / FOLDER, recording.products / f".{FOLDER}.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o750)
    found = []
    ends = [begin for begin, _ in begins[1:]] + [line.duration]
    for number, ((begin, picture), end) in enumerate(zip(begins, ends, strict=True), 1):
        name = f"{number:03d}.jpg" if picture else None
        if picture and name:
            (new / name).write_bytes(picture)
        place = f"{FOLDER}/{name}" if name else None
        found.append(Slide(number, round(begin, 3), round(end, 3), place))
    shutil.rmtree(folder, ignore_errors=True)
    if pictures:
        new.replace(folder)
    else:
        new.rmdir()
    return found


def read(
    recording: Recording,
    slides: Sequence[Slide],
    languages: Sequence[str],
    progress: Progress,
    using: Workers | None = None,
) -> tuple[list[Slide], list[str]]:
    """Reads the slides' pictures: (slides with title and text, notices).

    Slides of a deck that was brought to class have their text already.
    """
    said = brought.texts(recording, [(slide.time, slide.end) for slide in slides])
    named = [_named(slide, told) for slide, told in zip(slides, said, strict=True)]
    readers = [reader.name for reader in text.readers(languages)]
    if not readers:
        return named, [] if all(said) else [text.NOTICE]
    readings = Readings(recording, languages, readers)
    bytes_of = {
        slide.picture: content(recording.products / slide.picture)
        for slide, own in zip(slides, said, strict=True)
        if slide.picture and own is None
    }
    told = {name: one for name, jpeg in bytes_of.items() if (one := readings.known(jpeg))}
    shown = [name for name in bytes_of if name not in told]
    batches = [shown[at : at + _BATCH] for at in range(0, len(shown), _BATCH)]
    jobs = [Job("read", {"pictures": one, "languages": list(languages)}) for one in batches]
    results = (using or Inline()).map(recording.folder, jobs, progress)
    for name, one in [pair for result in results for pair in result["texts"].items()]:
        told[name] = one
        readings.keep(bytes_of[name], one)
    if shown:
        readings.save()
    notices = [notice for result in results for notice in result["notices"]]
    return [_named(slide, told.get(slide.picture or "")) for slide in named], notices


def _named(slide: Slide, reading: Reading | None) -> Slide:
    return replace(slide, title=reading["title"], text=reading["text"]) if reading else slide


def perform(folder: Path, pictures: Sequence[str], languages: Sequence[str]) -> Result:
    """The job `read`: titles and texts of pictures, which are named below the products."""
    using = text.readers(languages)
    if not using:
        return {"texts": {}, "notices": [text.NOTICE]}
    texts, notices = {}, []
    products = Recording.open(folder).products
    for name in pictures:
        try:
            lines = text.read(_picture(products / name), using)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            notices.append(f"slide {int(Path(name).stem)} could not be read: {error}")
            continue
        told = "\n".join(line.text for line in lines)
        texts[name] = {"title": text.title(lines), "text": told}
    return {"texts": texts, "notices": notices}


def _picture(path: Path) -> text.Picture:
    picture = cv2.imread(str(path))
    if picture is None:
        raise ValueError(f"{path.name} is missing or damaged")
    return np.asarray(picture, np.uint8)


def write(recording: Recording, slides: Sequence[Slide], notices: Sequence[str]) -> None:
    """Writes `products/slides.json`."""
    data = {
        "version": 1,
        "analysed": True,
        "notices": list(notices),
        "slides": [vars(slide) for slide in slides],
    }
    path = recording.products / SLIDES
    write_durably(path, json.dumps(data, indent=1, ensure_ascii=False).encode())


def known(recording: Recording) -> list[Slide]:
    """The slides of `products/slides.json`; none when there was no analysis yet."""
    try:
        data = json.loads((recording.products / SLIDES).read_bytes())
        if not data.get("analysed"):
            return []
        return [Slide(**slide) for slide in data["slides"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def named_chapters(recording: Recording, slides: Sequence[Slide]) -> list[Chapter]:
    """The lecture's chapters: what was marked in class, and its slides by their titles."""
    titles = {round(slide.time * US): slide.title for slide in slides}
    first = titles.get(0) or "Start"
    told = marks(recording, timeline(recording), first)
    return chapters.merge(told, [t for t in titles if t > 0], titles)
