"""The child that holds shared screens: `python -m streaming.share_child SOCKET`.

Orders come as JSON lines on standard input and are answered by their `id`; what happens by itself
is told as `{"event": …}`. Nothing is decoded or encoded: the pictures of the one who is shown go on
to those who watch (WebRTC) and to the recorder (`recorder.shared`, on SOCKET). Ends when its
standard input closes.

Orders: `publish{sharer,sdp}`, `watch{viewer,sdp}` (answered with `sdp`), `show{sharer}` (null:
nothing), `close{sharer|viewer}`. Events: `sharer{sharer,state,codec}` with the state live, stalled
or gone, and `viewer{viewer,state}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError

from streaming import rtc
from streaming.obeying import Obedient, say
from streaming.recorders import Recorders
from streaming.rtc import Encoded, Feed

KEY_S = 1.0
STALLED_S, GONE_S = 3.0, 12.0


class Sharer:
    """One who shares: a connection that we receive from."""

    def __init__(self, id_: str, desk: Desk) -> None:
        self.id, self._desk = id_, desk
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.codec = ""
        self.state = "connecting"
        self.heard = asyncio.get_running_loop().time()
        self._video: Any = None
        self._tasks: list[asyncio.Task[None]] = []
        self.pc.on("track", self._track)
        self.pc.on("connectionstatechange", self._changed)

    def _track(self, track: Any) -> None:
        for transceiver in self.pc.getTransceivers():
            if transceiver.receiver.track is track and track.kind == "video":
                rtc.take_whole(transceiver.receiver)
                self._video = transceiver.receiver
        self._tasks.append(asyncio.create_task(self._take(track)))

    def _changed(self) -> None:
        if self.pc.connectionState in rtc.OVER:
            self._desk.gone(self)

    async def _take(self, track: Any) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                piece: Encoded = await track.recv()
                if piece.media == "video":
                    self.heard = asyncio.get_running_loop().time()
                    if self.state != "live" or self.codec != piece.codec:
                        self.codec = piece.codec
                        self.tell("live")
                self._desk.passed(self, piece)
        if track.kind == "video":
            self._desk.gone(self)

    def tell(self, state: str) -> None:
        self.state = state
        say(event="sharer", sharer=self.id, state=state, codec=self.codec)

    async def ask_for_key(self) -> None:
        if self._video is not None:
            await rtc.ask_for_key(self._video)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.pc.close()


class Viewer:
    """One who watches what is shown: a connection that we send to."""

    def __init__(self, id_: str, desk: Desk) -> None:
        self.id, self._desk = id_, desk
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.feeds = {kind: Feed(kind) for kind in ("video", "audio")}
        self.pc.on("connectionstatechange", self._changed)

    def _changed(self) -> None:
        if self.pc.connectionState in rtc.OVER:
            self._desk.left(self)
        elif self.pc.connectionState == "connected":
            self._desk.want_key()

    async def answer(self, offer: str, codec: str) -> str:
        """Answers; the picture goes out in the codec of the one who is shown."""

        def heed(sender: Any) -> None:
            rtc.on_loss(sender, self._desk.want_key)

        return await rtc.answer_viewer(self.pc, offer, self.feeds, codec or "h264", heed)

    def put(self, piece: Encoded) -> None:
        if not self.feeds[piece.media].put(piece):
            self._desk.want_key()

    async def close(self) -> None:
        for feed in self.feeds.values():
            feed.stop()
        await self.pc.close()


class Desk(Obedient):
    """Everybody's meeting place: sharers, viewers, recorders, and who is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.sharers: dict[str, Sharer] = {}
        self.viewers: dict[str, Viewer] = {}
        self.recorders = Recorders(self.want_key)
        self.shown: Sharer | None = None
        self._asked = 0.0

    def passed(self, sharer: Sharer, piece: Encoded) -> None:
        if sharer is self.shown:
            for viewer in list(self.viewers.values()):
                viewer.put(piece)
            self.recorders.put(piece)

    def want_key(self) -> None:
        """Asks the one who is shown for a key frame, at most five times a second."""
        now = asyncio.get_running_loop().time()
        if self.shown is not None and now - self._asked > 0.2:
            self._asked = now
            self.later(self.shown.ask_for_key())

    def show(self, sharer: str | None) -> None:
        self.shown = self.sharers.get(sharer) if sharer else None
        self.recorders.begin_anew()
        if self.shown is None:
            self.recorders.nothing()
        self._asked = 0.0
        self.want_key()

    def gone(self, sharer: Sharer) -> None:
        if self.sharers.get(sharer.id) is sharer:
            del self.sharers[sharer.id]
            if self.shown is sharer:
                self.show(None)
            sharer.tell("gone")
            self.later(sharer.close())

    def left(self, viewer: Viewer) -> None:
        if self.viewers.get(viewer.id) is viewer:
            del self.viewers[viewer.id]
            say(event="viewer", viewer=viewer.id, state="gone")
            self.later(viewer.close())

    async def watch_over(self) -> None:
        """Once a second: key frames for the recorder, and who has fallen silent."""
        while True:
            await asyncio.sleep(KEY_S)
            now = asyncio.get_running_loop().time()
            for sharer in list(self.sharers.values()):
                silent = now - sharer.heard
                if silent > GONE_S:
                    self.gone(sharer)
                elif silent > STALLED_S and sharer.state == "live":
                    sharer.tell("stalled")
                elif sharer is not self.shown and sharer.state != "connecting":
                    self.later(sharer.ask_for_key())  # a still screen says so that it is there
            if self.shown is None:
                self.recorders.nothing()
            else:
                self.want_key()

    async def take(self, order: dict[str, Any]) -> dict[str, Any]:
        match order["do"]:
            case "publish":
                sharer = self.sharers[order["sharer"]] = Sharer(order["sharer"], self)
                try:
                    return {"sdp": await rtc.answer(sharer.pc, order["sdp"])}
                except BaseException:
                    self.sharers.pop(sharer.id, None)
                    self.later(sharer.close())
                    raise
            case "watch":
                viewer = self.viewers[order["viewer"]] = Viewer(order["viewer"], self)
                codec = self.shown.codec if self.shown else ""
                try:
                    return {"sdp": await viewer.answer(order["sdp"], codec)}
                except BaseException:
                    self.viewers.pop(viewer.id, None)
                    self.later(viewer.close())
                    raise
            case "show":
                self.show(order.get("sharer"))
            case "close":
                if (known := self.sharers.get(str(order.get("sharer")))) is not None:
                    self.gone(known)
                if (watching := self.viewers.get(str(order.get("viewer")))) is not None:
                    self.left(watching)
        return {}


async def main(path: Path) -> None:
    """Runs until standard input closes."""
    rtc.leave_encoded()
    desk = Desk()
    await desk.recorders.serve(path)
    watching = asyncio.create_task(desk.watch_over())
    await desk.obey()
    watching.cancel()
    desk.recorders.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
    os._exit(0)  # a connection that hangs must not hold up the end
