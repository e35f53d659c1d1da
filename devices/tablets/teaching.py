"""What the lecturer's messages put into the log, and which of them make sense now."""

from __future__ import annotations

import secrets
from typing import Any

from devices.tablets import messages as m
from devices.tablets.state import State

SHOW_AFTER_MS = 40
"""A page turn is shown this long after it was made, at the same moment on every tablet whose
clock is known; one that hears of it later shows it at once."""


class NotNowError(ValueError):
    """The message is well formed and makes no sense now; `code` is stable."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def entry_of(message: m.Message, state: State, now: int) -> tuple[str, dict[str, Any]]:
    """Returns kind and body of the log entry for `message`. Raises NotNowError."""
    match message:
        case m.Turn():
            _page(state, message.page)
            return "page", {"page": message.page, "show_at": now + SHOW_AFTER_MS}
        case m.AddPage():
            if message.kind == "link" and not message.url:
                raise NotNowError("no_url", "A link page needs a url.")
            page = {
                "id": f"p{secrets.token_hex(6)}",
                "kind": message.kind,
                "title": message.title,
                "url": message.url,
                "image": None,
            }
            return "add_page", {"page": page, "after": message.after or state["page"]}
        case m.InkPart():
            _page(state, message.page)
            return "ink", message.model_dump(exclude={"type", "id"})
        case m.Erase():
            return "erase", {"page": message.page, "strokes": message.strokes, "any": False}
        case m.Clear():
            return "clear", {"page": message.page}
        case m.Timer(seconds=None):
            return "timer", {"timer": None}
        case m.Timer():
            assert message.seconds is not None
            timer = {
                "id": message.id,
                "label": message.label,
                "seconds": message.seconds,
                "ends_at": now + 1000 * message.seconds,
            }
            return "timer", {"timer": timer}
        case m.Attention():
            return "attention", {"on": message.on, "text": message.text}
        case m.Mode():
            return "mode", {"mode": message.mode}
        case m.Push():
            body = {"id": message.id, "kind": message.kind, "url": message.url}
            return "push", {**body, "title": message.title or message.url}
        case m.Ask():
            deadline = now + 1000 * message.seconds if message.seconds else None
            questions = [question.public() for question in message.questions]
            known = {question["id"] for question in state["questions"]}
            if known & {question["id"] for question in questions}:
                raise NotNowError("known_question", "A question with this id was asked before.")
            return "ask", {"quiz": message.id, "questions": questions, "deadline": deadline}
        case m.Close():
            return "close", {"questions": message.questions}
        case m.Permit():
            return "permit", {"seat": message.seat, "ink": message.ink}
    raise NotNowError("not_allowed", f"{message.type} puts nothing into the log.")


def _page(state: State, page: str) -> None:
    if all(known["id"] != page for known in state["pages"]):
        raise NotNowError("unknown_page", "The lesson has no such page.")
