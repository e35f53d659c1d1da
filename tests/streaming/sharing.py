"""What tests of sharing stand on: one who shares, and waiting for what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from aiortc.rtcrtpsender import RTCRtpSender


class Laptop:
    """One who shares: aiortc with a moving picture and sound."""

    def __init__(self, codec: str = "H264") -> None:
        self.pc = RTCPeerConnection()
        self.pc.addTrack(AudioStreamTrack())
        sender = self.pc.addTrack(VideoStreamTrack())
        chosen = next(one for one in self.pc.getTransceivers() if one.sender is sender)
        known = RTCRtpSender.getCapabilities("video").codecs
        chosen.setCodecPreferences([one for one in known if one.mimeType == f"video/{codec}"])

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    async def take(self, sdp: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(40):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
