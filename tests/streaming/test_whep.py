"""The program by WebRTC: as it was encoded, for those who may, and no place is held for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="aiortc is not installed: pip install classroomd[webrtc]")

import httpx
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from sharing import until

from controller.state import AccessRole, SessionState
from recorder.annexb import start_coded
from streaming import whep, whep_child
from streaming.access import Visibility
from streaming.fragments import Fragment, FragmentReader, Init
from streaming.samples import samples

SDP = {"Content-Type": "application/sdp"}
TEACHER = {"Authorization": f"Bearer token-{AccessRole.INSTRUCTOR.value}"}


class Player:
    """One who watches: aiortc, which decodes what it receives."""

    def __init__(self) -> None:
        self.pc = RTCPeerConnection()
        self.frames: dict[str, list[Any]] = {"video": [], "audio": []}
        self._tasks: list[asyncio.Task[None]] = []
        for kind in ("video", "audio"):
            self.pc.addTransceiver(kind, direction="recvonly")
        self.pc.on(
            "track", lambda track: self._tasks.append(asyncio.ensure_future(self._take(track)))
        )

    async def _take(self, track: Any) -> None:
        while True:
            self.frames[track.kind].append(await track.recv())

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    async def take(self, sdp: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.pc.close()


@pytest.fixture
async def players() -> AsyncIterator[Callable[[], Player]]:
    made: list[Player] = []

    def make() -> Player:
        made.append(Player())
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture
async def program(make_live: Any, tmp_path: Path) -> AsyncIterator[Callable[[Path], None]]:
    """Writes a live program into a folder, in real time, for as long as the test runs."""
    tasks: list[asyncio.Task[None]] = []

    def begin(file: Path) -> None:
        maker = make_live(tmp_path / "part.mp4", file)

        async def write() -> None:
            while True:
                await asyncio.to_thread(maker.write, 0.2)
                await asyncio.sleep(0.2)

        tasks.append(asyncio.create_task(write()))

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_may_watches_and_a_place_is_freed(
    hall: Any, players: Callable[[], Player], program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whep, "CHECK_S", 0.1)
    monkeypatch.setattr(whep, "BUSY", 1000.0)
    recording = hall.begin()
    hall.live.whep.most = 1
    program(recording.live / "program.mp4")
    base = f"http://{await hall.serve()}/api/v1/live"
    address = f"{base}/{recording.id}/whep"
    one, other = players(), players()
    offer = await one.offer()
    async with httpx.AsyncClient(timeout=60) as http:
        assert (await http.post(address, content=offer, headers=SDP)).status_code == 401
        forged = SDP | {"Cookie": "classroomd_live=forged"}
        assert (await http.post(address, content=offer, headers=forged)).status_code == 404
        hall.live.set_visibility(recording.folder, Visibility.PUBLIC)
        assert (await http.post(address, content=offer, headers=forged)).status_code == 401
        assert (await http.get(base)).json()["whep"] is None
        hall.live.set_visibility(recording.folder, Visibility.COURSE)
        made = hall.live.links.make(recording=recording.id)
        told = (await http.get(f"{base}?key={made}")).json()  # the signed link of other ways
        assert told["whep"] == f"/api/v1/live/{recording.id}/whep"
        abroad = SDP | {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
        refused = await http.post(address, content=offer, headers=abroad)
        assert refused.status_code == 403
        refused = await http.post(address, json={"sdp": offer})
        assert (refused.status_code, refused.json()["code"]) == (415, "no_sdp")
        refused = await http.post(address, content=offer + "a=x\r\n" * 20_001, headers=SDP)
        assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
        refused = await http.post(address, content="v=0\r\nm=video 9 VP8\r\n", headers=SDP)
        assert (refused.status_code, refused.json()["code"]) == (406, "no_h264")

        answer = await http.post(address, content=offer, headers=SDP)
        assert (answer.status_code, answer.headers["content-type"]) == (201, "application/sdp")
        await one.take(answer.text)
        await until(lambda: len(one.frames["video"]) > 20 and len(one.frames["audio"]) > 40)
        picture = one.frames["video"][-1]
        assert (picture.width, picture.height) == (320, 180)
        assert hall.live.viewers(recording.folder) == 1
        refused = await http.post(address, content=await other.offer(), headers=SDP)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many")

        place = answer.headers["location"]
        assert place.startswith(f"/api/v1/live/{recording.id}/whep/")
        assert (await http.delete(f"{base}/{recording.id}/whep/another")).status_code == 200
        assert hall.live.viewers(recording.folder) == 1
        assert (await http.delete(f"http://{hall.address}{place}")).status_code == 200
        assert hall.live.viewers(recording.folder) == 0
        await until(lambda: one.pc.connectionState == "closed")

        # Another takes the place, and loses it with the class.
        answer = await http.post(address, content=other.pc.localDescription.sdp, headers=SDP)
        await other.take(answer.text)
        await until(lambda: len(other.frames["video"]) > 5)
        hall.be(SessionState.ENDED)
        await until(lambda: hall.live.viewers(recording.folder) == 0)
        await until(lambda: other.pc.connectionState == "closed")
        answer = await http.post(address, content=offer, headers=SDP)
        assert (answer.status_code, answer.json()["code"]) == (409, "no_session")


async def test_a_busy_machine_and_a_room_without(
    hall: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = hall.begin()
    hall.live.set_visibility(recording.folder, Visibility.PUBLIC)
    base = f"http://{await hall.serve()}/api/v1/live"
    monkeypatch.setattr(whep, "BUSY", -1.0)
    async with httpx.AsyncClient(timeout=60) as http:
        for most, code in ((1, "busy"), (0, "no_webrtc")):
            hall.live.whep.most = most
            offer = "v=0\r\na=rtpmap:102 H264/90000\r\n"
            answer = await http.post(
                f"{base}/{recording.id}/whep", content=offer, headers=SDP | TEACHER
            )
            assert (answer.status_code, answer.json()["code"]) == (503, code)
        assert (await http.get(base, headers=TEACHER)).json()["whep"] is None


async def test_pictures_pass_as_they_were_encoded(
    players: Callable[[], Player],
    program: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the child gives to everybody is the program's own picture; nothing is encoded anew."""
    given: list[Any] = []
    monkeypatch.setattr(whep_child.Viewer, "put", lambda _, piece: given.append(piece))
    desk = whep_child.Desk()
    file = tmp_path / "program.mp4"
    program(file)
    await until(file.exists)
    order = {"do": "watch", "viewer": "v", "file": str(file), "sdp": await players().offer()}
    assert "m=video" in (await desk.take(order))["sdp"]
    await until(lambda: sum(piece.media == "video" for piece in given) > 60)
    desk.left(desk.viewers["v"])
    written = set()
    init: Any = None
    for piece in FragmentReader().feed(file.read_bytes()):
        if isinstance(piece, Init):
            init = piece
        elif isinstance(piece, Fragment):
            written |= {start_coded(one.data) for one in samples(init, piece) if one.video}
    pictures = [piece for piece in given if piece.media == "video"]
    assert pictures[0].key
    assert sum(piece.key for piece in pictures) >= 2
    for piece in pictures:
        if piece.key:  # the parameter sets stand before it, for one who joins there
            assert any(piece.data.endswith(data) for data in written)
            assert piece.data[4] & 31 == 7
        else:
            assert piece.data in written
    stamps = [piece.stamp for piece in pictures]
    assert stamps == sorted(set(stamps))
    sounds = [piece.stamp for piece in given if piece.media == "audio"]
    assert {after - before for before, after in pairwise(sounds)} == {960}


async def test_one_who_vanishes_frees_the_place(
    players: Callable[[], Player],
    program: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The network of a viewer is gone without a word; one that never came is let go as well."""
    monkeypatch.setattr(whep_child, "SILENT_S", 3.0)
    monkeypatch.setattr(whep_child, "JOIN_S", 3.0)
    monkeypatch.setattr(whep_child, "LOOK_S", 0.1)
    desk = whep_child.Desk()
    watching = asyncio.create_task(desk.watch_over())
    file = tmp_path / "program.mp4"
    program(file)
    await until(file.exists)
    one, stays, never = players(), players(), players()
    for name, player in (("one", one), ("stays", stays), ("never", never)):
        order = {"do": "watch", "viewer": name, "file": str(file), "sdp": await player.offer()}
        sdp = (await desk.take(order))["sdp"]
        if player is not never:
            await player.take(sdp)
    await until(lambda: len(one.frames["video"]) > 5 and len(stays.frames["video"]) > 5)

    async def nothing(*_: Any) -> None:
        return None

    for transceiver in one.pc.getTransceivers():
        receiver: RTCRtpReceiver = transceiver.receiver
        monkeypatch.setattr(receiver.transport, "_send_rtp", nothing)
    await until(lambda: set(desk.viewers) == {"stays"})
    assert file in desk.programs
    seen = len(stays.frames["video"])
    await until(lambda: len(stays.frames["video"]) > seen + 10)
    desk.left(desk.viewers["stays"])
    assert desk.programs == {}
    watching.cancel()
