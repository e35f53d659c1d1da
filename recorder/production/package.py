"""The package: what stands beside the lecture for players, course platforms and archives.

Most of it by remux and from facts that are already known; each file is made once and made again
when the lecture is newer. Times in all of them are lecture time: pauses are cut.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.stream import Stream

from recorder import cartridge, segments
from recorder.engines.chapters import Chapter
from recorder.production import archive, camerawork, small
from recorder.production import slides as found
from recorder.production.finish import FACTS, finish
from recorder.production.timeline import Timeline, timeline
from recorder.production.vtt import clock
from recorder.program import PARTS
from recorder.recording import Recording, SourceSpec, write_durably

US = 1_000_000
_POSTER_WIDTH = 960
# Not fragmented, because only then is it written when a source began after the class.
ORDINARY = {"movflags": "faststart"}


def package(recording: Recording, *, whole: bool = False) -> list[Path]:
    """Makes what is missing or older than the lecture; returns the package's files.

    `whole` makes what has to be encoded as well: the small lecture, the sprites, the zip.

    Raises what `finish` raises when there is no lecture yet and none can be made.
    """
    lecture = finish(recording)
    products = recording.products
    line = timeline(recording)
    made = []

    def make(name: str, maker: Callable[[Path], bool | None], *, again: bool = False) -> None:
        path = products / name
        known = path.exists() and path.stat().st_mtime_ns >= lecture.path.stat().st_mtime_ns
        if known and not again:
            made.append(path)
            return
        new = products / f".{name}.new"
        if maker(new) is False:
            new.unlink(missing_ok=True)
            return
        new.replace(path)
        made.append(path)

    for source in recording.manifest.sources:
        make(f"{source.id}.mp4", lambda path, source=source: _source(recording, source, line, path))  # type: ignore[misc]
    make("audio.m4a", lambda path: _audio(lecture.path, path))
    make("poster.jpg", lambda path: _poster(lecture.path, path))
    make("chapters.vtt", lambda path: _chapters(lecture.chapters, lecture.duration, path))
    slides = found.known(recording)
    if slides:
        made.append(products / found.SLIDES)
    else:
        make("slides.json", lambda path: _slides(recording, line, path))
    make("metadata.json", lambda path: _metadata(recording, lecture.duration, path))
    make("data.json", lambda path: _player(recording, lecture.duration, made, path), again=whole)
    for wide in camerawork.framed(recording) if whole else ():
        frame: Callable[[Path], bool] = partial(camerawork.track, recording, wide, line)
        make(f"{wide.id}.framed.mp4", frame)
    if whole:
        make("small.mp4", lambda path: small.rendition(lecture.path, path))
        make("sprites.jpg", lambda path: _sprites(lecture.path, path, products / "sprites.vtt"))
        made.append(products / "sprites.vtt")
        make("offline.zip", lambda path: archive.offline(recording, slides, path), again=True)
        if url := cartridge.published_at(recording):
            made.append(cartridge.write(recording, url))
    return made


def _sprites(lecture: Path, path: Path, index: Path) -> None:
    places = small.sprites(lecture, path)
    write_durably(index, small.sprite_index(places).encode())


def _demux(path: Path) -> Iterator[tuple[Stream, Any]]:
    """The packets of a file up to its end, or to where it is torn; template streams come along."""
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError):
        return
    with container:
        packets = container.demux([s for s in container.streams if s.type in ("video", "audio")])
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.error.FFmpegError):
                return
            if packet.size and packet.pts is not None and packet.time_base is not None:
                yield packet.stream, packet


def _source(recording: Recording, source: SourceSpec, line: Timeline, path: Path) -> bool:
    """One source's track as one file in lecture time, by stream copy; False when it is empty."""
    out: OutputContainer | None = None
    streams: dict[int, Stream] = {}
    last: dict[int, int] = {}
    files = [file for _, file in segments.segment_files(recording.track(source.id))]
    if not files or any(file.suffix != ".mp4" for file in files):
        return False
    try:
        for file in files:
            for stream, packet in _demux(file):
                t = float(packet.pts * packet.time_base)
                if not line.keeps(t):
                    continue
                if out is None:
                    out = av.open(str(path), "w", format="mp4", options=ORDINARY)
                    for template in stream.container.streams:
                        streams[template.index] = out.add_stream_from_template(template)
                    out.start_encoding()
                if stream.index not in streams:
                    continue
                base = packet.time_base
                shift = packet.pts - packet.dts if packet.dts is not None else 0
                pts = round(line.lecture(t) / base)
                dts = max(pts - shift, last.get(stream.index, -1) + 1)
                last[stream.index] = dts
                packet.pts, packet.dts = max(pts, dts), dts
                packet.stream = streams[stream.index]
                out.mux_one(packet)
    finally:
        if out is not None:
            out.close()
    return out is not None


def _audio(lecture: Path, path: Path) -> None:
    """The lecture's sound alone, by stream copy."""
    with av.open(str(path), "w", format="ipod", options={"movflags": "faststart"}) as out:
        target: Stream | None = None
        for stream, packet in _demux(lecture):
            if stream.type != "audio":
                continue
            if target is None:
                target = out.add_stream_from_template(stream)
                small.named_as(stream.container, out)
                out.start_encoding()
            packet.stream = target
            out.mux_one(packet)


def _poster(lecture: Path, path: Path) -> bool:
    """A picture from early in the lecture, where something is on the slides already."""
    with av.open(str(lecture)) as container:
        stream = container.streams.video[0]
        duration = (container.duration or 0) / av.time_base
        container.seek(int(min(30.0, duration / 4) * av.time_base))
        frame = next(iter(container.decode(stream)), None)
        if frame is None:
            return False
        width = min(_POSTER_WIDTH, frame.width)
        height = round(frame.height * width / frame.width)
        picture = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        ok, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])
    if ok:
        path.write_bytes(jpeg.tobytes())
    return bool(ok)


def _chapters(chapters: list[Chapter], duration: float, path: Path) -> None:
    """Chapters as WebVTT."""
    ends = [chapter.start for chapter in chapters[1:]] + [round(duration * US)]
    lines = ["WEBVTT", ""]
    for number, (chapter, end) in enumerate(zip(chapters, ends, strict=True), 1):
        title = " ".join(chapter.title.split()).replace("-->", "→")
        lines += [str(number), f"{clock(chapter.start / US)} --> {clock(end / US)}", title, ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def _slides(recording: Recording, line: Timeline, path: Path) -> None:
    """The times (s of the lecture) at which a slide appeared. Titles and text come by analysis."""
    turns: set[float] = set()
    for facts_path in (recording.products / PARTS).glob("*.json"):
        if facts_path.name == FACTS or facts_path.name.startswith("lecture-"):
            facts = json.loads(facts_path.read_bytes())
            turns |= {float(t) for t in facts.get("pages", [])}
    turns |= {marker.t for marker in recording.markers() if marker.kind == "page"}
    times = [0.0]
    for t in sorted(line.lecture(turn) for turn in turns if line.keeps(turn)):
        if t - times[-1] > 0.5:
            times.append(round(t, 3))
    slides = [{"number": number, "time": time} for number, time in enumerate(times, 1)]
    write_durably(path, json.dumps({"version": 1, "slides": slides}, indent=1).encode())


def _metadata(recording: Recording, duration: float, path: Path) -> None:
    """Dublin Core terms of the lecture, as JSON; what was corrected since stays corrected."""
    manifest = recording.manifest
    terms = {
        "identifier": manifest.id,
        "title": manifest.title,
        "creator": manifest.lecturer,
        "isPartOf": manifest.course,
        "language": manifest.language,
        "created": manifest.started.isoformat(),
        "spatial": manifest.room,
        "extent": f"PT{duration:.0f}S",
        "type": "MovingImage",
        "format": "video/mp4",
    }
    data = {key: value for key, value in terms.items() if value is not None}
    try:
        standing = json.loads((recording.products / "metadata.json").read_bytes())
        data |= {key: value for key, value in standing.items() if key != "extent"}
    except (OSError, ValueError, AttributeError):
        pass
    write_durably(path, json.dumps(data, indent=1, ensure_ascii=False).encode())


def _player(recording: Recording, duration: float, made: list[Path], path: Path) -> None:
    """A manifest as Paella players read it: streams in step, one owner of the sound.

    `streams`, `frameList` and `captions` as in paella-core's doc/video_manifest.md; addresses are
    relative to this file. Its layouts know the contents `presenter` and `presentation`.
    """
    names = {file.name for file in made}
    manifest = recording.manifest
    shown = {"slides": "presentation", "presenter": "presenter"}
    streams: list[dict[str, Any]] = []
    for source in manifest.sources:
        content = shown.get(str(source.role))
        if content and all(stream["content"] != content for stream in streams):
            name = f"{source.id}.mp4"
            if name in names:
                streams.append({"sources": _mp4(recording.products / name), "content": content})
    if len(streams) == len(shown) and "audio.m4a" in names:
        sound = {"audio": [{"src": "audio.m4a", "mimetype": "audio/mp4"}]}
        streams.append(
            {"sources": sound, "content": "audio", "role": "mainAudio", "canvas": ["audio"]}
        )
    else:
        whole = {"sources": _mp4(recording.lecture), "content": "presenter", "role": "mainAudio"}
        streams = [whole]
    data = {
        "metadata": {
            "title": manifest.title,
            "duration": float(Fraction(round(duration * 1000), 1000)),
            "preview": "poster.jpg",
        },
        "streams": streams,
        "frameList": [
            {
                "id": f"slide_{slide.number}",
                "mimetype": "image/jpeg",
                "time": slide.time,
                "url": slide.picture,
                "thumb": slide.picture,
            }
            for slide in found.known(recording)
            if slide.picture
        ],
        "captions": [
            {
                "lang": file.name.split(".")[1],
                "text": file.name.split(".")[1],
                "format": "vtt",
                "url": file.name,
            }
            for file in sorted(recording.products.glob("captions.*.vtt"))
        ],
    }
    write_durably(path, json.dumps(data, indent=1, ensure_ascii=False).encode())


def _mp4(path: Path) -> dict[str, Any]:
    """A file as a source of a player, with the size of its picture."""
    source: dict[str, Any] = {"src": path.name, "mimetype": "video/mp4"}
    with av.open(str(path)) as container:
        for stream in container.streams.video[:1]:
            source["res"] = {"w": stream.width, "h": stream.height}
    return {"mp4": [source]}
