"""How a tablet catches up: welcome, then the tail that it misses or a snapshot, then `ready`.

Joining late, coming back and asking for a gap are the same path.
"""

from __future__ import annotations

from devices.tablets import views
from devices.tablets.lesson import Lesson
from devices.tablets.member import Member
from devices.tablets.messages import PROTOCOL, Hello
from devices.tablets.presence import LEASE_MS

MAX_TAIL = 1500
"""A longer tail costs more than a snapshot."""


def greet(
    member: Member, room: str, lesson: Lesson | None, hello: Hello, *, now: int, host: bool
) -> None:
    """Sends `member` everything it needs to be where the others are."""
    tablet = member.tablet
    member.tell(
        "welcome",
        v=PROTOCOL,
        room=room,
        session=lesson.session if lesson else None,
        now=now,
        host=host,
        lease_ms=LEASE_MS,
        you={
            "tablet": tablet.id,
            "seat": tablet.seat,
            "name": tablet.name,
            "role": tablet.role,
        },
    )
    member.greeted = True
    if lesson is None:
        return
    if hello.session == lesson.session:
        fill(member, lesson, hello.since, None)
    else:
        _snapshot(member, lesson)
    if member.answers:
        _remind(member, lesson)
    else:
        for text in views.texts(lesson, ("results", "seats", "inquiries"), member.drives):
            member.send(text)


def fill(member: Member, lesson: Lesson, after: int, upto: int | None) -> None:
    """Sends the entries after `after`, or a snapshot when they are too many or too old."""
    entries = lesson.tail(after, upto)
    if entries is None or len(entries) > MAX_TAIL:
        _snapshot(member, lesson)
        return
    for at in range(0, len(entries), 100):
        member.tell("log", entries=[entry.public() for entry in entries[at : at + 100]])
    member.tell("ready", seq=lesson.seq)


def _snapshot(member: Member, lesson: Lesson) -> None:
    for text in lesson.snapshot.texts():
        member.send(text)
    member.tell("ready", seq=lesson.seq)


def _remind(member: Member, lesson: Lesson) -> None:
    """Tells a returning student which answers stand, so that a reload forgets nothing."""
    seat = member.tablet.seat
    asked = lesson.state["questions"]
    given = [lesson.answers_to(question["id"]).get(seat) for question in asked]
    mine = [
        {"question": a.question, "value": a.value, "state": a.state, "id": a.id}
        for a in given
        if a is not None
    ]
    member.tell("mine", answers=mine, hand=seat in lesson.hands, lost=seat in lesson.confused)
