"""The watch child: sound levels, confidence pictures, and facts about what is wrong.

`python -m recorder.watch FOLDER` reads a feed from standard input (key frames of every video
stream, every sound packet) and writes `live/<source>.jpg`; JSON lines on standard output carry
`levels` and `fact` events. What it misses or gets wrong costs no track.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from recorder import feed
from recorder.engines.picture import planes_of
from recorder.engines.presence import Presence
from recorder.pick import picked
from recorder.recording import RecordingError, read_manifest

PICTURE_WIDTH = 480
PICTURE_SECONDS = 1.0
LEVELS_SECONDS = 0.09  # a tick comes every tenth of a second
FLOOR_DBFS = -90.0

SILENT_DBFS, SOUND_DBFS = -60.0, -54.0
SILENT_AFTER, SOUND_AFTER = 12.0, 0.5
BLACK_AFTER, PICTURE_AFTER = 5.0, 1.5
FROZEN_AFTER, MOVING_AFTER = 30.0, 0.0
CLIPPED_AFTER, CLEAN_AFTER = 1.0, 10.0
CLIPPED_SHARE, _FULL, _CLIPPED_FOR = 0.05, 0.985, 3.0

_BLACK_LUMA, _BLACK_SPREAD = 40, 14.0
_STRIDE = 8
_COUNTED_FROZEN = ("presenter", "audience")  # slides rest for a reason


@dataclass
class Switch:
    """A fact with hysteresis: on after `on_after` seconds of the condition, off after `off_after`
    seconds without it."""

    on_after: float
    off_after: float
    active: bool = False
    _since: float | None = None

    def update(self, condition: bool, t: float) -> bool:
        """Takes the condition at time `t` (seconds); True when the fact changed."""
        if condition == self.active:
            self._since = None
            return False
        if self._since is None:
            self._since = t
        if t - self._since < (self.off_after if self.active else self.on_after):
            return False
        self.active, self._since = condition, None
        return True

    def restart(self) -> None:
        """Forgets how long the condition has lasted, as after a pause."""
        self._since = None


class SoundWatch:
    """Level of one sound stream, in dBFS: the loudest block since it was last asked."""

    def __init__(self, info: feed.StreamInfo) -> None:
        self.info = info
        self.silent = Switch(SILENT_AFTER, SOUND_AFTER)
        self.clipped = Switch(CLIPPED_AFTER, CLEAN_AFTER)
        self._clipping = 0.0
        self._peak = 0.0
        self._fresh = False
        decoder = av.CodecContext.create(info.codec, "r")
        assert isinstance(decoder, AudioCodecContext)
        if info.extradata:
            decoder.extradata = bytes.fromhex(info.extradata)
        elif info.rate:
            decoder.sample_rate = info.rate
            decoder.layout = "mono" if info.channels == 1 else "stereo"
        self._decoder = decoder

    def push(self, message: feed.FeedPacket, *, judge: bool = True) -> list[str]:
        """Takes a packet; returns the facts that changed, none where they are not judged."""
        rms, full = 0.0, False
        for frame in self._decoder.decode(av.Packet(message.data)):
            sound: NDArray[Any] = picked(frame, self.info.pick).to_ndarray()
            if sound.dtype.kind != "f":
                sound = sound.astype(np.float32) / float(np.iinfo(sound.dtype).max)
            # Speech touches the ceiling for moments; what is cut off stays there.
            if max(sound.max(), -sound.min()) >= _FULL:
                full |= float((np.abs(sound) >= _FULL).mean()) > 0.002
            rms = max(rms, *(math.sqrt(float(row @ row) / len(row)) for row in sound))
        self._peak, self._fresh = max(self._peak, rms), True
        level_db = dbfs(rms)
        if not judge:
            return []
        limit = SOUND_DBFS if self.silent.active else SILENT_DBFS
        t = message.pts / 1e6
        share = min(1.0, max(message.duration, 1) / 1e6 / _CLIPPED_FOR)
        self._clipping += (full - self._clipping) * share
        changed = (
            ["silent"] if self.silent.update(level_db < limit and not self.info.first, t) else []
        )
        if self.clipped.update(self._clipping > CLIPPED_SHARE, t):
            changed.append("clipped")
        return changed

    def level(self) -> float | None:
        """The level since the last call; None when no sound came."""
        if not self._fresh:
            return None
        peak, self._peak, self._fresh = self._peak, 0.0, False
        return round(dbfs(peak), 1)


def dbfs(amplitude: float) -> float:
    """An amplitude between 0 and 1 in dBFS, not below FLOOR_DBFS."""
    return max(FLOOR_DBFS, 20 * math.log10(amplitude)) if amplitude > 0 else FLOOR_DBFS


class PictureWatch:
    """Confidence pictures of one video stream; `black` and `frozen` from the same small copy."""

    def __init__(self, info: feed.StreamInfo) -> None:
        self.info = info
        self.black = Switch(BLACK_AFTER, PICTURE_AFTER)
        self.frozen = Switch(FROZEN_AFTER, MOVING_AFTER)
        self._last: NDArray[np.uint8] | None = None
        self._written = -math.inf

    def push(self, message: feed.FeedPacket) -> tuple[list[str], bytes | None]:
        """Takes a key frame: (facts that changed, a JPEG when one is due)."""
        if not message.key or message.pts / 1e6 - self._written < PICTURE_SECONDS * 0.9:
            return [], None
        decoder = av.CodecContext.create(self.info.codec, "r")
        assert isinstance(decoder, VideoCodecContext)
        decoder.thread_count = 1
        decoder.options = {"skip_loop_filter": "all"}
        if self.info.extradata:
            decoder.extradata = bytes.fromhex(self.info.extradata)
        frames = decoder.decode(av.Packet(message.data)) + decoder.decode(None)
        if not frames:
            return [], None
        t = message.pts / 1e6
        self._written = t
        frame = frames[0]
        if frame.format.name not in ("yuv420p", "yuvj420p"):
            frame = frame.reformat(format="yuv420p")
        width = min(PICTURE_WIDTH, frame.width) // 2 * 2
        height = max(2, frame.height * width // frame.width // 2 * 2)
        planes = [
            cv2.resize(plane, (width // half, height // half), interpolation=cv2.INTER_AREA)
            for plane, half in zip(planes_of(frame), (1, 2, 2), strict=True)
        ]
        packed = np.concatenate([plane.reshape(-1) for plane in planes])
        colour = cv2.cvtColor(packed.reshape(height * 3 // 2, width), cv2.COLOR_YUV2BGR_I420)
        ok, jpeg = cv2.imencode(".jpg", colour, [cv2.IMWRITE_JPEG_QUALITY, 75])
        samples = planes_of(frame)[0][::_STRIDE, ::_STRIDE].copy()
        return self._judge(np.asarray(planes[0], np.uint8), samples, t), (
            jpeg.tobytes() if ok else None
        )

    def _judge(self, luma: NDArray[np.uint8], samples: NDArray[np.uint8], t: float) -> list[str]:
        changed = []
        dark = float(luma.mean()) < _BLACK_LUMA and float(luma.std()) < _BLACK_SPREAD
        if self.black.update(dark and not self.info.first, t):  # a shared screen may be dark
            changed.append("black")
        if self.info.role in _COUNTED_FROZEN:
            # A living camera has noise in single pixels, even before an empty room.
            same = self._last is not None and _repeats(samples, self._last)
            self._last = samples
            if self.frozen.update(same and not dark, t):
                changed.append("frozen")
        return changed


def _repeats(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    return one.shape == other.shape and float(np.mean(one != other)) < 0.001


class Watch:
    """Takes the feed's messages; writes pictures under `live`, says events through `say`."""

    def __init__(
        self,
        live: Path,
        say: Any,
        clock: Any = time.monotonic,
        followed: Collection[str] = (),
    ) -> None:
        self.live = live
        self._followed = frozenset(followed)
        self._presences: dict[int, Presence] = {}
        self._say = say
        self._clock = clock
        self._sounds: dict[int, SoundWatch] = {}
        self._pictures: dict[int, PictureWatch] = {}
        self._told = -math.inf
        self._paused = False

    def take(self, message: feed.Message) -> None:
        """Takes the next message. What cannot be decoded is passed over."""
        match message:
            case feed.StreamInfo():
                self._begin(message)
            case feed.FeedPacket():
                try:
                    self._packet(message)
                except (av.error.FFmpegError, ValueError, cv2.error):
                    return
            case feed.Command():
                self._command(message)
            case feed.Tick():
                pass
        self._levels()

    def _begin(self, info: feed.StreamInfo) -> None:
        """A new stream, or one that starts anew; what cannot be decoded is not watched."""
        self._end(info.index)
        try:
            if info.media == "audio":
                self._sounds[info.index] = SoundWatch(info)
            else:
                self._pictures[info.index] = PictureWatch(info)
                if info.source in self._followed:
                    self._presences[info.index] = Presence(info)
        except ValueError:
            return

    def _end(self, index: int) -> None:
        """A stream that starts anew takes its facts back."""
        self._presences.pop(index, None)
        sound, picture = self._sounds.pop(index, None), self._pictures.pop(index, None)
        switches = []
        if sound is not None:
            switches.append(("silent", sound.info.source, sound.silent))
            switches.append(("clipped", sound.info.source, sound.clipped))
        if picture is not None:
            switches.append(("black", picture.info.source, picture.black))
            switches.append(("frozen", picture.info.source, picture.frozen))
        for code, source, switch in switches:
            if switch.active:
                self._fact(code, source, False, "")

    def _packet(self, message: feed.FeedPacket) -> None:
        if sound := self._sounds.get(message.index):
            for code in sound.push(message, judge=not self._paused):
                silent = code == "silent"
                detail = f"no sound above {SILENT_DBFS:.0f} dBFS for {SILENT_AFTER:.0f} s"
                active = (sound.silent if silent else sound.clipped).active
                self._fact(code, sound.info.source, active, detail if silent else "too loud")
            return
        if self._paused:
            return
        if picture := self._pictures.get(message.index):
            changed, jpeg = picture.push(message)
            for code in changed:
                active = (picture.black if code == "black" else picture.frozen).active
                seconds = BLACK_AFTER if code == "black" else FROZEN_AFTER
                self._fact(code, picture.info.source, active, f"{code} for {seconds:.0f} s")
            if jpeg is not None:
                self._store(picture.info.source, jpeg)
            presence = self._presences.get(message.index)
            if presence is not None and (person := presence.push(message)):
                self._say("track", {"source": picture.info.source, **asdict(person)})

    def _store(self, source: str, jpeg: bytes) -> None:
        self.live.mkdir(exist_ok=True)
        path = self.live / f"{source}.jpg"
        new = path.with_suffix(".jpg.new")
        new.write_bytes(jpeg)
        new.replace(path)

    def _command(self, command: feed.Command) -> None:
        if command.name == "pause":
            self._paused = True
            self.clear()
        elif command.name == "resume":
            self._paused = False
            for sound in self._sounds.values():
                sound.silent.restart()
                sound.clipped.restart()
            for picture in self._pictures.values():
                picture.black.restart()
                picture.frozen.restart()

    def clear(self) -> None:
        """Deletes the confidence pictures: in a pause nobody looks into the room."""
        for info in [picture.info for picture in self._pictures.values()]:
            (self.live / f"{info.source}.jpg").unlink(missing_ok=True)

    def _fact(self, code: str, source: str, active: bool, detail: str) -> None:
        data = {"code": code, "source": source, "detail": detail, "active": active}
        self._say("fact", data)

    def _levels(self) -> None:
        now = self._clock()
        if now - self._told < LEVELS_SECONDS:
            return
        levels: dict[str, float] = {}
        for sound in self._sounds.values():
            level = sound.level()
            if level is not None:
                levels[sound.info.source] = max(level, levels.get(sound.info.source, FLOOR_DBFS))
        if levels:
            self._told = now
            self._say("levels", levels)


def main() -> int:
    """Entry of the child: runs until the feed ends, then removes its pictures."""
    parser = argparse.ArgumentParser(description="Watches the sources of a recording.")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)

    def say(event: str, data: dict[str, Any]) -> None:
        line = json.dumps({"event": event, "data": data}).encode() + b"\n"
        os.write(sys.stdout.fileno(), line)  # unbuffered: nothing is left to complain about

    try:
        sources = read_manifest(options.folder).sources
    except RecordingError:
        sources = []
    followed = {source.id for source in sources if source.follow}
    watch = Watch(options.folder / "live", say, followed=followed)
    try:
        for message in feed.read(sys.stdin.buffer):
            watch.take(message)
    except feed.FeedError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 0
    finally:
        watch.clear()
    return 0


if __name__ == "__main__":
    sys.exit(main())
