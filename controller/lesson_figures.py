"""What a lesson's log says in figures: who was there when, polls, how long pages were shown.

Aggregates only; nothing here names a seat.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from devices.tablets.attendance import is_right
from devices.tablets.log import Answer, Entry, Stay
from devices.tablets.question import Question, tally

STEP_S = 300


class PollFigures(BaseModel):
    """A question: how many answered of those who were there, what, and which share was right."""

    id: str
    text: str
    kind: str
    choices: list[str]
    answered: int
    present: int
    counts: list[int]
    mean: float | None = None
    median: float | None = None
    right: float | None = None


class PageFigures(BaseModel):
    """A page: how long it was shown (s), and how often it was turned to."""

    title: str
    seconds: float
    times: int


class Count(BaseModel):
    """A number at a time (s into class, or into the lecture)."""

    at: int
    n: int


def present(stays: Iterable[Stay], start: int, end: int, step_s: int = STEP_S) -> list[Count]:
    """How many seats were there, every `step_s` seconds; times in ms since 1970."""
    there = [(stay.joined, stay.left or end) for stay in stays]
    points = range(start, max(end, start + 1), step_s * 1000)
    return [
        Count(
            at=(at - start) // 1000,
            n=sum(begin <= at + 1000 and at < gone for begin, gone in there),
        )
        for at in points
    ]


def seats_and_minutes(stays: Sequence[Stay], end: int) -> tuple[int, float]:
    """How many seats took part, and for how many minutes on average."""
    minutes: dict[str, float] = {}
    for stay in stays:
        spent = max(0, (stay.left or end) - stay.joined) / 60_000
        minutes[stay.seat] = minutes.get(stay.seat, 0.0) + spent
    return len(minutes), round(statistics.fmean(minutes.values()), 1) if minutes else 0.0


def polls(
    entries: Iterable[Entry],
    questions: Mapping[str, Question],
    answers: Iterable[Answer],
    stays: Sequence[Stay],
) -> list[PollFigures]:
    """Every question that was asked, in order; an answer that came too late does not count."""
    given: dict[str, dict[str, Any]] = {}
    for answer in answers:
        if answer.state == "counted":
            given.setdefault(answer.question, {})[answer.seat] = answer.value
    found = []
    for entry in entries:
        if entry.kind != "ask":
            continue
        for asked in entry.body["questions"]:
            question = questions.get(asked["id"])
            if question is None:
                continue
            values = list(given.get(question.id, {}).values())
            there = {
                stay.seat
                for stay in stays
                if stay.joined <= entry.at and (stay.left is None or stay.left > entry.at)
            }
            told = tally(question, values)
            judged = [right for v in values if (right := is_right(question, v)) is not None]
            found.append(
                PollFigures(
                    id=question.id,
                    text=question.text,
                    kind=question.kind,
                    choices=question.choices,
                    answered=len(values),
                    present=max(len(there), len(values)),
                    counts=told["counts"] if question.kind in ("single", "multiple") else [],
                    mean=told.get("mean"),
                    median=told.get("median"),
                    right=round(sum(judged) / len(judged), 3) if judged else None,
                )
            )
    return found


def pages(entries: Sequence[Entry], end: int) -> list[PageFigures]:
    """How long each page was shown, in the order in which they came first; `end` in ms."""
    titles: dict[str, str] = {}
    shown: dict[str, list[float]] = {}
    now: str | None = None
    since = 0

    def turn(page: str | None, at: int) -> None:
        nonlocal now, since
        if now is not None:
            shown[now][0] += max(0, at - since) / 1000
        if page is not None and page != now:
            shown.setdefault(page, [0.0, 0])[1] += 1
        now, since = page, at

    for entry in entries:
        match entry.kind:
            case "deck":
                listed = entry.body["pages"]
                titles |= {page["id"]: page["title"] or str(n + 1) for n, page in enumerate(listed)}
                ids = [page["id"] for page in listed]
                if now not in ids:
                    turn(ids[0] if ids else None, entry.at)
            case "add_page":
                page = entry.body["page"]
                titles[page["id"]] = page["title"] or page["kind"]
            case "page" if entry.body["page"] in titles:
                turn(entry.body["page"], entry.at)
            case "end":
                turn(None, entry.at)
    turn(None, end)
    return [
        PageFigures(title=titles[page], seconds=round(seconds, 1), times=int(times))
        for page, (seconds, times) in shown.items()
    ]
