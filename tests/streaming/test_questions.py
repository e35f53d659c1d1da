"""Questions from those who watch: from known people, bounded, and moderated."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from controller.state import AccessRole, SessionState
from streaming.access import Visibility
from streaming.questions import MAX_WAITING, QuestionError, Questions


def test_they_are_bounded_and_belong_to_one_class() -> None:
    clock = [0.0]
    questions = Questions(now=lambda: clock[0])
    first = questions.ask("r1", "a", " Ada\n", "Why is  it\nso? ")
    assert (first.name, first.text, first.state) == ("Ada", "Why is it so?", "waiting")
    for code, viewer, text in (("too_soon", "a", "again"), ("empty", "b", " \n ")):
        with pytest.raises(QuestionError) as caught:
            questions.ask("r1", viewer, "", text)
        assert caught.value.code == code
    for number in range(MAX_WAITING - 1):
        questions.ask("r1", f"viewer {number}", "", "more")
    with pytest.raises(QuestionError) as caught:
        questions.ask("r1", "z", "", "one too many")
    assert caught.value.code == "too_many"
    questions.settle("r1", first.id, "done")
    assert first.id not in {one.id for one in questions.all("r1")}
    clock[0] = 20.0
    assert questions.ask("r1", "a", "", "now it goes").text == "now it goes"
    assert questions.all("r2") == []
    with pytest.raises(QuestionError):
        questions.settle("r2", first.id, "shown")


async def test_a_question_reaches_the_lecturer(hall: Any) -> None:
    recording = hall.begin()
    hall.live.set_visibility(recording.folder, Visibility.PUBLIC)
    marks: list[Any] = []

    async def mark(kind: str, data: dict[str, Any]) -> None:
        marks.append((kind, data))

    hall.room.mark = mark
    base = f"http://{await hall.serve()}/api/v1/live"
    teacher = {"Authorization": f"Bearer token-{AccessRole.INSTRUCTOR.value}"}
    asked = {"text": "Is light a wave?", "name": "Kim"}
    address = f"{base}/{recording.id}/questions"
    async with httpx.AsyncClient() as http:
        assert (await http.post(address, json=asked)).status_code == 401
        assert (await http.get(f"{base}/questions")).status_code == 401
        made = (await http.post(f"{base}/link", json={}, headers=teacher)).json()
        assert made["qr"].startswith("<svg")
        assert (await http.get(f"{base}?{made['path'].partition('?')[2]}")).json()["asks"] is True
        assert (await http.post(address, json=asked)).status_code == 201
        assert (await http.post(address, json=asked)).status_code == 429
        (found,) = (await http.get(f"{base}/questions", headers=teacher)).json()
        assert (found["text"], found["name"], found["state"]) == (*asked.values(), "waiting")
        answer = await http.post(
            f"{base}/questions/{found['id']}", json={"state": "shown"}, headers=teacher
        )
        assert answer.json()["state"] == "shown"
        assert marks == [("question", {"label": "remote", "text": "Is light a wave?"})]
        await http.post(f"{base}/questions/{found['id']}", json={"state": "done"}, headers=teacher)
        assert (await http.get(f"{base}/questions", headers=teacher)).json() == []
        answer = await http.post(f"{base}/questions/x", json={"state": "done"}, headers=teacher)
        assert answer.status_code == 404
        hall.be(SessionState.ENDED)
        assert (await http.post(address, json=asked)).status_code == 409
