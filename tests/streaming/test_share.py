"""Shared screens: who may, who is shown, and that what was encoded once arrives as it was."""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="aiortc is not installed: pip install classroomd[webrtc]")

import av
import httpx
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtcrtpsender import RTCRtpSender
from websockets.asyncio.client import connect

from controller.state import AccessRole
from controller.tablets import Tablets
from recorder import feed, shared
from recorder.shared import BOARD, NOTHING, Shared, SharedError
from recorder.sources.shared import Feeder
from streaming import rtc, share_child
from streaming.push import Pushes, PushSpec
from streaming.share import Person, ShareError, ShareRoom

TEACHER = Person(key="user-1", name="Ada", leads=True)
COLLEAGUE = Person(key="user-2", name="Emmy", leads=True)
STUDENT = Person(key="tablet-1", name="Kim")


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


@pytest.fixture
async def room() -> AsyncIterator[ShareRoom]:
    # A Unix socket's path is short: pytest's folders may be too deep for it.
    with tempfile.TemporaryDirectory(prefix="share-") as folder:
        made = ShareRoom(Path(folder))
        yield made
        await made.stop()


@pytest.fixture
async def laptop() -> AsyncIterator[Callable[..., Laptop]]:
    made: list[Laptop] = []

    def make(codec: str = "H264") -> Laptop:
        made.append(Laptop(codec))
        return made[-1]

    yield make
    for one in made:
        await one.pc.close()


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


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(40):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


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


async def test_another_room_is_shown_on_the_board_by_whip(
    hall: Any, room: ShareRoom, make_live: Any, tmp_path: Path
) -> None:
    """What one room pushes by WHIP, the next one shows: an overflow room."""
    hall.app.state.share = room
    address = await hall.serve()
    (tmp_path / "live").mkdir()
    maker = make_live(tmp_path / "part.mp4", tmp_path / "live" / "program.mp4")

    async def write() -> None:
        while True:
            await asyncio.to_thread(maker.write, 0.2)
            await asyncio.sleep(0.2)

    writing = asyncio.create_task(write())
    token = f"token-{AccessRole.INSTRUCTOR.value}"
    spec = PushSpec(id="next", url=f"whip://{address}/api/v1/share/whip", secret="env:X")
    pushes = Pushes([spec], resolve=lambda _: token)
    pushes.start(tmp_path)
    try:
        await until(lambda: any(one.state == "live" for one in room.sharers.values()))
        shown = room.sharers[room.shown or ""]
        assert (shown.person.name, shown.codec) == ("instructor-bot", "h264")
    finally:
        await pushes.stop()
        writing.cancel()


async def test_a_paired_tablet_asks_and_is_chosen(
    hall: Any, room: ShareRoom, laptop: Callable[..., Laptop], tmp_path: Path
) -> None:
    tablets = Tablets("lab-2", tmp_path / "state")
    await tablets.start()
    hall.app.state.tablets, hall.app.state.share = tablets, room
    address = await hall.serve()
    base = f"http://{address}/api/v1"
    teacher = {"Authorization": f"Bearer token-{AccessRole.INSTRUCTOR.value}"}
    codes = [
        tablets.room.pairing.pair_each(["Kim"])[0],
        tablets.room.pairing.pair_each(["Front"], "board")[0],
    ]
    try:
        async with httpx.AsyncClient(timeout=60) as http:
            keys = []
            for code in codes:
                asked = {"code": code.text, "native": True}
                made = (await http.post(f"{base}/tablets/redeem", json=asked)).json()
                keys.append({"Authorization": f"Bearer {made['credential']}"})
            kim, board = keys
            told = (await http.get(f"{base}/share", headers=kim)).json()
            assert (told["name"], told["may"], told["leads"], told["asking"]) == (
                "Kim",
                False,
                False,
                [],
            )
            one = laptop()
            offer = {"sdp": await one.offer(), "kind": "camera"}
            answer = await http.post(f"{base}/share", json=offer, headers=kim)
            assert (answer.status_code, answer.json()["code"]) == (403, "not_chosen")
            events = f"ws://{address}/api/v1/share/events?asks=true"
            async with connect(events, additional_headers=kim) as socket:
                assert json.loads(await socket.recv())["may"] is False
                seen = (await http.get(f"{base}/share", headers=teacher)).json()
                ((key, name),) = [(who["key"], who["name"]) for who in seen["asking"]]
                assert name == "Kim"
                await http.post(f"{base}/share/allow", json={"key": key}, headers=teacher)
                async with asyncio.timeout(30):
                    while not json.loads(await socket.recv())["may"]:
                        pass
            answer = await http.post(f"{base}/share", json=offer, headers=kim)
            await one.take(answer.json()["sdp"])
            shown = (await http.get(f"{base}/share", headers=board)).json()
            assert shown["shown"] == answer.json()["id"]
            # Only the board and those who teach receive it, and one ends only what is one's own.
            watch = {"sdp": await laptop().offer()}
            refused = await http.post(f"{base}/share/watch", json=watch, headers=kim)
            assert refused.status_code == 403
            given = await http.post(f"{base}/share/watch", json=watch, headers=board)
            assert given.status_code == 200
            ended = await http.request(
                "DELETE", f"{base}/share/{shown['shown']}", json={}, headers=board
            )
            assert ended.status_code == 403
            taken = {"key": key, "allowed": False}
            back = (await http.post(f"{base}/share/allow", json=taken, headers=teacher)).json()
            assert (back["shown"], back["sharers"]) == (None, [])
    finally:
        await tablets.stop()


async def test_who_is_let_in(hall: Any, tmp_path: Path) -> None:
    hall.app.state.share = ShareRoom(tmp_path, enabled=False)
    base = f"http://{await hall.serve()}/api/v1/share"

    def token(role: AccessRole) -> dict[str, str]:
        return {"Authorization": f"Bearer token-{role.value}"}

    teacher, student = token(AccessRole.INSTRUCTOR), token(AccessRole.STUDENT)
    offer = {"sdp": "v=0 anything at all"}
    async with httpx.AsyncClient() as http:
        assert (await http.get(base)).status_code == 401
        assert (await http.get(base, headers=student)).status_code == 401
        told = (await http.get(base, headers=teacher)).json()
        assert (told["available"], told["may"], told["leads"]) == (False, True, True)
        assert "[streaming]" in told["remedy"]
        answer = await http.post(base, json=offer, headers=teacher)
        assert (answer.status_code, answer.json()["code"]) == (503, "sharing_off")
        assert (await http.post(f"{base}/show", json={}, headers=student)).status_code == 403
        whip = {"Content-Type": "application/sdp"}
        assert (await http.post(f"{base}/whip", content="v=0", headers=whip)).status_code == 401
        answer = await http.post(f"{base}/whip", content="v=0", headers=whip | student)
        assert answer.status_code == 403
        answer = await http.post(f"{base}/whip", content="v=0", headers=whip | teacher)
        assert answer.status_code == 503
        answer = await http.post(f"{base}/whip", content="v=0" * 40_000, headers=whip | teacher)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
