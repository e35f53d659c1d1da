"""Shared screens: who may, who is shown, and that what was encoded once arrives as it was."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="aiortc is not installed: pip install classroomd[webrtc]")

import av
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtcrtpsender import RTCRtpSender
from sharing import Laptop, until

from recorder import feed, shared
from recorder.shared import BOARD, NOTHING, Shared, SharedError
from recorder.sources.shared import Feeder
from streaming import rtc, share_child
from streaming.share import Person, ShareError, ShareRoom

TEACHER = Person(key="user-1", name="Ada", leads=True)
COLLEAGUE = Person(key="user-2", name="Emmy", leads=True)
STUDENT = Person(key="tablet-1", name="Kim")


async def test_an_offer_that_cannot_be_answered_leaves_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[RTCPeerConnection] = []

    def make(*about: Any) -> RTCPeerConnection:
        made.append(RTCPeerConnection(*about))
        return made[-1]

    monkeypatch.setattr(share_child, "RTCPeerConnection", make)
    desk = share_child.Desk()
    for order in ({"do": "publish", "sharer": "s"}, {"do": "watch", "viewer": "v"}):
        await desk.carry_out({"id": 1, "sdp": "m=no description", **order})
    await asyncio.gather(*desk._tasks)
    assert [pc.connectionState for pc in made] == ["closed", "closed"]
    assert desk.sharers == desk.viewers == {}


async def test_an_offer_that_is_long_once_escaped_ends_nobody_else(room: ShareRoom) -> None:
    await room.publish(TEACHER, "screen", "v=0")  # the child is there now
    child = room._child.process
    with pytest.raises(ShareError):
        await room.publish(TEACHER, "screen", "\x01" * 100_000)
    assert child is not None and room._child.process is child


async def recorded(room: ShareRoom, enough: Callable[[list[Shared]], bool]) -> list[Shared]:
    """What a recorder is sent."""
    path = shared.socket_path(room._socket.parent, BOARD)
    reader, writer = await asyncio.open_unix_connection(str(path))
    data, pieces = b"", []
    async with asyncio.timeout(40):
        while not enough(pieces):
            data += await reader.read(1 << 16)
            stream, pieces = io.BytesIO(data), []
            while (piece := shared.read(stream)) is not None:
                pieces.append(piece)
    writer.close()
    return pieces


def fed(pieces: list[Shared], tmp_path: Path) -> list[feed.Message]:
    """The feed that the source child makes of them."""
    from recorder.sources.child import Output

    with (tmp_path / "feed").open("w+b", buffering=0) as file:
        feeder = Feeder(Output(file.fileno()), "shared", "slides")
        for piece in pieces:
            feeder.take(piece)
        file.seek(0)
        return list(feed.read(io.BytesIO(file.read())))


@pytest.mark.parametrize("codec", ["H264", "VP8"])
async def test_a_shared_screen_reaches_recorder_and_board(
    room: ShareRoom, laptop: Callable[..., Laptop], tmp_path: Path, codec: str
) -> None:
    one = laptop(codec)
    id_, sdp = await room.publish(TEACHER, "screen", await one.offer())
    await one.take(sdp)
    await until(lambda: room.sharers and room.sharers[id_].state == "live")
    assert room.sharers[id_].codec == codec.lower()

    def enough(pieces: list[Shared]) -> bool:
        sounds = sum(piece.media == "audio" for piece in pieces)
        return sounds > 20 and sum(piece.media == "video" for piece in pieces) > 20

    pieces = await recorded(room, enough)
    pictures = [piece for piece in pieces if piece.media == "video"]
    assert pictures[0].key
    messages = fed(pieces, tmp_path)
    infos = {one.media: one for one in messages if isinstance(one, feed.StreamInfo)}
    assert (infos["video"].codec, infos["video"].width) == ("h264", 640)
    assert infos["audio"].codec == "aac"
    packets = [one for one in messages if isinstance(one, feed.FeedPacket)]
    shown = [one for one in packets if one.index == infos["video"].index]
    if codec == "H264":  # passed through, byte for byte
        assert [one.data for one in shown] == [piece.data for piece in pictures]
    decoder: Any = av.CodecContext.create("h264", "r")
    decoder.extradata = bytes.fromhex(infos["video"].extradata)
    frames = [frame for one in shown for frame in decoder.decode(av.Packet(one.data))]
    assert len(frames) >= len(shown) - 3
    assert sum(one.index == infos["audio"].index for one in packets) > 5

    # The board: another connection, fed with the same bytes.
    board = RTCPeerConnection()
    seen: list[Any] = []

    async def look(track: Any) -> None:
        seen.append(await track.recv())

    tasks = []
    board.on("track", lambda track: tasks.append(asyncio.ensure_future(look(track))))
    for kind in ("video", "audio"):
        board.addTransceiver(kind, direction="recvonly")
    await board.setLocalDescription(await board.createOffer())
    _, answer = await room.watch(board.localDescription.sdp)
    await board.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await until(lambda: len(seen) == 2)
    await board.close()
    await one.pc.close()
    await until(lambda: not room.sharers)
    assert room.shown is None


async def test_the_last_one_chosen_is_shown_and_the_one_before_comes_back(
    room: ShareRoom, laptop: Callable[..., Laptop]
) -> None:
    shown: list[str | None] = []
    room._on_shown = lambda sharer: shown.append(sharer.person.name if sharer else None)
    one, other = laptop(), laptop()
    first, sdp = await room.publish(TEACHER, "screen", await one.offer())
    await one.take(sdp)
    second, sdp = await room.publish(COLLEAGUE, "camera", await other.offer())
    await other.take(sdp)
    assert room.shown == second
    await until(lambda: {one.state for one in room.sharers.values()} == {"live"})
    await room.close(second)
    assert room.shown == first
    await room.show(None)
    again = laptop()
    replaced, sdp = await room.publish(TEACHER, "screen", await again.offer())
    assert list(room.sharers) == [replaced]
    assert shown == ["Ada", "Emmy", "Ada", None, "Ada"]
    with pytest.raises(ShareError, match="no longer"):
        await room.show(first)


async def test_a_student_waits_to_be_chosen(room: ShareRoom, laptop: Callable[..., Laptop]) -> None:
    one = laptop()
    with pytest.raises(ShareError) as caught:
        await room.publish(STUDENT, "camera", await one.offer())
    assert caught.value.code == "not_chosen"
    room.ask(STUDENT)
    assert room.asking() == {STUDENT.key: "Kim"}
    room.allow(STUDENT.key)
    assert room.asking() == {}
    id_, _ = await room.publish(STUDENT, "camera", await laptop().offer())
    assert room.shown == id_
    await room.disallow(STUDENT.key)
    assert room.shown is None
    assert not room.may(STUDENT)
    with pytest.raises(ShareError):
        room.allow("tablet-9")


async def test_a_child_that_dies_takes_nobody_with_it(
    room: ShareRoom, laptop: Callable[..., Laptop]
) -> None:
    await room.publish(TEACHER, "screen", await laptop().offer())
    process = room._child.process
    assert process is not None
    process.kill()
    await until(lambda: not room.sharers and room._child.process is None)
    id_, _ = await room.publish(TEACHER, "screen", await laptop().offer())
    assert room.shown == id_
    with pytest.raises(ShareError) as caught:
        await room.publish(COLLEAGUE, "screen", "v=0 this is no offer")
    assert caught.value.code == "no_connection"
    assert room.shown == id_


def test_nothing_shown_is_no_fault_and_damage_is_told(tmp_path: Path) -> None:
    waiting = fed([NOTHING, Shared("audio", 5, "opus", True, b"\xfc")], tmp_path)
    assert [one.name for one in waiting if isinstance(one, feed.Command)] == ["waiting"]
    assert shared.read(io.BytesIO(shared.pack(NOTHING)[:3])) is None
    with pytest.raises(SharedError):
        shared.read(io.BytesIO(b"\xff\xff\xff\xff\x01"))
    with pytest.raises(ValueError, match="cannot be the name"):
        shared.socket_path(tmp_path, "../board")


def test_a_missing_packet_is_waited_for_until_a_key_frame_stands_behind_it() -> None:
    from aiortc.rtp import RtpPacket

    def packet(number: int, stamp: int, data: bytes, marker: int) -> Any:
        made: Any = RtpPacket(sequence_number=number, timestamp=stamp, marker=marker)
        made._data = data
        return made

    buffer = rtc._Whole(512)
    key = b"\0\0\0\1\x67sps"
    assert buffer.add(packet(10, 1, key, 0))[1] is None
    whole = buffer.add(packet(11, 1, b"more", 1))[1]
    assert whole is not None
    assert whole.data == key + b"more"
    buffer.add(packet(13, 2, b"torn", 1))  # 12 is lost
    assert buffer.add(packet(14, 3, b"after", 1))[1] is None
    buffer._blocked = 0.0001  # long ago
    found = buffer.add(packet(15, 4, key, 1))[1]
    assert found is not None
    assert found.data == key


def test_aiortc_still_has_what_is_used_of_it() -> None:
    """Names that aiortc keeps to itself; when this fails, `streaming/rtc.py` wants a look."""
    import aiortc.rtcrtpreceiver as module

    assert callable(module.get_decoder)
    assert hasattr(RTCRtpReceiver, "_send_rtcp_pli")
    assert hasattr(RTCRtpSender, "_send_keyframe")
    source = Path(module.__file__).read_text()
    assert "__jitter_buffer = JitterBuffer" in source
    assert "if self.__remote_bitrate_estimator is not None" in source
    packet: Any = av.Packet(b"x")
    packet.pts, packet.time_base = 5, Fraction(1, 90_000)
    assert packet.pts == 5
