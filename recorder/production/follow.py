"""Production during class: slides are found and read, speech is captioned, as far as there is time.

`python -m recorder.production.follow FOLDER` reads the tracks as they grow and nothing else, so it
can hold up nobody; it may be killed at any moment and begun again. It ends when the class does.
What it has understood stands in `live/` (docs/recording-format.md) and is taken up after class.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import av
import cv2
import numpy as np

from recorder.production import process, text
from recorder.production.captions import Captioner
from recorder.production.listener import CaptionError
from recorder.production.readings import Readings
from recorder.production.replay import replay
from recorder.production.settings import Settings
from recorder.production.slides import Finder
from recorder.production.speech import LONGEST_S
from recorder.production.timeline import Timeline
from recorder.production.transcript import Stretch
from recorder.production.vtt import Cue, clock, readable, safe
from recorder.recording import (
    Life,
    Recording,
    RecordingError,
    class_time,
    lecture_spans,
    write_durably,
)

US = 1_000_000
SLIDES = "slides.json"
_BEHIND_S = 3.0  # so late every source's packets are on disk, or never will be
_WINDOW_S = 4.0
_REST_S = 1.0
_TICKS = 10  # windows end at tenths of a second, as the looks of the detector do


def spans_until(recording: Recording, until: float) -> list[tuple[float, float]]:
    """What the lecture keeps of the class so far (class s)."""
    return lecture_spans(recording.markers(), until)


class SlideFollower:
    """Finds the slides shown so far and reads them, one look at a time."""

    def __init__(self, recording: Recording, languages: Sequence[str]) -> None:
        self._recording = recording
        self._readers = text.readers(languages)
        self._readings = Readings(recording, languages, [one.name for one in self._readers])
        self._finder = Finder()
        self._done = 0.0
        self._read: dict[int, bytes] = {}

    def step(self, until: float) -> bool:
        """Looks at what has come, or reads a slide; False when there is nothing to do."""
        if self._look(until):
            self._tell()
            return True
        for number, picture in self._finder.pictures.items():
            left = number < len(self._finder.pages.turns)
            if self._read.get(number) != picture and (left or self._rested(until)):
                self._read[number] = picture
                self._recognise(picture)
                self._tell()
                return True
        return False

    def _rested(self, until: float) -> bool:
        turns = self._finder.pages.turns
        return until - (turns[-1] / US if turns else 0.0) > _WINDOW_S

    def _look(self, until: float) -> bool:
        for begin, end in spans_until(self._recording, until):
            if end <= self._done:
                continue
            begin = max(begin, self._done)  # noqa: PLW2901
            over = end < until - 1e-6
            if not over and end - begin < _WINDOW_S:
                return False
            stop = end if over else begin + int((end - begin) * _TICKS) / _TICKS
            first, last = round(begin * US), round(stop * US)
            messages = replay(
                self._recording,
                first,
                last,
                media=frozenset(("video",)),
                roles=frozenset(("slides",)),
            )
            self._finder.span(messages, first, last, over=over)
            self._done = stop
            return True
        return False

    def _recognise(self, jpeg: bytes) -> None:
        if not self._readers or self._readings.known(jpeg) is not None:
            return
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            return
        try:
            lines = text.read(np.asarray(picture, np.uint8), self._readers)
        except (OSError, ValueError, subprocess.SubprocessError):
            return  # it is read again after class
        told = "\n".join(line.text for line in lines)
        self._readings.keep(jpeg, {"title": text.title(lines), "text": told})
        self._readings.save()

    def _tell(self) -> None:
        line = Timeline(spans_until(self._recording, self._done))
        slides = []
        starts = [0, *self._finder.pages.turns]
        for number, start in enumerate(starts):
            picture = self._finder.pictures.get(number)
            known = self._readings.known(picture) if picture else None
            slides.append(
                {
                    "number": number + 1,
                    "class_time": round(start / US, 3),
                    "time": round(line.lecture(start / US), 3),
                    **(known or {"title": "", "text": ""}),
                }
            )
        data = {"version": 1, "until": round(line.duration, 3), "slides": slides}
        live = self._recording.live
        live.mkdir(exist_ok=True)
        write_durably(live / SLIDES, json.dumps(data, ensure_ascii=False).encode())


class SpeechFollower:
    """Captions what is said, in order, and appends it to `live/captions.<lang>.vtt`."""

    def __init__(self, recording: Recording, captioner: Captioner) -> None:
        self._recording = recording
        self._captioner = captioner
        self._probed = 0.0
        self._file: int | None = None
        self._until = 0.0

    def step(self, until: float) -> bool:
        """Listens to one stretch; False when none is whole yet."""
        known = self._captioner.transcript
        spans = spans_until(self._recording, until)
        if not known.language:
            return self._probe(spans, until)
        if self._file is None:
            self._open()
        for begin, end in spans:
            for from_, to in known.missing(begin, end):
                if to - from_ < LONGEST_S and to >= until - 1e-6:
                    return False  # not whole yet
                self._append(self._captioner.listen(from_, to))
                return True
        return False

    def _probe(self, spans: Sequence[tuple[float, float]], until: float) -> bool:
        for begin, end in spans:
            at = max(begin, self._probed)
            if at >= end:
                continue
            if end - at < LONGEST_S and end >= until - 1e-6:
                return False
            self._probed = self._captioner.recognise(at, end)
            self._captioner.transcript.save()
            return True
        return False

    def _open(self) -> None:
        """Goes on with what an earlier run has written; a torn end is closed."""
        known = self._captioner.transcript
        path = self._recording.live / f"captions.{known.language}.vtt"
        path.parent.mkdir(exist_ok=True)
        written = path.read_bytes() if path.exists() else b""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        if not written:
            os.write(self._file, f"WEBVTT\nLanguage: {known.language}\n\n".encode())
        elif not written.endswith(b"\n\n"):
            os.write(self._file, b"\n\n")
        stamps = [line for line in written.decode("utf-8", "replace").splitlines() if "-->" in line]
        self._until = seconds(stamps[-1].rpartition(" ")[2]) if stamps else 0.0
        for stretch in sorted(known.stretches, key=lambda one: one.begin):
            self._append(stretch)

    def _append(self, stretch: Stretch) -> None:
        assert self._file is not None
        line = Timeline(spans_until(self._recording, stretch.end))
        cues = [
            Cue(line.lecture(cue.start), line.lecture(cue.end), cue.text) for cue in stretch.cues
        ]
        for cue in readable(sorted(cues, key=lambda cue: cue.start)):
            if cue.end <= self._until + 1e-3:
                continue
            start = max(cue.start, self._until)
            words = "\n".join(safe(one) for one in cue.text.splitlines() if one.strip())
            os.write(self._file, f"{clock(start)} --> {clock(cue.end)}\n{words}\n\n".encode())
            self._until = cue.end


def seconds(stamp: str) -> float:
    """A WebVTT time stamp in seconds; 0 for one that is torn."""
    try:
        hours, minutes, rest = stamp.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(rest)
    except ValueError:
        return 0.0


def follow(
    recording: Recording,
    settings: Settings,
    say: Callable[..., None],
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Follows the class until it is over. Raises RecordingError when its folder is damaged."""
    languages = settings.languages or ((recording.manifest.language or "en"),)
    slides = SlideFollower(recording, languages)
    speech: SpeechFollower | None = None
    try:
        speech = SpeechFollower(recording, Captioner(recording, languages, settings.model))
    except CaptionError as notice:
        say("notice", detail=str(notice))
    while (manifest := recording.manifest).life is Life.RECORDING:
        until = class_time(manifest) - _BEHIND_S
        busy = slides.step(until)
        if speech is not None:
            try:
                busy = speech.step(until) or busy
            except CaptionError as notice:
                say("notice", detail=str(notice))
                speech = None
        if not busy:
            wait(_REST_S)


def main() -> int:
    """0 when the class is over, 1 when it cannot be followed."""
    options = process.arguments(
        "python -m recorder.production.follow", __doc__, nice=19
    ).parse_args()
    process.begin(options)

    def say(event: str, **data: Any) -> None:
        print(json.dumps({"event": event, **data}), flush=True)

    try:
        settings = Settings.read(json.load(sys.stdin)) if options.settings else Settings()
        recording = Recording.open(options.folder)
        with process.alone(recording):
            follow(recording, settings, say)
    except (RecordingError, OSError, ValueError, av.error.FFmpegError) as error:
        say("error", detail=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
