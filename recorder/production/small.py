"""What slow links get: a small lecture, and pictures to find one's way in it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.container import Container, InputContainer, OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from recorder.production.vtt import clock

HEIGHT, FPS = 360, 6
# With the container 86 kbit/s at most: 90 minutes stay below 60 MB whatever is shown.
_VIDEO_KBIT, _AUDIO_BIT = 48, 32_000
_AUDIO_RATE, _AUDIO_FRAME = 24_000, 1024
_TILE_WIDTH, _ACROSS, _TILES, _CLOSEST_S = 160, 10, 100, 5.0


def rendition(lecture: Path, path: Path) -> None:
    """The lecture with 360 lines, six pictures a second and mono sound.

    What does not change costs next to nothing, so slides stay readable; large pictures of them
    are in `slides/`.
    """
    with (
        av.open(str(lecture)) as source,
        av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as out,
    ):
        shown = source.streams.video[0]
        shown.thread_type = "AUTO"
        shown.codec_context.options = {"skip_loop_filter": "all"}
        height = min(HEIGHT, shown.height)
        width = round(shown.width * height / shown.height / 2) * 2
        video = _video(out, width, height // 2 * 2)
        named_as(source, out)
        audio: AudioStream = out.add_stream("aac", rate=_AUDIO_RATE)
        audio.codec_context.layout = "mono"
        audio.codec_context.bit_rate = _AUDIO_BIT
        resampler = av.AudioResampler("fltp", "mono", _AUDIO_RATE, _AUDIO_FRAME)
        due = 0
        last: VideoFrame | None = None
        for frame in source.decode(video=0, audio=0):
            if isinstance(frame, VideoFrame):
                number = int((frame.time or 0) * FPS)
                if number >= due:
                    due = number + 1
                    _show(out, video, frame, number)
                    last = None
                else:
                    last = frame
            elif isinstance(frame, av.AudioFrame):
                for part in resampler.resample(frame):
                    out.mux(audio.encode(part))
        if last is not None:
            _show(out, video, last, due)
        for part in resampler.resample(None):
            out.mux(audio.encode(part))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))


def named_as(source: Container, out: OutputContainer) -> None:
    """Gives a file that is about to be written the title and the chapters of another."""
    assert isinstance(source, InputContainer)
    told = source.metadata
    out.metadata.update(
        {key: told[key] for key in ("title", "artist", "album", "date") if key in told}
    )
    out.set_chapters(source.chapters())


def _video(out: OutputContainer, width: int, height: int) -> VideoStream:
    rate = f"vbv-maxrate={_VIDEO_KBIT}:vbv-bufsize={_VIDEO_KBIT * 12}"
    options = {"preset": "fast", "crf": "27", "x264-params": f"{rate}:keyint={FPS * 20}"}
    video: VideoStream = out.add_stream("libx264", rate=FPS, options=options)
    video.width, video.height, video.pix_fmt = width, height, "yuv420p"
    video.codec_context.thread_count = 1
    return video


def _show(out: OutputContainer, video: VideoStream, frame: VideoFrame, number: int) -> None:
    small = frame.reformat(video.width, video.height, "yuv420p")
    small.pts, small.time_base = number, Fraction(1, FPS)
    small.pict_type = av.video.frame.PictureType.NONE
    out.mux(video.encode(small))


def sprites(lecture: Path, picture: Path) -> list[tuple[float, float, int, int, int, int]]:
    """Small pictures of the lecture on one sheet (JPEG): (from, to, x, y, width, height) of each.

    Taken from key frames, so nothing else has to be decoded.
    """
    with av.open(str(lecture)) as source:
        stream = source.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        duration = (source.duration or 0) / av.time_base
        every = max(_CLOSEST_S, duration / _TILES)
        count = max(1, min(_TILES, round(duration / every)))
        height = round(_TILE_WIDTH * stream.height / stream.width)
        rows = -(-count // _ACROSS)
        across = min(count, _ACROSS)
        sheet = np.zeros((rows * height, across * _TILE_WIDTH, 3), np.uint8)
        places = []
        frames = source.decode(stream)
        shown = following = next(frames, None)
        for number in range(count):
            while following is not None and (following.time or 0) <= (number + 0.5) * every:
                shown, following = following, next(frames, None)
            x, y = number % _ACROSS * _TILE_WIDTH, number // _ACROSS * height
            if shown is not None:
                bgr = np.asarray(shown.to_ndarray(format="bgr24"), np.uint8)
                tile = cv2.resize(bgr, (_TILE_WIDTH, height), interpolation=cv2.INTER_AREA)
                sheet[y : y + height, x : x + _TILE_WIDTH] = tile
            end = duration if number == count - 1 else (number + 1) * every
            places.append((number * every, end, x, y, _TILE_WIDTH, height))
    picture.write_bytes(cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, 75])[1].tobytes())
    return places


def sprite_index(
    places: list[tuple[float, float, int, int, int, int]], name: str = "sprites.jpg"
) -> str:
    """WebVTT that names, for each stretch of time, its place on the sheet."""
    lines = ["WEBVTT", ""]
    for begin, end, x, y, width, height in places:
        lines += [f"{clock(begin)} --> {clock(end)}", f"{name}#xywh={x},{y},{width},{height}", ""]
    return "\n".join(lines)
