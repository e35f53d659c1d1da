"""Drafts: asked of a real server that speaks the API, marked as drafts, approved by a person."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from recorder.production import drafts, steps
from recorder.production.drafts import DraftError, approve, draft
from recorder.production.settings import DraftSettings, Settings
from recorder.recording import Recording

SUMMARY = {"summary": "Energy grows with the square.", "points": ["E = m v² / 2"]}
QUESTION = {"question": "Twice as fast?", "choices": ["2", "4"], "answer": 1, "why": "Square."}


class Endpoint(ThreadingHTTPServer):
    """Speaks POST /v1/chat/completions; `answers` are given in turn, the last one for ever."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.status = 200
        self.answers: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        self.server.keys.append(self.headers.get("Authorization"))
        known = self.path == "/v1/chat/completions" and body["model"] == "small"
        status = self.server.status if known else 404
        told = self.server.answers
        content = told.pop(0) if len(told) > 1 else told[0]
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        answer = json.dumps({"object": "chat.completion", "choices": [choice]}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def spoken(tmp_path: Path, build: Any) -> Recording:
    recording: Recording = build(tmp_path)
    (recording.products / "transcript.en.txt").write_text("Energy of a moving body.\n")
    return recording


def test_summary_and_quiz_are_drafts_until_they_are_approved(
    spoken: Recording, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_KEY", "k-123")
    endpoint.answers = [
        f"Here you are:\n```json\n{json.dumps(SUMMARY)}\n```",
        json.dumps({"questions": [QUESTION], "more": "left out"}),
    ]
    made = draft(spoken, DraftSettings(endpoint.url, "small", "env:LLM_KEY"))
    assert [path.name for path in made] == ["summary.en.draft.json", "quiz.en.draft.json"]
    assert endpoint.keys == ["Bearer k-123"] * 2
    asked = endpoint.asked[0]["messages"][-1]["content"]
    assert "Energy of a moving body." in asked
    assert "Physics & more" in asked
    summary, quiz = (json.loads(path.read_text()) for path in made)
    assert summary["approved"] is quiz["approved"] is False
    assert summary["points"] == SUMMARY["points"]
    assert quiz["questions"] == [QUESTION]
    assert "more" not in quiz
    assert "k-123" not in made[0].read_text()
    final = approve(spoken, "summary.en", "A. Teacher")
    assert json.loads(final.read_text())["approved_by"] == "A. Teacher"
    assert not made[0].exists()
    with pytest.raises(DraftError, match="no draft"):
        approve(spoken, "summary.en", "A. Teacher")
    endpoint.answers = [json.dumps({"questions": [QUESTION]})]
    again = draft(spoken, DraftSettings(endpoint.url, "small", "env:LLM_KEY"))
    assert [path.name for path in again] == ["quiz.en.draft.json"]


def test_a_long_lecture_is_asked_about_in_parts(
    spoken: Recording, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts, "_PART_CHARS", 60)
    words = "\n\n".join(f"Paragraph {number} says a little more." for number in range(4))
    (spoken.products / "transcript.en.txt").write_text(words)
    endpoint.answers = [json.dumps(SUMMARY)]
    draft(spoken, DraftSettings(endpoint.url, "small", kinds=("summary",)))
    assert len(endpoint.asked) > 2
    told = "".join(one["messages"][-1]["content"] for one in endpoint.asked)
    assert all(f"Paragraph {number}" in told for number in range(4))
    assert "summaries of the lecture's parts" in endpoint.asked[-1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ("I cannot do that.", 200, "another form"),
        ('{"summary": ["no"', 200, "another form"),
        ("{}", 503, "answered 503"),
    ],
)
def test_what_goes_wrong_is_a_notice_and_is_tried_again(
    spoken: Recording, endpoint: Endpoint, answer: str, status: int, said: str
) -> None:
    endpoint.answers, endpoint.status = [answer], status
    settings = Settings(drafts=DraftSettings(endpoint.url, "small"))
    for count in (1, 2):
        (result,) = steps.run(spoken, "draft", settings=settings)
        assert said in result.notices[0]
        assert len(endpoint.asked) == count
    endpoint.answers, endpoint.status = [json.dumps(SUMMARY), json.dumps({"questions": []})], 200
    (result,) = steps.run(spoken, "draft", settings=settings)
    assert len(result.files) == 2
    (result,) = steps.run(spoken, "draft", settings=settings)
    assert result.outcome == "current"


def test_it_is_off_unless_configured_and_a_dead_endpoint_is_named(spoken: Recording) -> None:
    (result,) = steps.run(spoken, "draft")
    assert result.files == result.notices == []
    with pytest.raises(DraftError, match="cannot be asked"):
        draft(spoken, DraftSettings("http://127.0.0.1:9/v1", "small"))
    with pytest.raises(DraftError, match="NO_SUCH_KEY"):
        draft(spoken, DraftSettings("http://127.0.0.1:9/v1", "small", "env:NO_SUCH_KEY"))
