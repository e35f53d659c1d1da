"""What the lecturer shows the class of its answers: a result, or sheets that were handed in."""

from __future__ import annotations

from typing import Any

from devices.tablets import messages as m
from devices.tablets.lesson import Lesson
from devices.tablets.teaching import NotNowError


def result(lesson: Lesson, message: m.Reveal) -> dict[str, Any]:
    """The body of a `reveal` entry. Raises NotNowError."""
    question = lesson.question(message.question)
    shown = lesson.result(message.question)
    if "texts" in shown:
        hidden = set(message.hide)
        shown["texts"] = [t for n, t in enumerate(shown["texts"]) if n not in hidden][:100]
    return {
        "question": message.question,
        "result": shown,
        "correct": question.correct if message.correct else None,
    }


def sheets(lesson: Lesson, message: m.Share) -> dict[str, Any]:
    """The body of a `share` entry: one sheet, or several groups' beside each other.

    Raises NotNowError.
    """
    if message.question is None:
        return {"sheet": None}
    if lesson.question(message.question).kind != "ink":
        raise NotNowError("no_sheet", "This question asks for no sheet.")
    given = lesson.answers_to(message.question)
    shown = []
    for seat in message.seats or [message.seat]:
        if seat not in given:
            raise NotNowError("no_sheet", "This seat has handed in no sheet.")
        label = lesson.presence.label(seat) if message.named else None
        shown.append({"label": label, "strokes": given[seat].value})
    first, *others = shown
    return {"sheet": {"question": message.question, **first, "others": others}}
