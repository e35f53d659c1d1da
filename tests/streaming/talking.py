"""What tests of talk-back stand on: one who whistles into a microphone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from av.audio.frame import AudioFrame
from sharing import until

from recorder import shared
from streaming import talk
from streaming.talk import TalkRoom

RATE = 48_000


class Tone(MediaStreamTrack):
    """A microphone before which somebody whistles."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._sent = 0
        self._began = 0.0

    async def recv(self) -> Any:
        loop = asyncio.get_running_loop()
        self._began = self._began or loop.time()
        await asyncio.sleep(max(0.0, self._began + self._sent / RATE - loop.time()))
        at = np.arange(960) + self._sent
        sound = (np.sin(at * (2 * np.pi * 500 / RATE)) * 12_000).astype(np.int16)
        frame = AudioFrame.from_ndarray(sound[None], "s16", "mono")
        frame.sample_rate, frame.pts = RATE, self._sent
        self._sent += 960
        return frame


class Microphone:
    """One who speaks: aiortc."""

    def __init__(self) -> None:
        self.pc = RTCPeerConnection()
        self.pc.addTrack(Tone())

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    async def take(self, sdp: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))


class Talking:
    """A room's talk-back, with what it told."""

    def __init__(self, folder: Path, output: str | None) -> None:
        self.spoke: list[str | None] = []
        self.trouble: list[str] = []
        self.room = TalkRoom(
            folder,
            enabled=True,
            output=output,
            on_speaking=lambda hand: self.spoke.append(hand.name if hand else None),
            on_output=self.trouble.append,
        )
        self.socket = shared.socket_path(folder, shared.TALK)

    def state(self, id_: str) -> str | None:
        return next((one.state for one in self.room.hands() if one.id == id_), None)


def raised(room: TalkRoom, name: str = "Kim", asker: str = "home") -> talk.Raised:
    return room.raise_hand("r1", asker, name)


async def speaks(room: TalkRoom, one: talk.Raised, microphone: Microphone) -> None:
    await microphone.take(await room.speak(one, await microphone.offer()))
    await until(lambda: one.hand.state == "speaking")
