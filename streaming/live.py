"""Everything that is live in one room: who may watch what, through one hub and one HLS stream."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from recorder.recording import LIVE, TRACKS, Life, Manifest, Recording, Role
from recorder.spans import cuts
from streaming.access import Audience, Links, Visibility, read_visibility, write_visibility
from streaming.boxes import BoxError
from streaming.captions import Captions, languages, path_of
from streaming.fragments import Tail, TrackTail
from streaming.hls import HlsError, HlsStream, Playlist
from streaming.hub import Channel, Follower, Hub, Viewer
from streaming.renditions import BANDWIDTH, HEIGHTS, RenditionError, Renditions, size_of
from streaming.sound import sound_init, sound_segment
from streaming.whep import MAX_VIEWERS, Whep

PROGRAM = "program"
SOUND = "sound"
PROGRAM_FILE = "program.mp4"
KEPT_SEGMENTS = 48
KEPT_STREAMS = 8
KEPT_CLASSES = 100
KNOWN_S = 1.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class View:
    """One picture that can be watched: the program, or a source by its id."""

    id: str
    role: str


def views(manifest: Manifest) -> list[View]:
    """What can be watched of a class: the program where it is live, and each camera and screen."""
    found = [View(PROGRAM, PROGRAM)] if manifest.program.live else []
    return found + [
        View(source.id, source.role.value)
        for source in manifest.sources
        if source.role is not Role.MICROPHONE
    ]


@dataclass(frozen=True, slots=True)
class LiveClass:
    """One class by its recording's id, as it was a moment ago.

    `withheld`: held back or cut since it ended. Its stream still has all of it, so it is for
    nobody.
    """

    id: str
    folder: Path
    manifest: Manifest
    visibility: Visibility
    until: float
    withheld: bool = False


class LiveRoom:
    """The room's live streams. Methods called `read_…` read the disk."""

    def __init__(
        self,
        secret_key: bytes,
        *,
        default_visibility: Visibility = Visibility.NOBODY,
        of_courses: Mapping[str, Visibility] | None = None,
        whep: int = MAX_VIEWERS,
    ) -> None:
        self.hub = Hub()
        self.audience = Audience()
        self.links = Links(secret_key)
        self.renditions = Renditions()
        self.whep = Whep(whep)
        self.default_visibility = default_visibility
        self._of_courses = of_courses or {}
        self._classes: dict[str, LiveClass] = {}
        self._streams: OrderedDict[Path, HlsStream] = OrderedDict()
        self._captions: dict[tuple[Path, str], Captions] = {}
        self._playlists: dict[tuple[Path, str], Playlist] = {}
        self._segments: OrderedDict[tuple[Path, str, int], bytes] = OrderedDict()
        self._reading: dict[object, asyncio.Task[Any]] = {}

    # --- which class -----------------------------------------------------------------------------

    def known(self, recording: str) -> LiveClass | None:
        """A class that was looked up in the last second."""
        found = self._classes.get(recording)
        return found if found is not None and found.until > time.monotonic() else None

    async def find(self, recording: str, folder_of: Callable[[str], Path]) -> LiveClass:
        """A class, looked up on the disk once a second at most. Raises as `read_class` does."""
        found = self.known(recording)
        if found is not None:
            return found
        return await self._once(recording, lambda: self.read_class(recording, folder_of))

    async def _once(self, key: object, read: Callable[[], T]) -> T:
        """What `read` gives, in a thread; once for all who ask for `key` meanwhile."""
        task = self._reading.get(key)
        if task is None:
            task = self._reading[key] = asyncio.create_task(asyncio.to_thread(read))
            task.add_done_callback(lambda done: self._read(key, done))
        return await asyncio.shield(task)

    def _read(self, key: object, done: asyncio.Task[Any]) -> None:
        del self._reading[key]
        if not done.cancelled():
            done.exception()  # whoever asked has it; they may all have left

    def read_class(self, recording: str, folder_of: Callable[[str], Path]) -> LiveClass:
        """Looks a class up on the disk. Raises what `folder_of` raises, and RecordingError."""
        folder = folder_of(recording)
        on_disk = Recording.open(folder)
        manifest = on_disk.manifest
        found = LiveClass(
            recording,
            folder,
            manifest,
            read_visibility(folder, self.default_for(manifest.course)),
            time.monotonic() + KNOWN_S,
            withheld=_withheld(on_disk, manifest),
        )
        if len(self._classes) > KEPT_CLASSES:
            self._classes.clear()
        self._classes[recording] = found
        return found

    def default_for(self, course: str | None) -> Visibility:
        """Who may watch a class of this course while nobody has said anything else."""
        return self._of_courses.get(course or "", self.default_visibility)

    def set_visibility(self, folder: Path, visibility: Visibility) -> None:
        """Changes who may watch the class in `folder`, durably."""
        write_visibility(folder, visibility)
        self._classes.clear()

    def viewers(self, folder: Path) -> int:
        """How many watch the class in `folder` now, whichever way."""
        now = self.hub.watching(folder) + self.whep.watching(folder)
        return now + self.audience.count(folder.name)

    # --- at once -------------------------------------------------------------------------------

    def join(self, folder: Path, view: str) -> tuple[Channel, Viewer]:
        """A viewer of the program or of a source."""
        if view == PROGRAM:
            return self.hub.join(folder / LIVE / PROGRAM_FILE, Tail)
        return self.hub.join(folder / TRACKS / view, _track)

    # --- HLS -----------------------------------------------------------------------------------

    def running(self, folder: Path) -> HlsStream | None:
        """The HLS stream of the class in `folder` that somebody has opened already."""
        return self._streams.get(folder)

    async def opened(self, folder: Path) -> HlsStream:
        """The HLS stream of the class in `folder`. Raises RecordingError."""
        if folder in self._streams:
            return self._streams[folder]
        return await asyncio.to_thread(self.stream, folder)

    def stream(self, folder: Path) -> HlsStream:
        """The HLS stream of the class in `folder`. Raises RecordingError. Reads the manifest."""
        stream = self._streams.get(folder)
        if stream is None:
            stream = self._streams[folder] = HlsStream(folder)
            while len(self._streams) > KEPT_STREAMS:
                self._close(next(iter(self._streams)))
        self._streams.move_to_end(folder)
        return stream

    def drop(self, folder: Path) -> None:
        """Keep nothing of the class in `folder`, neither open nor in memory."""
        if folder in self._streams:
            self._close(folder)
        for key in [key for key in self._segments if key[0] == folder]:
            del self._segments[key]
        self.renditions.drop(folder)

    def _close(self, folder: Path) -> None:
        self._streams.pop(folder).close()
        for key in [key for key in self._playlists if key[0] == folder]:
            del self._playlists[key]

    def playlist(self, folder: Path, rendition: str) -> Playlist:
        """The media playlist of a rendition."""
        playlist = self._playlists.get((folder, rendition))
        if playlist is None:
            playlist = Playlist(self.stream(folder).timeline)
            self._playlists[folder, rendition] = playlist
        return playlist

    def master(self, folder: Path, viewer: str) -> str:
        """The playlist of playlists, for one viewer by name. Raises HlsError before any segment."""
        timeline = self.stream(folder).timeline
        init = timeline.init
        if init is None or not timeline.segments:
            raise HlsError("nothing has been recorded yet")
        lines = ["#EXTM3U", "#EXT-X-VERSION:9", "#EXT-X-INDEPENDENT-SEGMENTS"]
        codecs = {track.media: track for track in init.tracks.values()}
        both = ",".join(track.codec for track in init.tracks.values() if track.codec)
        picture, sound = codecs.get("video"), codecs.get("audio")
        spoken = languages(folder)
        for language in spoken:
            lines.append(
                f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="captions",NAME="{language}",'
                f'LANGUAGE="{language}",AUTOSELECT=YES,URI="captions-{language}/index.m3u8"'
            )
        captions = ',SUBTITLES="captions"' if spoken else ""
        if picture is not None:
            lines += [
                f'#EXT-X-STREAM-INF:BANDWIDTH={timeline.bandwidth()},CODECS="{both}",'
                f"RESOLUTION={picture.width}x{picture.height}{captions}",
                f"{PROGRAM}/index.m3u8?viewer={viewer}",
            ]
            for name in self.renditions.offered(picture.height):
                width, height = size_of(HEIGHTS[name], picture.width, picture.height)
                lines += [
                    f'#EXT-X-STREAM-INF:BANDWIDTH={BANDWIDTH[name]},CODECS="{both}",'
                    f"RESOLUTION={width}x{height}{captions}",
                    f"{name}/index.m3u8?viewer={viewer}",
                ]
        if sound is not None:
            lines += [
                f'#EXT-X-STREAM-INF:BANDWIDTH=160000,CODECS="{sound.codec}"',
                f"{SOUND}/index.m3u8?viewer={viewer}",
            ]
        return "\n".join(lines) + "\n"

    def read_captions(self, folder: Path, language: str) -> Captions:
        """The captions in one language. Raises HlsError. Reads the disk."""
        found = self._captions.get((folder, language))
        if found is None:
            while len(self._captions) > KEPT_STREAMS:
                self._captions.pop(next(iter(self._captions)))
            found = self._captions[folder, language] = Captions(path_of(folder, language))
        found.refresh()
        return found

    def read_init(self, folder: Path, rendition: str, part: int) -> bytes:
        """An init segment. Raises HlsError."""
        init = self.stream(folder).timeline.read_init(part)
        try:
            return sound_init(init) if rendition == SOUND else init.data
        except BoxError as error:
            raise HlsError(str(error)) from error

    def cached(self, folder: Path, rendition: str, number: int) -> bytes | None:
        """A segment that was read not long ago."""
        return self._segments.get((folder, rendition, number))

    async def segment(self, folder: Path, rendition: str, number: int) -> bytes:
        """A segment's bytes, read once for all who ask. Raises HlsError."""
        data = self.cached(folder, rendition, number)
        if data is not None:
            return data
        key = (folder, rendition, number)
        return await self._once(key, lambda: self.read_segment(folder, rendition, number))

    def read_segment(self, folder: Path, rendition: str, number: int) -> bytes:
        """A segment's bytes. Raises HlsError. May be called in a thread."""
        timeline = self.stream(folder).timeline
        data = timeline.read(number)
        if rendition == SOUND:
            init = timeline.read_init(timeline.segments[number].part)
            try:
                data = sound_segment(init, data, number + 1)
            except BoxError as error:
                raise HlsError(str(error)) from error
        self._segments[folder, rendition, number] = data
        while len(self._segments) > KEPT_SEGMENTS:
            with contextlib.suppress(KeyError):
                self._segments.popitem(last=False)
        return data

    async def lower(self, folder: Path, rendition: str, *, init: int = 0, number: int = 0) -> bytes:
        """A smaller copy of the init segment of part `init`, or of a segment. Raises HlsError."""
        timeline = self.stream(folder).timeline
        data: bytes | None = b""
        key = (folder, rendition, number if not init else -init)
        if not init:
            data = await self.segment(folder, PROGRAM, number)
            init = timeline.segments[number].part
        try:
            return await self.renditions.get(key, timeline.read_init(init).data, data or b"")
        except RenditionError as error:
            raise HlsError(str(error)) from error

    async def close(self) -> None:
        """Ends every viewer's stream."""
        await self.hub.close()
        await self.renditions.close()
        await self.whep.stop()
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()


def _track(folder: Path) -> Follower:
    return TrackTail(folder)


def _withheld(recording: Recording, manifest: Manifest) -> bool:
    if manifest.life is Life.RECORDING:
        return False
    changed = manifest.edit is not None or bool(cuts(recording.markers()))
    return changed or manifest.held is not None


def open_manifest(folder: Path) -> Manifest:
    """The manifest of a class. Raises RecordingError. Reads the disk."""
    return Recording.open(folder).manifest
