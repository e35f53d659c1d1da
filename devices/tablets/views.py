"""Views of a lesson for those who lead it: results, seats, hands; sent whole when they change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from devices.tablets.lesson import Lesson
from devices.tablets.member import text_of

_PUBLIC = frozenset({"question", "answered"})


def view(name: str, lesson: Lesson) -> dict[str, Any]:
    """`results`: every question's result. `seats`: who is here, hands, and how many are lost.

    Attention is a number only: how many have the page before them.
    """
    if name == "results":
        asked = [question["id"] for question in lesson.state["questions"]]
        return {"results": [lesson.result_view(question) for question in asked]}
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


def public(name: str, whole: dict[str, Any]) -> dict[str, Any]:
    """What everybody in the room may read on the board: numbers, no names, no texts."""
    if name == "seats":
        return {"present": whole["present"]}
    return {"results": [{k: v for k, v in one.items() if k in _PUBLIC} for one in whole["results"]]}


def texts(lesson: Lesson, names: Iterable[str], staff: bool) -> list[str]:
    """The views as messages, for the lecturer (`staff`) or for the board."""
    wholes = ((name, view(name, lesson)) for name in names)
    return [
        text_of({"type": name, **(whole if staff else public(name, whole))})
        for name, whole in wholes
    ]
