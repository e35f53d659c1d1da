"""What a door without pages may say to a class, and how it reads in the classroom's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.classroom import Classroom, ClassroomError
from controller.state import Actor, SessionView

VERBS = ("start", "pause", "resume", "stop", "extend", "layout", "retry", "bookmark")


async def say(
    classroom: Classroom, actor: Actor, verb: str, values: Mapping[str, Any]
) -> SessionView:
    """Carry out one verb. These doors have no undo, so that `stop` ends at once."""
    match verb:
        case "start":
            minutes = values.get("minutes")
            return await classroom.start_class(
                actor,
                title=_text(values, "title"),
                course=_text(values, "course"),
                lecturer=_text(values, "lecturer"),
                minutes=None if minutes is None else _number(values, "minutes"),
            )
        case "pause":
            return await classroom.pause(actor)
        case "resume":
            return await classroom.resume(actor)
        case "stop" | "end":
            return await classroom.end_class(actor, undo=False)
        case "extend":
            return await classroom.extend(actor, _number(values, "minutes"))
        case "layout":
            return await classroom.set_layout(actor, _text(values, "layout") or "")
        case "retry":
            return await classroom.retry_recording(actor)
        case "bookmark":
            return await classroom.bookmark(actor, _text(values, "label") or "")
    raise ClassroomError(
        "unknown_verb", f"There is no {verb!r} here.", f"Use one of: {', '.join(VERBS)}.", 404
    )


def _text(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    if value is None or (isinstance(value, str) and len(value) <= 200):
        return value or None
    raise ClassroomError("bad_value", f"{name} is no short text.", "Send a text.", 422)


def _number(values: Mapping[str, Any], name: str) -> float:
    value = values.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1440:
        return value
    raise ClassroomError(
        "bad_value", f"{name} is missing or no number.", "Send minutes from 1 to 600.", 422
    )
