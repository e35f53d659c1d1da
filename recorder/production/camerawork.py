"""Camera work after class: the frame's way through a wide picture, and a track that shows it.

The way is found once from the track, by an operator who knows what comes, and kept in
`products/parts/framing-<source>.json`; every span that is rendered goes the same way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from recorder import feed, segments
from recorder.encoders import SOFTWARE
from recorder.engines.framing import Frame, Way, crop, plan, smallest
from recorder.engines.picture import VideoTrack, planes_of
from recorder.engines.tracking import Person, Plane, Tracker
from recorder.production.replay import replay
from recorder.production.timeline import Timeline
from recorder.program import PARTS
from recorder.recording import Recording, SourceSpec, make_durably, write_durably

US = 1_000_000
_HEIGHT = 1080
_FPS = 25

Progress = Callable[[float, float], None]


def framed(recording: Recording) -> list[SourceSpec]:
    """The sources whose picture is framed."""
    return [source for source in recording.manifest.sources if source.framing == "auto"]


def ways(recording: Recording) -> dict[str, Way]:
    """The ways that were found already, by source."""
    found = {}
    for source in framed(recording):
        known = _read(recording, source)
        if known is not None:
            found[source.id] = Way(known)
    return found


def find(recording: Recording, spans: Sequence[tuple[float, float]]) -> None:
    """Finds the way of every framed source, unless it is known for the track as it is."""
    for source in framed(recording):
        if _read(recording, source) is not None:
            continue
        seen = list(_seen(recording, source, spans))
        frames = plan(seen, smallest(recording.manifest.program.height, _height(recording, source)))
        data = {
            "version": 1,
            "made_of": _stamp(recording, source),
            "frames": [
                [round(t, 3), round(one.x, 4), round(one.y, 4), round(one.size, 4)]
                for t, one in frames
            ],
        }
        path = _path(recording, source)
        make_durably(path.parent)
        write_durably(path, json.dumps(data).encode())


def _path(recording: Recording, source: SourceSpec) -> Path:
    return recording.products / PARTS / f"framing-{source.id}.json"


def _stamp(recording: Recording, source: SourceSpec) -> list[list[int | str]]:
    files = segments.segment_files(recording.track(source.id))
    return [[path.name, path.stat().st_size] for _, path in files]


def _read(recording: Recording, source: SourceSpec) -> list[tuple[float, Frame]] | None:
    try:
        data = json.loads(_path(recording, source).read_bytes())
        frames = [(float(t), Frame(x, y, size)) for t, x, y, size in data["frames"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return frames if data.get("made_of") == _stamp(recording, source) else None


def _height(recording: Recording, source: SourceSpec) -> int:
    for _, path in segments.segment_files(recording.track(source.id)):
        with av.open(str(path)) as container:
            return container.streams.video[0].height if container.streams.video else 0
    return 0


def _frames(
    recording: Recording, source: SourceSpec, begin: float, end: float, every: int
) -> Iterator[tuple[int, VideoFrame]]:
    """The source's pictures of a span, one each `every` µs of class time."""
    tracks: dict[int, VideoTrack] = {}
    first, last = round(begin * US), round(end * US)
    due = first
    media, roles = frozenset(("video",)), frozenset((str(source.role),))
    for message in replay(recording, first, last, media=media, roles=roles):
        match message:
            case feed.StreamInfo() if message.source == source.id:
                tracks = {message.index: VideoTrack(message)}
                tracks[message.index].wanted = True
            case feed.FeedPacket() if message.index in tracks:
                tracks[message.index].push(message)
            case feed.Tick():
                for track in tracks.values():
                    while due <= message.now:
                        track.advance(due, flush=message.now >= last)
                        if track.frame is not None:
                            yield due, track.frame
                        due += every


def _seen(
    recording: Recording, source: SourceSpec, spans: Sequence[tuple[float, float]]
) -> Iterator[tuple[float, Person | None]]:
    tracker = Tracker()
    for begin, end in spans:
        for t, frame in _frames(recording, source, begin, end, US // 8):
            yield t / US, tracker.look(t, planes_of(frame)[0])


def track(recording: Recording, source: SourceSpec, line: Timeline, path: Path) -> bool:
    """The source as its frame shows it, in lecture time, without sound; False without a picture."""
    find(recording, line.spans)
    way = ways(recording).get(source.id)
    out: OutputContainer | None = None
    video: VideoStream | None = None
    try:
        for begin, end in line.spans:
            for t, frame in _frames(recording, source, begin, end, US // _FPS):
                if video is None or out is None:
                    out = av.open(str(path), "w", format="mp4", options={"movflags": "faststart"})
                    video = _video(out, frame)
                planes = planes_of(frame)
                shown = crop(planes, way.at(t, planes[0])) if way else planes
                picture = _scaled(shown, video.width, video.height)
                picture.pts = round(line.lecture(t / US) * _FPS)
                picture.time_base = Fraction(1, _FPS)
                out.mux(video.encode(picture))
        if out is not None and video is not None:
            out.mux(video.encode(None))
    finally:
        if out is not None:
            out.close()
    return out is not None


def _video(out: OutputContainer, frame: VideoFrame) -> VideoStream:
    height = min(_HEIGHT, frame.height) // 2 * 2
    width = round(frame.width * height / frame.height / 2) * 2
    options = {"preset": "veryfast", "crf": "24"}
    video = out.add_stream(SOFTWARE, rate=_FPS, options=options)
    assert isinstance(video, VideoStream)
    video.width, video.height, video.pix_fmt = width, height, "yuv420p"
    return video


def _scaled(planes: Sequence[Plane], width: int, height: int) -> VideoFrame:
    picture = av.VideoFrame(width, height, "yuv420p")
    for target, plane, half in zip(planes_of(picture), planes, (1, 2, 2), strict=True):
        size = (width // half, height // half)
        shrinks = plane.shape[1] > size[0]
        way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        cv2.resize(plane, size, dst=target, interpolation=way)
    return picture
