"""Views of a lesson for those who lead it: results, seats, hands; sent whole when they change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from devices.tablets.lesson import Lesson
from devices.tablets.member import text_of

_PUBLIC = frozenset({"question", "answered"})
_BOARD = frozenset({"results", "seats"})
_LIVE = _PUBLIC | {"counts", "words", "min", "max", "mean", "median"}


def view(name: str, lesson: Lesson) -> dict[str, Any]:
    """`results`: every question's result. `seats`: who is here, hands, and how many are lost.
    `inquiries`: what students ask and is not done with.

    Attention is a number only: how many have the page before them.
    """
    if name == "results":
        asked = [question["id"] for question in lesson.state["questions"]]
        return {"results": [lesson.result_view(question) for question in asked]}
    if name == "inquiries":
        return {"inquiries": [one.model_dump() for one in lesson.inquiries.open()]}
    here = lesson.presence.here()
    return {
        "present": len(here),
        "attentive": sum(seat.visible for seat in here),
        "lost": len(lesson.confused),
        "hands": [
            {"seat": seat, "label": lesson.presence.label(seat), "since": since}
            for seat, since in lesson.hands.items()
        ],
        "seats": [{"seat": s.id, "label": s.label, "battery": s.battery} for s in here],
    }


def public(name: str, whole: dict[str, Any], lesson: Lesson) -> dict[str, Any]:
    """What everybody in the room may read on the board: numbers, no names, no written texts.

    The counts of a question come as they change when its lecturer wants that (`live`).
    """
    if name == "seats":
        return {"present": whole["present"]}
    shown = []
    for one in whole["results"]:
        keys = _LIVE if lesson.question(one["question"]).live else _PUBLIC
        shown.append({key: value for key, value in one.items() if key in keys})
    return {"results": shown}


def summary(lesson: Lesson) -> dict[str, Any]:
    """The lesson in numbers, for the wall panel, which everybody sees: no names, no texts.

    `question` is the newest one that is open, or else the newest; None before the first. Counts
    that are kept off the board are kept off the panel too, until they are shown to the class.
    """
    here = lesson.presence.here()
    asked = lesson.state["questions"]
    now = next((one for one in reversed(asked) if one["state"] == "open"), None)
    newest = now or (asked[-1] if asked else None)
    shown = None
    if newest is not None:
        whole = lesson.result(newest["id"])
        keys = ("id", "kind", "text", "choices", "state", "deadline")
        shown = {key: newest[key] for key in keys}
        shown["shown"] = newest["result"] is not None
        told = _LIVE if shown["shown"] or lesson.question(newest["id"]).live else _PUBLIC
        shown["result"] = {key: value for key, value in whole.items() if key in told}
    return {
        "session": lesson.session,
        "present": len(here),
        "attentive": sum(seat.visible for seat in here),
        "hands": len(lesson.hands),
        "lost": len(lesson.confused),
        "attention": lesson.state["attention"] is not None,
        "question": shown,
    }


def texts(lesson: Lesson, names: Iterable[str], staff: bool) -> list[str]:
    """The views as messages, for the lecturer (`staff`) or for the board."""
    wholes = ((name, view(name, lesson)) for name in names if staff or name in _BOARD)
    return [
        text_of({"type": name, **(whole if staff else public(name, whole, lesson))})
        for name, whole in wholes
    ]
