"""Questions of those who watch from elsewhere: bounded, one person at a time, moderated.

What is asked waits until someone who teaches lets it through or puts it aside. It lives with the
class, in memory: what was let through is a marker of the recording.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel

MAX_WAITING = 100
MAX_KEPT = 300
AGAIN_S = 15.0
MAX_TEXT, MAX_NAME = 500, 60

QuestionState = Literal["waiting", "shown", "done"]


class QuestionError(Exception):
    """A question is not taken (now). `code` is stable; the text is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RemoteQuestion(BaseModel):
    """What somebody asked; `at` in seconds since the epoch."""

    id: str
    name: str
    text: str
    at: float
    state: QuestionState = "waiting"


class Questions:
    """The questions of one class at a time."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._recording = ""
        self._questions: dict[str, RemoteQuestion] = {}
        self._asked: dict[str, float] = {}

    def _of(self, recording: str) -> dict[str, RemoteQuestion]:
        if recording != self._recording:
            self._recording = recording
            self._questions.clear()
            self._asked.clear()
        return self._questions

    def ask(self, recording: str, viewer: str, name: str, text: str) -> RemoteQuestion:
        """Takes a question. Raises QuestionError: `too_soon`, `too_many`, `empty`."""
        questions = self._of(recording)
        text = " ".join(text.split())[:MAX_TEXT]
        if not text:
            raise QuestionError("empty", "Write a question.")
        if self._now() - self._asked.get(viewer, -AGAIN_S) < AGAIN_S:
            raise QuestionError("too_soon", "Wait a moment before the next question.")
        waiting = sum(one.state == "waiting" for one in questions.values())
        if waiting >= MAX_WAITING:
            raise QuestionError("too_many", "Too many questions are waiting already.")
        self._asked[viewer] = self._now()
        while len(questions) >= MAX_KEPT:
            del questions[next(iter(questions))]
        name = " ".join(name.split())[:MAX_NAME]
        asked = RemoteQuestion(id=secrets.token_hex(5), name=name, text=text, at=time.time())
        questions[asked.id] = asked
        return asked

    def all(self, recording: str) -> list[RemoteQuestion]:
        """What is not done with, oldest first."""
        return [one for one in self._of(recording).values() if one.state != "done"]

    def settle(self, recording: str, id_: str, state: QuestionState) -> RemoteQuestion:
        """Lets a question through (`shown`) or is done with it. Raises QuestionError: `unknown`."""
        found = self._of(recording).get(id_)
        if found is None:
            raise QuestionError("unknown", "There is no such question (any more).")
        found.state = state
        return found
