"""The child that shows the program by WebRTC: `python -m streaming.whep_child`.

Orders (`streaming.ordered`): `watch{viewer,file,sdp}` (answered with `sdp`), `close{viewer}`. Tells
`{"event":"gone","viewer":…}` of one who has left. The picture goes out as it was encoded for
everybody; the sound is encoded once more, as Opus, once for all. Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
from aiortc import RTCConfiguration, RTCPeerConnection

from recorder.annexb import annex_b, record_sets, start_coded
from streaming import rtc
from streaming.boxes import BoxError
from streaming.fragments import Init
from streaming.obeying import Obedient, say
from streaming.opus import FRAME, Opus
from streaming.rtc import AUDIO_CLOCK, VIDEO_CLOCK, Encoded, Feed
from streaming.samples import Sample, follow

JOIN_S = 15.0
SILENT_S = 10.0
LOOK_S = 1.0


class Program:
    """One live file, followed in a thread for as long as somebody watches it."""

    def __init__(self, path: Path, on_piece: Callable[[Encoded], None]) -> None:
        self._path, self._on_piece = path, on_piece
        self._loop = asyncio.get_running_loop()
        self._ended = threading.Event()
        self._sound_at = 0
        self._base = self._newest = 0.0
        threading.Thread(target=self._run, daemon=True).start()

    def end(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._follow()
            except (OSError, BoxError, av.error.FFmpegError, ValueError):
                time.sleep(LOOK_S)  # what is damaged is followed again from its next key frame
            self._base = self._newest

    def _follow(self) -> None:
        sets, opus = b"", None
        for piece in follow(self._path):
            if self._ended.is_set():
                return
            if isinstance(piece, Init):
                sets, opus = self._opened(piece)
            elif isinstance(piece, Sample):
                at = self._base + piece.at
                self._newest = max(self._newest, at + 0.02)
                if piece.video:
                    data = (sets if piece.key else b"") + start_coded(piece.data)
                    self._give("video", "h264", round(at * VIDEO_CLOCK), piece.key, data)
                elif opus is not None:
                    self._sound(opus, at, piece.data)

    @staticmethod
    def _opened(init: Init) -> tuple[bytes, Opus | None]:
        sets, opus = b"", None
        with av.open(io.BytesIO(init.data), format="mp4") as file:
            for track in file.streams:
                extradata = track.codec_context.extradata or b""
                if track.type == "video":
                    sets = annex_b(record_sets(extradata))
                elif track.type == "audio":
                    opus = Opus(extradata)
        return sets, opus

    def _sound(self, opus: Opus, at: float, data: bytes) -> None:
        """Opus counts on by itself; it is set right where it is off by more than three pieces."""
        wanted = round(at * AUDIO_CLOCK)
        if abs(wanted - self._sound_at) > 3 * FRAME:
            self._sound_at = wanted
        for packet in opus.encode(data):
            self._give("audio", "opus", self._sound_at, True, packet)
            self._sound_at += FRAME

    def _give(self, media: str, codec: str, stamp: int, key: bool, data: bytes) -> None:
        piece = Encoded(media, codec, stamp, 0, key, data)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._on_piece, piece)


class Viewer:
    """One who watches."""

    def __init__(self, id_: str, file: Path, desk: Desk) -> None:
        self.id, self.file, self._desk = id_, file, desk
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.feeds = {kind: Feed(kind) for kind in ("video", "audio")}
        self.connected = False
        self.heard = self.sent = self.made = asyncio.get_running_loop().time()
        self.pc.on("connectionstatechange", self._changed)

    def _changed(self) -> None:
        if self.pc.connectionState in rtc.OVER:
            self._desk.left(self)
        elif self.pc.connectionState == "connected":
            self.connected = True
            self.heard = asyncio.get_running_loop().time()

    async def answer(self, offer: str) -> str:
        """Answers; raises ValueError for a browser that takes no H.264."""
        if "H264/90000" not in offer:
            raise ValueError("no H.264 in the offer")

        def heed(sender: Any) -> None:
            rtc.on_report(sender, self._reported)

        return await rtc.answer_viewer(self.pc, offer, self.feeds, "h264", heed)

    def _reported(self) -> None:
        self.heard = asyncio.get_running_loop().time()

    def put(self, piece: Encoded) -> None:
        if self.connected:
            self.sent = asyncio.get_running_loop().time()
            self.feeds[piece.media].put(piece)

    def vanished(self, now: float) -> bool:
        """Whether it never came, or has taken what is sent without a word for too long.

        A browser reports at least every few seconds what it receives (RFC 3550, 6.2).
        """
        if not self.connected:
            return now - self.made > JOIN_S
        return self.sent - self.heard > SILENT_S

    async def close(self) -> None:
        for feed in self.feeds.values():
            feed.stop()
        await self.pc.close()


class Desk(Obedient):
    """Everybody who watches, and the files that they watch."""

    def __init__(self) -> None:
        super().__init__()
        self.viewers: dict[str, Viewer] = {}
        self.programs: dict[Path, Program] = {}

    def _passed(self, file: Path, piece: Encoded) -> None:
        for viewer in list(self.viewers.values()):
            if viewer.file == file:
                viewer.put(piece)

    def _join(self, viewer: Viewer) -> None:
        self.viewers[viewer.id] = viewer
        if viewer.file not in self.programs:
            file = viewer.file
            self.programs[file] = Program(file, lambda piece: self._passed(file, piece))

    def left(self, viewer: Viewer, *, told: bool = True) -> None:
        """Lets a viewer go, and the file when it was the last one."""
        if self.viewers.get(viewer.id) is not viewer:
            return
        del self.viewers[viewer.id]
        if all(one.file != viewer.file for one in self.viewers.values()):
            self.programs.pop(viewer.file).end()
        if told:
            say(event="gone", viewer=viewer.id)
        self.later(viewer.close())

    async def watch_over(self) -> None:
        """Frees the places of those who have vanished."""
        while True:
            await asyncio.sleep(LOOK_S)
            now = asyncio.get_running_loop().time()
            for viewer in list(self.viewers.values()):
                if viewer.vanished(now):
                    self.left(viewer)

    async def take(self, order: dict[str, Any]) -> dict[str, Any]:
        if order["do"] == "watch":
            viewer = Viewer(order["viewer"], Path(order["file"]), self)
            self._join(viewer)
            try:
                return {"sdp": await viewer.answer(order["sdp"])}
            except BaseException:
                self.left(viewer, told=False)
                raise
        if (known := self.viewers.get(str(order.get("viewer")))) is not None:
            self.left(known)
        return {}


async def main() -> None:
    """Runs until standard input closes."""
    av.logging.set_level(av.logging.PANIC)
    desk = Desk()
    watching = asyncio.create_task(desk.watch_over())
    await desk.obey()
    watching.cancel()


if __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)  # a connection that hangs must not hold up the end
