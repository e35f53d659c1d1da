"""Asking to speak over the network: who may, what their page is told, what the lecturer does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="aiortc is not installed: pip install classroomd[webrtc]")

import httpx
from sharing import until
from talking import Microphone, Talking
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from controller.state import AccessRole, SessionState
from dashboard.api import talk as api
from recorder.recording import Role, SourceSpec
from streaming import talk
from streaming.access import Visibility
from streaming.talk import TalkRoom

TEACHER = {"Authorization": f"Bearer token-{AccessRole.INSTRUCTOR.value}"}
STUDENT = {"Authorization": f"Bearer token-{AccessRole.STUDENT.value}"}
SDP = {"Content-Type": "application/sdp"}


class Class:
    """A class on a real port that its course may watch; `invited` is one who has the link."""

    def __init__(self, hall: Any, room: TalkRoom) -> None:
        self.hall, self.room = hall, room
        self.recording = hall.begin()
        voice = SourceSpec(id="voice", role=Role.MICROPHONE, url=talk.SOURCE)
        self.recording.update(sources=[*self.recording.manifest.sources, voice])
        hall.app.state.talk = room
        self.show_to(Visibility.COURSE)
        link = hall.live.links.make(recording=self.recording.id)
        self.invited = {"Cookie": f"classroomd_live={link}"}

    def show_to(self, visibility: Visibility) -> None:
        self.hall.live.set_visibility(self.recording.folder, visibility)

    def ask(self, **headers: str) -> Any:
        address = f"ws://{self.hall.address}/api/v1/live/{self.recording.id}/talk"
        return connect(address, additional_headers=headers, open_timeout=60)


@pytest.fixture
async def lecture(hall: Any, talking: Callable[..., Talking]) -> Class:
    await hall.serve()
    return Class(hall, talking().room)


async def said(socket: ClientConnection, state: str | None = None) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            told: dict[str, Any] = json.loads(await socket.recv())
            if state is None or told["state"] == state:
                return told


async def test_a_hand_is_raised_admitted_heard_muted_and_ended(
    lecture: Class, microphone: Callable[[], Microphone]
) -> None:
    async with (
        httpx.AsyncClient(base_url=f"http://{lecture.hall.address}/api/v1", timeout=60) as http,
        lecture.ask(**lecture.invited) as socket,
    ):
        offer = {"socket": f"/api/v1/live/{lecture.recording.id}/talk"}
        told = (await http.get("/live", headers=lecture.invited)).json()["talk"]
        assert told == offer | {"heard": False, "recorded": True}
        await socket.send('{"name": "Kim"}')
        hand = await said(socket)
        assert (hand["state"], hand["heard"], hand["recorded"]) == ("asking", False, True)
        voice = microphone()
        place = f"http://{lecture.hall.address}{hand['place']}"
        sdp = await voice.offer()
        answer = await http.post(place, content=sdp, headers=SDP | lecture.invited)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_admitted")

        view = (await http.get("/live/talk", headers=TEACHER)).json()
        (asks,) = view["hands"]
        assert view["available"]
        assert (asks["name"], asks["state"]) == ("Kim", "asking")
        assert hand["place"].rpartition("/")[2] not in json.dumps(view)

        async def decide(do: str) -> dict[str, Any]:
            answer = await http.post(f"/live/talk/{asks['id']}", json={"do": do}, headers=TEACHER)
            assert answer.status_code == 200
            return dict(answer.json())

        assert (await decide("admit"))["hands"][0]["state"] == "admitted"
        assert (await said(socket, "admitted"))["place"] == hand["place"]
        answer = await http.post(place, content=sdp, headers=SDP | lecture.invited)
        assert (answer.status_code, answer.headers["location"]) == (201, hand["place"])
        await voice.take(answer.text)
        await said(socket, "speaking")

        # A second one waits for the first.
        lecture.show_to(Visibility.CAMPUS)
        async with lecture.ask(**STUDENT) as other:
            await other.send('{"name": "Ada"}')
            await said(other, "asking")
            second = (await http.get("/live/talk", headers=TEACHER)).json()["hands"][1]["id"]
            answer = await http.post(f"/live/talk/{second}", json={"do": "admit"}, headers=TEACHER)
            assert (answer.status_code, answer.json()["code"]) == (409, "one_speaks")

            await decide("mute")
            assert (await said(socket))["muted"]
            await decide("unmute")
            assert not (await said(socket))["muted"]
            lecture.hall.be(SessionState.PAUSED)  # nothing is saved, and the page says so
            assert not (await said(socket))["recorded"]
            lecture.hall.be(SessionState.LIVE)
            await decide("end")
            assert (await said(socket, "over"))["why"] == "ended"
            with pytest.raises(ConnectionClosed):
                await said(socket)
            answer = await http.post(f"/live/talk/{second}", json={"do": "admit"}, headers=TEACHER)
            assert answer.status_code == 200
            lecture.hall.be(SessionState.ENDED)
            assert (await said(other, "over"))["why"] == "class_over"
        answer = await http.post(f"/live/talk/{second}", json={"do": "end"}, headers=TEACHER)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_there")
    kept = [one.data for one in await lecture.hall.room.journal.tail() if one.kind == "talk"]
    assert {"do": "admit", "name": "Kim"} in kept


async def test_only_who_may_watch_asks(lecture: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "CHECK_S", 0.05)
    for headers, status in (({}, 401), (STUDENT, 404), ({"Cookie": "classroomd_live=x"}, 404)):
        with pytest.raises(InvalidStatus) as caught:
            async with lecture.ask(**headers):
                pass
        assert caught.value.response.status_code == status
    lecture.show_to(Visibility.PUBLIC)  # watching is for everybody, speaking for known ones
    with pytest.raises(InvalidStatus) as caught:
        async with lecture.ask(Cookie="classroomd_live=x"):
            pass
    assert caught.value.response.status_code == 401
    abroad = lecture.invited | {"Origin": "https://elsewhere.example"}
    with pytest.raises(InvalidStatus):
        async with lecture.ask(**abroad):
            pass
    refused = {'{"name": " "}': "no_name", "[]": "not_understood", b"Kim": "not_understood"}
    for wrong, code in refused.items():
        async with lecture.ask(**lecture.invited) as socket:
            await socket.send(wrong)
            told = await said(socket)
            assert (told["state"], told["code"]) == ("refused", code)
    async with lecture.ask(**lecture.invited) as socket:
        await socket.send('{"name": "Kim"}')
        place = (await said(socket))["place"]
        lecture.show_to(Visibility.NOBODY)
        assert (await said(socket, "over"))["why"] == "not_allowed"
    lecture.show_to(Visibility.COURSE)
    async with lecture.ask(**lecture.invited) as socket:
        await socket.send(json.dumps({"place": place.rpartition("/")[2]}))
        assert (await said(socket))["code"] == "not_there"
    assert lecture.room.hands() == []


async def test_a_broken_line_keeps_the_hand_up_and_leaving_takes_it_down(lecture: Class) -> None:
    async with lecture.ask(**lecture.invited) as socket:
        await socket.send('{"name": "Kim"}')
        place = (await said(socket))["place"]
        socket.transport.abort()
    (hand,) = lecture.room.hands()
    async with lecture.ask(**lecture.invited) as socket:
        await socket.send(json.dumps({"place": place.rpartition("/")[2]}))
        assert (await said(socket))["place"] == place
        assert lecture.room.hands() == [hand]
        async with httpx.AsyncClient(timeout=60) as http:
            address = f"http://{lecture.hall.address}{place}"
            assert (await http.delete(address, headers=lecture.invited)).status_code == 200
            assert (await http.delete(address, headers=lecture.invited)).status_code == 404
        assert (await said(socket, "over"))["why"] == "left"
    await until(lambda: lecture.room.hands() == [])


async def test_a_room_without_talk_back_offers_none(hall: Any) -> None:
    recording = hall.begin()
    hall.live.set_visibility(recording.folder, Visibility.CAMPUS)
    address = await hall.serve()
    async with httpx.AsyncClient(base_url=f"http://{address}/api/v1", timeout=60) as http:
        assert (await http.get("/live", headers=STUDENT)).json()["talk"] is None
        view = (await http.get("/live/talk", headers=TEACHER)).json()
        assert view == {"available": False, "heard": False, "trouble": "", "hands": []}
    url = f"ws://{address}/api/v1/live/{recording.id}/talk"
    async with connect(url, additional_headers=STUDENT, open_timeout=60) as socket:
        await socket.send('{"name": "Kim"}')
        assert (await said(socket))["code"] == "talk_off"
