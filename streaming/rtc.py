"""WebRTC without decoding: encoded pictures and sounds are taken out of aiortc, and put into it.

aiortc decodes what it receives and encodes what it sends. A shared screen is recorded and shown as
it was encoded by its browser, so both are left out here. This uses names that aiortc keeps to
itself (checked with 1.16; `tests/streaming/test_share.py` says when they have changed). Only
children import this module.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import aiortc.rtcrtpreceiver as receiving
import av
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.mediastreams import MediaStreamError

VIDEO_CLOCK, AUDIO_CLOCK = 90_000, 48_000
WAITING = 60
OVER = frozenset({"failed", "closed"})
"""The states in which a connection has ended."""
# What we can take is more than aiortc says (level 3.1, at most 720p); Chromium starts slowly.
_LEVEL = (re.compile(r"(profile-level-id=42[0-9a-f]{2})1f"), r"\g<1>34")
_START_KBPS = 4000
_PROFILE = re.compile(r"profile-level-id=[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class Encoded:
    """One encoded picture or piece of sound. `stamp` counts in its RTP clock, without wrapping."""

    media: str
    codec: str
    stamp: int
    arrived: int
    key: bool
    data: bytes


class _Passed:
    """In place of a decoder: hands on what it is given."""

    def __init__(self, codec: Any) -> None:
        self._codec = codec.name.lower()

    def decode(self, frame: JitterFrame) -> list[Any]:
        media = "audio" if self._codec == "opus" else "video"
        arrived = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
        key = media == "audio" or is_key(self._codec, frame.data)
        return [Encoded(media, self._codec, frame.timestamp, arrived, key, frame.data)]


def leave_encoded() -> None:
    """From here on no receiver of this process decodes anything."""
    setattr(receiving, "get_decoder", _Passed)  # noqa: B010


class _Whole(JitterBuffer):
    """Gives a picture with its last packet (its marker says so), not with the next one's first.

    A packet that does not come is waited for no longer than `PATIENCE_S`, once a key frame of
    H.264 stands behind it.
    """

    PATIENCE_S = 0.2

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity, is_video=True)
        self._blocked: float | None = None

    def _at(self, count: int) -> Any:
        assert self._origin is not None
        return self._packets[(self._origin + count) % self._capacity]

    def _remove_frame(self, sequence_number: int) -> JitterFrame | None:
        found = self._first()
        if found is None and self._skip(sequence_number):
            found = self._first()
        if found is not None:
            self._blocked = None
            self.remove(found[0])
            return found[1]
        return None

    def _first(self) -> tuple[int, JitterFrame] | None:
        """The picture that comes next, and of how many packets it is; None while one is missing."""
        parts: list[bytes] = []
        stamp = None
        for count in range(self._capacity):
            packet = self._at(count)
            if packet is None:
                return None
            if stamp is not None and packet.timestamp != stamp:  # an end without a marker
                return count, JitterFrame(b"".join(parts), stamp)
            stamp = packet.timestamp
            parts.append(packet._data)
            if packet.marker:
                return count + 1, JitterFrame(b"".join(parts), stamp)
        return None

    def _skip(self, newest: int) -> bool:
        """Goes on at a later key frame when a packet has been missing for too long."""
        now = time.monotonic()
        reach = (newest - (self._origin or 0)) % 65536
        missing = next((n for n in range(reach) if self._at(n) is None), None)
        if missing is None:
            self._blocked = None
            return False
        self._blocked = self._blocked or now
        if now - self._blocked < self.PATIENCE_S:
            return False
        for count in range(missing + 1, reach + 1):
            packet = self._at(count)
            if packet is not None and is_key("h264", packet._data):
                self.remove(count)
                return True
        return False


class _Prompt(JitterBuffer):
    """Gives each packet of sound as it comes; one that is overtaken is left out.

    aiortc's own waits for four packets at first, and for sixteen after each loss for good.
    """

    def __init__(self) -> None:
        super().__init__(1)

    def add(self, packet: Any) -> tuple[bool, JitterFrame | None]:
        number = packet.sequence_number
        ahead = 1 if self._origin is None else (number - self._origin) % 65536
        if not 0 < ahead < 32768:
            return False, None
        self._origin = number
        return False, JitterFrame(packet._data, packet.timestamp)


def take_promptly(receiver: RTCRtpReceiver) -> None:
    """Makes a receiver of sound give each packet at once."""
    receiver._RTCRtpReceiver__jitter_buffer = _Prompt()  # type: ignore[attr-defined]


def take_whole(receiver: RTCRtpReceiver) -> None:
    """Makes a receiver of pictures give each as soon as it is whole."""
    receiver._RTCRtpReceiver__jitter_buffer = _Whole(512)  # type: ignore[attr-defined]
    # Its guess of the network holds a browser at a few hundred kbit/s; losses tell enough.
    receiver._RTCRtpReceiver__remote_bitrate_estimator = None  # type: ignore[attr-defined]


async def ask_for_key(receiver: RTCRtpReceiver) -> None:
    """Asks the other side for a key frame."""
    for source in receiver.getSynchronizationSources()[-1:]:
        await receiver._send_rtcp_pli(source.source)


def on_loss(sender: Any, wanted: Callable[[], None]) -> None:
    """Calls `wanted` when the one we send to asks for a key frame."""
    sender._send_keyframe = wanted


def on_report(sender: Any, heard: Callable[[], None]) -> None:
    """Calls `heard` whenever the one we send to says what it has received (RTCP)."""
    take = sender._handle_rtcp_packet

    async def listen(packet: Any) -> None:
        heard()
        await take(packet)

    sender._handle_rtcp_packet = listen


def is_key(codec: str, data: bytes) -> bool:
    """Whether decoding can begin with this picture (H.264 in Annex B form, or VP8)."""
    if codec == "vp8":
        return bool(data) and not data[0] & 1
    return any(data[match.end()] & 31 == 7 for match in re.finditer(b"\0\0\1(?=.)", data, re.S))


class Feed(MediaStreamTrack):
    """A track to send: what `put` is given goes out as it is."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self._queue: asyncio.Queue[Encoded] = asyncio.Queue()
        self._begun = kind == "audio"

    def put(self, piece: Encoded) -> bool:
        """Queues a piece; False when pictures were left out, up to the next key frame."""
        if self._queue.qsize() > WAITING:
            while not self._queue.empty():
                self._queue.get_nowait()
            self._begun = self.kind == "audio"
        self._begun = self._begun or piece.key
        if self._begun:
            self._queue.put_nowait(piece)
        return self._begun

    async def recv(self) -> Any:
        piece = await self._queue.get()
        if self.readyState != "live":
            raise MediaStreamError
        packet: Any = av.Packet(piece.data)
        packet.pts = piece.stamp
        packet.time_base = Fraction(1, AUDIO_CLOCK if self.kind == "audio" else VIDEO_CLOCK)
        return packet


async def answer(pc: RTCPeerConnection, offer: str) -> str:
    """Answers the offer of one who sends."""
    # aiortc knows the baseline profile only; what is not decoded may have any.
    profile = _PROFILE.search(offer)
    foreign = profile is not None and "profile-level-id=42" not in offer.lower()
    if foreign:
        offer = _PROFILE.sub("profile-level-id=42e01f", offer)
    await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    # It can be recorded as it is; VP8 is for those who have nothing else.
    agree_on(pc, "h264" if "H264/90000" in offer else "vp8")
    await pc.setLocalDescription(await pc.createAnswer())
    told = generous(pc.localDescription.sdp)
    return _PROFILE.sub(profile[0], told) if foreign and profile is not None else told


async def answer_viewer(
    pc: RTCPeerConnection,
    offer: str,
    feeds: Mapping[str, Feed],
    codec: str,
    heed: Callable[[Any], None],
) -> str:
    """Answers the offer of one who watches; pictures go out in `codec`.

    `heed` is given each sender, to listen to what comes back.
    """
    await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    for transceiver in pc.getTransceivers():
        transceiver.sender.replaceTrack(feeds[transceiver.kind])
        transceiver.direction = "sendonly"
        heed(transceiver.sender)
    agree_on(pc, codec)
    await pc.setLocalDescription(await pc.createAnswer())
    return str(pc.localDescription.sdp)


def agree_on(pc: RTCPeerConnection, codec: str) -> None:
    """Leaves one codec of pictures for the answer, of those that both sides have."""
    for transceiver in pc.getTransceivers():
        if transceiver.kind != "video":
            continue
        common = transceiver._codecs
        kept = [one for one in common if one.name.lower() == codec]
        numbers = {one.payloadType for one in kept}
        kept += [one for one in common if one.parameters.get("apt") in numbers]
        transceiver._codecs = kept or common


def generous(sdp: str) -> str:
    """The answer with the picture size and the bit rate that a screen on a LAN may have."""
    lines = []
    for line in sdp.splitlines():
        if line.startswith("a=rtcp-fb:") and line.endswith("goog-remb"):
            continue
        if line.startswith("a=fmtp:") and "profile-level-id" in line:
            lines.append(_LEVEL[0].sub(_LEVEL[1], line) + f";x-google-start-bitrate={_START_KBPS}")
        else:
            lines.append(line)
    return "\r\n".join(lines) + "\r\n"
