"""Questions from home and from the tablets: one channel, in one order, moderated, kept."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path.append(str(Path(__file__).parents[1] / "tablets"))

from tablet_members import Clock, Listener

from controller.state import AccessRole, SessionState
from controller.tablets import DAY_MS
from devices.tablets.clock import room_ms
from devices.tablets.inquiries import AGAIN_MS, MAX_WAITING, Inquiries
from devices.tablets.log import Entry
from devices.tablets.teaching import NotNowError
from streaming.access import Visibility


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


TEACHER = {"Authorization": f"Bearer token-{AccessRole.INSTRUCTOR.value}"}


def test_they_are_bounded() -> None:
    asked = Inquiries()
    now = 1_000_000
    for number in range(MAX_WAITING):
        assert asked.allow(f"i{number}", f"student {number}", now) is None
        body = {"name": "", "text": "why?", "remote": False}
        asked.take(Entry(number + 1, f"i{number}", "inquiry", "s", body, now))
    for code, asker, at in (
        ("too_soon", "student 1", now + AGAIN_MS - 1),
        ("too_many", "student 1", now + AGAIN_MS),
    ):
        with pytest.raises(NotNowError) as caught:
            asked.allow("another", asker, at)
        assert caught.value.code == code
    known = asked.allow("i0", "student 0", now)  # said again: the acknowledgement was lost
    assert known is not None and known.state == "waiting"
    asked.take(Entry(200, "d", "inquiry_done", "lecturer", {"inquiry": "i0"}, now))
    assert "i0" not in {one.id for one in asked.open()}
    assert asked.allow("another", "student 1", now + AGAIN_MS) is None


async def test_home_and_tablets_ask_in_one_channel(hall: Any, tablets: Any) -> None:
    """A question from home and one from a seat: one order, words for the lecturer alone, then
    what is let through on board, tablets and the live page, and in the recording."""
    recording = hall.begin()
    hall.live.set_visibility(recording.folder, Visibility.PUBLIC)
    base = f"http://{await hall.serve()}/api/v1/live"
    asked = {"text": "Is light \n a wave?", "name": "Kim"}
    address = f"{base}/{recording.id}/questions"

    async def seat(name: str, role: Any = "student") -> Listener:
        code = tablets.room.pairing.pair_set([name], role)
        member = Listener(tablets.room, (await tablets.redeem(code.text, "127.0.0.1")).tablet)
        await member.hello()
        return member

    async with httpx.AsyncClient(timeout=60) as http:
        assert (await http.get(base)).json()["asks"] is False
        assert (await http.post(address, json=asked)).status_code == 401
        made = (await http.post(f"{base}/link", json={}, headers=TEACHER)).json()
        link = f"{base}?{made['path'].partition('?')[2]}"
        assert (await http.get(link)).json()["asks"] is False  # nobody would be told
        assert (await http.post(address, json=asked)).json()["code"] == "no_lesson"
        await tablets.room.open("s1", "Optics")
        teacher, ada, board = (
            await seat("Teacher", "lecturer"),
            await seat("Ada"),
            await seat("Board", "board"),
        )
        assert (await http.get(link)).json()["asks"] is True

        mine = (await http.post(address, json=asked)).json()["id"]
        assert (await http.post(address, json=asked)).status_code == 429
        ours = await ada.say("inquire", text="And a particle?", id="seat-one")
        assert ours["state"] == "counted"
        assert (await ada.say("inquire", text="And a particle?", id="seat-one"))["id"] == ours["id"]
        assert (await ada.say("inquire", text="Really?"))["code"] == "too_soon"
        assert (await board.say("inquire", text="Hello?"))["code"] == "not_allowed"
        assert (await ada.say("settle", inquiry=mine, state="shown"))["code"] == "not_allowed"
        waiting = (await http.get(f"{base}/questions", headers=TEACHER)).json()
        assert [(one["name"], one["text"], one["remote"]) for one in waiting] == [
            ("Kim", "Is light a wave?", True),
            ("Ada", "And a particle?", False),
        ]
        await until(lambda: len(teacher.last("inquiries")["inquiries"]) == 2)
        assert [one["id"] for one in teacher.last("inquiries")["inquiries"]] == [mine, "seat-one"]
        for member in (ada, board):
            told = json.dumps(member.heard)
            assert "wave" not in told and "particle" not in told and "Kim" not in told
            assert member.replica.seq == tablets.room.lesson.seq

        shown = await http.post(
            f"{base}/questions/{mine}", json={"state": "shown"}, headers=TEACHER
        )
        assert shown.json()["state"] == "shown"
        for member in (ada, board, teacher):
            assert member.replica.state == tablets.room.lesson.state
            assert member.replica.state["inquiry"]["text"] == "Is light a wave?"
        assert (await http.get(base)).json()["question"]["name"] == "Kim"
        await teacher.say("settle", inquiry="seat-one", state="shown")
        assert board.replica.state["inquiry"]["id"] == "seat-one"
        await until(lambda: len(tablets.marks) == 2)
        assert tablets.marks == [
            ("question", {"label": "remote", "text": "Is light a wave?"}),
            ("question", {"label": "room", "text": "And a particle?"}),
        ]

        # The daemon is started again: what is open is still there, and in order.
        await tablets.stop()
        await tablets.start()
        await tablets.room.open("s1", "Optics")
        kept = (await http.get(f"{base}/questions", headers=TEACHER)).json()
        assert [(one["id"], one["state"]) for one in kept] == [
            (mine, "shown"),
            ("seat-one", "shown"),
        ]
        for one in (mine, "seat-one"):
            await http.post(f"{base}/questions/{one}", json={"state": "done"}, headers=TEACHER)
        assert (await http.get(f"{base}/questions", headers=TEACHER)).json() == []
        assert (await http.get(base)).json()["question"] is None
        answer = await http.post(f"{base}/questions/x", json={"state": "done"}, headers=TEACHER)
        assert answer.status_code == 404
        hall.be(SessionState.ENDED)
        assert (await http.post(address, json=asked)).status_code == 409


async def test_names_are_forgotten_with_the_attendance(tablets: Any) -> None:
    lesson = await tablets.room.open("s1", "Optics")
    lesson._now = Clock()
    asked = await lesson.inquire("one", "s1", "Ada", "Why?", remote=False, seat="s1")
    await lesson.settle(asked.id, "shown")
    for before, names in ((room_ms() - DAY_MS, ["Ada", "Ada"]), (room_ms() + 1000, ["", ""])):
        await tablets.store.forget_names(before)
        kept = [one.body for one in await tablets.store.read("s1") if "text" in one.body]
        assert [one["name"] for one in kept] == names
        assert [one["text"] for one in kept] == ["Why?", "Why?"]
