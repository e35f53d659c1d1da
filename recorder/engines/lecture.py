"""The lecture in the making: messages of a feed in, one written part out.

The same class makes the lecture during class (the program child) and afterwards (production).
"""

from __future__ import annotations

import cmath
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av

from recorder import encoders, feed, layouts
from recorder.engines import chapters
from recorder.engines.chapters import Chapter
from recorder.engines.compositor import Compositor
from recorder.engines.loudness import Leveller
from recorder.engines.sound import Mixer, samples_at
from recorder.engines.spaces import Space
from recorder.engines.writer import PartWriter
from recorder.recording import ProgramSpec

_LAG_US = 200_000
_LIVE_LAG_US = 40_000  # the ticks keep a distance of their own; it grows where packets are late
_MAX_LAG_US = 1_500_000
_REST_US = 1_000_000  # an unchanged picture is written again after so long
_LIVE_REST_US = 200_000
_SHED = ((4_000_000, 8), (2_000_000, 4), (1_000_000, 2))
_HURRY_US = 3_000_000


@dataclass
class Run:
    """A stretch without a pause: class time `begin` is lecture time `offset` (µs).

    `end` is set when the pause that ends it is known.
    """

    begin: int
    offset: int
    end: int | None = None

    def lecture(self, t: int) -> int:
        """The lecture time of class time `t`, which is held within the run."""
        bounded = max(self.begin, t if self.end is None else min(t, self.end))
        return self.offset + bounded - self.begin


class Program:
    """Takes the messages of a feed in order and writes one part.

    `due` tells the class time (µs) that it should have reached: it leaves out pictures when it
    falls behind that. Without `due` it takes the time it takes.
    """

    def __init__(
        self,
        path: Path,
        spec: ProgramSpec,
        layout: str,
        start: int,
        *,
        live: Path | None = None,
        encoder: str = encoders.SOFTWARE,
        decoder: str | None = None,
        space: Space | None = None,
        threads: int = 1,
        due: Callable[[], int] | None = None,
        key_at: frozenset[int] = frozenset(),
    ) -> None:
        self.spec = spec
        self.compositor = Compositor(spec.width, spec.height, layout, decoder, space)
        self.mixer = Mixer(Leveller())
        settings = encoders.lecture_settings(
            spec.width, spec.height, spec.fps, live=spec.live, encoder=encoder, threads=threads
        )
        self.writer = PartWriter(path, settings, live)
        self.now = start
        self.done = start  # composed up to here (class time)
        self.frames = self.skipped = 0
        self.finished = False
        self._due = due
        self._key_at = key_at
        self._must = set(key_at)  # frames that are written whatever happens
        self._runs = [Run(start, 0)]
        self._paused = False
        self._frame = 0
        self._last_written: int | None = None
        self._last_time = -1
        self._next_key = 0
        self._phase = 0j
        self._lag = self._least_lag = _LIVE_LAG_US if spec.live else _LAG_US
        self._scheduled: deque[feed.Command] = deque()
        self._streams: dict[int, str] = {}
        self._held_at: int | None = None
        self._marks: list[Chapter] = [Chapter(0, "Start")]
        self.slide_titles: Callable[[], chapters.Titles] = list
        self._gop = settings.gop * 1_000_000 // spec.fps
        self._rest = _LIVE_REST_US if spec.live else _REST_US

    @property
    def behind(self) -> int:
        """How far composing is behind real time, in µs; an offline render never is."""
        return max(0, self._due() - self.now) if self._due else 0

    def take(self, message: feed.Message) -> None:
        """Takes the next message of the feed; composes what a tick makes complete."""
        match message:
            case feed.StreamInfo():
                self._stream(message)
            case feed.FeedPacket():
                self._packet(message)
            case feed.Tick():
                self.now = max(self.now, message.now)
                self.advance(self.now - self._lag)
                if self.spec.live:  # what a moment of need has cost is won back little by little
                    self._lag = max(self._least_lag, self._lag - 1000)
            case feed.Command():
                self._command(message)

    def _stream(self, info: feed.StreamInfo) -> None:
        """Announces a stream; one that cannot be decoded here is recorded but not shown."""
        self._streams.pop(info.index, None)
        try:
            (self.compositor if info.media == "video" else self.mixer).add(info)
        except ValueError:
            return
        self._streams[info.index] = info.media

    def _packet(self, packet: feed.FeedPacket) -> None:
        media = self._streams.get(packet.index)
        if media is None:
            return
        late = self.now - packet.pts
        if not packet.preroll and late > 0:
            self._lag = min(_MAX_LAG_US, max(self._lag, late + self._least_lag // 2))
        (self.compositor if media == "video" else self.mixer).push(packet)

    def _command(self, command: feed.Command) -> None:
        given = command.args.get("t")
        t = round(float(given) * 1_000_000) if isinstance(given, int | float) else self.now
        match command.name:
            case "pause" if not self._paused:
                self._runs[-1].end = max(t, self._runs[-1].begin)
                self._paused = True
                self.advance(min(t, self.now - self._lag))
            case "resume" if self._paused:
                self._resume(t)
            case "hold":
                self._held_at = self._lecture(t)
                self._must.add(self._held_at * self.spec.fps // 1_000_000 - 1)
                self.writer.hold(self._held_at)
            case "release":
                self._held_at = None
                self.writer.release()
            case "finish":
                self._finish(t)
            case "layout" | "mark":
                self._scheduled.append(feed.Command(command.name, {**command.args, "at": t}))

    def _lecture(self, t: int) -> int:
        return self._runs[-1].lecture(t)

    def _resume(self, t: int) -> None:
        run = self._runs[-1]
        assert run.end is not None
        self.advance(run.end)
        self._apply(run.end)
        self._runs.append(Run(t, run.lecture(run.end)))
        self._paused = False
        self.now = max(self.now, t)
        self.done = t
        self.compositor.resume(t)
        self._marks.append(Chapter(self._runs[-1].offset, "Resumed"))

    def _finish(self, t: int) -> None:
        run = self._runs[-1]
        if self._held_at is None:
            self.writer.hold(run.lecture(max(t, self.done)))
            self._held_at = run.lecture(max(t, self.done))
        end = run.begin + self._held_at - run.offset
        if run.end is None or end < run.end:
            run.end = max(end, run.begin)
        self.advance(run.end, flush=True)
        self._last_picture(run)
        self.writer.close(self.chapters())
        self.done = run.end
        self.finished = True

    def _last_picture(self, run: Run) -> None:
        """Writes the last frame of the lecture once more, so that the file ends where it ends."""
        assert run.end is not None
        last = run.lecture(run.end) * self.spec.fps // 1_000_000 - 1
        if last > (self._last_written if self._last_written is not None else -1):
            self._write(self.compositor.compose(run.end, flush=True).frame, last)

    def advance(self, to: int, *, flush: bool = False) -> None:
        """Composes pictures and mixes sound up to class time `to` (µs), no further than the run."""
        run = self._runs[-1]
        if run.end is not None:
            to = min(to, run.end)
        fps = self.spec.fps
        while True:
            lecture = self._frame * 1_000_000 // fps
            t = run.begin + lecture - run.offset
            if t >= to:
                break
            self._apply(t)
            self._step(t, flush)
            self._frame += 1
        if to > self.done or to > run.begin:
            self._sound(run, to)
        self.done = max(self.done, to)

    def _step(self, t: int, flush: bool) -> None:
        behind = self.behind
        stride = next((every for limit, every in _SHED if behind > limit), 1)
        self.compositor.hurry = behind > _HURRY_US
        if self._frame % stride and self._frame not in self._must:
            self.skipped += 1
            return
        composed = self.compositor.compose(self._sample_time(t), flush=flush)
        self.frames += 1
        last = self._last_written
        rested = last is None or (self._frame - last) * 1_000_000 >= self._rest * self.spec.fps
        turn = composed.turn or self._frame in self._key_at
        if composed.changed or rested or turn or self._frame in self._must:
            self._write(composed.frame, self._frame, composed.filmed, key=turn)
        if composed.moving and composed.filmed is not None:
            self._follow(composed.filmed - t)

    def _sample_time(self, t: int) -> int:
        """When within frame `t` to look for the newest picture.

        In the middle between two pictures of a camera that runs as fast as the lecture; there a
        camera that wobbles loses none.
        """
        length = 1_000_000 / self.spec.fps
        steady = abs(self._phase) > 0.5
        share = (cmath.phase(self._phase) / (2 * math.pi) + 0.5) % 1 if steady else 0.5
        end = self._runs[-1].end
        sample = t + int(share * length)
        return sample if end is None else min(sample, max(t, end - 1))

    def _follow(self, offset: int) -> None:
        """Learns where within a frame the camera's pictures lie."""
        turn = offset * self.spec.fps / 1_000_000
        self._phase += (cmath.exp(2j * math.pi * turn) - self._phase) / 16

    def _write(
        self, frame: av.VideoFrame, index: int, filmed: int | None = None, *, key: bool = False
    ) -> None:
        """Writes a picture at the time at which it was filmed, where nothing was written since."""
        run = self._runs[-1]
        t = index * 1_000_000 // self.spec.fps
        if filmed is not None and self._last_time >= 0:  # the file begins at its beginning
            t = min(run.offset + filmed - run.begin, t + 1_000_000 // self.spec.fps)
        t = max(t, run.offset, self._last_time + 1000)
        if t >= self._next_key:
            key = True
        if key:
            self._next_key = t + self._gop
        self.writer.picture(frame, t, key=key)
        self._last_written, self._last_time = index, t

    def _sound(self, run: Run, to: int) -> None:
        """Mixes sound so that the file holds exactly as much of it as lecture time has passed."""
        wanted = samples_at(run.lecture(to))
        count = wanted - self.writer.samples
        if count > 0:
            position = self.writer.samples - samples_at(run.offset) + samples_at(run.begin)
            self.writer.sound(self.mixer.read(position, count))

    def _apply(self, t: int) -> None:
        """Carries out what was ordered for a time not later than `t`."""
        while self._scheduled and int(str(self._scheduled[0].args["at"])) <= t:
            command = self._scheduled.popleft()
            at = int(str(command.args["at"]))
            if command.name == "layout":
                layout = str(command.args.get("layout"))
                if layout in layouts.NAMES:
                    self.compositor.set_layout(layout, max(at, t))
            else:
                title = chapters.title(str(command.args.get("kind")), command.args.get("data"))
                if title is not None:
                    self._marks.append(Chapter(self._lecture(at), title))

    def pages(self) -> list[tuple[int, int]]:
        """Page turns that were noticed in the lecture: (class time, lecture time) in µs."""
        return [
            (turn, run.lecture(turn))
            for turn in self.compositor.pages.turns
            for run in self._runs
            if run.begin <= turn < (run.end if run.end is not None else self.now)
        ]

    def chapters(self) -> list[Chapter]:
        """The part's chapters so far."""
        known, pages = self.slide_titles(), self.pages()
        first = chapters.shown(known, self._runs[0].begin) if self._runs else ""
        marks = [Chapter(0, first or self._marks[0].title), *self._marks[1:]]
        titles = {lecture: chapters.near(known, turn) for turn, lecture in pages}
        return chapters.merge(marks, titles, titles)

    def spans(self) -> list[tuple[float, float]]:
        """The class spans (seconds) that this part shows."""
        return [
            (run.begin / 1e6, (run.end if run.end is not None else self.done) / 1e6)
            for run in self._runs
        ]
