"""The program: the lecture's picture and sound, made while the class runs.

`python -m recorder.program FOLDER --part K --from T` reads a feed (class microseconds) from
standard input and writes `products/parts/lecture-KKK.mp4`; JSON lines on standard output tell how
it goes. Ticks drive it: the picture of a moment is composed once a tick says that everything
earlier has come. Short of time it leaves pictures out, never sound, and never queues without end.

Where the class is to be seen live, the same packets go to `live/program.mp4` as well: fragmented
MP4 that is only ever appended to, one fragment per picture, a key frame every two seconds, lecture
time from this part's beginning. A pause writes nothing. A new part replaces the file by a new one
of the same name (a reader sees another inode and begins again); at the end it stays as it is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2

from recorder import encoders, feed, layouts
from recorder.engines import decoders, spaces
from recorder.engines.chapters import slide_titles
from recorder.engines.framing import framers
from recorder.engines.lecture import Program
from recorder.recording import (
    Manifest,
    Recording,
    RecordingError,
    sync_directory,
    write_durably,
)

PARTS = "parts"
LIVE_PROGRAM = "program.mp4"
SOFTWARE_ONLY = "software-only"

_QUEUE_BYTES = 64 * 1024 * 1024
_WHOLE_S = 0.5


@dataclass
class PartFacts:
    """What `lecture-KKK.json` says; times in class seconds, `duration` in lecture seconds.

    `microphones`: for how many seconds each was heard. `encoder` is the one at work at the end;
    `handed_over` says at what class second (`t`) which one (`from`) failed, and how (`why`).
    `devices`: what decodes and composes on a GPU, in this process, at its beginning.
    """

    part: int
    file: str
    from_: float
    to: float | None = None
    whole: bool = False
    duration: float = 0.0
    encoder: str = encoders.SOFTWARE
    handed_over: dict[str, Any] | None = None
    devices: list[str] = field(default_factory=list)
    spans: list[tuple[float, float]] = field(default_factory=list)
    chapters: list[dict[str, Any]] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    frames: int = 0
    skipped: int = 0
    microphones: dict[str, float] = field(default_factory=dict)

    def dump(self) -> dict[str, Any]:
        """JSON form: `from_` is written as `from`."""
        data = asdict(self)
        data["from"] = data.pop("from_")
        return data


class Inbox:
    """Reads the feed in a thread of its own, so that the recorder never waits for a picture.

    It holds at most 64 MiB; then the pipe fills and the recorder starts a new part.
    """

    def __init__(self, stream: Any) -> None:
        self.newest = 0
        self._first: tuple[int, float] | None = None
        self.error: Exception | None = None
        self._messages: deque[feed.Message] = deque()
        self._bytes = 0
        self._ended = False
        self._changed = threading.Condition()
        self._stream = stream
        threading.Thread(target=self._read, name="feed", daemon=True).start()

    def _read(self) -> None:
        try:
            for message in feed.read(self._stream):
                with self._changed:
                    while self._bytes > _QUEUE_BYTES:
                        self._changed.wait()
                    if isinstance(message, feed.FeedPacket):
                        self._bytes += len(message.data)
                    elif isinstance(message, feed.Tick):
                        self.newest = max(self.newest, message.now)
                        self._first = self._first or (message.now, time.monotonic())
                    self._messages.append(message)
                    self._changed.notify_all()
        except feed.FeedError as error:
            self.error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def due(self) -> int:
        """The class time that a program in real time has reached by now, in µs.

        Not later than the newest tick, and not faster than the clock on the wall: a feed that is
        read faster than that is no reason to hurry.
        """
        if self._first is None:
            return 0
        tick, at = self._first
        return min(self.newest, tick + int((time.monotonic() - at) * 1_000_000))

    def __iter__(self) -> Iterator[feed.Message]:
        while True:
            with self._changed:
                while not self._messages and not self._ended:
                    self._changed.wait()
                if not self._messages:
                    return
                message = self._messages.popleft()
                if isinstance(message, feed.FeedPacket):
                    self._bytes -= len(message.data)
                    self._changed.notify_all()
            yield message


def say(event: str, **data: Any) -> None:
    """Tells the recorder something: one JSON line on standard output.

    A recorder that is gone hears nothing; the end of the feed says so too.
    """
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), json.dumps({"event": event, **data}).encode() + b"\n")


def layout_at(recording: Recording, manifest: Manifest, t: float) -> str:
    """The layout that stood at class time `t`."""
    layout = str(manifest.layout)
    for marker in recording.markers():
        if marker.kind == "layout" and marker.t <= t and marker.data.get("layout") in layouts.NAMES:
            layout = str(marker.data["layout"])
    return layout


def died_on_a_device(parts: Path) -> bool:
    """Whether an earlier part was not ended by a process that worked on a GPU.

    A driver that crashes or hangs leaves no other word.
    """
    for path in parts.glob("lecture-*.json"):
        try:
            facts = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        if facts.get("to") is None and facts.get("devices"):
            return True
    return False


class ProgramChild:
    """The child process around one Program: folder, events, the part's facts, the end."""

    def __init__(self, folder: Path, part: int, start: float) -> None:
        self.recording = Recording.open(folder)
        manifest = self.recording.manifest
        parts = self.recording.products / PARTS
        parts.mkdir(parents=True, exist_ok=True)
        self.path = parts / f"lecture-{part:03d}.mp4"
        self.facts_path = self.path.with_suffix(".json")
        spec = manifest.program
        if died_on_a_device(parts):
            (parts / SOFTWARE_ONLY).touch()
        hardware = spec.encoder == "auto" and not (parts / SOFTWARE_ONLY).exists()
        encoder = encoders.choose("auto" if hardware else "software")
        self._canvas_lost = False
        decoder = decoders.choose() if hardware else None
        space = spaces.choose() if hardware else None
        devices = [name for name in (decoder, space and space.name) if name]
        self.facts = PartFacts(part, self.path.name, start, encoder=encoder, devices=devices)
        self.inbox = Inbox(sys.stdin.buffer)
        hasty = any("pace=fast" in source.url for source in manifest.sources)
        live = None
        if spec.live:
            self.recording.live.mkdir(exist_ok=True)
            live = self.recording.live / LIVE_PROGRAM

        self.program = Program(
            self.path,
            spec,
            layout_at(self.recording, manifest, start),
            round(start * 1_000_000),
            live=live,
            encoder=encoder,
            decoder=decoder,
            space=space,
            due=None if hasty else self.inbox.due,
        )
        self._look_at_encoder()
        self.program.compositor.resume(self._last_resume(start))
        self.program.compositor.framing = framers(manifest.sources)
        self.program.slide_titles = lambda: slide_titles(self.recording.live)
        self._save()

    def _last_resume(self, start: float) -> int:
        """Pictures from a pause are not shown, even where the part begins with them."""
        times = [m.t for m in self.recording.markers() if m.kind == "resume" and m.t <= start]
        return round(max(times, default=-1.0) * 1_000_000)

    def _save(self) -> None:
        write_durably(self.facts_path, json.dumps(self.facts.dump(), indent=1).encode())

    def run(self) -> int:
        """Follows the feed to its end; 0 when it ended with `finish`."""
        program, told, heard = self.program, 0, 0
        say(
            "started",
            part=self.facts.part,
            file=self.path.name,
            encoder=self.facts.encoder,
        )
        for message in self.inbox:
            program.take(message)
            heard = self._tell_microphones(heard)
            self._look_at_encoder()
            self._look_at_canvas()
            if program.finished:
                self._finished()
                return 0
            if program.done - told >= 1_000_000:
                told = program.done
                self._note_pages()
                say(
                    "progress",
                    t=program.done / 1e6,
                    frames=program.frames,
                    skipped=program.skipped,
                    behind=program.behind / 1e6,
                )
        if self.inbox.error is not None:
            say("error", detail=str(self.inbox.error))
        program.writer.close(program.chapters())  # the recorder is gone: leave a sound part
        self._fill()
        self._save()
        return 1

    def _tell_microphones(self, told: int) -> int:
        """Says which microphone took over from which, beyond the `told` first times."""
        found = self.program.mixer.taken_over
        for at, source, before in found[told:]:
            say("microphone", t=at / encoders.SAMPLE_RATE, source=source, instead_of=before)
        return len(found)

    def _look_at_encoder(self) -> None:
        """Tells once that software has taken over, for this and for later parts of the lecture."""
        encoder, facts = self.program.writer.encoder, self.facts
        if encoder.lost is None or facts.handed_over is not None:
            return
        before, facts.encoder = facts.encoder, encoder.name
        t = self.program.done / 1e6
        facts.handed_over = {"t": t, "from": before, "why": encoder.lost}
        (self.path.parent / SOFTWARE_ONLY).touch()
        self._save()
        say("encoder", t=t, encoder=encoder.name, instead_of=before, why=encoder.lost)

    def _look_at_canvas(self) -> None:
        """Tells once that memory has taken over from a GPU, for later parts too."""
        lost = self.program.compositor.canvas.lost
        if lost is None or self._canvas_lost:
            return
        self._canvas_lost = True
        (self.path.parent / SOFTWARE_ONLY).touch()
        say("error", detail=f"composing on {lost}; memory has taken over")

    def _note_pages(self) -> None:
        """Keeps page turns for the case that this process does not see the end."""
        pages = [turn / 1e6 for turn, _ in self.program.pages()]
        if pages != self.facts.pages:
            self.facts.pages = pages
            self._save()

    def _fill(self) -> None:
        program = self.program
        facts = self.facts
        facts.to = program.done / 1e6
        facts.spans = program.spans()
        facts.duration = program.writer.end / 1e6
        facts.microphones = {name: round(s, 3) for name, s in program.mixer.heard_s.items()}
        facts.frames, facts.skipped = program.frames, program.skipped
        facts.pages = [turn / 1e6 for turn, _ in program.pages()]
        facts.chapters = [asdict(chapter) for chapter in program.chapters()]

    def _finished(self) -> None:
        self._fill()
        parts = self.path.parent
        alone = [path.name for path in parts.glob("lecture-*.mp4")] == [self.path.name]
        self.facts.whole = alone and self.facts.from_ <= _WHOLE_S
        lecture = None
        if self.facts.whole:
            lecture = self.recording.lecture
            self.facts.file = f"../{lecture.name}"
        self._save()
        if lecture is not None:
            self.path.replace(lecture)
            sync_directory(lecture.parent)
            sync_directory(parts)
        say(
            "finished",
            parts=[self.facts.dump()],
            lecture=None if lecture is None else str(lecture.relative_to(self.recording.folder)),
            duration=self.facts.duration,
        )

    def distrust_hardware(self) -> None:
        """What failed may have been a driver: the next part is made in software."""
        if self.facts.encoder != encoders.SOFTWARE:
            (self.path.parent / SOFTWARE_ONLY).touch()


def main() -> int:
    """Entry of the child."""
    parser = argparse.ArgumentParser(description="Makes the lecture while the class runs.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", type=int, required=True)
    parser.add_argument("--from", dest="start", type=float, required=True, metavar="SECONDS")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    try:
        child = ProgramChild(options.folder, options.part, options.start)
    except (RecordingError, OSError, av.error.FFmpegError) as error:
        say("error", detail=str(error))
        return 1
    try:
        return child.run()
    except (OSError, av.error.FFmpegError) as error:
        child.distrust_hardware()
        say("error", detail=str(error))
        return 1


if __name__ == "__main__":
    status = 1
    try:
        status = main()
    except Exception:
        logging.exception("the program failed")
    finally:
        os._exit(status)  # the thread that waits for the feed would hold up the end
